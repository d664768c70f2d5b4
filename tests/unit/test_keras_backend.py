"""Keras as `mtcnn export` needs it: set to run on something else, it is refused before anything is loaded."""

from __future__ import annotations

import sys

import pytest

from mtcnn import MtcnnError
from mtcnn.export.keras_models import keras


def test_keras_on_another_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(MtcnnError, match="Keras is to run on torch here: unset KERAS_BACKEND"):
        keras()
    assert "keras" not in sys.modules

"""The C++ core and Python know the same of the networks."""

from __future__ import annotations

from mtcnn.engines.networks import ARCHITECTURES, CELL, NETWORKS, OUTPUTS, STRIDE
from mtcnn.engines.settings import BuildSettings
from pytrt import testing

CORE = testing.networks()


def test_the_same_networks() -> None:
    assert tuple(CORE["networks"]) == NETWORKS == tuple(ARCHITECTURES)
    for name, architecture in ARCHITECTURES.items():
        facts = CORE["networks"][name]
        assert facts["side"] == (architecture.side or 0)
        assert facts["landmarks"] == ("landmarks" in architecture.outputs)


def test_the_same_outputs() -> None:
    assert CORE["outputs"] == OUTPUTS
    assert (CORE["cell"], CORE["stride"]) == (CELL, STRIDE)


def test_engines_are_built_for_what_the_gpu_runs() -> None:
    """TensorRT's profiles hold the canvases and batches of the GPU backend."""
    settings = BuildSettings()
    widths, height = CORE["canvases"]["gpu"]
    assert settings.pnet_size == (height, max(widths))
    assert settings.rnet_batch[1] == CORE["networks"]["rnet"]["gpu_batch"]
    assert settings.onet_batch[1] == CORE["networks"]["onet"]["gpu_batch"]

"""benchmarks/gpu/torch_networks.py, on the CPU: what PyTorch is timed on is what we compute. make facenet runs it."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from benchmarks.gpu.torch_networks import LAYERS, differences, measure


def test_the_networks_are_ours() -> None:
    found = differences("cpu")
    assert set(found) == set(LAYERS)
    assert max(found.values()) < 2e-5


def test_without_a_gpu_it_says_so() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU: make gpu-check")
    assert measure() == {"left out": "this PyTorch sees no GPU"}

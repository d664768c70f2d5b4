"""The C++ core and Python know the same of the networks."""

from __future__ import annotations

from mtcnn.engines.networks import ALL_ARCHITECTURES, ARCHITECTURES, CELL, LNET, NETWORKS, OUTPUTS, STRIDE
from mtcnn.engines.settings import BuildSettings
from pytrt import testing

CORE = testing.networks()


def test_the_same_networks() -> None:
    assert tuple(CORE["networks"]) == (*NETWORKS, LNET.name) == tuple(ALL_ARCHITECTURES)
    assert tuple(ARCHITECTURES) == NETWORKS
    for name, architecture in ALL_ARCHITECTURES.items():
        facts = CORE["networks"][name]
        assert facts["side"] == (architecture.side or 0)
        assert facts["channels"] == architecture.channels
        assert facts["boxes"] == ("boxes" in architecture.outputs)
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
    assert settings.lnet_batch[1] == CORE["networks"]["lnet"]["gpu_batch"]

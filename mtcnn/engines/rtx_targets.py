"""TensorRT-RTX builds for GPUs that are not there: its Python API has what NVIDIA's published C++ headers lack.

Imported only for a build with targets; needs the package `tensorrt-rtx-cu13-bindings`.
"""

from __future__ import annotations

import re
import threading

import tensorrt_rtx_bindings as trt

from mtcnn.engines.settings import BuildSettings, Profile
from mtcnn.errors import EngineError

__all__ = ["Monitor", "build", "version"]


def version() -> str:
    """The version of TensorRT-RTX, as TensorRt.version gives it: "1.7.1"."""
    return ".".join(trt.__version__.split(".")[:3])


class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # of a package without types
    """What a running build is at; as pytrt.BuildProgress."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._phases: dict[str, tuple[int, int]] = {}
        self._cancelled = False

    def phases(self) -> list[tuple[str, int, int]]:
        """[(name, steps done, steps)], the outermost phase first."""
        with self._lock:
            return [(name, done, steps) for name, (done, steps) in self._phases.items()]

    def cancel(self) -> None:
        """Stop the build at its next step."""
        self._cancelled = True

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        with self._lock:
            self._phases[phase_name] = (0, num_steps)

    def step_complete(self, phase_name: str, step: int) -> bool:
        with self._lock:
            if phase_name in self._phases:
                self._phases[phase_name] = (step + 1, self._phases[phase_name][1])
        return not self._cancelled

    def phase_finish(self, phase_name: str) -> None:
        with self._lock:
            self._phases.pop(phase_name, None)


class _Logger(trt.ILogger):  # type: ignore[misc]
    """Keeps the errors, for the message of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []

    def log(self, severity: trt.ILogger.Severity, message: str) -> None:
        if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
            self.errors.append(message)


def build(model: bytes, profile: Profile, settings: BuildSettings, monitor: Monitor) -> bytes:
    """A plan from ONNX for `settings.targets`: strongly typed, as csrc/tensorrt/builder.cpp builds it.

    Raises:
        EngineError: TensorRT-RTX knows none of such targets, or refuses the model or the settings, in its own words.
    """
    capabilities = [_capability(target) for target in settings.targets]
    logger = _Logger()

    def fail(what: str) -> EngineError:
        return EngineError(f"{what}: {'; '.join(logger.errors) or 'TensorRT-RTX gives no reason'}")

    try:
        builder = trt.Builder(logger)
    except TypeError:  # what the bindings make of a null pointer
        raise fail("TensorRT-RTX cannot start") from None
    network = builder.create_network()
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        said = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
        raise EngineError(f"TensorRT-RTX cannot read the ONNX model: {said}")
    _check(network)
    config = builder.create_builder_config()
    config.progress_monitor = monitor
    config.clear_flag(trt.BuilderFlag.TF32)
    if settings.workspace:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, settings.workspace)
    if settings.optimization_level >= 0:
        config.builder_optimization_level = settings.optimization_level
    config.num_compute_capabilities = len(capabilities)
    for i, capability in enumerate(capabilities):
        if not config.set_compute_capability(capability, i):
            raise fail(f"TensorRT-RTX refuses to build for sm_{settings.targets[i]}")
    shapes = builder.create_optimization_profile()
    shapes.set_shape(network.get_input(0).name, *profile)
    config.add_optimization_profile(shapes)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise fail("TensorRT-RTX cannot build the engine")
    return bytes(plan)


def _check(network: trt.INetworkDefinition) -> None:
    """What csrc/tensorrt/builder.cpp checks."""
    if network.num_inputs != 1 or len(network.get_input(0).shape) != 4:
        raise EngineError("the ONNX model must have one input of four dimensions (n, c, h, w)")
    tensors = [network.get_input(0), *(network.get_output(i) for i in range(network.num_outputs))]
    for tensor in tensors:
        if tensor.dtype != trt.float32:
            raise EngineError(f'the ONNX model\'s tensor "{tensor.name}" is not float32')


def _capability(target: int) -> trt.ComputeCapability:
    known = {
        int(m[1]): value
        for name, value in trt.ComputeCapability.__members__.items()
        if (m := re.fullmatch(r"SM(\d+)", name))
    }
    if target not in known:
        names = ", ".join(f"sm_{number}" for number in sorted(known))
        raise EngineError(f"TensorRT-RTX does not build for sm_{target}; it does for {names}")
    return known[target]

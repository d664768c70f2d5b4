"""config.pbtxt: what Triton Inference Server is told of a model.

The fields are those of ModelConfig in Triton's model_config.proto.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["ModelConfig", "Tensor"]


@dataclass(frozen=True)
class Tensor:
    """An input or output.

    Attributes:
        dims: without the batch; -1 is any.
        optional: an input that a request may leave out.
        ragged: an input whose shape may differ between the requests of one batch.
    """

    name: str
    data_type: str
    dims: tuple[int, ...]
    optional: bool = False
    ragged: bool = False

    def text(self) -> str:
        fields = [f'name: "{self.name}"', f"data_type: {self.data_type}", f"dims: [{', '.join(map(str, self.dims))}]"]
        fields += ["optional: true"] * self.optional + ["allow_ragged_batch: true"] * self.ragged
        return "{ " + ", ".join(fields) + " }"


@dataclass(frozen=True)
class ModelConfig:
    """One model's configuration.

    Attributes:
        runs_on: the line that names what runs it: ``backend: "python"`` or ``platform: "tensorrt_plan"``.
        max_batch: the largest batch, that requests bring or dynamic batching makes of them.
        kind: where instances run: "KIND_CPU", "KIND_GPU" (so many on each GPU) or "KIND_AUTO".
        parameters: what the model's own code reads.
    """

    name: str
    runs_on: str
    max_batch: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    instances: int
    kind: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        lines = [
            f'name: "{self.name}"',
            self.runs_on,
            f"max_batch_size: {self.max_batch}",
            *_list("input", self.inputs),
            *_list("output", self.outputs),
            f"instance_group [ {{ count: {self.instances}, kind: {self.kind} }} ]",
            "# What arrives while all instances are busy is worked on together; a max_queue_delay_microseconds",
            "# here would wait for more even where one is idle.",
            "dynamic_batching { }",
        ]
        for key, value in self.parameters.items():
            lines.append(f'parameters {{ key: "{key}", value: {{ string_value: {json.dumps(value)} }} }}')
        return "\n".join(lines) + "\n"


def _list(name: str, tensors: tuple[Tensor, ...]) -> list[str]:
    return [f"{name} [", ",\n".join("  " + tensor.text() for tensor in tensors), "]"]

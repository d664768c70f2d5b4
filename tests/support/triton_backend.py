"""What Triton's Python backend hands to a model and takes from it, without the server: tests/triton has that."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class Tensor:
    name: str
    data: NDArray[Any]

    def as_numpy(self) -> NDArray[Any]:
        return self.data


class TritonError:
    INTERNAL, INVALID_ARG = "INTERNAL", "INVALID_ARG"

    def __init__(self, message: str, code: str = INTERNAL) -> None:
        message.encode()  # as the bridge to C++ does
        self.message, self.code = message, code


@dataclass
class InferenceResponse:
    output_tensors: list[Tensor] = field(default_factory=list)
    error: TritonError | None = None

    def __getitem__(self, name: str) -> NDArray[Any]:
        return next(tensor.data for tensor in self.output_tensors if tensor.name == name)


class Request:
    def __init__(self, parameters: str | dict[str, Any] = "", **inputs: NDArray[Any]) -> None:
        self.inputs = {name: Tensor(name, data) for name, data in inputs.items()}
        self._parameters = parameters if isinstance(parameters, str) else json.dumps(parameters)

    def parameters(self) -> str:
        return self._parameters


def get_input_tensor_by_name(request: Request, name: str) -> Tensor | None:
    return request.inputs.get(name)


def pictures(*images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack(images)


def files(*contents: object) -> NDArray[Any]:
    found = np.empty((len(contents), 1), object)
    found[:, 0] = contents
    return found

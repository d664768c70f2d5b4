"""One of MTCNN's networks on the CPU, as a model of Triton's Python backend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from mtcnn.engines.devices import cpu_device
from mtcnn.files import read_regular
from mtcnn.serving.models.requests import answer_each


class TritonPythonModel:
    """Runs model.onnx, which lies beside this file, on what dynamic batching has collected."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        settings = {key: value["string_value"] for key, value in config["parameters"].items()}
        self._input = config["input"][0]["name"]
        self._outputs = [output["name"] for output in config["output"]]
        self._channels_last = settings["layout"] == "nhwc"
        self._max_pixels = int(settings["max_pixels"])
        model = Path(args["model_repository"], args["model_version"], "model.onnx")
        self._engine = cpu_device(int(settings["threads"])).load_engine(read_regular(model))

    def execute(self, requests: list[Any]) -> list[Any]:
        return answer_each(requests, self._read, self._infer)

    def _read(self, request: Any) -> tuple[tuple[int, ...], Any]:
        """The shape without the batch, which requests that share a call have in common, and the input."""
        data = pb_utils.get_input_tensor_by_name(request, self._input).as_numpy()
        if data.ndim != 4 or 0 in data.shape:
            raise ValueError(f"{self._input} must have four dimensions, none of them 0, got {data.shape}")
        return data.shape[1:], data

    def _infer(self, shape: tuple[int, ...], inputs: list[Any]) -> list[Any]:
        found = self._run(inputs)
        answers = []
        first = 0
        for data in inputs:
            rows = slice(first, first + len(data))
            first = rows.stop
            tensors = [pb_utils.Tensor(name, np.ascontiguousarray(found[name][rows])) for name in self._outputs]
            answers.append(pb_utils.InferenceResponse(tensors))
        return answers

    def _run(self, inputs: list[Any]) -> dict[str, Any]:
        data = inputs[0] if len(inputs) == 1 else np.concatenate(inputs)
        if self._channels_last:
            data = np.ascontiguousarray(data.transpose(0, 3, 1, 2))
        if data[0, 0].size > self._max_pixels:
            size = "x".join(map(str, data.shape[:1:-1]))
            raise ValueError(f"{self._input} is {size} pixels, of at most {self._max_pixels} (max_pixels)")
        found = self._engine.infer(data)
        if not self._channels_last:
            return found
        flat = self._engine.input[1][2] > 0  # R-Net and O-Net
        return {
            name: maps.reshape(len(maps), -1) if flat else maps.transpose(0, 2, 3, 1) for name, maps in found.items()
        }

"""One of MTCNN's networks on the CPU, as a model of Triton's Python backend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

from mtcnn.engines.devices import cpu_device


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
        self._engine = cpu_device(int(settings["threads"])).load_engine(model.read_bytes())

    def execute(self, requests: list[Any]) -> list[Any]:
        inputs = [pb_utils.get_input_tensor_by_name(request, self._input).as_numpy() for request in requests]
        answers: list[Any] = [None] * len(requests)
        for shape in {data.shape[1:] for data in inputs}:
            members = [i for i, data in enumerate(inputs) if data.shape[1:] == shape]
            try:
                found = self._run([inputs[i] for i in members])
            except Exception as error:  # of the shape, which all of them have
                refusal = pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
                for i in members:
                    answers[i] = pb_utils.InferenceResponse(error=refusal)
                continue
            first = 0
            for i in members:
                rows = slice(first, first + len(inputs[i]))
                first = rows.stop
                tensors = [pb_utils.Tensor(name, np.ascontiguousarray(found[name][rows])) for name in self._outputs]
                answers[i] = pb_utils.InferenceResponse(tensors)
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

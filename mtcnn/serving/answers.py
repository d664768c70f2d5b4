"""What Triton Inference Server answers, taken apart and checked: the one place where its word becomes faces.

The formats are those of KServe's protocol, version 2, with its extension for binary tensors:
https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["OUTPUTS", "Answer", "Output", "faces_of", "read_grpc_answer", "read_http_answer", "read_problem"]

OUTPUTS = ("dets", "landmarks", "count")

MOST_JSON_BYTES = 65_536  # the head of an answer takes some 500
_TYPES = {"FP32": np.dtype("<f4"), "INT32": np.dtype("<i4")}

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Output:
    """A tensor as it came: its elements side by side in ``data``."""

    datatype: str
    shape: tuple[int, ...]
    data: bytes

    def array(self) -> npt.NDArray[Any]:
        if self.datatype not in _TYPES:
            raise ValueError(f"of type {self.datatype}")
        dtype = _TYPES[self.datatype]
        if math.prod(self.shape) * dtype.itemsize != len(self.data):
            raise ValueError(f"{len(self.data)} bytes of shape {self.shape}")
        return np.frombuffer(self.data, dtype).reshape(self.shape)


@dataclass(frozen=True)
class Answer:
    """A model's answer.

    Attributes:
        request_id: of the request that it is to.
        outputs: by their names.
    """

    request_id: str
    outputs: dict[str, Output]


def read_http_answer(body: bytes, headers: dict[str, str]) -> Answer:
    """An answer by HTTP: JSON, and after it the outputs' bytes.

    Args:
        headers: by their names in lower case.

    Raises:
        ValueError: it is none; the text says why.
    """
    if headers.get("content-encoding", "identity") != "identity":
        raise ValueError("it is compressed, which was not asked for")
    length = headers.get("inference-header-content-length", "")
    if not (length.isascii() and length.isdigit() and len(length) < 10) or int(length) > len(body):
        raise ValueError(f"Inference-Header-Content-Length is {length[:20]!r}, the answer {len(body)} bytes")
    head = _json(body[: int(length)])
    outputs: dict[str, Output] = {}
    first = int(length)
    for output in _of(head, "outputs", list):
        name, shape = _of(output, "name", str), _of(output, "shape", list)
        if not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"the shape of {name[:20]!r} is none")
        size = _of(_of(output, "parameters", dict), "binary_data_size", int)
        if not 0 <= size <= len(body) - first or name in outputs:
            raise ValueError(f"{name[:20]!r} is there twice, or has {size} bytes of an answer of {len(body)}")
        outputs[name] = Output(_of(output, "datatype", str), tuple(shape), body[first : first + size])
        first += size
    if first != len(body):
        raise ValueError(f"{len(body) - first} bytes follow its outputs")
    return Answer(_of(head, "id", str), outputs)


def read_grpc_answer(message: Any) -> Answer:
    """An answer by gRPC: ModelInferResponse.

    Raises:
        ValueError: it is none; the text says why.
    """
    contents = message.raw_output_contents
    if len(contents) != len(message.outputs):
        raise ValueError(f"it has {len(message.outputs)} outputs and the bytes of {len(contents)}")
    outputs: dict[str, Output] = {}
    for output, data in zip(message.outputs, contents, strict=True):
        if output.name in outputs or any(n < 0 for n in output.shape):
            raise ValueError(f"{output.name[:20]!r} is there twice, or has no shape")
        outputs[output.name] = Output(output.datatype, tuple(output.shape), data)
    return Answer(message.id, outputs)


def faces_of(answer: Answer, request_id: str) -> tuple[Array, Array]:
    """The faces of the one picture that was asked about: dets (n, 5) and landmarks (n, 10), which may be written to.

    Raises:
        ValueError: they are none; the text says why.
    """
    if answer.request_id != request_id:
        raise ValueError("it is the answer to another request")
    for name in OUTPUTS:
        if name not in answer.outputs:
            raise ValueError(f"it has no output {name!r}")
    dets, landmarks, count = (answer.outputs[name].array() for name in OUTPUTS)
    if count.dtype != np.int32 or count.shape != (1, 1):
        raise ValueError(f"count is {count.dtype} of shape {count.shape}")
    n = int(count[0, 0])
    for name, rows, columns in (("dets", dets, 5), ("landmarks", landmarks, 10)):
        if rows.dtype != np.float32 or rows.shape != (1, n, columns):
            raise ValueError(f"{name} are {rows.dtype} of shape {rows.shape}, of {n} faces")
        if not np.isfinite(rows).all():
            raise ValueError(f"{name} are not finite")
    scores = dets[0, :, 4]
    if ((scores < 0) | (scores > 1)).any() or (np.diff(scores) > 0).any():
        raise ValueError("scores are outside 0..1 or not in order")
    # Copies, that may be written to and do not keep the whole answer.
    return dets[0].astype(np.float32), landmarks[0].astype(np.float32)


def read_problem(body: bytes) -> str | None:
    """What the server says of a request that failed; None where it says nothing that can be read."""
    try:
        return str(_of(_json(body), "error", str))
    except ValueError:
        return None


def _json(text: bytes) -> Any:
    if len(text) > MOST_JSON_BYTES:
        raise ValueError(f"its JSON has {len(text)} bytes, of at most {MOST_JSON_BYTES}")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    except ValueError:
        raise ValueError("its head is no JSON") from None


def _of(found: Any, name: str, kind: type[Any]) -> Any:
    """A field of a JSON object, which must be of the kind."""
    value = found.get(name) if isinstance(found, dict) else None
    if type(value) is not kind:
        raise ValueError(f"{name!r} is missing in it, or no {kind.__name__}")
    return value

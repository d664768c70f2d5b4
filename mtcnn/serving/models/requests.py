"""What our models of Triton's Python backend do with a batch of requests: each succeeds or fails alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import triton_python_backend_utils as pb_utils

from mtcnn.runtime.text import printable

__all__ = ["answer_each", "read_parameters", "refuse"]

Item = TypeVar("Item")

MOST_PARAMETER_BYTES = 65_536  # as JSON; a call's parameters take some 500
MOST_MESSAGE = 500  # characters


def answer_each(
    requests: Sequence[Any],
    read: Callable[[Any], tuple[Hashable, Item]],
    run: Callable[[Any, list[Item]], list[Any]],
) -> list[Any]:
    """A response for each request, in order. Whatever exception one raises becomes its own response.

    Args:
        read: what a request asks for, and a key: those of equal keys are run together.
        run: takes a key and what its requests ask for; returns a response for each. Where it raises, they are run
            one by one.
    """
    answers: list[Any] = [None] * len(requests)
    groups: dict[Hashable, list[tuple[int, Item]]] = {}
    for i, request in enumerate(requests):
        try:
            key, item = read(request)
            groups.setdefault(key, []).append((i, item))
        except Exception as error:
            answers[i] = refuse(error)
    for key, members in groups.items():
        try:
            found = run(key, [item for _, item in members])
        except Exception:  # some are to blame, the others are not
            found = [_run_alone(run, key, item) for _, item in members]
        for (i, _), response in zip(members, found, strict=True):
            answers[i] = response
    return answers


def read_parameters(request: Any) -> dict[str, Any]:
    """A request's parameters; strings that hold JSON are read.

    Raises:
        ValueError: they are too long, or no JSON object.
    """
    text = request.parameters() or "{}"
    if len(text) > MOST_PARAMETER_BYTES:
        raise ValueError(f"the request's parameters are {len(text)} characters, of at most {MOST_PARAMETER_BYTES}")
    try:
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError("the request's parameters must be a JSON object")
        return {name: _plain(value) for name, value in found.items()}
    except RecursionError:
        raise ValueError("the request's parameters are nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"the request's parameters are no JSON: {error}") from None


def refuse(error: Exception) -> Any:
    """The response to a request that failed, of a text that Triton can send."""
    mistaken = isinstance(error, (TypeError, ValueError))
    code = pb_utils.TritonError.INVALID_ARG if mistaken else pb_utils.TritonError.INTERNAL
    text = str(error) or type(error).__name__
    if len(text) > MOST_MESSAGE:
        text = text[: MOST_MESSAGE - 1] + "…"
    text = printable(text)[:MOST_MESSAGE]
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(text, code))


def _run_alone(run: Callable[[Any, list[Item]], list[Any]], key: Hashable, item: Item) -> Any:
    try:
        (response,) = run(key, [item])
    except Exception as error:
        return refuse(error)
    return response


def _plain(value: Any) -> Any:
    """JSON where it is some, else the word itself."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value

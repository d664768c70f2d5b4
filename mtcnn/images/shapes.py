"""Shapes that are no picture's, and what to do about each."""

from __future__ import annotations

__all__ = ["wrong_shape"]


def wrong_shape(shape: tuple[int, ...], name: str, permutes: bool, on_gpu: bool = False) -> str:
    """The message for an array of this shape; permutes: it is a tensor with torch's methods."""
    where, others = (" is on a GPU, where it", "") if on_gpu else ("", ", (H, W, 4), (H, W, 1) or (H, W)")
    wanted = f"{name}{where} must have the shape (H, W, 3){others}, got {shape}"
    first = len(shape) in (3, 4) and shape[-3] in (1, 3, 4) and shape[-1] not in (1, 3, 4)
    last = "permute(1, 2, 0)" if permutes else "transpose(1, 2, 0)"
    rgb = ', and color="rgb" where they are red, green, blue' if shape[-3:-2] == (3,) else ""
    if len(shape) == 4:
        one = f"{name}[i].{last}{rgb}" if first else f"{name}[i]"
        return f"{wanted}; pass the pictures of a batch one by one, {one}, or list({name}) to detect_batch"
    if len(shape) == 3 and first:
        return f"{wanted}; channels come last: {name}.{last}{rgb}"
    return wanted

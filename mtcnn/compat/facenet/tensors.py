"""PyTorch, where it is installed: the class that detectors derive from, and what is done to crops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mtcnn.errors import MtcnnError

__all__ = ["Module", "fixed_image_standardization", "import_torch", "prewhiten"]


class PlainModule:
    """What shows of a ``torch.nn.Module``, for where PyTorch is not installed."""

    training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return import_torch()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def to(self, *args: Any, **kwargs: Any) -> Any:
        return self

    def train(self, mode: bool = True) -> Any:
        self.training = mode
        return self

    def eval(self) -> Any:
        return self.train(False)


def import_torch() -> Any:
    """Return the module torch.

    Raises:
        MtcnnError: it is not installed, or cannot be loaded.
    """
    try:
        import torch
    except Exception as error:  # an installation without its CUDA libraries raises ValueError or OSError
        raise MtcnnError(
            f"crops are torch tensors: pip install torch (detect() works without; importing torch failed: {error})"
        ) from error
    return torch


if TYPE_CHECKING:
    Module = PlainModule
else:
    try:
        Module = import_torch().nn.Module
    except MtcnnError:
        Module = PlainModule


def fixed_image_standardization(image_tensor: Any) -> Any:
    """Return levels 0..255 as -1 to 1, nearly: ``(x - 127.5) / 128``, what InceptionResnetV1 was trained on."""
    return (image_tensor - 127.5) / 128


def prewhiten(x: Any) -> Any:
    """Return a tensor with mean 0 and standard deviation 1; that is taken as ``1 / sqrt(x.numel())`` at least."""
    least = float(x.numel()) ** -0.5
    return (x - x.mean()) / x.std().clamp(min=least)

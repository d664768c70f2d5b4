"""What type checkers know of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, Union

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL.Image import Image

__all__ = ["Color", "Picture"]

Color: TypeAlias = Literal["bgr", "rgb"]


class SupportsDLPack(Protocol):
    """A tensor: torch's, CuPy's, JAX's."""

    def __dlpack__(self, *, stream: Any = None) -> Any: ...

    def __dlpack_device__(self) -> tuple[Any, int]: ...


class SupportsCudaArray(Protocol):
    """An array in a GPU's memory: Numba's."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...


Picture: TypeAlias = Union["npt.NDArray[Any]", "Image", SupportsDLPack, SupportsCudaArray]

# Arrays of other libraries, by DLPack: https://data-apis.org/array-api/latest/design_topics/data_interchange.html
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid, PyCapsule_SetName


cdef class _DlPack:
    """Holds what an array's __dlpack__() lends, and gives it back, once, when it goes.

    stream: the CUDA stream that the array is to be ready on, as __dlpack__() takes it.
    """

    cdef Managed* plain
    cdef ManagedVersioned* versioned

    def __cinit__(self, img, stream):
        try:
            capsule = img.__dlpack__(stream=stream, max_version=(1, 0))
        except TypeError:  # it knows none but unversioned ones
            capsule = img.__dlpack__(stream=stream)
        if PyCapsule_IsValid(capsule, "dltensor_versioned"):
            self.versioned = <ManagedVersioned*>PyCapsule_GetPointer(capsule, "dltensor_versioned")
            PyCapsule_SetName(capsule, "used_dltensor_versioned")
        elif PyCapsule_IsValid(capsule, "dltensor"):
            self.plain = <Managed*>PyCapsule_GetPointer(capsule, "dltensor")
            PyCapsule_SetName(capsule, "used_dltensor")
        else:
            raise TypeError(f"img.__dlpack__() gave no DLPack capsule, but {capsule!r}")

    def __dealloc__(self):
        if self.plain and self.plain.deleter:
            self.plain.deleter(self.plain)
        if self.versioned and self.versioned.deleter:
            self.versioned.deleter(self.versioned)

    cdef const Tensor* tensor(self) except NULL:
        if self.plain:
            return &self.plain.tensor
        if self.versioned.major != DLPACK_MAJOR:
            raise ValueError(f"img is lent by DLPack {self.versioned.major}.{self.versioned.minor}, "
                             f"of which only version {DLPACK_MAJOR} is understood")
        return &self.versioned.tensor


cdef _dlpack_device(img):
    """(type, number) of the device that an array is on; None where it does not say."""
    ask = getattr(img, "__dlpack_device__", None)
    if ask is None or not hasattr(img, "__dlpack__"):
        return None
    device = ask()
    try:
        kind, number = device
        return index(kind), index(number)
    except (TypeError, ValueError):
        raise TypeError(f"img.__dlpack_device__() must give (type, number), got {device!r}") from None


cdef _shape_and_strides(const Tensor* tensor):
    """Strides are in items; those of C order where the tensor has none."""
    cdef int i
    if not 0 <= tensor.ndim <= 64 or (tensor.ndim and tensor.shape == NULL):
        raise ValueError(f"img is lent without a shape, as an array of {tensor.ndim} dimensions")
    shape = tuple([tensor.shape[i] for i in range(tensor.ndim)])
    if min(shape, default=0) < 0:
        raise ValueError(f"img is lent with the shape {shape}")
    if tensor.strides != NULL:
        return shape, tuple([tensor.strides[i] for i in range(tensor.ndim)])
    return shape, tuple([prod(shape[i + 1:]) for i in range(tensor.ndim)])


cdef _first_item(address, byte_offset, shape, strides, item_bytes):
    """The address of an array's first item; strides are in bytes. No item may lie beyond the address space."""
    first = _address(address, "the address of img's memory") + byte_offset
    reach = [(side - 1) * stride for side, stride in zip(shape, strides)]
    _address(first + sum([step for step in reach if step < 0]), "the begin of img's memory")
    _address(first + sum([step for step in reach if step > 0]) + item_bytes, "the end of img's memory")
    return first


cdef _address(value, str name):
    """A pointer that another library gives: neither null, nor negative, nor beyond the address space."""
    try:
        address = index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {type(value).__name__}") from None
    if not 0 < address <= PTRDIFF_MAX:
        raise ValueError(f"{name} must be an address, got {'null' if address == 0 else hex(address)}")
    return address


class _LentArray:
    """What NumPy makes an array of, which keeps it and so what was lent."""

    def __init__(self, lent, interface):
        self.lent = lent
        self.__array_interface__ = interface


def from_dlpack(img):
    """A read-only NumPy view of an array in the CPU's memory that another library lends by DLPack.

    numpy.from_dlpack takes what it is told: it reads uninitialised memory for a null pointer. Here each number of the
    description is checked, as on a GPU.

    Raises TypeError for a dtype that NumPy lacks, ValueError for a description of no memory.
    """
    cdef _DlPack lent = _DlPack(img, None)
    cdef const Tensor* tensor = lent.tensor()
    kind = {DLPACK_INT: "i", DLPACK_UINT: "u", DLPACK_FLOAT: "f", DLPACK_COMPLEX: "c", DLPACK_BOOL: "b"}.get(
        tensor.type_code)
    readable = tensor.device_type in (DLPACK_CPU, DLPACK_CUDA_HOST, DLPACK_CUDA_MANAGED)
    if not readable or kind is None or tensor.type_lanes != 1:
        raise TypeError(f"img is lent with DLPack's device {tensor.device_type} and data type "
                        f"({tensor.type_code}, {tensor.type_bits}, {tensor.type_lanes}), which NumPy lacks")
    try:
        dtype = np.dtype(f"{kind}{tensor.type_bits // 8}")
    except TypeError as error:
        raise TypeError(f"img is lent with a data type that NumPy lacks: {error}") from None
    if tensor.type_bits != 8 * dtype.itemsize:
        raise TypeError(f"img is lent with items of {tensor.type_bits} bits, which NumPy lacks")
    shape, strides = _shape_and_strides(tensor)
    if 0 in shape:
        return np.empty(shape, dtype)
    strides = tuple([stride * dtype.itemsize for stride in strides])
    first = _first_item(<size_t>tensor.data, tensor.byte_offset, shape, strides, dtype.itemsize)
    return np.asarray(_LentArray(lent, {
        "version": 3, "typestr": dtype.str, "shape": shape, "strides": strides, "data": (first, True),
    }))

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
    kind, number = ask()
    return int(kind), int(number)

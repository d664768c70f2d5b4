# Each C++ exception becomes a Python one here, and nowhere else.
from pytrt.exceptions import DeviceError, EngineError, MtcnnError


cdef int raise_core_error() except -1:
    cdef string message
    cdef ErrorKind kind = current_error(message)
    text = (<bytes>message).decode("utf-8", "replace")
    if kind == ErrorKind.kEngine:
        raise EngineError(text)
    if kind == ErrorKind.kDevice:
        raise DeviceError(text)
    if kind == ErrorKind.kArgument:
        raise ValueError(text)
    if kind == ErrorKind.kMemory:
        raise MemoryError(text)
    raise MtcnnError(text)

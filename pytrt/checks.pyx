# Checks of arguments: each returns the plain value, or raises an error that names the argument.

cdef int INT_MAX = 0x7FFFFFFF
cdef int64_t PTRDIFF_MAX = 0x7FFFFFFFFFFFFFFF
cdef int FARTHEST_PIXEL = 1_000_000  # of a box from the frame's corner
cdef int MOST_PIXELS_A_SIDE = 1 << 24  # of what a picture is resized to


cdef int64_t _whole(value, str name, int64_t low, int64_t high) except? -1:
    try:
        n = index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, got {type(value).__name__}") from None
    if n < low:
        raise ValueError(f"{name} must be at least {low}, got {n if n > -(1 << 64) else 'less'}")
    if n > high:
        raise ValueError(f"{name} must be at most {high}, got {n if n < 1 << 64 else 'more'}")
    return n


cdef double _real(value, str name) except? -1:
    cdef double number
    try:
        number = value
    except TypeError:
        raise TypeError(f"{name} must be a number, got {type(value).__name__}") from None
    except OverflowError:
        raise ValueError(f"{name} is too large a number") from None
    return number


cdef _numbers(values, dtype, str name):
    """A C-contiguous array of its own: what is checked of it holds, whatever other threads write to the caller's."""
    try:
        return np.array(values, dtype=dtype, order="C", ndmin=1)
    except OverflowError:
        raise ValueError(f"{name} holds numbers that are too large") from None
    except TypeError as error:
        raise TypeError(f"{name} must be an array of numbers: {error}") from None
    except ValueError as error:
        raise ValueError(f"{name} must be an array of numbers: {error}") from None


cdef _in_fours(array, str name):
    if array.size % 4:
        raise ValueError(f"{name} must have the shape (n, 4), got {array.shape}")
    return array.reshape(-1, 4)


cdef list _items(values, str name, str what):
    """The items of a list or of another iterable, in a list of its own: the caller's may change while it is read."""
    try:
        return list(values)
    except (TypeError, NotImplementedError) as error:  # the latter of a memoryview with several dimensions
        raise TypeError(f"{name} must be a list of {what}, got {type(values).__name__} ({error})") from None


cdef list _rows(values, str name, str columns, int count):
    """Tuples or lists of `count` items each."""
    rows = []
    for row in _items(values, name, columns):
        if type(row) is not tuple or len(row) != count:
            row = _items(row, f"{name}[{len(rows)}]", columns)
            if len(row) != count:
                raise ValueError(f"{name}[{len(rows)}] must be {columns}, got {len(row)} values")
        rows.append(row)
    return rows


cdef _whole_numbers(values, str name, int64_t most):
    """A C-contiguous int32 array of numbers that are no farther from 0 than `most`."""
    array = _numbers(values, np.float64, name)  # exact as far as that
    if not (np.abs(array) <= most).all():
        raise ValueError(f"{name} must hold whole numbers within {most} of 0")
    return array.astype(np.int32)

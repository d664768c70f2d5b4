class PyTrtMtcnn:
    """One network of the cascade, by its engine file: zero copy in and out of NumPy.

    It wraps one Engine. The C++ class TrtMtcnn, all three networks, is behind Stages.

    engine_path: what create_engines wrote. input_dims, output_dims: (c, h, w) each, as the code of
    tensorrt_demos passes them; they may be left out, else they are checked against the engine.
    """

    def __init__(self, engine_path, input_dims=None, *output_dims):
        from mtcnn import checks
        from mtcnn.engines import load_engine

        self._engine = load_engine(checks.path(engine_path, "engine_path"))
        self._batch_size = 0
        names = {name for name, _ in self._engine.outputs}
        self._names = [name for name in ("prob1", "boxes", "landmarks") if name in names]
        self._input_dims = None if input_dims is None else _dims("input_dims", input_dims)
        self._output_dims = [_dims("output_dims", d) for d in output_dims if d is not None]
        if self._input_dims is not None:
            _match("input_dims", self._input_dims, self._engine.input[1])
        if self._output_dims and len(self._output_dims) != len(self._names):
            raise ValueError(f"output_dims: {engine_path} has {len(self._names)} outputs ({', '.join(self._names)}), "
                             f"got dims for {len(self._output_dims)}")
        shapes = dict(self._engine.outputs)
        for name, dims in zip(self._names, self._output_dims):
            _match(f"output_dims of {name}", dims, shapes[name])

    def set_batchsize(self, batch_size):
        """States how many pictures forward() will be given; 0 for any number."""
        if isinstance(batch_size, bool) or not hasattr(batch_size, "__index__"):
            raise TypeError(f"batch_size must be an int, got {type(batch_size).__name__}")
        if batch_size < 0:
            raise ValueError(f"batch_size must not be negative, got {batch_size}")
        self._batch_size = int(batch_size)

    def forward(self, imgs):
        """Runs the network on (n, c, h, w) float32, normalised (x - 127.5) * 0.0078125, RGB.

        Returns {"prob1": (n, 2, h', w'), "boxes": (n, 4, h', w')[, "landmarks": (n, 10, h', w')]} float32.
        """
        engine = self._engine  # which another thread may take away by destroy()
        if engine is None:
            from pytrt.exceptions import ClosedError
            raise ClosedError("forward() after destroy(): make a new PyTrtMtcnn")
        if not isinstance(imgs, np.ndarray):
            raise TypeError(f"imgs must be a NumPy array, got {type(imgs).__name__}")
        if imgs.ndim != 4:
            raise ValueError(f"imgs must have four dimensions (n, c, h, w), got shape {imgs.shape}")
        if self._batch_size and imgs.shape[0] != self._batch_size:
            raise ValueError(f"imgs has {imgs.shape[0]} pictures but set_batchsize({self._batch_size}) was called")
        if self._input_dims is not None and imgs.shape[1:] != self._input_dims:
            raise ValueError(f"imgs must have shape (n, {', '.join(map(str, self._input_dims))}), got {imgs.shape}")
        results = engine.infer(imgs)
        for name, dims in zip(self._names, self._output_dims):
            if results[name].shape[1:] != dims:
                raise ValueError(f"output_dims: {name} is {results[name].shape[1:]} for this input, not {dims}")
        return {name: results[name] for name in self._names}

    def destroy(self):
        """Lets go of the engine. May be called again."""
        self._engine = None


def _dims(name, dims):
    try:
        dims = tuple(index(d) for d in dims)
    except (TypeError, NotImplementedError):  # the last of a memoryview with several dimensions
        raise TypeError(f"{name} must be a tuple (c, h, w), got {dims!r}") from None
    if len(dims) != 3 or min(dims) < 1:
        raise ValueError(f"{name} must be three positive numbers (c, h, w), got {dims}")
    return dims


def _match(name, dims, shape):
    for got, want in zip(dims, shape[1:]):
        if want >= 0 and got != want:
            raise ValueError(f"{name} {dims} does not fit the engine, which has {shape[1:]} (-1 is any size)")

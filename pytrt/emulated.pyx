cdef class EmulatedGpu(CpuDevice):
    """The GPU backend's code run on the CPU, its kernels as loops: slow, for tests. Takes what CpuDevice takes.

    Plainly, its GPU memory is the CPU's and all is done at once.

    asynchronous: as a GPU would: work runs when it is waited for or when it pleases, a kernel's threads in any order;
        GPU memory cannot be read from the CPU, and memory that was freed by no one: who tries ends the process.
    seed: of the orders.
    memory: bytes that the GPU has.
    late_pageable: whether copies from memory that is not pinned read it when they run, as CUDA may.
    """

    cdef shared_ptr[GpuModel] gpu

    def __init__(self, str openvino_library not None, threads=0, *, bint asynchronous=False, seed=0,
                 memory=1 << 30, bint late_pageable=True):
        cdef int count = _whole(threads, "threads", 0, 1024)
        cdef int random = _whole(seed, "seed", 0, INT_MAX)
        cdef int64_t most = index(memory)
        cdef string path = openvino_library.encode()
        if most < 0:
            raise ValueError(f"memory must be at least 0 bytes, got {memory}")
        if asynchronous:
            self.gpu = make_shared[GpuModel](<uint32_t>random, <size_t>most, <cbool>late_pageable)
        with nogil:
            self.device = shared_ptr[Device_](<Device_*>new EmulatedDevice(path, count, self.gpu))

    cdef GpuModel* model(self) except NULL:
        if not self.gpu:
            raise ValueError("this EmulatedGpu is not asynchronous: it neither counts nor fails")
        return self.gpu.get()

    def counts(self):
        """How often each kind of call was made: {"kernel": 42, ...}."""
        cdef GpuModel* gpu = self.model()
        return {CALL_NAMES[i].decode(): gpu.count(<Call>i) for i in range(CALLS)}

    def fail(self, str call not None, after=0, times=1, *, bint for_good=False):
        """Of a kind, a key of counts(), the calls that come after `after` others fail, `times` of them.

        for_good: all later ones of any kind, too, until mend().
        """
        cdef GpuModel* gpu = self.model()
        kinds = [CALL_NAMES[i].decode() for i in range(CALLS)]
        if call not in kinds:
            raise ValueError(f"call must be one of {', '.join(kinds)}, got {call!r}")
        gpu.fail(<Call><int>kinds.index(call), _whole(after, "after", 0, INT_MAX),
                 _whole(times, "times", 1, INT_MAX), for_good)

    def mend(self):
        """No call fails any more. Returns whether one did that fail() named."""
        return self.model().mend()

    def live_graphs(self):
        """CUDA graphs that exist."""
        return self.model().live_graphs()

    def misuses(self):
        """What CUDA forbids or leaves open, and was done all the same."""
        return [what.decode() for what in self.model().misuses()]

    def live_memory(self):
        """Bytes allocated: (GPU memory, pinned memory)."""
        cdef GpuModel* gpu = self.model()
        return gpu.memory().live_bytes(GpuMemoryKind.kDevice), gpu.memory().live_bytes(GpuMemoryKind.kPinned)

    def synchronize(self):
        """What cudaDeviceSynchronize() is to captures: an error to both while there is one."""
        cdef GpuModel* gpu = self.model()
        with nogil:
            gpu.forbid_while_capturing("wait for the GPU")

    def start_trace(self):
        """From now on calls are noted."""
        self.model().start_trace()

    def trace(self):
        """Ends the trace: (kind, name of the kernel or shape of the network's input, threads, bytes or items) each."""
        return [
            (CALL_NAMES[<int>traced.call].decode(), traced.what.decode(), traced.amount)
            for traced in self.model().take_trace()
        ]

def start_launch_trace():
    """From now on what GPUs are given in this process is noted and timed, and CUDA graphs are not used."""
    LaunchTrace.start()


def take_launch_trace():
    """Ends the trace: (kind, name of the kernel, threads, warps or bytes, microseconds on the GPU) each."""
    return [
        (launch.kind.decode(), launch.what.decode(), launch.amount, launch.us) for launch in LaunchTrace.take()
    ]

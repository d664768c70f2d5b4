def networks():
    """What the C++ core knows of the networks; mtcnn.engines.networks is Python's table.

    Returns {"cell", "stride"} in pixels, {"outputs"}: channels by name, {"networks"}: by name the side of the input (0:
    any) and its channels, the largest batches on a CPU and a GPU and whether there are boxes and landmarks,
    {"canvases"}: by device the widths and the greatest height of P-Net's.
    """
    cdef Net net
    known = {}
    for i in range(NETWORK_COUNT):
        net = <Net>i
        known[facts(net).name.decode()] = {
            "side": facts(net).side,
            "cpu_batch": facts(net).cpu_batch,
            "gpu_batch": facts(net).gpu_batch,
            "channels": net_input_channels(net),
            "boxes": net_has_boxes(net),
            "landmarks": net_has_landmarks(net),
        }
    return {
        "cell": CELL_PIXELS,
        "stride": STRIDE_PIXELS,
        "outputs": {o["name"].decode(): o["channels"] for o in (PROB_OUTPUT, REGRESSION_OUTPUT, LANDMARK_OUTPUT)},
        "networks": known,
        "canvases": {
            "cpu": ([width for width in CPU_CANVAS_WIDTHS[:4]], CPU_CANVAS_HEIGHT),
            "gpu": ([width for width in GPU_CANVAS_WIDTHS[:4]], GPU_CANVAS_HEIGHT),
        },
    }

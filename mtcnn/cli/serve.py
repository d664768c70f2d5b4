"""`mtcnn serve`."""

from __future__ import annotations

import os

import click

from mtcnn.cli.console import echo, say
from mtcnn.cli.options import SETTINGS, Number, detector_options
from mtcnn.errors import MtcnnError
from mtcnn.params import DEFAULT_MAX_WORK
from mtcnn.pipeline.options import DetectorOptions
from mtcnn.runtime.install import install_command

__all__ = ["command"]

_GPU_WORKERS = 2  # one is uploaded to while the other computes
_END = 5  # seconds beyond --timeout for answers under way, once the server is told to end


@click.command("serve", context_settings=SETTINGS)
@click.option("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0 lets other machines in")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, help="0: any that is free")
@click.option(
    "--workers", type=click.IntRange(0, 1024), default=0, help="pictures or batches at once; 0: one a core, 2 on a GPU"
)
@click.option("--most-megabytes", type=Number(0.01, 1000), default=10.0, help="largest file it takes")
@click.option("--most-megapixels", type=Number(0.01, 1000), default=50.0, help="largest picture it takes")
@click.option("--most-waiting", type=click.IntRange(0, 100_000), default=128, help="requests; further ones get 503")
@click.option("--max-work", type=Number(0), default=DEFAULT_MAX_WORK, help="of a picture; see docs/api.md")
@click.option("--timeout", type=Number(0.1, 3600), default=30.0, help="seconds until a request gets 503")
@detector_options
def command(
    host: str,
    port: int,
    workers: int,
    most_megabytes: float,
    most_megapixels: float,
    most_waiting: int,
    max_work: float,
    timeout: float,
    detector: DetectorOptions,
) -> int:
    """Find the faces in pictures that come by HTTP.

    POST /detect takes a picture's file, as it is or in a form, and answers in JSON; parameters of TrtMtcnn.detect in
    the query change the options below for one request. GET /healthz and /metrics tell how it is.

    Answers this machine alone unless --host says otherwise. Pictures are worked on in memory and not kept. There is
    no login and no encryption: not for the open internet.
    """
    try:
        from mtcnn.serve.app import Limits, make_app
        from mtcnn.web.server import ServerLimits, host_names, is_loopback, listen, make_server, url_of
    except ImportError as error:
        raise MtcnnError(f"the server needs {error.name}: {install_command('serve')}") from error
    import pytrt
    from mtcnn.runtime.opencv import one_thread

    most_pixels = round(most_megapixels * 1e6)
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(most_pixels)
    one_thread()  # the threads are the workers'
    cores = pytrt.usable_cores()
    at_once = workers or cores
    with listen(host, port) as listening, detector.make(max(1, cores // at_once), max_work) as model:
        if not workers and model.device.on_gpu:
            at_once = _GPU_WORKERS
        most_bytes = round(most_megabytes * 1e6)
        limits = Limits(most_bytes, most_pixels, max(256_000_000, most_bytes), most_waiting, timeout)
        app, batches = make_app(model, at_once, limits, host_names(host, listening))
        connections = max(256, 2 * (most_waiting + at_once))  # those beyond the waiting are told so
        server = make_server(app, ServerLimits(connections, end_seconds=round(timeout) + _END))
        echo(f"{url_of(host, listening)}/detect  (Ctrl-C ends it)")
        if not is_loopback(listening):
            say("other machines can reach it: there is no login", fg="yellow")
        try:
            server.run(sockets=[listening])
        except KeyboardInterrupt:  # the usual way to end it, and SIGTERM's
            if not server.started:
                raise
        finally:
            batches.close()
    return 0

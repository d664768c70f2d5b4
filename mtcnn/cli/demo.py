"""`mtcnn demo`."""

from __future__ import annotations

import os

import click

from mtcnn.cli.console import echo, say
from mtcnn.cli.options import SETTINGS, Number, a_file, detector_options, make_verifier, size, tell_unused
from mtcnn.errors import MtcnnError
from mtcnn.params import DEFAULT_MAX_WORK, FACE_CHOICES
from mtcnn.pipeline.options import DetectorOptions
from mtcnn.runtime.install import install_command

__all__ = ["command"]


@click.command("demo", context_settings=SETTINGS)
@click.option("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0 lets other machines in")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, help="0: any that is free")
@click.option(
    "--embedder", metavar="MODEL.onnx", shell_complete=a_file, help="face recognition network, to compare two pictures"
)
@click.option("--embedder-size", type=size, metavar="HxW", help="where the model takes any size")
@click.option("--embedder-output", metavar="NAME", help="where the model has several")
@click.option("--threshold", type=Number(0, 2), help="greatest distance of one person; default 1.19, see verify")
@click.option("--most-megabytes", type=Number(0.01, 1000), default=10.0, help="largest picture it takes")
@detector_options
def command(
    host: str,
    port: int,
    embedder: str | None,
    embedder_size: tuple[int, int] | None,
    embedder_output: str | None,
    threshold: float | None,
    most_megabytes: float,
    detector: DetectorOptions,
) -> int:
    """Try it in a browser: drop a picture or use the camera.

    Answers this machine alone unless --host says otherwise. Pictures are worked on in memory and not kept. There is
    no login and no encryption: not for the open internet.
    """
    if not embedder:
        tell_unused(["embedder_size", "embedder_output", "threshold"], "--embedder")
    try:
        from mtcnn.demo.app import make_app
        from mtcnn.web.pictures import MOST_PIXELS
        from mtcnn.web.server import host_names, is_loopback, listen, make_server, url_of
    except ImportError as error:
        raise MtcnnError(f"the demo needs {error.name}: {install_command('demo')}") from error
    from mtcnn.runtime.opencv import picture_library

    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(MOST_PIXELS)
    picture_library()
    with listen(host, port) as listening, detector.make(max_work=DEFAULT_MAX_WORK) as model:
        verifier = None
        if embedder:
            network = embedder, embedder_size, embedder_output
            verifier = make_verifier(model, *network, FACE_CHOICES[0], threshold=threshold)
        names = host_names(host, listening)
        app = make_app(model, verifier, most_bytes=round(most_megabytes * 1e6), hosts=names)
        server = make_server(app)
        echo(f"{url_of(host, listening)}/  (Ctrl-C ends it)")
        if not is_loopback(listening):
            say("other machines can reach it: there is no login", fg="yellow")
        try:
            server.run(sockets=[listening])
        except KeyboardInterrupt:  # the usual way to end it, and SIGTERM's
            if not server.started:
                raise
    return 0

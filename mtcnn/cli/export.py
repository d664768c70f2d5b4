"""`mtcnn export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mtcnn.cli.console import echo, echo_json, say
from mtcnn.cli.options import SETTINGS, keeping_options

__all__ = ["command"]


@click.command("export", context_settings=SETTINGS)
@click.argument("weights", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option("--layout", type=click.Choice(["nchw", "nhwc"]), default="nchw", help="of the models' input and outputs")
@click.option("--layer-names", is_flag=True, help="outputs named conv4-1, ..., as mtcnn-keras's layers, not prob1, ...")
@click.option("--opset", type=click.IntRange(13, 18), default=13, help="ONNX operator set")
@click.option("--keras", "keep_keras", is_flag=True, help="write the whole Keras models too: pnet.keras, ...")
@click.option(
    "--picture",
    "pictures",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="to compare the models on",
    show_default="a face",
)
@keeping_options(resumes=False)
@click.option("--json", "as_json", is_flag=True)
def command(
    weights: tuple[Path, ...],
    output: Path,
    layout: str,
    layer_names: bool,
    opset: int,
    keep_keras: bool,
    pictures: tuple[Path, ...],
    overwrite: bool,
    as_json: bool,
) -> int:
    """Make ONNX models of the weights that MTCNN is published with.

    WEIGHTS are Keras .h5 files (weights alone will do), mtcnn's .npy or .lz4, facenet-pytorch's .pt, or folders or
    wheels with them. The models go through Keras and tf2onnx to DIR/pnet.onnx, rnet.onnx and onet.onnx. Each is
    compared with its Keras model and with the package's own on crops of a picture; nothing is written where it
    differs from the Keras model by more than 1e-5.
    """
    from mtcnn.cli.console import counting
    from mtcnn.errors import MtcnnError
    from mtcnn.export.compare import FACE, TOLERANCE, compare, runs_natively
    from mtcnn.export.convert import convert
    from mtcnn.export.weights import read_weights
    from mtcnn.files import Inputs, check_output, output_error, replacing, replacing_path
    from mtcnn.pipeline.read import read_picture

    networks = read_weights(weights)
    endings = ("onnx", "keras") if keep_keras else ("onnx",)
    inputs = Inputs(lambda: [*weights, *pictures, *(network.source for network in networks.values())])
    for name in networks:
        for ending in endings:
            check_output(output / f"{name}.{ending}", inputs, overwrite=overwrite)
    imgs = [read_picture(path) for path in pictures or [FACE]]
    made = []
    with counting("networks", total=len(networks)) as bar:
        for network in networks.values():
            model = convert(network, layout, opset, layer_names=layer_names)
            comparison = compare(model, imgs)
            if not comparison.agrees:
                raise MtcnnError(
                    f"the ONNX model of {network.source} differs from its Keras model by {comparison.keras:.2g}, "
                    f"more than {TOLERANCE:g}: nothing is written"
                )
            made.append((network, model, comparison))
            bar.advance()
    rows: list[dict[str, Any]] = []
    for network, model, comparison in made:
        paths = [output / f"{model.network}.{ending}" for ending in endings]
        try:
            output.mkdir(parents=True, exist_ok=True)
            with replacing(paths[0]) as file:
                file.write(model.onnx)
            if keep_keras:
                with replacing_path(paths[1]) as path:
                    model.keras.save(path)
        except OSError as error:
            raise output_error(output, error) from error
        rows.append(
            {
                "network": model.network,
                "source": network.source,
                "files": [str(path) for path in paths],
                "crops": comparison.samples,
                "scores": [round(score, 4) for score in comparison.scores],
                "from_keras": comparison.keras,
                "from_own": comparison.own,
                "native": runs_natively(model),
            }
        )
    if as_json:
        echo_json({"layout": layout, "opset": opset, "networks": rows}, indent=1)
        return 0
    _show(rows, layout)
    if missing := {"pnet", "rnet", "onet"} - networks.keys():
        say(f"not among these weights: {', '.join(sorted(missing))}")
    elif layout == "nchw":
        say(f"next: create_engines --models {output}")
    return 0


def _show(rows: list[dict[str, Any]], layout: str) -> None:
    echo(f"{'':6} {'from Keras':>10} {'from own':>10} {'crops':>6} {'face scores':>16}  ONNX, made of")
    for row in rows:
        least, most = row["scores"]
        numbers = f"{row['from_keras']:>10.1e} {row['from_own']:>10.1e} {row['crops']:>6}"
        echo(f"{row['network']:6} {numbers} {least:>7.4f} - {most:.4f}  {row['files'][0]}, {row['source']}")
    if layout == "nchw" and not all(row["native"] for row in rows):
        say("the CPU's own kernels do not take these models: OpenVINO will run them")

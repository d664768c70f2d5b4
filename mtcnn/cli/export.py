"""`mtcnn export`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtcnn.cli.console import echo, echo_json, say
from mtcnn.cli.options import SETTINGS, FilePath, keeping_options

if TYPE_CHECKING:
    from mtcnn.export.network_weights import NetworkWeights
    from mtcnn.pipeline.read import Picture

__all__ = ["command"]


@click.command("export", context_settings=SETTINGS)
@click.argument("weights", nargs=-1, required=True, type=FilePath())
@click.option("--output", required=True, type=FilePath(file_okay=False), metavar="DIR")
@click.option("--layout", type=click.Choice(["nchw", "nhwc"]), default="nchw", help="of the models' input and outputs")
@click.option("--layer-names", is_flag=True, help="outputs named conv4-1, ..., as mtcnn-keras's layers, not prob1, ...")
@click.option("--opset", type=click.IntRange(13, 18), default=13, help="ONNX operator set")
@click.option(
    "--direct/--through-keras",
    default=None,
    show_default="direct where L-Net is among the weights",
    help="write the models without TensorFlow",
)
@click.option("--keras", "keep_keras", is_flag=True, help="write the whole Keras models too: pnet.keras, ...")
@click.option(
    "--picture",
    "pictures",
    multiple=True,
    type=FilePath(),
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
    direct: bool | None,
    keep_keras: bool,
    pictures: tuple[Path, ...],
    overwrite: bool,
    as_json: bool,
) -> int:
    """Make ONNX models of the weights that MTCNN is published with.

    WEIGHTS are the authors' Caffe files, Keras .h5 files (weights alone will do), mtcnn's or facenet's .npy, mtcnn's
    .lz4, facenet-pytorch's .pt, or folders or wheels with them. The models go through Keras and tf2onnx, or, where
    L-Net is among them, straight to DIR/pnet.onnx, rnet.onnx, onet.onnx and lnet.onnx. Each is compared with its Keras
    model, or the network in plain NumPy, and with the package's own on crops of a picture; nothing is written where it
    differs from the former by more than 1e-5, or from NumPy's float64 by 5e-5.
    """
    from mtcnn.cli.console import counting
    from mtcnn.engines.networks import LNET
    from mtcnn.errors import MtcnnError
    from mtcnn.export.compare import FACE, TOLERANCE, compare, runs_natively
    from mtcnn.export.convert import convert
    from mtcnn.export.weights import read_weights
    from mtcnn.files import Inputs, check_output, make_folder, output_error, remove_empty, replacing, replacing_path
    from mtcnn.pipeline.read import read_picture
    from mtcnn.runtime.install import install_command

    networks = read_weights(weights)
    if direct is None:
        direct = LNET.name in networks
    is_plain = layout == "nchw" and opset == 13 and not (layer_names or keep_keras)
    if direct and not is_plain:
        raise click.UsageError("--layout, --layer-names, --opset and --keras are Keras's: leave L-Net (det4) out")
    if not direct and LNET.name in networks:
        raise click.UsageError("L-Net has no Keras model: leave --through-keras, or det4, out")
    endings = ("onnx", "keras") if keep_keras else ("onnx",)
    inputs = Inputs(lambda: [*weights, *pictures, *(network.source for network in networks.values())])
    for name in networks:
        for ending in endings:
            check_output(output / f"{name}.{ending}", inputs, overwrite=overwrite)
    if not direct and is_plain and importlib.util.find_spec("tensorflow") is None:
        raise MtcnnError(f"going through Keras needs tensorflow: {install_command('export')}; --direct does without")
    imgs = [read_picture(path) for path in pictures or [FACE]]
    if direct:
        return _write_directly(networks, imgs, output, as_json)
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
        made_folders: list[Path] = []
        try:
            made_folders = make_folder(output)
            with replacing(paths[0]) as file:
                file.write(model.onnx)
            if keep_keras:
                with replacing_path(paths[1]) as path:
                    model.keras.save(path)
        except OSError as error:
            remove_empty(made_folders)
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


def _write_directly(networks: dict[str, NetworkWeights], imgs: list[Picture], output: Path, as_json: bool) -> int:
    from mtcnn.cli.console import counting
    from mtcnn.engines import NETWORKS
    from mtcnn.export.direct import convert_directly
    from mtcnn.files import make_folder, output_error, remove_empty, replacing

    made = []
    with counting("networks", total=len(networks)) as bar:
        for network in networks.values():
            made.append(convert_directly(network, imgs))
            bar.advance()
    rows: list[dict[str, Any]] = []
    for one in made:
        path = output / f"{one.network}.onnx"
        made_folders: list[Path] = []
        try:
            made_folders = make_folder(output)
            with replacing(path) as file:
                file.write(one.onnx)
        except OSError as error:
            remove_empty(made_folders)
            raise output_error(output, error) from error
        numbers = {"crops": one.samples, "from_numpy": one.from_numpy, "from_own": one.from_own}
        rows.append({"network": one.network, "source": networks[one.network].source, "files": [str(path)], **numbers})
    if as_json:
        echo_json({"layout": "nchw", "networks": rows}, indent=1)
        return 0
    echo(f"{'':6} {'from NumPy':>10} {'from own':>10} {'crops':>6}  ONNX, made of")
    for row in rows:
        own = "" if row["from_own"] is None else f"{row['from_own']:.1e}"
        numbers_shown = f"{row['from_numpy']:>10.1e} {own:>10} {row['crops']:>6}"
        echo(f"{row['network']:6} {numbers_shown}  {row['files'][0]}, {row['source']}")
    if missing := set(NETWORKS) - networks.keys():
        say(f"not among these weights: {', '.join(sorted(missing))}")
    else:
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

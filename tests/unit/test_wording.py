"""What the library says of its arguments, said of the command line's options."""

from __future__ import annotations

import click
import pytest

from mtcnn.cli.main import COMMANDS, cli
from mtcnn.cli.wording import alike_options, in_options


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "message", "said"),
    [
        ("detect", "minsize must be at least 4, got 3", "--minsize must be at least 4, got 3"),
        ("detect", "thresholds[0] must be 0 to 1, got 2", "--thresholds[0] must be 0 to 1, got 2"),
        ("embed", "output must end in .npz or .parquet, got x", "--output must end in .npz or .parquet, got x"),
        ("align", "size must be at least 1x1 pixels", "--size must be at least 1x1 pixels"),
        ("verify", "embedder_size is (9, 9), but the embedder takes (112, 112)", "--embedder-size is"),
        (
            "embed",
            'say which, as in embedder_output="flat", of flat, other',
            "as in --embedder-output flat, of flat, other",
        ),
        (
            "verify",
            "the embedder takes any size: say which it was trained on, as in embedder_size=(112, 112)",
            "as in --embedder-size 112x112",
        ),
        ("engines", 'targets must come with flavour="tensorrt-rtx"', "--target must come with --flavour tensorrt-rtx"),
        ("engines", "precision 'bf16' is for CPUs: TensorRT", "--precision 'bf16' is for CPUs"),
        (
            "detect",
            'device="cuda:3" cannot be used: no driver; device="cpu" works without',
            "--device cuda:3 cannot be used: no driver; --device cpu works without",
        ),
        ("triton", "folder must be a path", "REPO_DIR must be a path"),
        # Not arguments, though they are called so.
        ("verify", "face embedders need OpenVINO", "face embedders need OpenVINO"),
        ("video", "output of /x/minsize=3/a.jpg is gone", "output of /x/minsize=3/a.jpg is gone"),
        ("detect", "factor must be in (0, 1), got 2", "factor must be in (0, 1), got 2"),
    ],
)
def test_in_options(name: str, message: str, said: str) -> None:
    assert said in in_options(message, command(name))


@pytest.mark.parametrize(
    ("name", "option", "meant"),
    [
        ("detect", "--csv", ["--format csv"]),
        ("blur", "--fill", ["--how fill"]),
        ("detect", "--min-size", ["--minsize"]),
        ("detect", "--threshold", ["--thresholds"]),
        ("detect", "--vote", []),  # it was taken for --cores
        ("detect", "--", []),
    ],
)
def test_options_that_are_none(name: str, option: str, meant: list[str]) -> None:
    assert alike_options(option, click.Context(command(name))) == meant


def test_a_group_has_options_too() -> None:
    assert alike_options("--versoin", click.Context(cli)) == ["--version"]
    assert alike_options("--x", None) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_no_number_is_nan(name: str) -> None:
    """Comparisons with NaN are false: a margin of NaN hid nothing."""
    kinds = (click.FloatRange, click.types.FloatParamType)
    for param in command(name).params:
        if isinstance(param.type, kinds):
            for text in ("nan", "inf", "-inf"):
                with pytest.raises(click.BadParameter):
                    param.type.convert(text, param, None)

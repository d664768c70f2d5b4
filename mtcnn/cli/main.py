"""The command `mtcnn`: each subcommand is the module of its name, imported when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import click

import mtcnn
from mtcnn.cli.run import run

__all__ = ["cli", "main"]

COMMANDS = {
    "detect": "Find the faces in pictures: files, folders, globs.",
    "align": "Make aligned face crops of a folder of people's pictures.",
    "crop": "Cut the faces out of a folder of pictures as they lie.",
    "verify": "Tell whether two pictures show one person.",
    "embed": "Write the vectors of the faces in pictures.",
    "video": "Find the faces in a film, a camera's or a stream's pictures.",
    "blur": "Hide the faces in pictures and films for good.",
    "demo": "Try it in a browser.",
    "serve": "Find the faces in pictures that come by HTTP.",
    "export": "Make ONNX models of Keras and other weights.",
    "triton": "Write a model repository for Triton Inference Server.",
    "engines": "Make the networks ready for this machine.",
    "info": "Tell what was found on this machine, and what is missing.",
    "bench": "Time detection on this machine, with a picture of yours.",
    "completion": "Print the shell's completion script.",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"mtcnn.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0]!r}: it must be one of {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mtcnn.__version__, prog_name="mtcnn")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Find faces, align them, compare them.

    Exit codes: 0 done, 1 an error, 2 wrong usage, 3 done but for some pictures, 4 (verify) two persons, 130 stopped by
    Ctrl-C.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; wrong usage raises SystemExit."""
    return run(cli, arguments, "mtcnn")

"""`mtcnn completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["command"]


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    For bash: eval "$(mtcnn completion bash)" in ~/.bashrc; for zsh the same with zsh in ~/.zshrc; for fish:
    mtcnn completion fish > ~/.config/fish/completions/mtcnn.fish
    """
    from mtcnn.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None
    completion = kind(cli, {}, "mtcnn", "_MTCNN_COMPLETE")
    variables = {
        "complete_func": completion.func_name,
        "complete_var": completion.complete_var,
        "prog_name": completion.prog_name,
    }
    click.echo(completion.source_template % variables)

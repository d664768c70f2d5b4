"""`mtcnn info`."""

from __future__ import annotations

from typing import Any

import click

from mtcnn.cli.console import echo, echo_json
from mtcnn.cli.options import SETTINGS

__all__ = ["command"]


@click.command("info", context_settings=SETTINGS)
@click.option("--json", "as_json", is_flag=True)
def command(as_json: bool) -> int:
    """Tell what was found on this machine, what is missing, and how to get it."""
    from mtcnn.engines.environment import collect_environment

    found = collect_environment()
    if as_json:
        echo_json(found, indent=1)
        return 0
    for title, facts in found.items():
        echo(title, bold=True)
        for name, fact in facts.items():
            echo(f"  {name:20} ", end="")
            missing = isinstance(fact, dict) and "missing" in fact
            echo(f"missing: {fact['missing']}" if missing else _text(fact), fg="yellow" if missing else None)
    return 0


def _text(fact: Any) -> str:
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    return ", ".join(map(str, fact)) if isinstance(fact, list) else str(fact)

"""`mtcnn info`."""

from __future__ import annotations

from typing import Any

import click

from mtcnn.cli.options import SETTINGS

__all__ = ["command"]


@click.command("info", context_settings=SETTINGS)
@click.option("--json", "as_json", is_flag=True)
def command(as_json: bool) -> int:
    """Tell what was found on this machine, what is missing, and how to get it."""
    import json

    from mtcnn.engines.environment import collect_environment

    found = collect_environment()
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return 0
    for title, facts in found.items():
        click.secho(title, bold=True)
        for name, fact in facts.items():
            click.echo(f"  {name:20} {_text(fact)}")
    return 0


def _text(fact: Any) -> str:
    if isinstance(fact, dict) and "missing" in fact:
        return click.style(f"missing: {fact['missing']}", fg="yellow")
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    return ", ".join(map(str, fact)) if isinstance(fact, list) else str(fact)

"""Messages of the library, which name arguments of functions, said of the command's options."""

from __future__ import annotations

import re

import click

__all__ = ["alike_options", "in_options"]

# "minsize must be", "thresholds[0] must be", "precision 'bf16' is": what an error begins with.
_SUBJECT = re.compile(r"(?P<name>[a-z_]+)(?=(?:\[\d+\])?(?: '[^']*')? (?:must|is|are|has|have|holds|needs?)\b)")
# device="cpu", size=(112, 112), minsize=40: what it advises.
_ASSIGNMENT = re.compile(r"(?<![^\s(])(?P<name>[a-z_]+)=(?P<value>\"[^\"]*\"|'[^']*'|\([\d., ]*\)|\d[\d.]*)")


def in_options(message: str, command: click.Command) -> str:
    """The message with the names of `command`'s options for those of the arguments that they set."""

    def subject(found: re.Match[str]) -> str:
        option = _option(command, found["name"])
        return _name(option) if option else found[0]

    def assignment(found: re.Match[str]) -> str:
        option = _option(command, found["name"])
        if not isinstance(option, click.Option):
            return found[0]
        return f"{_name(option)} {_value(found['value'], option)}"

    begun = _SUBJECT.match(message)
    if begun:
        message = subject(begun) + message[begun.end() :]
    return _ASSIGNMENT.sub(assignment, message)


def alike_options(name: str, context: click.Context | None) -> list[str]:
    """What of a command's options a name that is none may mean: what is spelt nearly so, or of which it is a value, as
    --csv is of --format."""
    import difflib

    options = [p for p in context.command.params if isinstance(p, click.Option)] if context else []
    bare = name.lstrip("-")
    for option in options:
        if isinstance(option.type, click.Choice) and bare in option.type.choices:
            return [f"{_name(option)} {bare}"]
    names = {long.lstrip("-"): long for option in options for long in option.opts if long.startswith("--")}
    # without the dashes, which all have in common
    return [names[one] for one in difflib.get_close_matches(bare[:80], names)]


def _option(command: click.Command, name: str) -> click.Parameter | None:
    """What sets the argument: an option of its name, else the one whose name ends with it (--embedder-size)."""
    names = {parameter.name for parameter in command.params}
    if name not in names and name.removesuffix("s") in names:  # several, where the option is given once for each
        name = name.removesuffix("s")
    flag = f"--{name.replace('_', '-')}"
    named = [p for p in command.params if flag in p.opts or (isinstance(p, click.Argument) and p.name == name)]
    ending = [p for p in command.params if any(opt.startswith("--") and opt.endswith(f"-{flag[2:]}") for opt in p.opts)]
    found = named or ending
    return found[0] if len(found) == 1 else None


def _name(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return parameter.human_readable_name
    return max(parameter.opts, key=len)


def _value(text: str, option: click.Option) -> str:
    """As it is typed: "112x112" for (112, 112) where the option is HxW, else with commas."""
    if not text.startswith("("):
        return text.strip("\"'")
    between = "x" if "x" in (option.metavar or "") else ","
    return between.join(part.strip() for part in text[1:-1].split(",") if part.strip())

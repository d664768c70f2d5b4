"""Runs a command: every error is one line on standard error, and an exit code."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import logging
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from mtcnn.cli.console import say
from mtcnn.cli.wording import alike_options, in_options
from mtcnn.errors import MtcnnError, UnusedParameterWarning
from mtcnn.runtime.pixel_limit import most_pixels
from mtcnn.runtime.silence import messages_apart

__all__ = ["CANCELLED", "FAILED", "PARTLY", "fail", "run"]

FAILED, PARTLY, CANCELLED = 1, 3, 130


def run(command: click.Command, arguments: Sequence[str] | None, name: str) -> int:
    """What `command` returns, or the code of its error; wrong usage raises SystemExit."""
    _open_streams()
    _pipe_utf8()
    with messages_apart(), _warnings_as_lines(command, arguments):
        return _run(command, arguments, name)


def _open_streams() -> None:
    """Make the standard streams lead somewhere."""
    for number in (0, 1, 2):
        # A closed stream's number would go to the next file that is opened, and libraries' warnings into that file.
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it takes the lowest free number
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:  # closed, as by >&-
            setattr(sys, stream, open(os.devnull, "w"))  # noqa: SIM115


def _pipe_utf8() -> None:
    """What Windows would write to pipes and files in its code page is UTF-8, as what --output writes."""
    if sys.platform != "win32" or os.environ.get("PYTHONIOENCODING"):
        return
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.isatty():
            stream.reconfigure(encoding="utf-8", newline="\n")


def _run(command: click.Command, arguments: Sequence[str] | None, name: str) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        codecs.register_error("trt-mtcnn", _as_far_as_it_goes)
        sys.stdout.reconfigure(errors="trt-mtcnn")
    logging.lastResort = _Log(logging.WARNING)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)
        if sys.platform == "win32":
            signal.signal(signal.SIGBREAK, _interrupt)  # Ctrl-Break, which programs send to a process of its own group
    words = sys.argv[1:] if arguments is None else list(arguments)
    if any(_is_empty(word, before) for word, before in zip(words, ["", *words], strict=False)):
        # as a path it would be the current folder
        fail(name, "an argument is empty: is a variable of the shell not set?")
        raise SystemExit(2)
    try:
        with _opencv_within(most_pixels()):
            code = command.main(words, prog_name=name, standalone_mode=False)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else name
        text = error.format_message()
        if isinstance(error, click.NoSuchOption):
            meant = " or ".join(f"'{option}'" for option in alike_options(error.option_name, error.ctx))
            text = error.message + (f" Did you mean {meant}?" if meant else "")
        text = re.sub(r"\s+", " ", text)  # click lays choices out in columns
        fail(name, f"{text.rstrip('.')}; see {where} --help")
        raise SystemExit(error.exit_code) from None
    except click.ClickException as error:
        fail(name, error.format_message())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        fail(name, "cancelled")
        return CANCELLED
    except OSError as error:
        if _has_no_reader(error):  # it has gone, as head does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        fail(name, ": ".join(str(part) for part in (error.filename, error.strerror) if part) or str(error))
        return FAILED
    except MtcnnError as error:
        fail(name, in_options(str(error), _running(command, arguments)))
        return FAILED
    except (TypeError, ValueError) as error:
        fail(name, in_options(str(error), _running(command, arguments)))
        return 2
    except Exception as error:
        if isinstance(error, ImportError) and error.name == "pytrt":
            fail(name, str(error))
            return FAILED
        import traceback

        for line in traceback.format_exc().splitlines():
            say(line)
        fail(name, "that is a fault of the program itself: please report it with the lines above")
        return FAILED
    return code if isinstance(code, int) else 0


def _as_far_as_it_goes(error: UnicodeError) -> tuple[str | bytes, int]:
    """Names of files need not be UTF-8, nor need standard output: their bytes as they are, what it lacks escaped."""
    assert isinstance(error, UnicodeEncodeError)
    char = error.object[error.start]
    is_byte = "\udc80" <= char <= "\udcff"
    return bytes([ord(char) - 0xDC00]) if is_byte else char.encode("ascii", "backslashreplace"), error.start + 1


class _Log(logging.Handler):
    """Shows records that nobody else does, as harmless as other messages."""

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).splitlines():
            say(line)


@contextlib.contextmanager
def _warnings_as_lines(command: click.Command, arguments: Sequence[str] | None) -> Iterator[None]:
    """This package's warnings come without the line of code that they are about."""
    otherwise = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *more: Any, **others: Any) -> None:
        if issubclass(category, UnusedParameterWarning):
            say(in_options(str(message), _running(command, arguments)), fg="yellow")
        elif "PIL" not in Path(str(more[0] if more else "")).parts:  # what that thinks of damaged files
            otherwise(message, category, *more, **others)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = otherwise


@contextlib.contextmanager
def _opencv_within(pixels: int) -> Iterator[None]:
    """OpenCV, where it is loaded meanwhile, refuses larger pictures, too: those whose heads do not tell their size."""
    name = "OPENCV_IO_MAX_IMAGE_PIXELS"
    if name in os.environ:
        yield
        return
    os.environ[name] = str(pixels)
    try:
        yield
    finally:
        os.environ.pop(name, None)


def _is_empty(word: str, before: str) -> bool:
    """Whether an argument or an option's value is; an empty --host is this machine."""
    if word in ("", "--host="):
        return not word and before != "--host"
    return word.startswith("--") and word.endswith("=")


def _has_no_reader(error: OSError) -> bool:
    """Whether a pipe was written that nobody reads any more; Windows calls that an invalid argument, of no file."""
    is_invalid = sys.platform == "win32" and error.errno == errno.EINVAL and error.filename is None
    return isinstance(error, BrokenPipeError) or is_invalid


def _interrupt(number: int, frame: object) -> None:
    """SIGTERM ends the work as Ctrl-C does: what was done is kept. A second one ends it at once."""
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt


def _running(command: click.Command, arguments: Sequence[str] | None) -> click.Command:
    """The subcommand that was called."""
    words = sys.argv[1:] if arguments is None else arguments
    if isinstance(command, click.Group) and words:
        return command.get_command(click.Context(command), words[0]) or command
    return command


def fail(name: str, text: str) -> None:
    """Say what is wrong, in one line."""
    line = re.sub(r" *[\r\n]+ *", " ", text.strip())
    say(f"{name}: {line}", fg="red")

"""The command line: `python -m xdub_core`. Every mistake of the user's is one line and exit code 2."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from xdub_core.cli.streams import forgiving_streams
from xdub_core.errors import XDubError

USER_ERROR = 2
INTERRUPTED = 130

_NOT_IN_EVERY_INSTALL = ("xdub_core.heads", "xdub_core.training")


class InterruptedCommandError(Exception):
    """Ctrl-C in a command: typer ends the program at a KeyboardInterrupt without a word, and lets this one through."""


@contextmanager
def interruptible(left_behind: str = "") -> Iterator[None]:
    """Decorates a command: Ctrl-C in it is told in a line, with what it leaves behind.

    What a KeyboardInterrupt says itself, how to go on, follows.
    """
    try:
        yield
    except KeyboardInterrupt as interruption:
        told = ("interrupted", left_behind, str(interruption))
        raise InterruptedCommandError("; ".join(filter(None, told))) from interruption


def _load_commands() -> Callable[[], None]:
    from xdub_core.cli.app import app

    return app


def main(load_app: Callable[[], Callable[[], None]] = _load_commands) -> None:
    """Run a command line and exit. A polite kill (SIGTERM) cleans up as Ctrl-C does, and exits with its 130.

    `load_app` imports the typer app: what is missing for that is a mistake of the user's like any other.
    """
    with forgiving_streams():
        _run(load_app, debug="--debug" in sys.argv)


def _run(load_app: Callable[[], Callable[[], None]], debug: bool) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app = load_app()
        logging.basicConfig(
            level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s: %(message)s"
        )
        app()
    except (InterruptedCommandError, KeyboardInterrupt) as interruption:
        if debug:
            raise
        print(str(interruption) or "interrupted", file=sys.stderr)  # noqa: T201
        sys.exit(INTERRUPTED)
    except Exception as error:
        if debug or not (line := one_line(error)):
            raise
        print(f"error: {line}", file=sys.stderr)  # noqa: T201
        sys.exit(USER_ERROR)


def one_line(error: Exception) -> str:
    """What to say of an error that a user can mend; empty for a bug."""
    told = ""
    if isinstance(error, ModuleNotFoundError):
        told = _lacking_part(error.name)
    elif isinstance(error, XDubError):
        told = str(error)
    elif isinstance(error, (RuntimeError, MemoryError)):
        told = _full_memory(error)
    elif isinstance(error, OSError):  # what no part of the program foresaw
        told = f"{error.filename or 'a file'}: {(error.strerror or str(error)).lower()}; --debug tells where"
    return " ".join(told.splitlines())


def _lacking_part(module: str | None) -> str:
    """What to say of a module that this install is without; empty for one that should be there."""
    if extra := {"typer": "cli", "rich": "cli", "click": "cli", "yaml": "train"}.get(module or ""):
        return f'the command line needs {module}: pip install "x-dub[{extra}]"'
    if module in _NOT_IN_EVERY_INSTALL:
        return (
            "this install has no training and no evaluation, which ComfyUI's package leaves out: clone the "
            'repository, and in it pip install -e ".[cli,train]"'
        )
    return ""


def _full_memory(error: RuntimeError | MemoryError) -> str:
    """What to say of an allocation that failed; empty for any other error."""
    import torch

    if isinstance(error, torch.cuda.OutOfMemoryError) or "MPS backend out of memory" in str(error):
        return "the GPU's memory is full: try --low-memory and --crop-size 384 (of dub), or --device cpu"
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
        return "the computer's memory is full: try --low-memory and --crop-size 384 (of dub), or close other programs"
    return ""

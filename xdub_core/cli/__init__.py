"""The command line: `python -m xdub_core`. Every mistake of the user's is one line and exit code 2."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from xdub_core.cli.streams import forgiving_streams
from xdub_core.errors import XDubError

USER_ERROR = 2
INTERRUPTED = 130

_LEFT_BEHIND = {
    "dub": "; no output was written",
    "train": "; the same command goes on from what is in its folder",
}
"""What an interrupted command tells of its work, where it is always the same."""


class InterruptedCommandError(Exception):
    """Ctrl-C in a command: typer ends the program at a KeyboardInterrupt without a word, and lets this one through."""

    def __init__(self, command: str | None) -> None:
        super().__init__(f"interrupted{_LEFT_BEHIND.get(command or '', '')}")


def main() -> None:
    """Run the command line and exit. A polite kill (SIGTERM) cleans up as Ctrl-C does, and exits with its 130."""
    with forgiving_streams():
        _run(debug="--debug" in sys.argv)


def _run(debug: bool) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app = _load_app()
        logging.basicConfig(
            level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s: %(message)s"
        )
        app()
    except XDubError as error:
        if debug:
            raise
        _refuse(str(error))
    except (RuntimeError, MemoryError) as error:
        if debug or not (full := _full_memory(error)):
            raise
        _refuse(full)
    except OSError as error:  # what no part of the program foresaw
        if debug:
            raise
        _refuse(
            f"{error.filename or 'a file'}: {(error.strerror or str(error)).lower()}; --debug tells where"
        )
    except (InterruptedCommandError, KeyboardInterrupt) as interruption:
        if debug:
            raise
        print(str(interruption) or "interrupted", file=sys.stderr)  # noqa: T201
        sys.exit(INTERRUPTED)


def _load_app() -> Callable[[], None]:
    try:
        from xdub_core.cli.app import app
    except ModuleNotFoundError as missing:
        if missing.name not in ("typer", "rich", "click"):
            raise
        _refuse(f'the command line needs {missing.name}: pip install "comfyui-x-dub[cli]"')
    return app


def _full_memory(error: RuntimeError | MemoryError) -> str:
    """What to say of an allocation that failed; empty for any other error."""
    import torch

    if isinstance(error, torch.cuda.OutOfMemoryError) or "MPS backend out of memory" in str(error):
        return "the GPU's memory is full: try --low-memory and --crop-size 384 (of dub), or --device cpu"
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
        return "the computer's memory is full: try --low-memory and --crop-size 384 (of dub), or close other programs"
    return ""


def _refuse(message: str) -> NoReturn:
    print(f"error: {' '.join(message.splitlines())}", file=sys.stderr)  # noqa: T201
    sys.exit(USER_ERROR)

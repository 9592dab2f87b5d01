"""The command line: `python -m xdub_core`. Every mistake of the user's is one line and exit code 2."""

from __future__ import annotations

import logging
import sys
from typing import NoReturn

from xdub_core.errors import XDubError

USER_ERROR = 2
INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit."""
    try:
        from xdub_core.cli.app import app
    except ModuleNotFoundError as missing:
        if missing.name not in ("typer", "rich", "click"):
            raise
        _refuse(f'the command line needs {missing.name}: pip install "comfyui-x-dub[cli]"')

    debug = "--debug" in sys.argv
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s: %(message)s"
    )
    try:
        app()
    except XDubError as error:
        if debug:
            raise
        _refuse(str(error))
    except KeyboardInterrupt:
        if debug:
            raise
        print("interrupted; no output was written", file=sys.stderr)  # noqa: T201
        sys.exit(INTERRUPTED)


def _refuse(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    sys.exit(USER_ERROR)

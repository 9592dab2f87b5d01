"""`python -m xdub_core.training`, or with torchrun `-m xdub_core.training`: see `cli.train_stage`."""

from __future__ import annotations

from collections.abc import Callable

from xdub_core.cli import main


def _load_command() -> Callable[[], None]:
    from xdub_core.cli.train_stage import app

    return app


if __name__ == "__main__":
    main(_load_command)

"""What the output says about where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from xdub_core.media.output.origin import Origin, origin_of_edit

_option = partial(typer.Option, rich_help_panel="Origin")


@dataclass(frozen=True)
class OriginOptions:
    """The mark of a video that was edited with AI."""

    mark: Annotated[
        bool,
        _option(
            help="Say in the output's metadata (comment, IPTC's digital source type) that it was edited with AI. Many "
            "countries and platforms ask for it; leave it out only where you put such a mark there yourself."
        ),
    ] = True

    def of_edit(self, source: Path) -> Origin | None:
        """What a dub of a file says; None: nothing."""
        return origin_of_edit(source) if self.mark else None

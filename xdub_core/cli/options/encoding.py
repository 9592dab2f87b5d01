"""How the output is encoded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer

from xdub_core.media.output.encode_settings import CODECS, PRESETS, EncodeSettings

_option = partial(typer.Option, rich_help_panel="Encoding")


@dataclass(frozen=True)
class EncodingOptions:
    """Those of EncodeSettings' fields that the command line offers."""

    codec: Annotated[str, _option(help=f"auto, {', '.join(CODECS)}.")] = "auto"
    quality: Annotated[int | None, _option(help="Constant quality (CRF), lower is better.")] = None
    preset: Annotated[str, _option(help=f"Encoding speed: {', '.join(PRESETS)}.")] = "medium"
    bit_depth: Annotated[
        int | None, _option(help="8, 10 or 12; otherwise as the source where the codec can.")
    ] = None
    pixel_format: Annotated[
        str | None,
        _option(
            help="FFmpeg's name of the pixel format; otherwise the one that keeps the source's chroma (4:2:0, 4:2:2 "
            "or 4:4:4) and transparency where the codec can. Few players show other H.264 and HEVC than 4:2:0: "
            "yuv420p, or yuv420p10le for 10 bits, is what all show."
        ),
    ] = None

    def settings(self) -> EncodeSettings:
        """Raises SettingsError for values out of range, or that contradict each other."""
        return EncodeSettings(**vars(self))

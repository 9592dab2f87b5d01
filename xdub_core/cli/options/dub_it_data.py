"""How training data for a dub by LTX-2 are made."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xdub_core.errors import SettingsError

if TYPE_CHECKING:
    from xdub_core.training.dub_it.data.models import LtxNodes
    from xdub_core.training.dub_it.data.prompts import Script
    from xdub_core.training.dub_it.data.settings import DataSettings

_what = partial(typer.Option, rich_help_panel="What is made")
_with = partial(typer.Option, rich_help_panel="With what")
_kept = partial(typer.Option, rich_help_panel="What is kept (below 0: not looked at)")


@dataclass(frozen=True)
class WhatIsMade:
    """Clips, and how they are cut and masked."""

    prompts: Annotated[
        Path | None,
        _what(help="Prompts as JSON, as the command dub-it-prompts writes them; without, ones are composed."),
    ] = None
    count: Annotated[int, _what(help="Clips, of two pairs at most each, where prompts are composed.")] = 100
    seed: Annotated[int, _what(help="Of the noise, and of prompts that are composed.")] = 0
    width: Annotated[int, _what(help="Of clips, a multiple of 32.")] = 960
    height: Annotated[int, _what(help="The same.")] = 544
    frames: Annotated[int, _what(help="Of a clip with both halves: 8 k + 1.")] = 249
    fps: Annotated[str, _what(help="Frames a second: 25, or a fraction such as 30000/1001.")] = "25"
    shortest: Annotated[int, _what(help="Frames of a half at least: 8 k + 1.")] = 49
    longest: Annotated[int, _what(help="Frames of a half at most: 8 k + 1.")] = 121
    pause: Annotated[
        bool,
        _what(
            help="Give up clips without a pause where they switch; else they are cut where the prompt says."
        ),
    ] = True
    mask_threshold: Annotated[float, _what(help="tau of the latent-aware fine mask.")] = 0.1
    mask_channels: Annotated[
        str,
        _what(
            help="Which of a latent cell's channels it is compared with: any (the largest), or their mean."
        ),
    ] = "any"
    lip_margin: Annotated[float, _what(help="Around the lips, in mouth widths.")] = 0.5

    def scripts(self) -> list[Script]:
        """The prompts."""
        from xdub_core.training.dub_it.data.prompts import read_scripts, scripts

        if self.count < 1:
            raise SettingsError(f"--count {self.count}: make 1 clip or more")
        return scripts(self.count, self.seed) if self.prompts is None else read_scripts(self.prompts)


@dataclass(frozen=True)
class WithWhat:
    """The ComfyUI, its models and its sampler."""

    server: Annotated[str, _with(help="Address of a ComfyUI that runs, with this pack in it.")] = (
        "127.0.0.1:8188"
    )
    checkpoint: Annotated[str, _with(help="LTX-2's, by its name in ComfyUI's models/checkpoints.")] = (
        "ltx-2-19b-dev.safetensors"
    )
    text_encoder: Annotated[str, _with(help="By its name in models/text_encoders.")] = (
        "gemma_3_12B_it.safetensors"
    )
    nodes: Annotated[
        Path | None,
        _with(
            help="Nodes that load the models, in place of the last two: JSON of nodes in ComfyUI's API format, and "
            "model, clip, vae and audio_vae, each [id, output]."
        ),
    ] = None
    version: Annotated[str, _with(help="Of LTX-2: 2.0 or 2.3.")] = "2.0"
    layout: Annotated[
        str, _with(help="In whose form the pairs' prompts are: paper, paper release or ltx 2.3.")
    ] = "paper"
    steps: Annotated[int, _with(help="Sampling steps.")] = 30
    guidance: Annotated[float, _with(help="CFG.")] = 3.0
    sampler: Annotated[str, _with(help="ComfyUI's name of it.")] = "euler"

    def models(self) -> LtxNodes:
        """The nodes that load them."""
        from xdub_core.training.dub_it.data.models import of_checkpoint, read_nodes

        return (
            of_checkpoint(self.checkpoint, self.text_encoder)
            if self.nodes is None
            else read_nodes(self.nodes)
        )


@dataclass(frozen=True)
class WhatIsKept:
    """Thresholds of the pairs."""

    least_seen: Annotated[float, _kept(help="Share of frames with a mouth.")] = 0.5
    least_lmd: Annotated[float, _kept(help="Distance of both clips' lips, in faces.")] = 0.01
    least_mar: Annotated[float, _kept(help="The mouth's mean opening.")] = 0.05
    least_mar_div: Annotated[float, _kept(help="The opening's deviation.")] = 0.03
    least_qd: Annotated[float, _kept(help="LMD x MAR Div.")] = 0.0005
    least_identity: Annotated[float, _kept(help="Likeness of both clips' faces.")] = 0.6
    most_wer: Annotated[float, _kept(help="Error rate of each clip's words.")] = 0.5


def data_settings(made: WhatIsMade, using: WithWhat, kept: WhatIsKept) -> DataSettings:
    """All of them. Raises SettingsError where one cannot be."""
    from xdub_core.training.dub_it.data.quality import QualityThresholds
    from xdub_core.training.dub_it.data.settings import DataSettings
    from xdub_core.training.dub_it.data.switch import SwitchSettings
    from xdub_core.training.dub_it.data.workflows import ClipSettings, SamplingSettings
    from xdub_core.training.dub_it.fine_mask import FineMaskSettings

    try:
        fps = Fraction(made.fps)
    except (ValueError, ZeroDivisionError):
        raise SettingsError(
            f"--fps {made.fps!r} is no rate: take 25, or a fraction such as 30000/1001"
        ) from None
    least = [value if value >= 0 else None for value in vars(kept).values()]
    return DataSettings(
        version=using.version,
        seed=made.seed,
        clip=ClipSettings((made.width, made.height), made.frames, fps),
        sampling=SamplingSettings(using.steps, using.guidance, using.sampler),
        switch=SwitchSettings(made.shortest, made.longest, must_pause=made.pause),
        mask=FineMaskSettings(made.mask_threshold, made.mask_channels),  # type: ignore[arg-type]
        quality=QualityThresholds(*least),
        lip_margin=made.lip_margin,
        layout=using.layout,
    )

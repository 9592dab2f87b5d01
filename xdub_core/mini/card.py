"""The card of a mini: what its files themselves do not say, so that a folder of them can be used."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from xdub_core.dub.clip_plan import ClipGeometry
from xdub_core.dub.settings import DubSettings
from xdub_core.errors import CheckpointError, MissingModelError, SettingsError
from xdub_core.files import write_text_whole
from xdub_core.mini.vae_net import VAEConfig
from xdub_core.model.config import DiTConfig
from xdub_core.sampling.clip_sampling import SamplerSettings
from xdub_core.sampling.guidance import Guidance
from xdub_core.weights.stated import stated, stated_object

CARD = "mini.json"
CROP_STEP = VAEConfig().grid.crop_step(DiTConfig().patch)
"""Every mini takes crops of multiples of this many pixels."""

BUILT_IN = Path(__file__).parent / "weights"
"""The mini that comes with the package."""


@dataclass(frozen=True)
class MiniCard:
    """How a mini is used.

    Sizes that it was trained at: pixels of its crops, and frames of its clips and of their overlap. And how it
    samples best: steps, the schedule's shift, and the scales of guidance, which are constant down to the noise level
    `guidance_end`, below which the mouth's shape no longer changes.
    """

    crop: int = 96
    clip_frames: int = 13
    motion_frames: int = 5
    steps: int = 4
    reference_scale: float = 1.0
    audio_scale: float = 2.5
    guidance_end: float = 0.8
    shift: float = 10.0

    @property
    def geometry(self) -> ClipGeometry:
        return ClipGeometry(self.clip_frames, self.motion_frames)

    @property
    def sampler(self) -> SamplerSettings:
        guidance = Guidance(self.reference_scale, self.audio_scale, dynamic=False, end=self.guidance_end)
        return SamplerSettings(self.steps, guidance, self.shift)

    @property
    def settings(self) -> DubSettings:
        """The mini's own way to dub."""
        return DubSettings(crop_size=self.crop, geometry=self.geometry, sampler=self.sampler)


def is_mini(folder: Path) -> bool:
    """Whether a folder holds a mini."""
    return (folder / CARD).is_file()


def load_card(folder: Path) -> MiniCard:
    """Raises MissingModelError where there is no mini, CheckpointError where its card is damaged, or asks for what its
    networks cannot do."""
    path = folder / CARD
    if not path.is_file():
        raise MissingModelError(
            f"{folder} holds no xdub-mini ({CARD} is missing): make one with `train mini`"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): get the folder whole") from None
    card = stated(MiniCard, stated_object(text, str(path)), str(path), optional=MiniCard.__dataclass_fields__)
    try:
        card.settings  # noqa: B018 (every value in its range)
    except SettingsError as error:
        raise CheckpointError(f"{path} states {error}") from None
    if card.crop % CROP_STEP:
        raise CheckpointError(
            f"{path} states a crop size of {card.crop}: a mini takes multiples of {CROP_STEP}"
        )
    return card


def save_card(folder: Path, card: MiniCard) -> None:
    """Write the card, whole or not at all. It makes the folder a mini: write it last."""
    write_text_whole(folder / CARD, json.dumps(asdict(card)))

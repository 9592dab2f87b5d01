"""How to dub, and whether that suits the model."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdub_core.compose.paste_back import PasteMode
from xdub_core.dub.clip_plan import RELEASED_GEOMETRY, ClipGeometry
from xdub_core.dub.model import DubbingModel
from xdub_core.errors import SettingsError
from xdub_core.face.crop import CropMode
from xdub_core.model.config import DiTConfig
from xdub_core.sampling.clip_sampling import SamplerSettings
from xdub_core.sampling.denoiser import needs_of
from xdub_core.vae.grid import WAN_GRID

RELEASED_CROP = 512
"""Pixels of the crops that the released model was trained on."""
RELEASED_CROP_STEP = WAN_GRID.crop_step(DiTConfig().patch)
"""The released model takes crops of multiples of this many pixels."""

MOST_RETRIES = 99


@dataclass(frozen=True)
class DubSettings:
    """How to dub. `crop_size` is in pixels. Which sizes a model takes, and whether the clips of `geometry` are whole
    latents of its VAE, `check_sizes` tells.

    `keep_unchanged`: where the model changed nothing to be seen, the frame keeps its own pixels, and not the VAE's
    picture of them. It costs decoding every crop twice.
    `retries`: how often a clip that came out broken (see `dub.clip_judge`) is sampled again, with other noise; 0: clips
    are not judged.
    With `as_released`, everything is done as the release does it (integer boxes, 8-bit motion frames, whole crops
    pasted, nothing judged), for comparison; without, as well as we know how.

    Raises SettingsError for a crop size that no model takes, retries below 0, or another speed than the release's.
    """

    crop_size: int = RELEASED_CROP
    geometry: ClipGeometry = RELEASED_GEOMETRY
    sampler: SamplerSettings = field(default_factory=SamplerSettings)
    match_colors: bool = True
    keep_unchanged: bool = True
    retries: int = 2
    as_released: bool = False

    def __post_init__(self) -> None:
        if self.crop_size < 1:
            raise SettingsError(
                f"a crop size of {self.crop_size}: use a multiple of {RELEASED_CROP_STEP} ({RELEASED_CROP} is the "
                "model's default)"
            )

        if not 0 <= self.retries <= MOST_RETRIES:
            raise SettingsError(
                f"{self.retries} retries of a broken clip: use 0 (clips are not checked) to {MOST_RETRIES}"
            )

        if self.as_released and not self.sampler.reuse.exact:
            raise SettingsError(
                "as released, every prediction is made: use the speed exact, or do not dub as released"
            )

    @property
    def crop_mode(self) -> CropMode:
        return "as_released" if self.as_released else "subpixel"

    @property
    def paste_mode(self) -> PasteMode:
        return "as_released" if self.as_released else "change"


def check_sizes(settings: DubSettings, model: DubbingModel) -> ClipGeometry:
    """The clips as whole latents of the model's VAE, whose grid is what counts.

    Raises SettingsError, with both numbers, where VAE and model do not belong together, or the crop's size or the
    clips' lengths do not suit them.
    """
    grid, needs = model.vae.grid, needs_of(model)
    if needs is not None and (misfit := needs.misfit(grid)):
        raise SettingsError(f"the VAE's latents {misfit}: use the VAE that belongs to the model")
    step = grid.spatial if needs is None else grid.crop_step(needs.patch)
    if settings.crop_size % step:
        raise SettingsError(
            f"a crop size of {settings.crop_size}, where this model and its VAE take steps of {step} pixels: use a "
            f"multiple of {step}"
        )
    return settings.geometry.on_grid(grid)

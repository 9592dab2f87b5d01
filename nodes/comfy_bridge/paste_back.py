"""Dubbed crops on their way back into the video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, repeat

import numpy as np
import torch
from torch import Tensor

from xdub_core.compose.color_match import match_color, match_color_as_released
from xdub_core.compose.paste_back import PasteMode
from xdub_core.dub.crops import DubbedCrop
from xdub_core.dub.frames import DubbedFace, pasted_frames
from xdub_core.dub.playback import ShownFrames, at_model_rate
from xdub_core.dub.scene import faded
from xdub_core.dub.stitch import stitched
from xdub_core.errors import SettingsError
from xdub_core.media.picture.frame import FinishedFrame
from xdub_core.media.timeline import Extend, FrameClock, extended_slots
from xdub_core.vae.counted_stream import CountedStream

from .media.frames import Footage
from .types import ReferenceLatents, ShotReference, TrackedFace


def shots_of_crops(images: Sequence[Tensor], plan: ReferenceLatents) -> list[Tensor]:
    """Dubbed crops of every shot, cut to its frames. Raises SettingsError where they are not what the plan asks for."""
    if len(images) != len(plan.shots):
        raise SettingsError(
            f"there are {len(images)} batches of crops for {len(plan.shots)} shots: connect VAE Decode's "
            "output for the latents of Stitch Clips (X-Dub) with the same reference"
        )
    for crops, shot in zip(images, plan.shots, strict=True):
        if len(crops) < len(shot.frames) or crops.shape[1:3] != plan.crops.shape[1:3]:
            wanted = f"{len(shot.frames)} of {plan.crops.shape[2]} x {plan.crops.shape[1]} pixels"
            raise SettingsError(
                f"there are {len(crops)} crops of {crops.shape[2]} x {crops.shape[1]} pixels, but {wanted} are due: "
                "decode the stitched latents with the VAE that made the reference"
            )
    return [crops[: len(shot.frames)] for crops, shot in zip(images, plan.shots, strict=True)]


def matched_colors(
    shots: Sequence[Tensor], plan: ReferenceLatents, frames: Iterable[tuple[int, int]]
) -> list[Tensor]:
    """The crops of all shots with their colours matched; `frames` names the (shot, number in it) to do, in order."""
    match = match_color_as_released if plan.as_released else match_color
    matched = [torch.empty_like(crops, dtype=torch.float32) for crops in shots]
    for shot, number in frames:
        source = as_crop(plan.crops[plan.shots[shot].slots[number]])
        matched[shot][number] = torch.from_numpy(match(as_crop(shots[shot][number]), source))
    return matched


def pasted(
    footage: Footage,
    face: TrackedFace,
    shots: Sequence[Tensor],
    plan: ReferenceLatents,
    mode: PasteMode,
    through_vae: bool,
) -> tuple[FrameClock, Iterator[FinishedFrame]]:
    """The frames of the dub, and when they appear: the source's, with the crops pasted in where there is a face.

    With `through_vae`, only what the model changed: the reference latents are decoded for that, to compare with.
    """
    made = (
        (shot.frames, _dubbed(crops, shot, plan, through_vae))
        for crops, shot in zip(shots, plan.shots, strict=True)
    )
    slots, shown = _shown(face, plan)
    strength = plan.strength if face.as_released else faded(face.track, plan.strength, slots[:-1])
    dubbed = DubbedFace(face.track, made, strength, face.bystanders)
    return shown.clock, pasted_frames(footage.source, shown, slots, [dubbed], mode)


def _shown(face: TrackedFace, plan: ReferenceLatents) -> tuple[np.ndarray, ShownFrames]:
    """The slots that the model's frames show, and one more, and the frames of the dub."""
    if plan.playback is not None:
        return plan.playback.slots(plan.frames + 1), plan.playback.shown(plan.frames)
    shown_for = extended_slots(len(face.timeline), plan.frames, plan.extend or Extend.BOUNCE)
    slots = shown_for(plan.frames + 1)
    return slots, at_model_rate(face.timeline, slots[:-1])


def _dubbed(
    crops: Tensor, shot: ShotReference, plan: ReferenceLatents, through_vae: bool
) -> Iterator[DubbedCrop]:
    """A shot's dubbed crops with their source crops and, where asked for, what those come to through the VAE."""
    frames = len(crops)  # as long as the shot, which its clips mostly run past
    kept = islice(_through_vae(shot, plan), frames) if through_vae else repeat(None, frames)
    for crop, slot, from_vae in zip(crops, shot.slots[:frames], kept, strict=True):
        source = as_crop(plan.crops[slot])
        yield DubbedCrop(as_crop(crop), source, None if from_vae is None else match_color(from_vae, source))


def _through_vae(shot: ShotReference, plan: ReferenceLatents) -> Iterator[np.ndarray]:
    """The source crops of a shot, encoded and decoded, one latent at a time."""
    stream = CountedStream(plan.vae)
    for latents in stitched(shot.latents, plan.geometry.motion_latents):
        for latent in latents.split(1, dim=2):
            yield from stream.decode(latent).float().cpu().numpy()


def as_crop(image: Tensor) -> np.ndarray:
    """A picture [size, size, 3] as the engine has crops: float32, on the CPU."""
    return image[..., :3].float().cpu().numpy()

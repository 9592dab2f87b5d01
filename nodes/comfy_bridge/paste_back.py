"""Dubbed crops on their way back into the video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, repeat

import numpy as np
import torch
from torch import Tensor

from xdub_core.compose.color_match import match_color
from xdub_core.compose.paste_back import PasteMode, paste_back, touched_rectangle
from xdub_core.compose.region import with_regions
from xdub_core.dub.clip_chain import CountedStream, DubbedCrop
from xdub_core.dub.pipeline import source_frames
from xdub_core.dub.stitch import LatentStitcher
from xdub_core.errors import SettingsError
from xdub_core.media.picture.frame import FinishedFrame, untouched
from xdub_core.media.timeline import ping_pong

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
    matched = [torch.empty_like(crops, dtype=torch.float32) for crops in shots]
    for shot, number in frames:
        source = as_crop(plan.crops[plan.shots[shot].slots[number]])
        matched[shot][number] = torch.from_numpy(match_color(as_crop(shots[shot][number]), source))
    return matched


def pasted(
    footage: Footage,
    face: TrackedFace,
    shots: Sequence[Tensor],
    plan: ReferenceLatents,
    mode: PasteMode,
    keep_unchanged: bool,
) -> Iterator[FinishedFrame]:
    """The frames of the dub: the source's, with the crops pasted in where there is a face.

    With `keep_unchanged`, only what the model changed: the reference latents are decoded for that, to compare with.
    """
    slots = ping_pong(len(face.track), plan.frames)
    crops = chain.from_iterable(
        with_regions(_dubbed(crops, shot, plan, keep_unchanged), wanted=mode == "change")
        for crops, shot in zip(shots, plan.shots, strict=True)
    )
    dubbed = {frame for shot in plan.shots for frame in shot.frames}
    for number, frame in enumerate(source_frames(footage.source, face.timeline.source_index[slots])):
        crop, region = next(crops) if number in dubbed else (None, None)
        if crop is not None and face.track.present[slots[number]]:
            box = face.track.boxes[slots[number]]
            pasted = paste_back(frame.rgb, crop.generated, crop.source, box, mode, crop.unchanged, region)
            yield FinishedFrame(pasted, frame, (touched_rectangle(box, pasted.shape, region),))
        else:
            yield untouched(frame)


def _dubbed(
    crops: Tensor, shot: ShotReference, plan: ReferenceLatents, keep_unchanged: bool
) -> Iterator[DubbedCrop]:
    """A shot's dubbed crops with their source crops and, where asked for, what those come to through the VAE."""
    frames = len(crops)  # as long as the shot, which its clips mostly run past
    kept = islice(_through_vae(shot, plan), frames) if keep_unchanged else repeat(None, frames)
    for crop, slot, unchanged in zip(crops, shot.slots[:frames], kept, strict=True):
        source = as_crop(plan.crops[slot])
        yield DubbedCrop(as_crop(crop), source, None if unchanged is None else match_color(unchanged, source))


def _through_vae(shot: ShotReference, plan: ReferenceLatents) -> Iterator[np.ndarray]:
    """The source crops of a shot, encoded and decoded, one latent at a time."""
    stitcher, stream = LatentStitcher(plan.geometry.motion_latents), CountedStream(plan.vae)

    def latents() -> Iterator[Tensor]:
        for clip in shot.latents:
            yield from stitcher.add(clip).split(1, dim=2)
        if (last := stitcher.finish()) is not None:
            yield last

    for latent in latents():
        yield from stream.decode(latent).float().cpu().numpy()


def as_crop(image: Tensor) -> np.ndarray:
    """A picture [size, size, 3] as the engine has crops: float32, on the CPU."""
    return image[..., :3].float().cpu().numpy()

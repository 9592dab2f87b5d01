"""What is not dubbed stays the source's own: pixels outside of the face, and the sound where nobody speaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchaudio.functional import resample

from xdub_core.compose.color_match import match_color
from xdub_core.dub.crops import DubbedCrop
from xdub_core.dub.frames import DubbedFace, pasted_frames
from xdub_core.dub.playback import ShownFrames
from xdub_core.dub.scene import faded
from xdub_core.dub_it.joins import joined_frames
from xdub_core.dub_it.kept_face import crop_size, on_frames, shots
from xdub_core.dub_it.kept_sound import joined_spans, kept_sound, with_channels
from xdub_core.dub_it.segments import Segment
from xdub_core.dub_it.times import samples
from xdub_core.face.crop import crop_frame
from xdub_core.face.track import FaceTrack
from xdub_core.media.picture.frame import FinishedFrame
from xdub_core.media.timeline import constant_clock

from ..media.frames import frame_from_image
from ..types import TrackedFace
from .old_speech import speech_of
from .result import decoded_frames, guide_frames
from .source import Source

Latents = Sequence[dict[str, Any] | None]
"""Of each segment; None where it is the source's own."""


@dataclass(frozen=True)
class Keep:
    """`face`: the source's pixels stay outside of it; None: all of the picture is new. `sound`: where nobody speaks."""

    face: TrackedFace | None = None
    sound: bool = True


def with_own_sound(source: Source, made: dict[str, Any]) -> dict[str, Any]:
    """An AUDIO as long as the source, which is the source's own where nobody speaks, before or now, bit by bit.

    `made`: AUDIO of the dub. Where no speech is found in the source, which may be for music, nothing is kept.
    """
    old = () if source.audio is None else speech_of(source.audio)
    if source.audio is None or not old:
        return made
    rate = int(source.audio["sample_rate"])
    total = samples(source.frames, source.fps, rate)
    own = _as_long(source.audio["waveform"][0].float(), total)
    new = _as_long(resample(made["waveform"][0].float(), made["sample_rate"], rate), total)
    speech = joined_spans(old, speech_of(made))
    sound = kept_sound(with_channels(new, len(own)), own, speech, rate)
    return {"waveform": torch.from_numpy(sound)[None], "sample_rate": rate}


def _as_long(sound: Tensor, total: int) -> np.ndarray:
    sound = sound[:, :total].cpu()
    return np.asarray(torch.nn.functional.pad(sound, (0, total - sound.shape[1])).numpy())


def with_own_picture(
    source: Source, segments: Sequence[Segment], latents: Latents, vae: Any, face: TrackedFace
) -> Iterator[FinishedFrame]:
    """The source's frames, with what is new in the face: by `pasted_frames`, as in every dub.

    What the VAE makes of the source's own frames, which are in the latents as the guide, tells what the model changed.
    """
    frames = source.frames
    track, *bystanders = (
        on_frames(each, face.timeline.source_index, frames) for each in (face.track, *face.bystanders)
    )
    size, numbers = crop_size(track), np.arange(frames)
    made = (
        _crops(source, segment, latent, vae, track, size)
        for segment, latent in zip(segments, latents, strict=True)
    )
    crops = _dubbed(source, track, joined_frames(segments, made))
    there = ((shot, _of_shot(crops, shot)) for shot in shots(track))
    dubbed = DubbedFace(track, there, faded(track, None, numbers), tuple(bystanders))
    places = numbers.astype(np.float64)
    shown = ShownFrames(numbers, constant_clock(frames, source.fps), places, places)
    slots = np.append(numbers, frames - 1)
    return pasted_frames(source.footage.source, shown, slots, [dubbed], "change")


def _crops(
    source: Source, segment: Segment, latent: Mapping[str, Any] | None, vae: Any, track: FaceTrack, size: int
) -> Tensor:
    """A segment's new crops and the source's through the VAE, one behind the other: [n, size, size, 6]."""
    boxes = track.boxes[segment.start : segment.stop]

    def cut(frames: Iterable[np.ndarray]) -> Tensor:
        crops = (crop_frame(frame, box, size) for frame, box in zip(frames, boxes, strict=True))
        return torch.stack([torch.from_numpy(crop) for crop in crops])

    if latent is None:
        own = cut(source.footage.source.frames(np.arange(segment.start, segment.stop)))
        return torch.cat((own, own), dim=-1)
    both = (
        cut(frame_from_image(image, deep=True) for image in decode(latent, vae))
        for decode in (decoded_frames, guide_frames)
    )
    return torch.cat(tuple(both), dim=-1)


def _dubbed(source: Source, track: FaceTrack, pairs: Iterable[Tensor]) -> Iterator[tuple[int, DubbedCrop]]:
    """The crops of every frame, with its number, their colours matched to the source's."""
    frames = source.footage.source.frames(range(source.frames))
    for number, (pair, frame) in enumerate(zip(pairs, frames, strict=True)):
        new, kept = (np.ascontiguousarray(part.numpy()) for part in pair.split(3, dim=-1))
        own = crop_frame(frame, track.boxes[number], len(new))
        yield number, DubbedCrop(match_color(new, own), own, match_color(kept, own))


def _of_shot(crops: Iterator[tuple[int, DubbedCrop]], shot: range) -> Iterator[DubbedCrop]:
    """A shot's crops; those before it are left out."""
    for number, crop in crops:
        if number in shot:
            yield crop
        if number + 1 == shot.stop:
            return

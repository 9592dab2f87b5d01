"""Pairs for the editor: real clips, dubbed anew by the generator with other speech (paper section 3.1, B.1 to B.5).

A clip is made in short segments, each continuing the last by its motion frames; the generated face is put back into
the original frames with a feathered mask, so that a pair differs in the masked face alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from xdub_core.audio.features import AudioFeatures
from xdub_core.audio.windows import audio_windows
from xdub_core.dub.clip_plan import Clip, ClipGeometry, padded_frames, plan_clips
from xdub_core.errors import SettingsError
from xdub_core.model.dit import XDubDiT
from xdub_core.sampling.clip_sampling import ClipInputs, SamplerSettings, sample_clip
from xdub_core.training.generator import REFERENCE_FRAMES, GeneratorDenoiser
from xdub_core.training.masks import composite, mask_out
from xdub_core.vae.protocol import VideoVAE

SEGMENT = ClipGeometry(frames=25, motion_frames=5)
"""The generator's segments (appendix B.1)."""


@dataclass(frozen=True)
class RedubSettings:
    """How clips are dubbed anew. `feather` is the Gaussian's sigma in pixels (B.5); `references`: N (B.2).

    The rim needs no border lock: the composite restores it. A sampler with `UNGUIDED` does a third of the work.
    """

    segment: ClipGeometry = SEGMENT
    sampler: SamplerSettings = field(default_factory=lambda: SamplerSettings(border=0))
    feather: float = 2.0
    references: int = REFERENCE_FRAMES


@dataclass(frozen=True)
class SpeechFeatures:
    """A recording's features, of which the clip's begin at the video frame `start` (at 25 fps)."""

    features: AudioFeatures
    start: int = 0


@dataclass(frozen=True)
class Redubber:
    """G_mask with what it needs to dub. `context`: the embedded empty prompt [1, tokens, text_dim]."""

    generator: XDubDiT
    context: Tensor
    vae: VideoVAE
    settings: RedubSettings = field(default_factory=RedubSettings)

    @torch.no_grad()
    def redub(
        self,
        frames: Tensor,
        masks: Tensor,
        speech: Sequence[SpeechFeatures],
        on_segment: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """Clips with other speech, shaped like `frames` [batch, T, S, S, 3] in 0..1, all sampled as one batch.

        `masks` [batch, T, S, S]: 1 where the face is visible and to be painted; `speech`: one
        for each clip. The sampler's seed fixes the noise: give every batch another one. `on_segment` is told
        (segments done, segments in all).

        Raises SettingsError when the sizes do not go together.
        """
        if len(speech) != len(frames) or masks.shape != frames.shape[:-1]:
            raise SettingsError(
                f"{list(frames.shape)} frames, {list(masks.shape)} masks and {len(speech)} recordings: "
                "give one mask per frame and one recording per clip"
            )
        geometry, length = self.settings.segment.on_grid(self.vae.grid), frames.shape[1]
        extra = padded_frames(length, geometry) - length
        frames, masks = (
            torch.cat([x, x[:, -1:].expand(-1, extra, *x.shape[2:])], dim=1) for x in (frames, masks)
        )
        segments = plan_clips(length, geometry=geometry, fitted=False)
        made: list[Tensor] = []
        for segment in segments:
            motion = torch.cat(made, dim=1)[:, -segment.motion_frames :] if segment.motion_frames else None
            dubbed = self._segment(segment, frames, masks, speech, motion)
            made.append(dubbed[:, segment.motion_frames :])
            if on_segment is not None:
                on_segment(segment.number + 1, len(segments))
        return torch.cat(made, dim=1)[:, :length]

    def _segment(
        self,
        segment: Clip,
        frames: Tensor,
        masks: Tensor,
        speech: Sequence[SpeechFeatures],
        motion: Tensor | None,
    ) -> Tensor:
        span = slice(segment.start, segment.stop)
        original, mask = frames[:, span], masks[:, span]
        grid = self.vae.grid
        latents = grid.latents(original.shape[1])
        audio = torch.stack(
            [audio_windows(s.features, s.start + segment.start, latents, grid) for s in speech]
        )
        stills = even_frames(original.shape[1], self.settings.references)
        references = torch.cat([self._encode(original[:, i : i + 1]) for i in stills], dim=2)
        denoiser = GeneratorDenoiser(self.generator, self.context, references)
        inputs = ClipInputs(
            reference=self._encode(mask_out(original, mask)),
            audio=audio.to(original),
            motion=None if motion is None else self._encode(motion),
        )
        sampled = sample_clip(denoiser, inputs, self.settings.sampler)
        generated = torch.stack([self.vae.decode(clip[None]) for clip in sampled])
        return composite(generated.to(original), original, mask, self.settings.feather)

    def _encode(self, clips: Tensor) -> Tensor:
        return torch.cat([self.vae.encode(clip) for clip in clips])


def even_frames(frames: int, count: int) -> list[int]:
    """The reference frames at inference: evenly over the segment itself, where the pose is the same (A.3)."""
    return [round(x) for x in np.linspace(0, frames - 1, count)]


def other_frames(
    rng: np.random.Generator, frames: int, start: int, stop: int, count: int = REFERENCE_FRAMES
) -> np.ndarray:
    """The reference frames in training: `count` of a video's, none from the segment [start, stop) (A.3).

    Frames repeat where there are fewer. Raises SettingsError when the segment is the whole video.
    """
    outside = np.concatenate([np.arange(max(0, start)), np.arange(min(stop, frames), frames)])
    if not len(outside):
        raise SettingsError(
            f"a video of {frames} frames has none outside the segment {start} to {stop}: use longer videos"
        )
    return np.sort(rng.choice(outside, count, replace=len(outside) < count))

"""The chain of clips: sampled one after the other, each continuing the last, decoded as one stream.

Nothing here grows with the video's length: at any time one clip's crops and latents exist, one provisional latent,
and the decoder's cache (released model §5).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor

from xdub_core.audio.features import AudioFeatures
from xdub_core.audio.windows import audio_windows
from xdub_core.dub.clip_plan import Clip, ClipGeometry
from xdub_core.dub.clip_record import ClipOutcome
from xdub_core.dub.crops import Crop, DubbedCrop, FinishCrop
from xdub_core.dub.stitch import LatentStitcher
from xdub_core.errors import SamplingError, SettingsError
from xdub_core.sampling.clip_sampling import ClipInputs, ClipSampler, StepCallback
from xdub_core.vae.counted_stream import CountedStream
from xdub_core.vae.protocol import VideoVAE


@dataclass(frozen=True)
class ClipChain:
    """Makes the generated crops of shots: one call of `run` for each shot of a speaker. Several may be under way.

    `finish` is applied to every decoded frame before it is shown or handed on to the next clip as a motion frame.
    With `as_released`, motion frames come from a decode of the clip by itself, as in the release. Without, they are the
    very frames that the stream shows, which saves a decode of every clip and keeps what follows true to what is seen.
    With `source_through_vae`, the reference latents are decoded as well.

    Raises SettingsError where `geometry` is not of this VAE's latents.
    """

    vae: VideoVAE
    sampler: ClipSampler
    geometry: ClipGeometry
    finish: FinishCrop
    device: torch.device | str = "cpu"
    as_released: bool = False
    source_through_vae: bool = False
    _streams: WeakSet[CountedStream] = field(default_factory=WeakSet, init=False, repr=False)
    """Those that are open, of all shots: they rest while a clip of any is sampled."""

    def __post_init__(self) -> None:
        planned, given = self.geometry.grid.temporal, self.vae.grid.temporal
        if planned != given:
            raise SettingsError(
                f"the clips are planned with {planned} frames a latent, but the VAE's latents hold {given}: plan them "
                "for this VAE"
            )

    def run(
        self,
        features: AudioFeatures,
        crops: Iterator[Crop],
        clips: tuple[Clip, ...],
        on_step: Callable[[Clip], StepCallback] | None = None,
        on_latents: Callable[[Clip, Tensor], None] | None = None,
        source_latents: Iterable[Tensor] | None = None,
        on_clip: Callable[[Clip, ClipOutcome], None] | None = None,
        sampler: ClipSampler | None = None,
    ) -> Iterator[DubbedCrop]:
        """The crops of a shot, one for each frame that its clips cover.

        `features`: of the speaker's whole recording. `crops` gives the source crop of every one of those frames, in
        order. `on_step` makes a clip's step callback; `on_latents` gets a clip's latents, [1, C, f, h, w], when it is
        sampled, and `on_clip` how it came about. `source_latents`: each clip's source crops as latents, where they were
        encoded before. `sampler`: what samples this shot's clips in the place of the chain's own.

        Raises SamplingError where the VAE makes other numbers of latents or frames than its geometry says.
        """
        overlap = self.geometry.motion_frames
        stitcher = LatentStitcher(self.geometry.motion_latents)
        streams = [CountedStream(self.vae) for _ in range(2 if self.source_through_vae else 1)]
        self._streams.update(streams)
        clip_crops: list[Crop] = []
        shown: deque[Crop] = deque(maxlen=overlap)  # the newest finished frames
        waiting: deque[Crop] = deque()  # source crops of frames not yet decoded
        motion: Tensor | None = None
        encoded_before = None if source_latents is None else iter(source_latents)
        for clip in clips:
            new = list(islice(crops, clip.stop - clip.new_start))
            clip_crops = clip_crops[-clip.motion_frames :] + new if clip.motion_frames else new
            waiting.extend(new)
            encoded = self._encode(clip_crops) if encoded_before is None else next(encoded_before)
            self._check_latents(encoded, clip)
            began = time.perf_counter()
            latents = self._sample(
                sampler or self.sampler, clip, features, encoded, motion, on_step(clip) if on_step else None
            )
            outcome = ClipOutcome(0, (), time.perf_counter() - began)
            if on_latents is not None:
                on_latents(clip, latents)
            if on_clip is not None:
                on_clip(clip, outcome)
            # What is decoded together is stitched together: the clip and, where wanted, its reference.
            both = torch.cat([latents, encoded.to(latents)]) if self.source_through_vae else latents
            for latent in stitcher.add(both).split(1, dim=2):
                for crop in self._decoded(streams, latent, waiting):
                    shown.append(crop.generated)
                    yield crop
            if clip is not clips[-1]:
                if self.as_released:
                    motion = self._motion_as_released(latents, clip_crops)
                else:
                    assert stitcher.pending is not None  # a clip was just added
                    provisional = streams[0].peek(stitcher.pending[:1])
                    finished = [crop.generated for crop in self._finished([provisional], deque(waiting))]
                    motion = self._encode([*shown, *finished][-overlap:])
        if (last := stitcher.finish()) is not None:
            yield from self._decoded(streams, last, waiting)

    def _sample(
        self,
        sampler: ClipSampler,
        clip: Clip,
        features: AudioFeatures,
        reference: Tensor,
        motion: Tensor | None,
        on_step: StepCallback | None,
    ) -> Tensor:
        windows = audio_windows(features, clip.start, reference.shape[2], self.geometry.grid)
        inputs = ClipInputs(reference, windows.unsqueeze(0).to(self.device), motion)
        for stream in self._streams:
            stream.rest()
        return sampler(clip.number, inputs, on_step)

    def _encode(self, crops: list[Crop]) -> Tensor:
        return self.vae.encode(torch.from_numpy(np.stack(crops)).to(self.device))

    def _check_latents(self, encoded: Tensor, clip: Clip) -> None:
        made, held = encoded.shape[2], self.vae.grid.latents(clip.frames)
        if made != held:
            raise SamplingError(
                f"the VAE made {made} latents of a clip of {clip.frames} frames, but {self.vae.grid.temporal} frames a "
                f"latent make {held}: use another VAE"
            )

    def _decoded(
        self, streams: list[CountedStream], latents: Tensor, sources: deque[Crop]
    ) -> Iterator[DubbedCrop]:
        """The next crops of the streams, one for each of the batch of `latents`."""
        pairs = zip(streams, latents.split(1), strict=True)
        return self._finished([stream.decode(latent) for stream, latent in pairs], sources)

    def _finished(self, decoded: list[Tensor], sources: deque[Crop]) -> Iterator[DubbedCrop]:
        """Finish frames [n, size, size, 3], of the clip and perhaps its reference, taking their source crops off."""
        for pictures in zip(*(frames.float().cpu().numpy() for frames in decoded), strict=True):
            source = sources.popleft()
            generated, *kept = (self.finish(picture, source) for picture in pictures)
            yield DubbedCrop(generated, source, *kept)

    def _motion_as_released(self, latents: Tensor, crops: list[Crop]) -> Tensor:
        overlap = self.geometry.motion_frames
        finished = self._finished([self.vae.decode(latents)[-overlap:]], deque(crops[-overlap:]))
        return self._encode([crop.generated for crop in finished])

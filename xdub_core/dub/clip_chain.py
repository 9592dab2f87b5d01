"""The chain of clips: sampled one after the other, each continuing the last, decoded as one stream.

Nothing here grows with the video's length: at any time one clip's crops and latents exist, one provisional latent,
and the decoder's cache (released model §5).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Literal
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor

from xdub_core.audio.features import AudioFeatures
from xdub_core.audio.windows import audio_windows
from xdub_core.dub.attempts import Attempts
from xdub_core.dub.clip_judge import Judge, Judged, judge_clip
from xdub_core.dub.clip_plan import Clip, ClipGeometry
from xdub_core.dub.clip_record import ClipOutcome
from xdub_core.dub.crops import Crop, DubbedCrop, FinishCrop
from xdub_core.dub.decoding import Decoded, Decoding
from xdub_core.dub.observer import UNOBSERVED, ClipObserver
from xdub_core.errors import NotFiniteError, SamplingError, SettingsError
from xdub_core.sampling.clip_sampling import ClipInputs, ClipSampler
from xdub_core.vae.counted_stream import CountedStream
from xdub_core.vae.protocol import VideoVAE


@dataclass(frozen=True)
class ClipChain:
    """Makes the generated crops of shots: one call of `run` for each shot of a speaker. Several may be under way.

    `finish` is applied to every decoded frame before it is shown or handed on to the next clip as a motion frame.
    With `as_released`, motion frames come from a decode of the clip by itself, as in the release. Without, they are the
    very frames that the stream shows, which saves a decode of every clip and keeps what follows true to what is seen.
    With `source_through_vae`, the reference latents are decoded as well.
    With `retries`, `judge` looks at every clip before any of it is shown, and a broken one is sampled so many times
    more at most: see `Attempts`. The clip after one that no attempt has mended is not sampled again: it goes on from a
    broken one, and the fault is hardly the noise's.

    Raises SettingsError where `geometry` is not of this VAE's latents.
    """

    vae: VideoVAE
    sampler: ClipSampler
    geometry: ClipGeometry
    finish: FinishCrop
    device: torch.device | str = "cpu"
    as_released: bool = False
    source_through_vae: bool = False
    retries: int = 0
    judge: Judge = judge_clip
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
        observer: ClipObserver = UNOBSERVED,
        source_latents: Iterable[Tensor] | None = None,
        sampler: ClipSampler | None = None,
    ) -> Iterator[DubbedCrop]:
        """The crops of a shot, one for each frame that its clips cover.

        `features`: of the speaker's whole recording. `crops` gives the source crop of every one of those frames, in
        order. `source_latents`: each clip's source crops as latents, where they were encoded before. `sampler`: what
        samples this shot's clips in the place of the chain's own.

        Raises SamplingError where the VAE makes other numbers of latents or frames than its geometry says.
        """
        decoding = Decoding.of(self.vae, self._videos, self.geometry.motion_latents)
        self._streams.update(decoding.streams)
        clip_crops: list[Crop] = []
        shown: deque[Crop] = deque(maxlen=self.geometry.motion_frames)  # the newest finished frames
        last: Decoded | None = None  # as it was decoded
        motion: Tensor | None = None
        retries = self.retries
        encoded_before = None if source_latents is None else iter(source_latents)
        for clip in clips:
            new = list(islice(crops, clip.stop - clip.new_start))
            clip_crops = clip_crops[-clip.motion_frames :] + new if clip.motion_frames else new
            decoding.waiting.extend(new)
            encoded = self._encode(clip_crops) if encoded_before is None else next(encoded_before)
            self._check_latents(encoded, clip)
            windows = audio_windows(features, clip.start, encoded.shape[2], self.geometry.grid)
            inputs = ClipInputs(encoded, windows.unsqueeze(0).to(self.device), motion)
            sample = partial(self._sample, sampler or self.sampler, clip, observer)
            made, outcome = self._made(clip, inputs, sample, decoding, last, retries, observer)
            decoding, retries = made.decoding, self.retries if outcome.passed else 0
            observer.made(clip, outcome, made.latents)
            for last in made.decoded:
                crop = self._finished(last)
                shown.append(crop.generated)
                yield crop
            if clip is not clips[-1]:
                if self.as_released:
                    motion = self._motion_as_released(made.latents, clip_crops)
                else:
                    provisional = made.provisional or decoding.provisional(1)
                    newest = [self._finished(frame).generated for frame in provisional]
                    motion = self._encode([*shown, *newest][-self.geometry.motion_frames :])
            del made  # its frames, before the next clip's are there
        yield from map(self._finished, decoding.finish())

    @property
    def _videos(self) -> Literal[1, 2]:
        return 2 if self.source_through_vae or self.retries else 1

    def _made(
        self,
        clip: Clip,
        inputs: ClipInputs,
        sample: Callable[[ClipInputs], Tensor],
        decoding: Decoding,
        last: Decoded | None,
        retries: int,
        observer: ClipObserver,
    ) -> tuple[_Made, ClipOutcome]:
        """A clip as it will be shown, of as many attempts as it takes, and how it came about.

        `last`: the newest frame that was decoded.
        Without retries nothing is judged, and its frames are decoded when they are asked for. With them all of them are
        there when it is judged: the whole clip's are held, and none is shown before.
        """
        began = time.perf_counter()
        if not self.retries:
            latents = sample(inputs)
            made = _Made(latents, decoding, decoding.add(self._both(latents, inputs)))
            return made, ClipOutcome(0, (), time.perf_counter() - began)
        attempts, before = Attempts[_Made](clip, retries), None if last is None else Judged(*last[0])
        while (attempt := attempts.next()) is not None:
            try:
                latents = sample(replace(inputs, attempt=attempt))
                if not torch.isfinite(latents).all():
                    raise NotFiniteError(f"clip {clip.number + 1} came out as NaN or infinite numbers")
                trial = decoding.fork()
                self._streams.update(trial.streams)
                decoded = [*trial.add(self._both(latents, inputs))]
                provisional = trial.provisional(self._videos)
                verdict = self.judge([Judged(*frames) for frames, _ in [*decoded, *provisional]], before)
                attempts.add(verdict, _Made(latents, trial, decoded, provisional))
            except NotFiniteError as error:
                attempts.failed(error)
            observer.judged(clip, attempts.verdict)
        return attempts.best, attempts.outcome(time.perf_counter() - began)

    def _sample(self, sampler: ClipSampler, clip: Clip, observer: ClipObserver, inputs: ClipInputs) -> Tensor:
        for stream in self._streams:
            stream.rest()
        observer.begins(clip, inputs.attempt)
        return sampler(clip.number, inputs, partial(observer.stepped, clip))

    def _both(self, latents: Tensor, inputs: ClipInputs) -> Tensor:
        """What is decoded together is stitched together: the clip and, where wanted, its reference."""
        return latents if self._videos == 1 else torch.cat([latents, inputs.reference.to(latents)])

    def _encode(self, crops: list[Crop]) -> Tensor:
        return self.vae.encode(torch.from_numpy(np.stack(crops)).to(self.device))

    def _check_latents(self, encoded: Tensor, clip: Clip) -> None:
        made, held = encoded.shape[2], self.vae.grid.latents(clip.frames)
        if made != held:
            raise SamplingError(
                f"the VAE made {made} latents of a clip of {clip.frames} frames, but {self.vae.grid.temporal} frames a "
                f"latent make {held}: use another VAE"
            )

    def _finished(self, decoded: Decoded) -> DubbedCrop:
        """A frame, and where wanted its reference's, with its colours matched."""
        pictures, source = decoded
        shown = pictures if self.source_through_vae else pictures[:1]
        generated, *kept = (self.finish(picture, source) for picture in shown)
        return DubbedCrop(generated, source, *kept)

    def _motion_as_released(self, latents: Tensor, crops: list[Crop]) -> Tensor:
        overlap = self.geometry.motion_frames
        decoded = self.vae.decode(latents)[-overlap:].float().cpu().numpy()
        pairs = zip(decoded, crops[-overlap:], strict=True)
        return self._encode([self.finish(frame, source) for frame, source in pairs])


@dataclass(frozen=True)
class _Made:
    """A sampled clip, its frames, and where the decoding stands after them.

    `decoded`: those that it makes final; `provisional`: of its last latent, where they were decoded already.
    """

    latents: Tensor
    decoding: Decoding
    decoded: Iterable[Decoded]
    provisional: list[Decoded] = field(default_factory=list)

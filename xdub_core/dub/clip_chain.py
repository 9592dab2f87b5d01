"""The chain of clips: sampled one after the other, each continuing the last, decoded as one stream.

Nothing here grows with the video's length: at any time one clip's crops and latents exist, one provisional latent,
and the decoder's cache (released model §5).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from xdub_core.audio.features import AudioFeatures
from xdub_core.audio.windows import audio_windows
from xdub_core.dub.clip_plan import Clip, ClipGeometry
from xdub_core.dub.stitch import LatentStitcher
from xdub_core.errors import SamplingError, SettingsError
from xdub_core.sampling.clip_sampling import ClipInputs, ClipSampler, StepCallback
from xdub_core.vae.protocol import VideoVAE

Crop = np.ndarray
"""float32 [size, size, 3] in 0..1."""

FinishCrop = Callable[[Crop, Crop], Crop]
"""(generated crop, its source crop) -> the generated crop with its colours matched."""


class DubbedCrop(NamedTuple):
    """A generated crop, the source crop that it was made from, and what that comes to when it goes through the codec.

    `unchanged` tells what the model changed from what the VAE cannot keep; None where it was not asked for.
    """

    generated: Crop
    source: Crop
    unchanged: Crop | None = None


@dataclass(frozen=True)
class ClipChain:
    """Makes the generated crops of one shot.

    `finish` is applied to every decoded frame before it is shown or handed on to the next clip as a motion frame.
    With `as_released`, motion frames come from a decode of the clip by itself, as in the release. Without, they are the
    very frames that the stream shows, which saves a decode of every clip and keeps what follows true to what is seen.
    With `unchanged`, the reference latents are decoded as well.

    Raises SettingsError where `geometry` is not of this VAE's latents.
    """

    vae: VideoVAE
    sampler: ClipSampler
    features: AudioFeatures
    geometry: ClipGeometry
    finish: FinishCrop
    device: torch.device | str = "cpu"
    as_released: bool = False
    unchanged: bool = False

    def __post_init__(self) -> None:
        if self.geometry.frames_per_latent != self.vae.temporal:
            raise SettingsError(
                f"the clips are planned with {self.geometry.frames_per_latent} frames a latent, but the VAE's "
                f"latents hold {self.vae.temporal}: plan them for this VAE"
            )

    def run(
        self,
        crops: Iterator[Crop],
        clips: tuple[Clip, ...],
        on_step: Callable[[Clip], StepCallback] | None = None,
        on_latents: Callable[[Clip, Tensor], None] | None = None,
        source_latents: Iterable[Tensor] | None = None,
    ) -> Iterator[DubbedCrop]:
        """The crops, one for each frame that the clips cover.

        `crops` gives the source crop of every one of those frames, in order. `on_step` makes a clip's step callback;
        `on_latents` gets a clip's latents, [1, C, f, h, w], when it is sampled. `source_latents`: each clip's source
        crops as latents, where they were encoded before.

        Raises SamplingError where the VAE makes other numbers of latents or frames than its geometry says.
        """
        overlap = self.geometry.motion_frames
        stitcher, stream = LatentStitcher(self.geometry.motion_latents), CountedStream(self.vae)
        references = _References(self.vae, self.geometry.motion_latents) if self.unchanged else None
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
            self._check_latents(encoded)
            stream.rest()
            if references is not None:
                references.rest()
            latents = self._sample(clip, encoded, motion, on_step(clip) if on_step else None)
            if on_latents is not None:
                on_latents(clip, latents)
            if references is not None:
                references.add(encoded)
            for latent in stitcher.add(latents).split(1, dim=2):
                for crop in self._finished(stream.decode(latent), waiting, references):
                    shown.append(crop.generated)
                    yield crop
            if clip is not clips[-1]:
                if self.as_released:
                    motion = self._motion_as_released(latents, clip_crops)
                else:
                    assert stitcher.pending is not None  # a clip was just added
                    provisional = self._finished(stream.peek(stitcher.pending), deque(waiting))
                    motion = self._encode([*shown, *(crop.generated for crop in provisional)][-overlap:])
        if (last := stitcher.finish()) is not None:
            if references is not None:
                references.finish()
            yield from self._finished(stream.decode(last), waiting, references)

    def _sample(
        self, clip: Clip, reference: Tensor, motion: Tensor | None, on_step: StepCallback | None
    ) -> Tensor:
        geometry = self.geometry
        windows = audio_windows(self.features, clip.start, geometry.latents, geometry.frames_per_latent)
        inputs = ClipInputs(reference, windows.unsqueeze(0).to(self.device), motion)
        return self.sampler(clip.index, inputs, on_step)

    def _encode(self, crops: list[Crop]) -> Tensor:
        return self.vae.encode(torch.from_numpy(np.stack(crops)).to(self.device))

    def _check_latents(self, encoded: Tensor) -> None:
        if encoded.shape[2] != self.geometry.latents:
            raise SamplingError(
                f"the VAE made {encoded.shape[2]} latents of a clip of {self.geometry.frames} frames, but "
                f"{self.vae.temporal} frames a latent make {self.geometry.latents}: use another VAE"
            )

    def _finished(
        self, decoded: Tensor, sources: deque[Crop], references: _References | None = None
    ) -> Iterator[DubbedCrop]:
        """Finish decoded frames [n, size, size, 3], taking each one's source crop off `sources`."""
        unchanged = [None] * len(decoded) if references is None else references.decode_next()
        for frame, kept in zip(decoded.float().cpu().numpy(), unchanged, strict=True):
            source = sources.popleft()
            yield DubbedCrop(
                self.finish(frame, source), source, None if kept is None else self.finish(kept, source)
            )

    def _motion_as_released(self, latents: Tensor, crops: list[Crop]) -> Tensor:
        overlap = self.geometry.motion_frames
        finished = self._finished(self.vae.decode(latents)[-overlap:], deque(crops[-overlap:]))
        return self._encode([crop.generated for crop in finished])


class CountedStream:
    """A VAE's stream that raises SamplingError where latents decode to other numbers of frames than they hold."""

    def __init__(self, vae: VideoVAE) -> None:
        self._stream, self._temporal = vae.stream(), vae.temporal
        self._started = False

    def decode(self, latents: Tensor) -> Tensor:
        """See `StreamingDecoder.decode`."""
        frames = self._counted(self._stream.decode(latents), latents)
        self._started = self._started or latents.shape[2] > 0
        return frames

    def peek(self, latents: Tensor) -> Tensor:
        """See `StreamingDecoder.peek`."""
        return self._counted(self._stream.peek(latents), latents)

    def rest(self) -> None:
        """See `StreamingDecoder.rest`."""
        self._stream.rest()

    def _counted(self, frames: Tensor, latents: Tensor) -> Tensor:
        held = self._temporal * latents.shape[2]
        if not self._started and held:
            held -= self._temporal - 1
        if len(frames) != held:
            raise SamplingError(
                f"the VAE decoded {len(frames)} frames of latents that hold {held} ({self._temporal} each): use "
                "another VAE"
            )
        return frames


class _References:
    """The clips' reference latents, stitched and decoded in step with the generated ones."""

    def __init__(self, vae: VideoVAE, motion_latents: int) -> None:
        self._stitcher, self._stream = LatentStitcher(motion_latents), CountedStream(vae)
        self._ready: deque[Tensor] = deque()

    def add(self, latents: Tensor) -> None:
        self._ready.extend(self._stitcher.add(latents).split(1, dim=2))

    def finish(self) -> None:
        if (last := self._stitcher.finish()) is not None:
            self._ready.append(last)

    def rest(self) -> None:
        self._stream.rest()

    def decode_next(self) -> np.ndarray:
        """The frames of the next latent, float32 [n, size, size, 3]."""
        return self._stream.decode(self._ready.popleft()).float().cpu().numpy()

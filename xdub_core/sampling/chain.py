"""The chain of clips: sampled one after the other, each continuing the last, decoded as one stream.

Nothing here grows with the video's length: at any time one clip's crops and latents exist, one provisional latent,
and the decoder's cache (X-DUB facts §5).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from xdub_core.audio.features import AudioFeatures
from xdub_core.audio.windows import audio_windows
from xdub_core.codec.protocol import VideoCodec
from xdub_core.sampling.plan import Clip, ClipGeometry
from xdub_core.sampling.sampler import ClipInputs, ClipSampler, StepCallback
from xdub_core.sampling.stitch import LatentStitcher

Crop = np.ndarray
"""float32 [size, size, 3] in 0..1."""

FinishCrop = Callable[[Crop, Crop], Crop]
"""(generated crop, its source crop) -> the generated crop with its colours matched."""


@dataclass(frozen=True)
class ClipChain:
    """Makes the generated crops of one run of frames.

    `finish` is applied to every decoded frame before it is shown or handed on to the next clip as a motion frame.
    With `reference`, motion frames come from a decode of the clip by itself, as in the release. Without, they are the
    very frames that the stream shows, which saves a decode of every clip and keeps what follows true to what is seen.
    """

    codec: VideoCodec
    sampler: ClipSampler
    features: AudioFeatures
    geometry: ClipGeometry
    finish: FinishCrop
    device: torch.device | str = "cpu"
    reference: bool = False

    def run(
        self,
        crops: Iterator[Crop],
        clips: tuple[Clip, ...],
        on_step: Callable[[Clip], StepCallback] | None = None,
        on_latents: Callable[[Clip, Tensor], None] | None = None,
    ) -> Iterator[tuple[Crop, Crop]]:
        """Pairs of (generated crop, source crop), one for each frame that the clips cover.

        `crops` gives the source crop of every one of those frames, in order. `on_step` makes a clip's step callback;
        `on_latents` gets a clip's latents, [1, C, f, h, w], when it is sampled.
        """
        overlap = self.geometry.motion_frames
        stitcher, stream = LatentStitcher(self.geometry.motion_latents), self.codec.stream()
        clip_crops: list[Crop] = []
        shown: deque[Crop] = deque(maxlen=overlap)  # the newest finished frames
        waiting: deque[Crop] = deque()  # source crops of frames not yet decoded
        motion: Tensor | None = None
        for clip in clips:
            new = list(islice(crops, clip.stop - clip.new_start))
            clip_crops = clip_crops[-clip.motion_frames :] + new if clip.motion_frames else new
            waiting.extend(new)
            latents = self._sample(clip, clip_crops, motion, on_step(clip) if on_step else None)
            if on_latents is not None:
                on_latents(clip, latents)
            for latent in stitcher.add(latents).split(1, dim=2):
                for pair in self._finished(stream.decode(latent), waiting):
                    shown.append(pair[0])
                    yield pair
            if clip is not clips[-1]:
                if self.reference:
                    motion = self._motion_as_released(latents, clip_crops)
                else:
                    assert stitcher.pending is not None  # a clip was just added
                    provisional = self._finished(stream.peek(stitcher.pending), deque(waiting))
                    motion = self._encode([*shown, *(generated for generated, _ in provisional)][-overlap:])
        if (last := stitcher.finish()) is not None:
            yield from self._finished(stream.decode(last), waiting)

    def _sample(
        self, clip: Clip, crops: list[Crop], motion: Tensor | None, on_step: StepCallback | None
    ) -> Tensor:
        windows = audio_windows(self.features, clip.start, self.geometry.latents)
        inputs = ClipInputs(self._encode(crops), windows.unsqueeze(0).to(self.device), motion)
        return self.sampler(clip.index, inputs, on_step)

    def _encode(self, crops: list[Crop]) -> Tensor:
        return self.codec.encode(torch.from_numpy(np.stack(crops)).to(self.device))

    def _finished(self, decoded: Tensor, sources: deque[Crop]) -> Iterator[tuple[Crop, Crop]]:
        """Finish decoded frames [n, size, size, 3], taking each one's source crop off `sources`."""
        for frame in decoded.float().cpu().numpy():
            source = sources.popleft()
            yield self.finish(frame, source), source

    def _motion_as_released(self, latents: Tensor, crops: list[Crop]) -> Tensor:
        overlap = self.geometry.motion_frames
        pairs = self._finished(self.codec.decode(latents)[-overlap:], deque(crops[-overlap:]))
        return self._encode([generated for generated, _ in pairs])

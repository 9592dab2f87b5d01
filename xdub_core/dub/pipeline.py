"""The whole dub as an iterator of finished frames: the engine's front door.

    source frames ─ crops ─ chain of clips ─ colour match ┐
    source frames ────────────────────────────────────────┴─ paste-back ─ finished frames

The source is read twice, side by side: once for the crops, once, a clip later, to paste into. So no full frame is
ever kept, and memory does not grow with the length or the size of the video.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice, pairwise
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from xdub_core.audio.features import AudioFeatures
from xdub_core.compose.color_match import match_color
from xdub_core.compose.paste_back import PasteMode, paste_back, touched_rectangle, truncated
from xdub_core.compose.region import with_regions
from xdub_core.dub.clip_chain import ClipChain, Crop, DubbedCrop, FinishCrop
from xdub_core.dub.clip_plan import RELEASED_GEOMETRY, Clip, ClipGeometry, padded_frames, plan_clips
from xdub_core.errors import FaceError, SettingsError
from xdub_core.face.crop import CropMode, crop_frame
from xdub_core.face.track import FaceTrack
from xdub_core.media.picture.frame import FinishedFrame, SourceFrame, untouched
from xdub_core.media.timeline import Timeline, ping_pong
from xdub_core.progress import Progress, ProgressCallback, Stage, ignore_progress
from xdub_core.sampling.clip_sampling import ClipSampler, DenoiserSampler, SamplerSettings, StepCallback
from xdub_core.sampling.denoiser import Denoiser, LatentNeeds, needs_of
from xdub_core.vae.protocol import VideoVAE

RELEASED_CROP = 512
"""Pixels of the crops that the released model was trained on."""
CROP_STEP = 32
"""Crops are multiples of this many pixels: a latent is 16 of them, and the DiT takes latents by two."""
SMALLEST_CROP_STEP = 16
"""As are the mini's of this many: its latents are of 8 pixels."""


class FrameSource(Protocol):
    """The source video, by the number of its frames. Several passes may run at once, each with its own position."""

    def frames(self, indices: Iterable[int]) -> Iterator[np.ndarray]:
        """The asked frames, in the asked order: uint8 or uint16 [height, width, 3] RGB."""
        ...


@runtime_checkable
class StoredFrameSource(FrameSource, Protocol):
    """A source that also knows how its file stores each frame: what is not dubbed can be written without any loss."""

    def source_frames(self, indices: Iterable[int]) -> Iterator[SourceFrame]:
        """The asked frames, in the asked order."""
        ...


def source_frames(source: FrameSource, indices: Iterable[int]) -> Iterator[SourceFrame]:
    """Frames of any source, with the pictures that its file stores where there is one."""
    if isinstance(source, StoredFrameSource):
        return source.source_frames(indices)
    return (SourceFrame(frame) for frame in source.frames(indices))


class DubbingModel(Protocol):
    """What makes the new lips: a VAE, samplers of clips, and the device that tensors are handed to them on."""

    @property
    def vae(self) -> VideoVAE: ...

    @property
    def device(self) -> torch.device | str: ...

    @property
    def needs(self) -> LatentNeeds | None:
        """The latents that the samplers take; None: any."""
        ...

    def sampler(self, settings: SamplerSettings) -> ClipSampler:
        """What samples the clips. A host with settings of its own may leave these aside."""
        ...


@dataclass(frozen=True)
class DubModel:
    """A VAE and a denoiser."""

    vae: VideoVAE
    denoiser: Denoiser
    device: torch.device | str = "cpu"

    @property
    def needs(self) -> LatentNeeds | None:
        return needs_of(self.denoiser)

    def sampler(self, settings: SamplerSettings) -> ClipSampler:
        return DenoiserSampler(self.denoiser, settings)


@dataclass(frozen=True)
class DubSettings:
    """How to dub. `crop_size` is in pixels: a multiple of 32, or, for the mini's finer latents, of 16. Which of them a
    model takes, and whether the clips of `geometry` are whole latents of its VAE, `check_sizes` tells.

    `keep_unchanged`: where the model changed nothing to be seen, the frame keeps its own pixels, and not the VAE's
    picture of them. It costs decoding every crop twice.
    With `as_released`, everything is done as the release does it (integer boxes, 8-bit motion frames, whole crops
    pasted), for comparison; without, as well as we know how.

    Raises SettingsError for a crop size that no model takes.
    """

    crop_size: int = RELEASED_CROP
    geometry: ClipGeometry = RELEASED_GEOMETRY
    sampler: SamplerSettings = field(default_factory=SamplerSettings)
    match_colors: bool = True
    keep_unchanged: bool = True
    as_released: bool = False

    def __post_init__(self) -> None:
        if self.crop_size < 1 or self.crop_size % SMALLEST_CROP_STEP:
            raise SettingsError(
                f"a crop size of {self.crop_size}: use a multiple of {CROP_STEP} (512 is the model's default)"
            )

    @property
    def crop_mode(self) -> CropMode:
        return "as_released" if self.as_released else "subpixel"

    @property
    def paste_mode(self) -> PasteMode:
        return "as_released" if self.as_released else "change"


@dataclass(frozen=True)
class Scene:
    """What is dubbed: a video whose face is tracked on its 25-fps timeline, and the speech that it shall speak.

    `frames`: how many frames to make; the video is played to and fro (ping-pong) where it is shorter.
    """

    source: FrameSource
    timeline: Timeline
    track: FaceTrack
    features: AudioFeatures
    frames: int

    @property
    def slots(self) -> np.ndarray:
        """The timeline's slot that each output frame shows, int64 [frames]."""
        return ping_pong(len(self.track), self.frames)


def dub(
    scene: Scene,
    model: DubbingModel,
    settings: DubSettings,
    on_progress: ProgressCallback = ignore_progress,
) -> Iterator[FinishedFrame]:
    """Yield the `scene.frames` finished frames at 25 fps, shaped and typed like the source's.

    Frames without a face come out as they are, and so does every pixel outside the face box.

    Raises, at once, SettingsError where the settings do not suit the model (`check_sizes`) and FaceError where there is
    no face in any of the frames; then SamplingError from the model, MediaError from the source, and whatever
    `on_progress` raises.
    """
    settings = replace(settings, geometry=check_sizes(settings, model))
    shots = plan_shots(scene.track, scene.frames, settings.geometry)
    return _dub(scene, model, settings, shots, on_progress)


def check_sizes(settings: DubSettings, model: DubbingModel) -> ClipGeometry:
    """The clips as whole latents of the model's VAE, whose geometry is what counts.

    Raises SettingsError, with both numbers, where VAE and model do not belong together, or the crop's size or the
    clips' lengths do not suit them.
    """
    vae, needs = model.vae, needs_of(model)
    if needs is not None and needs.channels != vae.channels:
        raise SettingsError(
            f"the VAE's latents have {vae.channels} channels, but the model takes {needs.channels}: use the VAE "
            "that belongs to the model"
        )
    if needs is not None and needs.frames != vae.temporal:
        raise SettingsError(
            f"the VAE's latents hold {vae.temporal} frames each, but the model's hold {needs.frames}: use the "
            "VAE that belongs to the model"
        )
    step = vae.spatial * (1 if needs is None else needs.step)
    if settings.crop_size % step:
        raise SettingsError(
            f"a crop size of {settings.crop_size}, where this model and its VAE take steps of {step} pixels: use a "
            f"multiple of {step}"
        )
    return settings.geometry.for_vae(vae.temporal)


def _dub(
    scene: Scene,
    model: DubbingModel,
    settings: DubSettings,
    shots: tuple[ShotPlan, ...],
    on_progress: ProgressCallback,
) -> Iterator[FinishedFrame]:
    slots = scene.slots
    crops = chain.from_iterable(_dub_shots(scene, model, settings, shots, on_progress))
    dubbed = {frame for shot in shots for frame in shot.frames}
    for number, frame in enumerate(source_frames(scene.source, scene.timeline.source_index[slots])):
        crop, region = next(crops) if number in dubbed else (None, None)
        if crop is not None and scene.track.present[slots[number]]:
            box, mode = scene.track.boxes[slots[number]], settings.paste_mode
            pasted = paste_back(frame.rgb, crop.generated, crop.source, box, mode, crop.unchanged, region)
            yield FinishedFrame(pasted, frame, (touched_rectangle(box, pasted.shape, region),))
        else:
            yield untouched(frame)
        on_progress(Progress(Stage.FRAMES, number + 1, scene.frames))


def shots_of(shot: np.ndarray) -> tuple[range, ...]:
    """Ranges of frames that belong to one shot each; `shot`: a track's shot numbers, int64 [frames]."""
    edges = np.flatnonzero(np.diff(shot, prepend=-1, append=-1)).tolist()
    return tuple(range(start, stop) for start, stop in pairwise(edges) if shot[start] >= 0)


@dataclass(frozen=True)
class ShotPlan:
    """How one shot is made: its frames of the output, the clips that cover them, and what those show.

    `slots`: int64, the timeline's slot of every frame that the clips cover; the last clip mostly runs past `frames`.
    """

    frames: range
    clips: tuple[Clip, ...]
    slots: np.ndarray


def plan_shots(track: FaceTrack, frames: int, geometry: ClipGeometry) -> tuple[ShotPlan, ...]:
    """The plan of a dub of `frames` frames: one chain of clips for each shot, all clips numbered on.

    Raises FaceError where there is none, since the face appears only after them.
    """
    shots = shots_of(track.shot[ping_pong(len(track), frames)])
    if not shots:
        raise FaceError(
            f"there is no face in the first {frames} frames, which is as long as the dub lasts: trim the video to "
            "where the face appears, or set length to source"
        )
    plans: list[ShotPlan] = []
    planned = 0
    for shot in shots:
        clips = plan_clips(len(shot), shot.start, geometry, planned)
        slots = slots_of_shot(track, frames, shot, padded_frames(len(shot), geometry))
        plans.append(ShotPlan(shot, clips, slots))
        planned += len(clips)
    return tuple(plans)


def slots_of_shot(track: FaceTrack, frames: int, shot: range, covered: int) -> np.ndarray:
    """Timeline slots of the `covered` frames that a shot's clips cover, in an output of `frames`; int64 [covered].

    The last clip mostly covers frames past the shot's end. They see what the video goes on with, where the shot lasts
    to the end of the output and the face is still there; elsewhere the shot is played to and fro.
    """
    slots = ping_pong(len(track), shot.start + covered)
    stop = shot.stop
    if stop == frames:
        same_shot = track.shot[slots[stop:]] == track.shot[slots[shot.start]]
        stop += len(same_shot) if same_shot.all() else int(np.argmin(same_shot))
    return slots[shot.start + ping_pong(stop - shot.start, covered)]


def _dub_shots(
    scene: Scene,
    model: DubbingModel,
    settings: DubSettings,
    shots: tuple[ShotPlan, ...],
    on_progress: ProgressCallback,
) -> Iterator[Iterator[tuple[DubbedCrop, np.ndarray | None]]]:
    """The dubbed crops of each shot, each with the region that the model changed."""
    sampler = model.sampler(settings.sampler)
    steps = _Steps(sum(len(shot.clips) for shot in shots), on_progress)
    clip_chain = ClipChain(
        model.vae,
        sampler,
        scene.features,
        settings.geometry,
        finish=crop_finisher(settings.match_colors, settings.as_released),
        device=model.device,
        as_released=settings.as_released,
        unchanged=settings.keep_unchanged and not settings.as_released,
    )
    for shot in shots:
        crops = clip_chain.run(_crops(scene, settings, shot.slots), shot.clips, steps.of_clip)
        yield with_regions(islice(crops, len(shot.frames)), wanted=settings.paste_mode == "change")


def _crops(scene: Scene, settings: DubSettings, slots: np.ndarray) -> Iterator[Crop]:
    frames = scene.source.frames(scene.timeline.source_index[slots])
    for slot, frame in zip(slots, frames, strict=True):
        yield crop_frame(frame, scene.track.boxes[slot], settings.crop_size, settings.crop_mode)


def crop_finisher(match_colors: bool = True, as_released: bool = False) -> FinishCrop:
    """What is done to every generated crop; see `DubSettings`."""
    match = match_color if match_colors else _unchanged
    return _in_eight_bits(match) if as_released else match


def _unchanged(generated: Crop, source: Crop) -> Crop:  # noqa: ARG001 (the signature of a FinishCrop)
    return generated


def _in_eight_bits(finish: FinishCrop) -> FinishCrop:
    """As the release does: 8-bit images go in and come out."""

    def finished(generated: Crop, source: Crop) -> Crop:
        eight_bit = truncated(generated * 255).astype(np.float32) / 255
        return truncated(finish(eight_bit, source) * 255).astype(np.float32) / 255

    return finished


@dataclass(frozen=True)
class _Steps:
    """Tells the progress of sampling over all clips."""

    clips: int
    on_progress: ProgressCallback

    def of_clip(self, clip: Clip) -> StepCallback:
        def on_step(step: int, steps: int, latents: torch.Tensor) -> None:  # noqa: ARG001
            detail = f"clip {clip.index + 1} of {self.clips}, step {step} of {steps}"
            self.on_progress(Progress(Stage.CLIPS, clip.index * steps + step, self.clips * steps, detail))

        return on_step

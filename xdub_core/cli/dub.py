"""`python -m xdub_core dub`: from files to a file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import repeat
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from rich.markup import escape

from xdub_core.audio.features import AudioFeatures
from xdub_core.audio.recording import SAMPLE_RATE, Recording, open_recording
from xdub_core.cli.console import answer, progress_bars
from xdub_core.compose.preview import side_by_side
from xdub_core.dub.clip_plan import FPS, Length, frames_of_audio, output_frames
from xdub_core.dub.pipeline import CROP_STEP, DubModel, DubSettings, Scene, check_sizes, dub
from xdub_core.errors import MediaError, SettingsError
from xdub_core.face.boxes import FixedBox, WholeFrame, parse_box, read_boxes
from xdub_core.face.detector import FaceDetector
from xdub_core.face.landmarks import read_landmarks
from xdub_core.face.openmmlab import OpenMMLabDetector
from xdub_core.face.rtmw_detector import RTMWSettings
from xdub_core.face.track import FaceTrack, track_faces
from xdub_core.media.output.encode_format import source_format
from xdub_core.media.output.encode_settings import EncodeSettings, plan_encoding
from xdub_core.media.output.output_file import check_output
from xdub_core.media.output.source_tracks import SourceTracks
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.picture.frame import FinishedFrame
from xdub_core.media.sound.sound_place import AudioTrack, place_sound
from xdub_core.media.timeline import Timeline
from xdub_core.media.video.passes import VideoPasses
from xdub_core.media.video.video_info import VideoInfo, scan_video
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.likeness import likeness_of_track, load_likeness
from xdub_core.mini.loading import Mini
from xdub_core.model.dit_file import check_dit_file
from xdub_core.progress import Progress, ProgressCallback, Stage
from xdub_core.released.loading import (
    DETECTOR_FILES,
    DUB_FILES,
    Loading,
    released_detector,
    released_features,
    released_model,
    require_files,
)
from xdub_core.released.manifest import find_file
from xdub_core.released.memory import Plan, chosen_dtype
from xdub_core.released.untrained import untrained_features, untrained_model

logger = logging.getLogger(__name__)

RELEASED = "released"
MINI = "mini"
UNTRAINED = "untrained"


class Detector(str, Enum):
    """What finds the face where no box is given."""

    RTMW = "rtmw"
    OPENMMLAB = "openmmlab"


def check_mini_options(device: str, dtype: str, detector: Detector) -> None:
    """Raise SettingsError for what was chosen and a mini, the built-in one or another, does not do."""
    for option, chosen, possible in (
        ("--device", device, ("auto", "cpu")),
        ("--dtype", dtype, ("auto", "float32")),
        (
            "--detector",
            detector.value,
            (Detector.RTMW.value,),
        ),  # the default: it cannot be told from no choice
    ):
        if chosen not in possible:
            raise SettingsError(
                f"{option} {chosen}: a mini runs on the CPU, in float32, and finds faces by itself; leave it out"
            )


@dataclass(frozen=True)
class FaceOptions:
    """Where the face is: at most one of the first four; without them `detector` looks for it."""

    box: str | None = None
    boxes: Path | None = None
    landmarks: Path | None = None
    whole_frame: bool = False
    detector: Detector = Detector.RTMW
    every: int = 1

    def __post_init__(self) -> None:
        given = self._given
        if len(given) > 1:
            raise SettingsError(f"{' and '.join(given)} contradict each other: give one of them")
        if self.every < 1:
            raise SettingsError(f"--detect-every {self.every}: use 1 (every frame) or more")

    @property
    def needs_detector(self) -> bool:
        return not self._given

    @property
    def _given(self) -> list[str]:
        options = {
            "--box": self.box is not None,
            "--boxes": self.boxes is not None,
            "--landmarks": self.landmarks is not None,
            "--whole-frame": self.whole_frame,
        }
        return [name for name, chosen in options.items() if chosen]


@dataclass(frozen=True)
class DubJob:
    """Everything that the command line says about a dub."""

    video: Path
    audio: Path
    out: Path
    models_dir: Path
    model: str = RELEASED
    face: FaceOptions = field(default_factory=FaceOptions)
    settings: DubSettings = field(default_factory=DubSettings)
    mini: Mini | None = None
    encoding: EncodeSettings = field(default_factory=EncodeSettings)
    audio_stream: int | None = None
    audio_offset: float = 0.0
    length: Length = Length.AUDIO
    device: str = "cpu"
    dtype: torch.dtype | None = None
    """What the released model is computed in; None: what suits the model and the device."""
    batched: bool = True
    preview: bool = False
    overwrite: bool = False
    video_stream: int | None = None

    @property
    def preview_path(self) -> Path:
        """Where the side-by-side video goes: OUT.preview.mp4, beside OUT and in its container."""
        return self.out.with_suffix(f".preview{self.out.suffix}")


def run_dub(job: DubJob) -> None:
    """Dub, showing progress. Everything that can be known to fail is checked before the long work."""
    _check_outputs(job)
    scanned = scan_video(job.video, job.video_stream)
    plan_encoding(job.out, job.encoding, source=source_format(scanned.info))
    job = _with_checked_models(job)
    source = VideoPasses(scanned)
    with ExitStack() as stack:
        sound = place_sound(job.audio, scanned.info, job.audio_stream, job.audio_offset)
        recording = stack.enter_context(open_recording(sound, spool_dir=job.out.parent))
        spoken_frames = frames_of_audio(recording.samples)
        frames = output_frames(len(source.timeline), spoken_frames, job.length)
        _check_something_is_said(sound, frames)
        on_progress = stack.enter_context(progress_bars())
        track = _track(source, job, scanned.info, on_progress)
        _warn_of_strange_heads(source, job, track)
        if frames > spoken_frames:
            recording = recording.padded(round(frames / FPS * SAMPLE_RATE))
        features, model = _load(job, recording, stack, on_progress)
        scene = Scene(source, source.timeline, track, features, frames)
        sound = replace(sound, intact=recording.intact)
        write = stack.enter_context(_Outputs(job, scanned.info, scene, sound))
        on_progress(Progress(Stage.CLIPS, 0, None, "first step"))
        for frame in dub(scene, model, job.settings, on_progress):
            write(frame)
    answer.print(
        f"[green]{escape(str(job.out))}[/]: {frames} frames, {frames / FPS:.2f} s",
        highlight=False,
        soft_wrap=True,
    )


def _check_outputs(job: DubJob) -> None:
    outputs = [job.out, job.preview_path] if job.preview else [job.out]
    for path in outputs:
        check_output(path, (job.video, job.audio), job.overwrite)


def _check_something_is_said(sound: AudioTrack, frames: int) -> None:
    if sound.delay >= frames / FPS:
        raise SettingsError(
            f"{sound.path}: its sound would begin at {sound.delay:.2f} s, when the output has ended already, at "
            f"{frames / FPS:.2f} s; make --audio-offset smaller, or --length audio"
        )


def _with_checked_models(job: DubJob) -> DubJob:
    """The job with its dtype, when all its models' files are there and fit into the device's memory."""
    if job.mini is not None:
        check_sizes(job.settings, job.mini.model)
    elif job.settings.crop_size % CROP_STEP:
        raise SettingsError(f"--crop-size {job.settings.crop_size}: use a multiple of {CROP_STEP}")
    if job.face.needs_detector and job.mini is None:
        require_files(job.models_dir, DETECTOR_FILES)
    if job.model == UNTRAINED or job.mini is not None:
        return job
    dit = check_dit_file(job.model) if job.model != RELEASED else None
    require_files(job.models_dir, [key for key in DUB_FILES if not (key == "model" and dit)])
    dit = dit or check_dit_file(find_file("model", job.models_dir))
    dtype = job.dtype or chosen_dtype(dit, job.device)
    Plan(job.models_dir, dit, job.settings, job.device, dtype, job.batched).check()
    return replace(job, dtype=dtype)


def _detector(job: DubJob, timeline: Timeline) -> FaceDetector:
    face = job.face
    if face.box is not None:
        return FixedBox(parse_box(face.box))
    if face.boxes is not None:
        return read_boxes(face.boxes).on_frames(timeline.source_index)
    if face.landmarks is not None:
        return read_landmarks(face.landmarks).on_frames(timeline.source_index)
    if face.whole_frame:
        return WholeFrame()
    if job.mini is not None:
        return job.mini.detector
    settings = RTMWSettings(face_threshold=0) if job.settings.as_released else RTMWSettings()
    if face.detector is Detector.OPENMMLAB:
        people, pose = (find_file(key, job.models_dir) for key in DETECTOR_FILES)
        return OpenMMLabDetector(people, pose, device=job.device, settings=settings)
    return released_detector(job.models_dir, device=job.device, settings=settings)


def _track(source: VideoPasses, job: DubJob, info: VideoInfo, on_progress: ProgressCallback) -> FaceTrack:
    indices = source.timeline.source_index
    on_progress(Progress(Stage.FACES, 0, len(indices)))
    if job.face.needs_detector:
        frames = source.frames(indices)
    else:  # given faces need no pictures: nothing is decoded
        blank = np.broadcast_to(np.uint8(0), (info.height, info.width, 3))
        frames = repeat(blank, len(indices))
    return track_faces(
        frames,
        _detector(job, source.timeline),
        every=job.face.every,
        as_released=job.settings.as_released,
        progress=lambda done: on_progress(Progress(Stage.FACES, done, len(indices))),
    )


def _warn_of_strange_heads(source: VideoPasses, job: DubJob, track: FaceTrack) -> None:
    """Say before the work that a mini is no use for what the video shows."""
    if job.mini is None:
        return
    judge = load_likeness(BUILT_IN)
    likeness = likeness_of_track(judge, source, source.timeline, track, job.mini.card.crop)
    if not likeness.is_rendered_head:
        remedy = f"use --model {RELEASED} instead (`python -m xdub_core models` tells how to get it)"
        logger.warning("%s", likeness.warning(str(job.video), remedy))


def _load(
    job: DubJob, recording: Recording, stack: ExitStack, on_progress: ProgressCallback
) -> tuple[AudioFeatures, DubModel]:
    if job.model == UNTRAINED:
        return untrained_features(recording), untrained_model(device=job.device)
    if job.mini is not None:
        return job.mini.features(recording), job.mini.model
    features = stack.enter_context(
        released_features(
            recording,
            job.models_dir,
            job.device,
            spool_dir=job.out.parent,
            progress=lambda done, total: on_progress(Progress(Stage.AUDIO, done, total)),
            loading=_loading(Stage.ENCODERS, on_progress),
        )
    )
    model = released_model(
        job.models_dir,
        None if job.model == RELEASED else Path(job.model),
        device=job.device,
        dtype=job.dtype or torch.float32,
        batched=job.batched,
        loading=_loading(Stage.MODEL, on_progress),
    )
    return features, model


def _loading(stage: Stage, on_progress: ProgressCallback) -> Loading:
    """Shows what is being loaded; nobody can tell how far it is."""

    def show(what: str | None) -> None:
        on_progress(Progress(stage, 1, 1) if what is None else Progress(stage, 0, None, what))

    return show


class _Outputs:
    """The output file and, where asked for, the preview: both are finished before either appears."""

    def __init__(self, job: DubJob, info: VideoInfo, scene: Scene, sound: AudioTrack) -> None:
        self._job = job
        self._sound = sound
        self._info = info
        self._scene = scene
        first_pass = min(len(scene.timeline), scene.frames)
        self._source_tracks = None if info.stream is None else SourceTracks(info, first_pass / FPS)
        self._stack = ExitStack()
        self._writers: list[VideoWriter] = []

    def __enter__(self) -> Callable[[FinishedFrame], None]:
        writers = [self._writer(self._job.out, self._info.width)]
        if self._job.preview:
            writers.append(self._writer(self._job.preview_path, 2 * self._info.width))
        with ExitStack() as stack:
            self._writers = [stack.enter_context(writer) for writer in writers]
            self._stack = stack.pop_all()
        if not self._job.preview:
            return writers[0].write
        writer, preview = writers
        return _with_preview(writer, preview, self._scene)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            for writer in self._writers:
                writer.finish()
            self._stack.pop_all()  # both are whole: from here on, none is removed
        _keep_all(self._writers)

    def _writer(self, path: Path, width: int) -> VideoWriter:
        return VideoWriter(
            path,
            width,
            self._info.height,
            FPS,
            self._job.encoding,
            self._sound,
            like=self._info,
            overwrite=self._job.overwrite,
            quiet=path != self._job.out,
            tracks=self._source_tracks if path == self._job.out else None,
        )


def _keep_all(writers: Iterable[VideoWriter]) -> None:
    """Let all take their places. One that cannot does not stop the others; the error names every file still hidden."""
    failures: list[str] = []
    for writer in writers:
        try:
            writer.keep()
        except MediaError as error:
            failures.append(str(error))
    if failures:
        raise MediaError("; ".join(failures))


def _with_preview(writer: VideoWriter, preview: VideoWriter, scene: Scene) -> Callable[[FinishedFrame], None]:
    boxes = (scene.track.boxes[slot] if scene.track.present[slot] else None for slot in scene.slots)

    def write(frame: FinishedFrame) -> None:
        writer.write(frame)
        preview.write(side_by_side(frame, next(boxes)))

    return write

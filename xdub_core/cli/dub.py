"""`python -m xdub_core dub`: from files to a file."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import repeat

import numpy as np
from rich.markup import escape

from xdub_core.audio.recording import SAMPLE_RATE, open_recording
from xdub_core.cli.chosen_model import ChosenModel, choose_model
from xdub_core.cli.console import answer, progress_bars
from xdub_core.cli.kept_work import finished_outputs, forget_finished, kept_work
from xdub_core.cli.options.encoding import EncodingOptions
from xdub_core.cli.options.face import FaceOptions
from xdub_core.cli.options.files import FileOptions
from xdub_core.cli.options.model import RELEASED, ModelOptions
from xdub_core.cli.options.origin import OriginOptions
from xdub_core.cli.options.resume import ResumeOptions
from xdub_core.cli.options.sampling import SamplingOptions
from xdub_core.cli.outputs import outputs
from xdub_core.cli.report import Dubbed, write_report
from xdub_core.dub.length import FrameRate, frames_of_audio, output_end, output_frames
from xdub_core.dub.pipeline import dub
from xdub_core.dub.playback import Playback
from xdub_core.dub.scene import Scene, Speaker
from xdub_core.dub.settings import DubSettings
from xdub_core.errors import SettingsError
from xdub_core.face.track import FaceTrack, track_faces
from xdub_core.media.output.encode_format import source_format
from xdub_core.media.output.encode_settings import EncodeSettings, plan_encoding
from xdub_core.media.sound.sound_place import AudioTrack, place_sound
from xdub_core.media.timeline import MODEL_FPS, Timeline
from xdub_core.media.video.passes import VideoPasses
from xdub_core.media.video.source_clock import source_clock
from xdub_core.media.video.video_info import ScannedVideo, VideoInfo, scan_video
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.likeness import likeness_of_track, load_likeness
from xdub_core.progress import Progress, ProgressCallback, Stage
from xdub_core.report.people import Named
from xdub_core.report.watcher import DubWatcher

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DubJob:
    """Everything that the command line says about a dub."""

    files: FileOptions
    model: ModelOptions = field(default_factory=ModelOptions)
    face: FaceOptions = field(default_factory=FaceOptions)
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    encoding: EncodingOptions = field(default_factory=EncodingOptions)
    origin: OriginOptions = field(default_factory=OriginOptions)
    resume: ResumeOptions = field(default_factory=ResumeOptions)


def run_dub(job: DubJob) -> None:
    """Dub, showing progress. Everything that can be known to fail is checked before the long work."""
    files, watcher = job.files, DubWatcher(report=job.files.report)
    model, settings, encoding = check_options(job)
    own = finished_outputs(job, model)
    if own.issuperset(files.outputs):
        answer.print(f"{files.out} is finished already", markup=False, highlight=False, soft_wrap=True)
        forget_finished(job)
        return
    files = replace(files, overwrite=files.overwrite or bool(own))
    files.check_outputs()
    scanned = scan_video(files.video, files.video_stream)
    plan_encoding(files.out, encoding, source=source_format(scanned.info))
    model = model.checked(settings, detects=job.face.needs_detector)
    origin = job.origin.of_edit(files.video, files.out)
    keeps_clock = files.fps is FrameRate.SOURCE and not settings.as_released
    source = VideoPasses(scanned, nearest=keeps_clock)
    with ExitStack() as stack:
        stack.enter_context(watcher.listening())
        sound = place_sound(files.audio, scanned.info, files.audio_stream, files.audio_offset)
        recording = stack.enter_context(open_recording(sound, spool_dir=files.out.parent))
        spoken_frames = frames_of_audio(recording.samples)
        frames = output_frames(len(source.timeline), spoken_frames, files.length)
        playback = _playback(scanned, source.timeline, files, recording.samples) if keeps_clock else None
        _check_something_is_said(sound, frames)
        work = stack.enter_context(kept_work(job, model))
        on_progress = watcher.timed(stack.enter_context(progress_bars()))
        track = work.remembered(
            (job.face, files.video_stream, settings.as_released, keeps_clock),
            FaceTrack,
            lambda: _track(source, job.face, model, settings.as_released, scanned.info, on_progress),
        )
        _warn_of_strange_heads(source, files, model, track)
        if frames > spoken_frames:
            recording = recording.padded(round(frames / MODEL_FPS * SAMPLE_RATE))
        (features,), dub_model = model.load([recording], files.out.parent, stack, on_progress, work.heard)
        speakers = (Speaker(track, features),)
        scene = Scene(source, source.timeline, speakers, frames, files.extend, playback)
        clock = scene.shown.clock
        sound = replace(sound, intact=recording.intact)
        with outputs(files, encoding, scanned.info, scene, sound, origin, work) as write:
            on_progress(Progress(Stage.CLIPS, 0, None, "first step"))
            watcher.plan(scene, dub_model, settings)
            kept = work.clips(scene.speakers)
            for frame in watcher.pictured(
                dub(scene, dub_model, settings, on_progress, watcher.on_clip, kept)
            ):
                write(frame)
        if files.report:  # before the work that is kept goes: who is killed here can still get it
            sounds = ((Named("person 1", sound.path.name), sound),)
            write_report(files, vars(job), Dubbed(scanned.info, sounds, model, settings), watcher)
    answer.print(
        f"[green]{escape(str(files.out))}[/]: {len(clock)} frames, {float(clock.end):.2f} s",
        highlight=False,
        soft_wrap=True,
    )
    for line in watcher.notes():
        answer.print(line, highlight=False, markup=False, soft_wrap=True)


def check_options(job: DubJob) -> tuple[ChosenModel, DubSettings, EncodeSettings]:
    """What a dub's options say, looked at without its files. Raises what `choose_model` raises, and SettingsError."""
    model = choose_model(job.model, job.face.detector)
    return model, job.sampling.settings(model.settings), job.encoding.settings()


def _playback(scanned: ScannedVideo, timeline: Timeline, files: FileOptions, samples: int) -> Playback:
    """How an output on the source's own clock shows the source; `samples`: of the recording."""
    end = output_end(len(timeline), samples, files.length)
    return Playback(source_clock(scanned.index), timeline, files.extend, end)


def _check_something_is_said(sound: AudioTrack, frames: int) -> None:
    if sound.delay >= frames / MODEL_FPS:
        raise SettingsError(
            f"{sound.path}: its sound would begin at {sound.delay:.2f} s, when the output has ended already, at "
            f"{frames / MODEL_FPS:.2f} s; make --audio-offset smaller, or --length audio"
        )


def _track(
    source: VideoPasses,
    face: FaceOptions,
    model: ChosenModel,
    as_released: bool,
    info: VideoInfo,
    on_progress: ProgressCallback,
) -> FaceTrack:
    indices = source.timeline.source_index
    on_progress(Progress(Stage.FACES, 0, len(indices)))
    if face.needs_detector:
        frames = source.frames(indices)
    else:  # given faces need no pictures: nothing is decoded
        blank = np.broadcast_to(np.uint8(0), (info.height, info.width, 3))
        frames = repeat(blank, len(indices))
    return track_faces(
        frames,
        face.given(source.timeline) or model.detector(face.detector, as_released),
        every=face.detect_every,
        as_released=as_released,
        progress=lambda done: on_progress(Progress(Stage.FACES, done, len(indices))),
    )


def _warn_of_strange_heads(
    source: VideoPasses, files: FileOptions, model: ChosenModel, track: FaceTrack
) -> None:
    """Say before the work that a mini is no use for what the video shows."""
    if model.mini is None:
        return
    judge = load_likeness(BUILT_IN)
    likeness = likeness_of_track(judge, source, source.timeline, track, model.mini.card.crop)
    if not likeness.is_rendered_head:
        remedy = f"use --model {RELEASED} instead (`python -m xdub_core models` tells how to get it)"
        logger.warning("%s", likeness.warning(str(files.video), remedy))

"""`python -m xdub_core dub`: from files to a file."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from rich.markup import escape

from xdub_core.cli.chosen_model import ChosenModel, choose_model
from xdub_core.cli.cluster.connection import Cluster
from xdub_core.cli.cluster.shots import on_cluster
from xdub_core.cli.console import answer, progress_bars
from xdub_core.cli.followed import Footage, check_person, follow_faces
from xdub_core.cli.kept_work import finished_outputs, forget_finished, kept_work
from xdub_core.cli.options.encoding import EncodingOptions
from xdub_core.cli.options.face import FaceOptions
from xdub_core.cli.options.files import FileOptions
from xdub_core.cli.options.model import RELEASED, ModelOptions
from xdub_core.cli.options.origin import OriginOptions
from xdub_core.cli.options.resume import ResumeOptions
from xdub_core.cli.options.sampling import SamplingOptions
from xdub_core.cli.options.speech import SpeechOptions, given_voices
from xdub_core.cli.outputs import outputs
from xdub_core.cli.report import Dubbed, write_report
from xdub_core.cli.voices import (
    check_seen,
    check_something_is_said,
    heard_together,
    open_voices,
    said_by,
)
from xdub_core.dub.length import FrameRate, output_end, output_frames
from xdub_core.dub.pipeline import dub
from xdub_core.dub.playback import Playback
from xdub_core.dub.scene import Scene
from xdub_core.dub.settings import DubSettings
from xdub_core.face.track import FaceTrack
from xdub_core.media.output.encode_format import source_format
from xdub_core.media.output.encode_settings import EncodeSettings, plan_encoding
from xdub_core.media.timeline import Timeline, extended_slots
from xdub_core.media.video.passes import VideoPasses
from xdub_core.media.video.source_clock import source_clock
from xdub_core.media.video.video_info import ScannedVideo, scan_video
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.likeness import likeness_of_track, load_likeness
from xdub_core.progress import Progress, Stage
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
    speech: SpeechOptions = field(default_factory=SpeechOptions)


def run_dub(job: DubJob, cluster: Cluster | None = None) -> None:
    """Dub, showing progress. Everything that can be known to fail is checked before the long work.

    `cluster`: what samples the clips, in the place of this process.
    """
    with DubWatcher(report=job.files.report).listening() as watcher:
        _dub(job, watcher, cluster)
    for line in watcher.notes():
        answer.print(line, highlight=False, markup=False, soft_wrap=True)


def _dub(job: DubJob, watcher: DubWatcher, cluster: Cluster | None) -> None:
    files = job.files
    model, settings, encoding = check_options(job)
    voices = given_voices(files, job.speech, settings.as_released)
    own = finished_outputs(job, model)
    if own.issuperset(files.outputs):
        answer.print(f"{files.out} is finished already", markup=False, highlight=False, soft_wrap=True)
        forget_finished(job)
        return
    files = replace(files, overwrite=files.overwrite or bool(own))
    files.check_outputs(voice.path for voice in voices)
    scanned = scan_video(files.video, files.video_stream)
    plan_encoding(files.out, encoding, source=source_format(scanned.info))
    model = model.checked(settings, detects=job.face.needs_detector)
    origin = job.origin.of_edit(files.video, files.out)
    keeps_clock = files.fps is FrameRate.SOURCE and not settings.as_released
    source = VideoPasses(scanned, nearest=keeps_clock)
    with ExitStack() as stack:
        spoken = open_voices(voices, scanned.info, files.out.parent, stack)
        frames = output_frames(len(source.timeline), max(each.frames for each in spoken), files.length)
        samples = max(each.recording.samples for each in spoken)
        playback = _playback(scanned, source.timeline, files, samples) if keeps_clock else None
        check_something_is_said(spoken, frames)
        work = stack.enter_context(kept_work(job, model))
        on_progress = watcher.timed(stack.enter_context(progress_bars()))
        footage = Footage(source, scanned.info, files.video_stream)
        faces = follow_faces(footage, job.face, spoken, model, settings, on_progress, work.remembered)
        check_seen(spoken, faces.tracks, extended_slots(len(source.timeline), frames, files.extend)(frames))
        _warn_of_strange_heads(source, files, model, faces.tracks)
        silence = job.speech.chosen_silence(settings.as_released)
        said = said_by(spoken, faces, frames, silence, files.out.parent, stack)
        heard = [each.heard for each in said]
        features, dub_model = model.load(heard, files.out.parent, stack, on_progress, work.heard)
        speakers = tuple(each.speaker(rows) for each, rows in zip(said, features, strict=True))
        scene = Scene(source, source.timeline, speakers, frames, files.extend, playback)
        clock = scene.shown.clock
        sound = heard_together(spoken, frames)
        with outputs(files, encoding, scanned.info, scene, sound, origin, work) as write:
            on_progress(Progress(Stage.CLIPS, 0, None, "first step"))
            watcher.plan(scene, dub_model, settings)
            kept = work.clips(scene.speakers)
            if cluster is not None and kept is not None:
                kept = on_cluster(kept, cluster, job, scene, settings, on_progress)
            for frame in watcher.pictured(
                dub(scene, dub_model, settings, on_progress, watcher.on_clip, kept)
            ):
                write(frame)
        if files.report:  # before the work that is kept goes: who is killed here can still get it
            sounds = [(each.named, each.spoken.place) for each in said]
            write_report(files, vars(job), Dubbed(scanned.info, sounds, model, settings), watcher)
    answer.print(
        f"[green]{escape(str(files.out))}[/]: {len(clock)} frames, {float(clock.end):.2f} s",
        highlight=False,
        soft_wrap=True,
    )


def check_options(job: DubJob) -> tuple[ChosenModel, DubSettings, EncodeSettings]:
    """What a dub's options say, looked at without its files. Raises what `choose_model` raises, and SettingsError."""
    model = choose_model(job.model, job.face.detector)
    settings, encoding = job.sampling.settings(model.settings), job.encoding.settings()
    voices = given_voices(job.files, job.speech, settings.as_released)
    check_person(job.face, settings.as_released, by_number=voices[0].person is not None)
    job.speech.chosen_silence(settings.as_released)
    return model, settings, encoding


def _playback(scanned: ScannedVideo, timeline: Timeline, files: FileOptions, samples: int) -> Playback:
    """How an output on the source's own clock shows the source; `samples`: of the recording."""
    playback = Playback(
        source_clock(scanned.index),
        timeline,
        files.extend,
        output_end(len(timeline), samples, files.length),
    )
    for line in playback.warnings():
        logger.warning("%s: %s", files.video, line)
    return playback


def _warn_of_strange_heads(
    source: VideoPasses, files: FileOptions, model: ChosenModel, tracks: Iterable[FaceTrack]
) -> None:
    """Say before the work that a mini is no use for what the video shows."""
    if model.mini is None:
        return
    judge = load_likeness(BUILT_IN)
    for track in tracks:
        likeness = likeness_of_track(judge, source, source.timeline, track, model.mini.card.crop)
        if not likeness.is_rendered_head:
            remedy = f"use --model {RELEASED} instead (`python -m xdub_core models` tells how to get it)"
            logger.warning("%s", likeness.warning(str(files.video), remedy))
            return

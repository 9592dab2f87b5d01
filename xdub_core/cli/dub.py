"""`python -m xdub_core dub`: from files to a file."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from fractions import Fraction

from rich.markup import escape

from xdub_core.audio.loudness import recording_loudness
from xdub_core.cli.cluster.connection import Cluster
from xdub_core.cli.cluster.shots import on_cluster
from xdub_core.cli.console import answer, progress_bars
from xdub_core.cli.dub_job import CheckedDub, DubJob, check_dub
from xdub_core.cli.followed import Footage, follow_faces
from xdub_core.cli.kept_work import KeptWork, forget_finished, kept_work
from xdub_core.cli.options.model import RELEASED
from xdub_core.cli.outputs import outputs
from xdub_core.cli.report import Dubbed, write_report
from xdub_core.cli.voices import (
    Said,
    Spoken,
    check_seen,
    check_something_is_said,
    heard_together,
    open_voices,
    said_by,
)
from xdub_core.dub.length import output_end, output_frames
from xdub_core.dub.model import DubbingModel
from xdub_core.dub.pipeline import dub
from xdub_core.dub.playback import Playback
from xdub_core.dub.scene import Scene
from xdub_core.face.track import FaceTrack
from xdub_core.media.sound.mix import Sound
from xdub_core.media.timeline import Timeline, extended_slots
from xdub_core.media.video.passes import VideoPasses
from xdub_core.media.video.source_clock import source_clock
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.likeness import likeness_of_track, load_likeness
from xdub_core.progress import Progress, ProgressCallback, Stage
from xdub_core.report.watcher import DubWatcher

logger = logging.getLogger(__name__)


def run_dub(job: DubJob, cluster: Cluster | None = None) -> None:
    """Dub, showing progress. Everything that can be known to fail is checked before the long work.

    `cluster`: what samples the clips, in the place of this process.
    """
    with DubWatcher(report=job.files.report).listening() as watcher:
        if (checked := check_dub(job)) is None:
            answer.print(
                f"{job.files.out} is finished already", markup=False, highlight=False, soft_wrap=True
            )
            forget_finished(job)
            return
        frames, seconds = _dub(checked, watcher, cluster)
    answer.print(
        f"[green]{escape(str(job.files.out))}[/]: {frames} frames, {float(seconds):.2f} s",
        highlight=False,
        soft_wrap=True,
    )
    for line in watcher.notes():
        answer.print(line, highlight=False, markup=False, soft_wrap=True)


def _dub(checked: CheckedDub, watcher: DubWatcher, cluster: Cluster | None) -> tuple[int, Fraction]:
    """Make the outputs. How many frames they have, and how many seconds."""
    files = checked.files
    source = VideoPasses(checked.scanned, nearest=checked.keeps_clock)
    with ExitStack() as stack:
        spoken = open_voices(checked.voices, checked.scanned.info, files.out.parent, stack)
        frames = output_frames(len(source.timeline), max(each.frames for each in spoken), files.length)
        playback = _playback(checked, source.timeline, spoken) if checked.keeps_clock else None
        check_something_is_said(spoken, frames)
        work = stack.enter_context(kept_work(checked.job, checked.model))
        on_progress = watcher.timed(stack.enter_context(progress_bars()))
        said = _said(checked, source, spoken, frames, work, on_progress, stack)
        features, model = checked.model.load(
            [each.heard for each in said], files.out.parent, stack, on_progress, work.heard
        )
        watcher.read_lips_by(checked.model.mini.detector if checked.model.mini else None)
        speakers = tuple(each.speaker(rows) for each, rows in zip(said, features, strict=True))
        scene = Scene(source, source.timeline, speakers, frames, files.extend, playback)
        _write(checked, scene, model, heard_together(spoken, frames), work, watcher, on_progress, cluster)
        if files.report:  # before the work that is kept goes: who is killed here can still get it
            sounds = [(each.named, each.spoken.place) for each in said]
            heard = [recording_loudness(each.spoken.recording, frames) for each in said]
            dubbed = Dubbed(checked.scanned.info, sounds, checked.model, checked.settings, heard)
            write_report(files, vars(checked.job), dubbed, watcher)
    return len(scene.shown.clock), scene.shown.clock.end


def _playback(checked: CheckedDub, timeline: Timeline, spoken: Iterable[Spoken]) -> Playback:
    """How an output on the source's own clock shows the source."""
    files, samples = checked.files, max(each.recording.samples for each in spoken)
    end = output_end(len(timeline), samples, files.length)
    playback = Playback(source_clock(checked.scanned.index), timeline, files.extend, end)
    for line in playback.warnings():
        logger.warning("%s: %s", files.video, line)
    return playback


def _said(
    checked: CheckedDub,
    source: VideoPasses,
    spoken: Sequence[Spoken],
    frames: int,
    work: KeptWork,
    on_progress: ProgressCallback,
    stack: ExitStack,
) -> tuple[Said, ...]:
    """Who says what: the faces of those who speak, found in the video, and what the model hears of each."""
    files, model = checked.files, checked.model
    footage = Footage(source, checked.scanned.info, files.video_stream)
    faces = follow_faces(
        footage, checked.job.face, spoken, model, checked.settings, on_progress, work.remembered
    )
    check_seen(spoken, faces.tracks, extended_slots(len(source.timeline), frames, files.extend)(frames))
    _warn_of_strange_heads(checked, source, faces.tracks)
    return said_by(spoken, faces, frames, checked.silence, files.out.parent, stack)


def _write(
    checked: CheckedDub,
    scene: Scene,
    model: DubbingModel,
    sound: Sound,
    work: KeptWork,
    watcher: DubWatcher,
    on_progress: ProgressCallback,
    cluster: Cluster | None,
) -> None:
    """Sample the clips and write the frames: the long work."""
    settings, info = checked.settings, checked.scanned.info
    with outputs(checked.files, checked.encoding, info, scene, sound, checked.origin, work) as write:
        on_progress(Progress(Stage.CLIPS, 0, None, "first step"))
        kept = work.clips(scene.speakers)
        if cluster is not None and kept is not None:
            kept = on_cluster(kept, cluster, checked.job, scene, settings, on_progress)
        frames = dub(scene, model, settings, on_progress, watcher, kept)
        for frame in watcher.pictured(frames):
            write(frame)


def _warn_of_strange_heads(checked: CheckedDub, source: VideoPasses, tracks: Iterable[FaceTrack]) -> None:
    """Say before the work that a mini is no use for what the video shows."""
    if checked.model.mini is None:
        return
    judge = load_likeness(BUILT_IN)
    for track in tracks:
        likeness = likeness_of_track(judge, source, source.timeline, track, checked.model.mini.card.crop)
        if not likeness.is_rendered_head:
            remedy = f"use --model {RELEASED} instead (`python -m xdub_core models` tells how to get it)"
            logger.warning("%s", likeness.warning(str(checked.files.video), remedy))
            return

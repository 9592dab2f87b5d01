"""`python -m xdub_core demo`: the built-in model dubs the sample that comes with it."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape

from xdub_core.audio.recording import open_recording
from xdub_core.cli.console import answer
from xdub_core.cli.dub import run_dub
from xdub_core.cli.dub_job import DubJob
from xdub_core.cli.options.files import FileOptions
from xdub_core.cli.options.model import MINI, ModelOptions
from xdub_core.errors import MediaError
from xdub_core.evaluation.sync import SyncScore
from xdub_core.evaluation.video_sync import video_sync
from xdub_core.face.track import FaceTrack, track_faces
from xdub_core.media.container.opening import reason
from xdub_core.media.video.reader import VideoReader
from xdub_core.mini.card import BUILT_IN
from xdub_core.mini.loading import Mini, load_mini
from xdub_core.mini.network_files import load_network
from xdub_core.mini.syncnet import MiniSyncScorer

SAMPLE = BUILT_IN.parent / "sample"
"""A rendered head saying something (`source.mp4`), a recording of something else (`recording.wav`), and the answer."""


def run_demo(out: Path, overwrite: bool = False) -> None:
    """Dub the sample video with the sample recording and tell the sync before and after.

    Raises MissingModelError where the built-in model is not there, and MediaError where `out` cannot be written, or
    it or its preview is there already and `overwrite` is not given.
    """
    mini = load_mini()
    video, recording = SAMPLE / "source.mp4", SAMPLE / "recording.wav"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(
            f"{out.parent}: this folder cannot be made ({reason(error)}); choose another"
        ) from error
    files = FileOptions(video=video, audio=recording, out=out, preview=True, overwrite=overwrite)
    run_dub(DubJob(files, ModelOptions(MINI)))
    told = f"[green]{escape(str(files.preview_path))}[/]: the sample and its dub side by side"
    answer.print(told, highlight=False, soft_wrap=True)
    with VideoReader(video) as reader:
        track = track_faces(reader.frames(reader.timeline.source_index), mini.detector)
    before, after, best = (
        _score(mini, path, track, recording) for path in (video, out, SAMPLE / "truth.mp4")
    )
    answer.print(
        f"Sync of lips and recording: {_told(before)} before, {_told(after)} after "
        f"(the true dub, rendered: {_told(best)}).",
        highlight=False,
        soft_wrap=True,
    )


def _score(mini: Mini, path: Path, track: FaceTrack, sound: Path) -> SyncScore:
    scorer = MiniSyncScorer(load_network("sync", BUILT_IN))
    with VideoReader(path) as reader, open_recording(sound) as recording:
        features = mini.features(recording)
        frames = reader.frames(reader.timeline.source_index)
        return video_sync(scorer, frames, track, features.read(0, features.rows), mini.card.crop)


def _told(score: SyncScore) -> str:
    return f"Sync-C {score.confidence:.2f} at {score.offset:+d} frames"

"""What a dub writes: the output and, where asked for, the preview beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from xdub_core.cli.kept_work import KeptWork
from xdub_core.cli.options.files import FileOptions
from xdub_core.compose.preview import side_by_side
from xdub_core.dub.scene import Scene
from xdub_core.errors import MediaError
from xdub_core.media.output.encode_settings import EncodeSettings
from xdub_core.media.output.origin import Origin
from xdub_core.media.output.source_tracks import SourceTracks
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.picture.frame import FinishedFrame
from xdub_core.media.sound.mix import Sound
from xdub_core.media.video.video_info import VideoInfo


@contextmanager
def outputs(
    files: FileOptions,
    encoding: EncodeSettings,
    info: VideoInfo,
    scene: Scene,
    sound: Sound,
    origin: Origin | None,
    work: KeptWork,
) -> Iterator[Callable[[FinishedFrame], None]]:
    """Write frames into the output and, where asked for, the preview: both are finished before either appears.

    `work` notes them, so that a run after this one knows them if this one is killed.
    """
    tracks = None
    if info.stream is not None:
        tracks = SourceTracks(info, float(scene.first_pass), own_frames=scene.playback is not None)
    write_to = partial(
        VideoWriter,
        height=info.height,
        clock=scene.shown.clock,
        settings=encoding,
        audio=sound,
        like=info,
        overwrite=files.overwrite,
        origin=origin,
    )
    writers = [write_to(files.out, info.width, tracks=tracks)]
    if files.preview:
        writers.append(write_to(files.preview_path, 2 * info.width, quiet=True))
    with ExitStack() as stack:
        for writer in writers:
            stack.enter_context(writer)
        work.note_begun(writer.hidden for writer in writers)
        yield _with_preview(writers[0], writers[1], scene) if files.preview else writers[0].write
        for writer in writers:
            writer.finish()
        stack.pop_all()  # both are whole: from here on, none is removed
    whole = [writer for writer in writers if writer.is_signed]
    work.note_finished({writer.path: writer.hidden.stat().st_size for writer in whole})
    _keep_all(writers)


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
    boxes = scene.boxes()

    def write(frame: FinishedFrame) -> None:
        writer.write(frame)
        preview.write(side_by_side(frame, next(boxes)))

    return write

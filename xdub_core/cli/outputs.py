"""What a dub writes: the output and, where asked for, the preview beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from xdub_core.cli.options.files import FileOptions
from xdub_core.compose.preview import side_by_side
from xdub_core.dub.clip_plan import FPS
from xdub_core.dub.pipeline import Scene
from xdub_core.errors import MediaError
from xdub_core.media.output.encode_settings import EncodeSettings
from xdub_core.media.output.source_tracks import SourceTracks
from xdub_core.media.output.writer import VideoWriter
from xdub_core.media.picture.frame import FinishedFrame
from xdub_core.media.sound.sound_place import AudioTrack
from xdub_core.media.video.video_info import VideoInfo


class Outputs:
    """The output file and, where asked for, the preview: both are finished before either appears."""

    def __init__(
        self, files: FileOptions, encoding: EncodeSettings, info: VideoInfo, scene: Scene, sound: AudioTrack
    ) -> None:
        self._files = files
        self._encoding = encoding
        self._sound = sound
        self._info = info
        self._scene = scene
        first_pass = min(len(scene.timeline), scene.frames)
        self._source_tracks = None if info.stream is None else SourceTracks(info, first_pass / FPS)
        self._stack = ExitStack()
        self._writers: list[VideoWriter] = []

    def __enter__(self) -> Callable[[FinishedFrame], None]:
        writers = [self._writer(self._files.out, self._info.width)]
        if self._files.preview:
            writers.append(self._writer(self._files.preview_path, 2 * self._info.width))
        with ExitStack() as stack:
            self._writers = [stack.enter_context(writer) for writer in writers]
            self._stack = stack.pop_all()
        if not self._files.preview:
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
            self._encoding,
            self._sound,
            like=self._info,
            overwrite=self._files.overwrite,
            quiet=path != self._files.out,
            tracks=self._source_tracks if path == self._files.out else None,
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

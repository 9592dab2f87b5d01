"""Load Folder: many videos and recordings, dubbed one after the other."""

from __future__ import annotations

from pathlib import Path

import folder_paths
from comfy_api.latest import InputImpl, io

from . import sockets

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aac")


class LoadFolder(io.ComfyNode):
    """Pairs of a video and the recording of the same name."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubLoadFolder",
            display_name="Load Folder (X-Dub)",
            category=sockets.CATEGORY,
            description="Lists the videos of a folder with their recordings, which have the same name: anna.mp4 and "
            "anna.wav. What comes after runs once for each pair.",
            search_aliases=["batch", "directory", "list videos"],
            inputs=[
                io.String.Input(
                    "folder",
                    default="",
                    placeholder="a folder in ComfyUI's input folder, or a whole path",
                    tooltip="Where the pairs are: the name of a folder in ComfyUI's input folder, or a whole path.",
                )
            ],
            outputs=[
                io.Video.Output(display_name="videos", is_output_list=True),
                io.Audio.Output(display_name="audios", is_output_list=True),
                io.String.Output(
                    display_name="names", is_output_list=True, tooltip="For Save Video's filename prefix."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, folder: str | None = None) -> bool | str:
        from xdub_core.errors import MediaError

        try:
            pairs_in(folder) if folder is not None else None
        except MediaError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, folder: str) -> str:
        return repr([(path, path.stat().st_mtime_ns) for pair in pairs_in(folder) for path in pair])

    @classmethod
    def execute(cls, folder: str) -> io.NodeOutput:
        from .comfy_bridge.sound import read_sound

        pairs = pairs_in(folder)
        return io.NodeOutput(
            [InputImpl.VideoFromFile(str(video)) for video, _ in pairs],
            [read_sound(recording) for _, recording in pairs],
            [video.stem for video, _ in pairs],
        )


def pairs_in(folder: str) -> list[tuple[Path, Path]]:
    """Videos and their recordings, by name. Raises MediaError where there is none, or a video has no recording."""
    from xdub_core.errors import MediaError

    place = Path(folder_paths.get_input_directory()) / Path(folder.strip()).expanduser()
    if not folder.strip() or not place.is_dir():
        raise MediaError(
            f"{folder or 'the folder'!r} is no folder, neither in ComfyUI's input folder nor by itself"
        )
    files = sorted(path for path in place.iterdir() if path.is_file() and not path.name.startswith("."))
    recordings = {path.stem: path for path in files if path.suffix.lower() in AUDIO_SUFFIXES}
    videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
    if not videos:
        raise MediaError(f"{place} holds no video: put pairs such as anna.mp4 and anna.wav there")
    alone = [path.name for path in videos if path.stem not in recordings]
    if alone:
        raise MediaError(
            f"{place} has no recording for {', '.join(alone)}: give it the same name, as {videos[0].stem}.wav"
        )
    return [(path, recordings[path.stem]) for path in videos]

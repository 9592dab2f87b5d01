"""Load Folder: many videos and recordings, dubbed one after the other."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import InputImpl, io

from . import sockets

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aac")

ALL = 0
"""The `pair` that stands for all of them."""


class LoadFolder(io.ComfyNode):
    """Pairs of a video and the recording of the same name."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="XDubLoadFolder",
            display_name="Load Folder (X-Dub)",
            category=sockets.CATEGORY,
            description="Lists the videos of a folder with their recordings, which have the same name: anna.mp4 and "
            "anna.wav. What comes after runs once for each pair, or for the one that is chosen.",
            search_aliases=["batch", "directory", "list videos"],
            inputs=[
                io.String.Input(
                    "folder",
                    default="",
                    placeholder="a folder in ComfyUI's input folder",
                    tooltip="Where the pairs are: the name of a folder in ComfyUI's input folder, or the whole path of "
                    "one that workflows may read (the help page says how others are allowed).",
                ),
                io.Int.Input(
                    "pair",
                    default=ALL,
                    min=0,
                    max=100000,
                    optional=True,
                    control_after_generate=io.ControlAfterGenerate.fixed,
                    tooltip="0 for all pairs in one run, which saves them when the last is done. Or one of them, by "
                    "name from 1: begin with 1, let it increment, and set the number of runs to that of pairs; then "
                    "each is saved when it is done.",
                ),
            ],
            outputs=[
                io.Video.Output(
                    display_name="videos",
                    is_output_list=True,
                    tooltip="The videos, by name, one after the other.",
                ),
                io.Audio.Output(
                    display_name="audios", is_output_list=True, tooltip="The recording of each of them."
                ),
                io.String.Output(
                    display_name="names", is_output_list=True, tooltip="For Save Video's filename prefix."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, folder: str | None = None, pair: int | None = None) -> bool | str:
        from xdub_core.errors import XDubError

        try:
            chosen_pairs(folder, pair or ALL) if folder is not None else None
        except XDubError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, folder: str | None = None, pair: int = ALL) -> str | float:
        if folder is None:  # linked, so unknown as yet: never the same as before
            return float("nan")
        paths = [path for chosen in chosen_pairs(folder, pair) for path in chosen]
        return repr([(path, path.stat().st_mtime_ns) for path in paths])

    @classmethod
    def execute(cls, folder: str, pair: int = ALL) -> io.NodeOutput:
        from .comfy_bridge.folder import recordings

        pairs = chosen_pairs(folder, pair)
        return io.NodeOutput(
            [InputImpl.VideoFromFile(str(video)) for video, _ in pairs],
            recordings([recording for _, recording in pairs]),
            [video.stem for video, _ in pairs],
        )


def chosen_pairs(folder: str, pair: int = ALL) -> list[tuple[Path, Path]]:
    """All pairs, or one of them, counted from 1. Raises XDubError as `pairs_in`, and where there are fewer."""
    from xdub_core.errors import MediaError

    pairs = pairs_in(folder)
    if not 0 <= pair <= len(pairs):
        raise MediaError(
            f"pair {pair} is asked for, but {folder} holds {len(pairs)}: choose 1 to {len(pairs)}, or 0 for all"
        )
    return pairs if pair == ALL else pairs[pair - 1 : pair]


def pairs_in(folder: str) -> list[tuple[Path, Path]]:
    """Videos and their recordings, by name.

    Raises SettingsError for a folder that is not there or that workflows may not read, MediaError where there is no
    video, or a video has no recording.
    """
    from xdub_core.errors import MediaError

    from .comfy_bridge.host.readable_folders import files_in, input_folder

    files = files_in(input_folder(folder), VIDEO_SUFFIXES + AUDIO_SUFFIXES)
    recordings = {path.stem: path for path in files if path.suffix.lower() in AUDIO_SUFFIXES}
    videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
    if not videos:
        raise MediaError(f"{folder} holds no video: put pairs such as anna.mp4 and anna.wav there")
    alone = [path.name for path in videos if path.stem not in recordings]
    if alone:
        raise MediaError(
            f"{folder} has no recording for {', '.join(alone)}: give it the same name, as {videos[0].stem}.wav"
        )
    return [(path, recordings[path.stem]) for path in videos]

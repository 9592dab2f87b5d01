"""What is dubbed with what, and where the dub goes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from xdub_core.dub.length import FrameRate, Length
from xdub_core.errors import SettingsError
from xdub_core.media.output.output_file import check_new_file, check_output
from xdub_core.media.timeline import MOST_SLOWED, Extend

_option = partial(typer.Option, rich_help_panel="Files")


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """The video, the speech with its place beside the video, and the output."""

    video: Annotated[
        Path,
        _option(
            help="The video whose lips shall move; or numbered pictures, as frames/%04d.png (25 a second)."
        ),
    ]
    audio: Annotated[
        Path | None,
        _option(
            help="The speech of one person (of several: --voice): any file with sound, a video too. Its time 0, the "
            "earliest start of its tracks, goes with the first picture; sound that begins later in its own file has "
            "silence before it. The sound of the dubbed video itself stays with its pictures."
        ),
    ] = None
    out: Annotated[Path, _option(help="The output: .mp4, .mov, .mkv or .webm.")]
    audio_offset: Annotated[
        float,
        _option(
            metavar="SECONDS",
            help="Moves the speech, for lips and sound alike: positive for later, with silence before it; negative for "
            "earlier, its beginning is cut.",
        ),
    ] = 0.0
    audio_stream: Annotated[
        int | None,
        _option(
            metavar="N",
            help="Which of the recording's audio streams, from 0, if not the one that players take.",
        ),
    ] = None
    overwrite: Annotated[bool, _option("--overwrite", help="Replace the output.")] = False
    preview: Annotated[bool, _option(help="Also write OUT.preview: source and dub side by side.")] = False
    report: Annotated[
        bool,
        _option(
            help="Also write OUT.report.html, a page to look at, and OUT.report.json, the same for programs: who was "
            "dubbed and where, what passed through and why, every clip, warnings, settings, time."
        ),
    ] = False
    video_stream: Annotated[
        int | None,
        _option(help="Which of several video streams, from 0 on, if not the one that players show."),
    ] = None
    length: Annotated[
        Length,
        _option(
            help="How long the output is. Where the video is shorter, see --extend; where the speech is shorter, "
            "silence follows it."
        ),
    ] = Length.AUDIO
    extend: Annotated[
        Extend,
        _option(
            help="How a video that is too short is made longer: bounce plays it to and fro; loop begins it again, "
            "which is a cut; hold lets the last frame stand, and the face in it speak on; slow lets every frame stay "
            f"longer, up to {float(MOST_SLOWED):g} times, and beyond that plays to and fro."
        ),
    ] = Extend.BOUNCE

    fps: Annotated[
        FrameRate,
        _option(
            help="source: the output has the video's own frames at their own times, at whatever rate, constant or not; "
            "the lips of each are those of its instant. 25: the model's own frames, as --as-released always has them."
        ),
    ] = FrameRate.SOURCE

    def __post_init__(self) -> None:
        if not self.out.name:
            raise SettingsError(f"--out {self.out}: this is a folder; name a file in it")

    @property
    def preview_path(self) -> Path:
        """Where the side-by-side video goes: OUT.preview.mp4, beside OUT and in its container."""
        return self.out.with_suffix(f".preview{self.out.suffix}")

    @property
    def report_paths(self) -> tuple[Path, Path]:
        """Where the report goes: OUT.report.json and OUT.report.html, beside OUT."""
        return self.out.with_suffix(".report.json"), self.out.with_suffix(".report.html")

    @property
    def outputs(self) -> tuple[Path, ...]:
        """Every file that is written."""
        preview = (self.preview_path,) if self.preview else ()
        return (self.out, *preview, *(self.report_paths if self.report else ()))

    def check_outputs(self, recordings: Iterable[Path]) -> None:
        """Raise MediaError where an output cannot be written, or would replace what it must not."""
        inputs = (self.video, *recordings)
        check_output(self.out, inputs, self.overwrite)
        for path in self.outputs[1:]:
            check_new_file(path, inputs, self.overwrite)

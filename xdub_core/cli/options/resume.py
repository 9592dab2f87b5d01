"""How an interrupted dub goes on, and which clips are sampled again."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from xdub_core.dub.redo import parse_clips
from xdub_core.errors import SettingsError

_LONGEST_NAME = 200
"""Bytes: most file systems take names of 255."""

_option = partial(typer.Option, rich_help_panel="Going on after an interruption")


@dataclass(frozen=True)
class ResumeOptions:
    """Where the work of a dub is kept until its output is finished."""

    resume: Annotated[
        bool,
        _option(
            help="Keep what is done (faces, what was heard, every clip) in the job's folder until the output is "
            "finished: the same command goes on after Ctrl-C, a crash or a power cut, and makes the same file. "
            "Changed options use what does not depend on them."
        ),
    ] = True
    job: Annotated[
        Path | None,
        _option(metavar="DIR", help="The job's folder, if not OUT.xdub beside the output (as dub.mp4.xdub)."),
    ] = None
    keep_job: Annotated[
        bool,
        _option("--keep-job", help="Keep the job's folder when the output is finished; --redo needs it."),
    ] = False
    redo: Annotated[
        str | None,
        _option(
            metavar="CLIPS",
            help="Sample these clips again, from other noise: numbers as the progress shows them, as 12,40-44. Those "
            "that continue one of them in its shot follow it. The job's folder stays.",
        ),
    ] = None
    job_limit: Annotated[
        float,
        _option(
            metavar="GB",
            help="What the job's folder may take. What a dub does not need any more goes first; what then does not "
            "fit is not kept. An hour takes about 7 GB at the released model's sizes.",
        ),
    ] = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.job_limit < math.inf:
            raise SettingsError(f"--job-limit {self.job_limit:g}: give the GB that the job may take, above 0")
        if not self.resume:
            given = {"--job": self.job, "--keep-job": self.keep_job, "--redo": self.redo is not None}
            for option, chosen in given.items():
                if chosen:
                    raise SettingsError(f"{option} and --no-resume contradict each other: leave one out")
        _ = self.redone  # raises

    @property
    def redone(self) -> tuple[range, ...]:
        """The clips to sample again, as ranges of the numbers that the progress shows (from 1)."""
        return () if self.redo is None else parse_clips(self.redo, "--redo")

    def folder(self, output: Path) -> Path:
        """The job's folder of an output."""
        name = output.name
        if len(os.fsencode(name)) > _LONGEST_NAME:
            name = f"{name[:40]}.{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"
        return self.job or output.with_name(f"{name}.xdub")

    def check_folder(self, output: Path, files: Iterable[Path]) -> None:
        """Raise SettingsError where the job's folder would be in the place of one of these files."""
        if not self.resume:
            return
        folder = self.folder(output)
        for path in files:
            if os.path.normcase(path.absolute()) == os.path.normcase(folder.absolute()):
                raise SettingsError(f"--job {folder}: that is the place of a file of this dub; name a folder")

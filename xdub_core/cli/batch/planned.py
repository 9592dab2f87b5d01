"""The rows of a manifest as dubs that can begin: everything that can be wrong in it is found here, before any work."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from xdub_core import __version__
from xdub_core.cli.batch.manifest import Fault, Row, read_manifest
from xdub_core.cli.batch.report import BatchReport, stamp
from xdub_core.cli.batch.row_job import at_home, check_row, parse_row
from xdub_core.cli.dub_job import DubJob
from xdub_core.cli.options.resume import ResumeOptions
from xdub_core.errors import MediaError, XDubError
from xdub_core.media.container.input_rules import check_input_path
from xdub_core.media.container.opening import is_there
from xdub_core.media.video.numbered_pictures import find_pictures, is_pattern


@dataclass(frozen=True)
class PlannedRow:
    """A row that can begin, or is done. `key`: the hash of its options and of its inputs' sizes and times."""

    row: Row
    job: DubJob
    key: str
    done: bool

    @property
    def out(self) -> str:
        """The output as the manifest names it."""
        return self.row.cells["out"]


def plan_rows(manifest: Path, report: BatchReport, overwrite: bool) -> tuple[list[PlannedRow], list[Fault]]:
    """All rows, and all that is wrong with them. `overwrite` is for rows whose own cell is empty.

    Raises SettingsError for a manifest that cannot be read.
    """
    rows, faults = read_manifest(manifest)
    planned: list[PlannedRow] = []
    writing: list[PlannedRow] = []
    for row in rows:
        if overwrite:
            row = replace(row, cells={"overwrite": "yes", **row.cells})
        written, wrong = parse_row(row.cells)
        if written is not None:
            job = at_home(written, manifest.parent)
            plan = _planned(row, written, job, report)
            planned.append(plan)
            if not plan.done:
                wrong |= check_row(row.cells, manifest.parent) | _file_faults(job)
            if ("out",) not in wrong:
                writing.append(plan)
        faults += [Fault(row.place, columns, what) for columns, what in wrong.items()]
    return planned, [*faults, *_rivals(writing), *_over_the_report(writing, report.path)]


def _planned(row: Row, written: DubJob, job: DubJob, report: BatchReport) -> PlannedRow:
    key = _key(written, job)
    return PlannedRow(row, job, key, report.is_done(key, job.files.outputs, job.files.overwrite))


def _key(written: DubJob, job: DubJob) -> str:
    """A hash of what decides about the output: the options as written, and every input's size and time."""
    resume = ResumeOptions(redo=written.resume.redo)  # the rest makes no other output
    options = asdict(replace(written, files=replace(written.files, overwrite=False), resume=resume))
    inputs = (
        *(path for _, path in _footage(job)),
        *(job.face.boxes, job.face.landmarks, Path(job.model.model)),
    )
    stamps = [[stamp(file) for file in _files(path)] for path in inputs if path is not None]
    told = json.dumps([__version__, options, stamps], default=str)
    return hashlib.sha256(told.encode()).hexdigest()


def _files(path: Path) -> list[Path]:
    """The files of an input: itself, numbered pictures, or those in a folder; none where nothing is there."""
    try:
        if is_pattern(path):
            return [file for file in find_pictures(path).files if file is not None]
        return sorted(path.iterdir()) if is_there(path) and path.is_dir() else [path]
    except (XDubError, OSError):
        return []  # told where the inputs are checked


def _file_faults(job: DubJob) -> dict[tuple[str, ...], str]:
    """Inputs that are not there, and outputs that cannot be written."""
    wrong: dict[tuple[str, ...], str] = {}
    files = _footage(job)
    faces: tuple[tuple[str, Path | None], ...]
    faces = (("boxes", job.face.boxes), ("landmarks", job.face.landmarks))
    for name, path in (*files, *faces):
        try:
            if path is not None:
                _check_input(path, pictures=name == "video")
        except MediaError as error:
            wrong[(name,)] = str(error)
    try:
        job.files.check_outputs(path for column, path in files if column != "video")
    except MediaError as error:
        wrong[("out",)] = str(error)
    return wrong


def _footage(job: DubJob) -> list[tuple[str, Path]]:
    """The video and the recordings, by their columns."""
    audio = [] if job.files.audio is None else [("audio", job.files.audio)]
    voices = [(f"voice_{voice.person}", voice.path) for voice in job.speech.voices()]
    return [("video", job.files.video), *audio, *voices]


def _check_input(path: Path, pictures: bool) -> None:
    check_input_path(path)
    if pictures and is_pattern(path):
        find_pictures(path)
    elif not is_there(path):
        raise MediaError(f"{path}: there is no such file")
    elif path.is_dir():
        raise MediaError(f"{path}: this is a folder, not a file")


def _rivals(planned: list[PlannedRow]) -> Iterator[Fault]:
    """Rows that would write the same file, or over another row's input."""
    written: dict[str, Row] = {}
    for plan in planned:
        for path in plan.job.files.outputs:
            other = written.setdefault(_one_name(path), plan.row)
            if other is not plan.row:
                yield Fault(plan.row.place, ("out",), f"{path}: {other.place} writes this file too")
    for plan in planned:
        for column, path in _footage(plan.job):
            writer = written.get(_one_name(path))
            if writer is not None and writer is not plan.row:
                yield Fault(
                    plan.row.place, (column,), f"{path}: {writer.place} writes this file; make two batches"
                )


def _over_the_report(planned: list[PlannedRow], report: Path) -> Iterator[Fault]:
    """Rows that would write over the batch's own report."""
    for plan in planned:
        for path in plan.job.files.outputs:
            if _one_name(path) == _one_name(report):
                what = f"{path}: this is the batch's own report; name another for it with --report"
                yield Fault(plan.row.place, ("out",), what)


def _one_name(path: Path) -> str:
    """The same for all ways to write a path, as far as the system says."""
    try:
        return os.path.normcase(path.resolve())
    except (OSError, ValueError, RuntimeError):
        return str(path)  # told where the paths are checked

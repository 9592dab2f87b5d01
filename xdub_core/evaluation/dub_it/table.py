"""The paper's table (Tab. 1 to 3): each way to dub beside the source itself, copied.

A copy keeps the face and the voice and says none of the new words (Sec. 4.3): it scores high in identity, voice and
loudness, and low in words and LMD. So a figure means something only beside that row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from xdub_core.errors import MediaError, SettingsError
from xdub_core.files import write_text_whole
from xdub_core.progress import Progress, ProgressCallback, ignore_progress

from .judges import DubItJudges
from .measure import DubItMeasures, measure_dub
from .video import close_spoken, open_spoken

COPIED = "copied source"


@dataclass(frozen=True)
class DubItCase:
    """A video that was to say `text`, and what became of it by each way to dub: a file, or None where none came out."""

    name: str
    source: Path
    text: str
    language: str
    dubs: Mapping[str, Path | None]


@dataclass(frozen=True)
class DubItRow:
    """One way to dub: `success` (Succ, A.5), the share of cases with a video that can be read; means of the others."""

    cases: int
    success: float
    means: DubItMeasures


@dataclass(frozen=True)
class DubItTable:
    """Rows by name, the copied source's first."""

    rows: Mapping[str, DubItRow]

    def json(self) -> str:
        """All figures in full."""
        rows = self.rows.items()
        told = {name: {"cases": row.cases, "success": row.success, **asdict(row.means)} for name, row in rows}
        return json.dumps(told, indent=2)

    def markdown(self) -> str:
        """The table; "-" where nothing was measured."""
        head = ["", "Succ \u2191", *(title for title, _, _ in _COLUMNS)]
        lines = [head, ["---", *["---:"] * (len(head) - 1)]]
        for name, row in self.rows.items():
            values = [(getattr(row.means, field), form) for _, field, form in _COLUMNS]
            cells = ["-" if value is None else form.format(value) for value, form in values]
            lines.append([name, f"{row.success:.0%}", *cells])
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


_COLUMNS = (
    ("CSIM \u2191", "csim", "{:.4f}"),
    ("LMD \u2191", "lmd", "{:.4f}"),
    ("MAR Div \u2191", "mar_diversity", "{:.4f}"),
    ("QD \u2191", "qd", "{:.5f}"),
    ("ASync \u2193", "async_frames", "{:.2f}"),
    ("WER \u2193", "wer", "{:.4f}"),
    ("V-SIM \u2191", "v_sim", "{:.4f}"),
    ("Int-Corr \u2191", "int_corr", "{:.3f}"),
    ("Dur-Err s \u2193", "dur_err", "{:.4f}"),
)


def evaluate_dubs(
    cases: Sequence[DubItCase], judges: DubItJudges, on_progress: ProgressCallback = ignore_progress
) -> DubItTable:
    """Measure every dub of every case, and the copied source.

    Raises SettingsError without cases, MediaError for a source that cannot be read, and what a judge raises.
    """
    if not cases:
        raise SettingsError("there are no cases to measure")
    methods = list(dict.fromkeys(name for case in cases for name in case.dubs))
    found: dict[str, list[DubItMeasures | None]] = {name: [] for name in (COPIED, *methods)}
    for number, case in enumerate(cases, 1):
        for name, measures in _measured(case, judges, methods):
            found[name].append(measures)
        on_progress(Progress("cases", number, len(cases)))
    return DubItTable({name: _row(measures) for name, measures in found.items()})


def _measured(
    case: DubItCase, judges: DubItJudges, methods: Sequence[str]
) -> Iterator[tuple[str, DubItMeasures | None]]:
    """The measures of the copied source and of each method; None where there is no video that can be read."""
    source = open_spoken(case.source)
    try:
        yield COPIED, measure_dub(source, source, case.text, case.language, judges)
        for name in methods:
            path = case.dubs.get(name)
            try:
                dub = None if path is None else open_spoken(path)
            except MediaError:
                dub = None
            if dub is None:
                yield name, None
                continue
            try:
                yield name, measure_dub(source, dub, case.text, case.language, judges)
            finally:
                close_spoken(dub)
    finally:
        close_spoken(source)


def read_cases(path: Path) -> list[DubItCase]:
    """Cases from JSON: [{"name", "source", "text", "language", "dubs": {method: file or null}}].

    Files are beside it where they are not absolute. Raises SettingsError.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        cases = [_case(row, path.parent) for row in told]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{path} tells no cases ({error!r:.80}): give a list of name, source, text, language and dubs"
        ) from None
    if not cases:
        raise SettingsError(f"{path} tells no cases: its list is empty")
    return cases


def write_table(table: DubItTable, folder: Path) -> tuple[Path, Path]:
    """Write dub-it.json and dub-it.md into a folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "dub-it.json", folder / "dub-it.md"
    for path, text in zip(paths, (table.json(), table.markdown()), strict=True):
        write_text_whole(path, text)
    return paths


def _case(row: Mapping[str, object], beside: Path) -> DubItCase:
    dubs = row["dubs"]
    if not isinstance(dubs, Mapping) or not str(row["text"]).strip():
        raise ValueError("a case needs text, and dubs by the names of methods")
    return DubItCase(
        str(row.get("name", row["source"])),
        beside / str(row["source"]),
        str(row["text"]),
        str(row["language"]),
        {str(name): None if file is None else beside / str(file) for name, file in dubs.items()},
    )


def _row(measures: Sequence[DubItMeasures | None]) -> DubItRow:
    there = [each for each in measures if each is not None]
    means = {}
    for field in fields(DubItMeasures):
        values = [value for each in there if (value := getattr(each, field.name)) is not None]
        means[field.name] = float(np.mean(values)) if values else None
    return DubItRow(len(measures), len(there) / len(measures), DubItMeasures(**means))

"""What became of each row of a batch: a table for people, and a JSON file from which the same command goes on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from xdub_core.errors import MediaError, SettingsError
from xdub_core.files import write_text_whole
from xdub_core.media.container.opening import reason

Stamp = list[int]


class State(str, Enum):
    """What became of a row. `BEGUN` in a file: the program was ended in the middle of it."""

    WAITING = "waiting"
    BEGUN = "begun"
    OK = "ok"
    FAILED = "failed"


_STYLES = {State.OK: "green", State.FAILED: "red", State.BEGUN: "yellow", State.WAITING: "dim"}


@dataclass(frozen=True)
class RowResult:
    """What became of a row.

    Attributes:
        row: its number, from 1 on.
        out: the output as the manifest names it.
        key: a hash of its options and of its inputs' sizes and times.
        state: see `State`.
        seconds: how long the work took; None where it was not done.
        error: why it failed, in one line.
        outputs: size in bytes and time (ns) of each file that it wrote.
    """

    row: int
    out: str
    key: str
    state: State = State.WAITING
    seconds: float | None = None
    error: str | None = None
    outputs: list[Stamp] = field(default_factory=list)


@dataclass
class BatchReport:
    """The results by key, written whole after each change."""

    path: Path
    manifest: str
    results: dict[str, RowResult] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, manifest: str) -> BatchReport:
        """The report at a path as an earlier run left it, or an empty one that is not written yet.

        Raises SettingsError for a file that is no report of a manifest of this name.
        """
        if path.suffix.lower() != ".json":
            raise SettingsError(f"{path}: a report is a .json file")
        report = cls(path, manifest)
        try:
            if path.exists():
                report.results = _read(path.read_text(encoding="utf-8"), manifest)
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise SettingsError(
                f"{path}: this file is no report of {manifest}; name another with --report, or take it away"
            ) from error
        return report

    def is_done(self, key: str, outputs: Sequence[Path], overwrite: bool) -> bool:
        """Whether a row of this key is done and its outputs are still there as it left them.

        A program that was ended after a row's outputs had taken their places, and before that was noted, left the row
        as begun. Where they were not to replace anything, they are that row's own.
        """
        result = self.results.get(key)
        stamps = [stamp(path) for path in outputs]
        if result is None or None in stamps:
            return False
        if result.state is State.BEGUN:
            return not overwrite
        return result.state is State.OK and result.outputs == stamps

    def write(self) -> None:
        """Raises MediaError where the file cannot be written."""
        told = {"manifest": self.manifest, "rows": [asdict(result) for result in self.results.values()]}
        try:
            write_text_whole(self.path, json.dumps(told, indent=2) + "\n")
        except OSError as error:
            raise MediaError(f"{self.path}: the report cannot be written ({reason(error)})") from error

    def note(self, result: RowResult) -> None:
        """Note what became of a row, and write the file."""
        self.results[result.key] = result
        self.write()

    @property
    def failed(self) -> bool:
        """Whether any row failed."""
        return any(result.state is State.FAILED for result in self.results.values())


def _read(text: str, manifest: str) -> dict[str, RowResult]:
    told: Any = json.loads(text)
    if told["manifest"] != manifest:
        raise ValueError("of another manifest")
    results = [RowResult(**{**row, "state": State(row["state"])}) for row in told["rows"]]
    return {result.key: result for result in results}


def stamp(path: Path) -> Stamp | None:
    """A file's size in bytes and time of change in ns; None where it is not there."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return [found.st_size, found.st_mtime_ns]


def report_table(results: Iterable[RowResult]) -> Table:
    """The results for people."""
    table = Table()
    for column in ("row", "out", "state", "seconds", "error"):
        table.add_column(column, justify="right" if column in ("row", "seconds") else "left", overflow="fold")
    for result in results:
        table.add_row(
            str(result.row),
            escape(result.out),
            f"[{_STYLES[result.state]}]{result.state.value}[/]",
            "" if result.seconds is None else f"{result.seconds:.1f}",
            escape(result.error or ""),
        )
    return table

"""The manifest of a batch: rows of text under the names of `dub`'s options, from CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xdub_core.cli.batch.row_job import REQUIRED, says_something, unknown_column
from xdub_core.errors import SettingsError
from xdub_core.media.container.opening import reason

_DELIMITERS = ",;\t"
_QUOTE = "put quotes around a cell that holds a separator, as a box does"
_TABLES = (".csv", ".tsv", ".txt")


@dataclass(frozen=True)
class Row:
    """One dub: `number` from 1 on (a CSV's header not counted), its line in a CSV, and the cells that are not empty."""

    number: int
    cells: Mapping[str, str]
    line: int | None = None

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        return f"row {self.number}" + (f" (line {self.line})" if self.line else "")


@dataclass(frozen=True)
class Fault:
    """What is wrong in a manifest: where, in which columns (none: in the row as a whole), and what."""

    place: str
    columns: tuple[str, ...]
    what: str

    def __str__(self) -> str:
        named = f", column{'s' if len(self.columns) > 1 else ''} {', '.join(self.columns)}"
        return f"{self.place}{named if self.columns else ''}: {' '.join(self.what.split())}"


def check_kind(path: Path) -> None:
    """Raise SettingsError for a name that is no manifest's."""
    if path.suffix.lower() not in (*_TABLES, ".json"):
        raise SettingsError(f"{path}: a manifest is a .csv or a .json file")


def read_manifest(path: Path) -> tuple[list[Row], list[Fault]]:
    """The rows, and those faults that show without knowing what the columns mean.

    Raises SettingsError for a file that cannot be read, or is neither a table nor a list of objects.
    """
    check_kind(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: this is not UTF-8; save it again as UTF-8") from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: the manifest cannot be read ({reason(error)})") from error
    faults: list[Fault] = []
    rows = _json_rows(text, path, faults) if path.suffix.lower() == ".json" else _csv_rows(text, path, faults)
    if not rows and not faults:
        raise SettingsError(f"{path}: there is no row in it; a row has at least video, audio and out")
    return rows, faults


def option_name(column: str) -> str:
    """The parameter that a column names: audio-offset, Audio_Offset and --audio-offset are audio_offset."""
    return column.strip().lstrip("-").replace("-", "_").lower()


def _csv_rows(text: str, path: Path, faults: list[Fault]) -> list[Row]:
    rows: list[Row] = []
    header: list[str] | None = None
    number = 0
    try:
        for line, record in _records(text):
            if header is None:
                header = [option_name(column) for column in record]
                faults += _header_faults(header, line)
                if faults:
                    break
                continue
            number += 1
            row = Row(number, {name: cell for name, cell in zip(header, record, strict=False) if cell}, line)
            if "" in row.cells or any(record[len(header) :]):  # its cells may be those of other columns
                what = f"a cell under no column's name ({len(header)} columns); {_QUOTE}"
                faults.append(Fault(row.place, (), what))
            else:
                rows.append(row)
    except csv.Error as error:
        raise SettingsError(f"{path}: this is not a table ({error}); save it again as CSV") from error
    return rows


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """(first line, stripped cells) of every record that is not empty; separated by what the header is separated by."""
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    reader = csv.reader(io.StringIO(text), delimiter=max(_DELIMITERS, key=first.count), strict=True)
    line = 1
    for record in reader:
        cells = [cell.strip() for cell in record]
        if any(cells):
            yield line, cells
        line = reader.line_num + 1


def _header_faults(header: list[str], line: int) -> Iterable[Fault]:
    place = f"header (line {line})"
    for name in sorted({name for name in header if name and header.count(name) > 1}):
        yield Fault(place, (name,), "there are two columns of this name")
    for name in REQUIRED if says_something(header) else (*REQUIRED, "audio"):
        if name not in header:
            yield Fault(place, (name,), "this column is missing")
    for name in header:
        if name and (what := unknown_column(name)):
            yield Fault(place, (name,), what)


def _json_rows(text: str, path: Path, faults: list[Fault]) -> list[Row]:
    try:
        found = json.loads(text, object_pairs_hook=_Object)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: this is not JSON ({error})") from error
    if not isinstance(found, list) or isinstance(found, _Object):
        raise SettingsError(f"{path}: a manifest is a list of objects, [{{...}}, ...]")
    rows: list[Row] = []
    for number, values in enumerate(found, 1):
        if not isinstance(values, _Object):
            faults.append(Fault(f"row {number}", (), "this is no object {...} of columns and values"))
            continue
        before = len(faults)
        row = Row(number, _json_cells(values, f"row {number}", faults))
        if len(faults) == before:
            rows.append(row)
    return rows


class _Object(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a name that is there twice is seen."""


def _json_cells(values: _Object, place: str, faults: list[Fault]) -> dict[str, str]:
    cells: dict[str, str] = {}
    seen: set[str] = set()
    for column, value in values:
        name = option_name(column)
        if name in seen:
            faults.append(Fault(place, (name,), "it is given twice"))
        seen.add(name)
        if isinstance(value, list):
            faults.append(
                Fault(place, (name,), "give a text, a number, true, false or null, as on dub's command line")
            )
        elif isinstance(value, bool):
            cells[name] = str(value).lower()
        elif value not in (None, ""):
            cells[name] = str(value)
    return cells

"""The table that decides: every candidate between its floor and its ceiling.

undubbed                  the source video, with the new speech laid under it        the floor
true dub                  the same performance, rendered speaking the new speech     the ceiling
true dub through VAE      what a perfect model of these latents would give           the ceiling of this VAE
...                       candidates
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from xdub_core.errors import SettingsError
from xdub_core.evaluation.measure import DubCase, Measures
from xdub_core.evaluation.mouth import leak, within_clip_correlation
from xdub_core.files import write_text_whole

FLOOR, CEILING, VAE_CEILING = "undubbed", "true dub", "true dub through VAE"
PLAIN = "plain"


@dataclass(frozen=True)
class SuccessRule:
    """When a dub counts as a success (after the paper's appendix G, where people judged).

    Not a complete mismatch of the lips: the sound is found within `offset` frames of its place, with at least
    `confidence_share` of the true dub's confidence. Not a visual collapse: `outside_psnr`, `mouth_psnr` in dB and
    `identity` at least so high.
    """

    offset: int = 2
    confidence_share: float = 0.4
    outside_psnr: float = 24.0
    mouth_psnr: float = 16.0
    identity: float = 0.5

    def succeeds(self, dub: Measures, truth: Measures) -> bool:
        """Whether a dub succeeds; `truth`: the true dub's measures of the same case."""
        in_sync = (
            abs(dub.sync_offset) <= self.offset
            and dub.sync_confidence >= self.confidence_share * truth.sync_confidence
        )
        whole = dub.outside_psnr >= self.outside_psnr and dub.mouth_psnr >= self.mouth_psnr
        return in_sync and whole and dub.identity >= self.identity


@dataclass(frozen=True)
class Row:
    """Means over all cases, of one way to dub.

    `in_place`: share of cases whose offset is within one frame; `correlation`: of the mouth's opening with the new
    speech's true one, within clips; `leak`: with the old speech's; `success`, `hard_success`: shares of all and of
    the hard cases (None where there are none). A case without measures (the method gave up) fails, and counts in
    those two shares only. The rest: see `Measures`.
    """

    cases: int
    sync_confidence: float
    sync_distance: float
    in_place: float
    correlation: float
    leak: float
    lmd: float
    mouth_psnr: float
    looks_distance: float
    outside_psnr: float
    outside_ssim: float
    identity: float
    success: float
    hard_success: float | None


@dataclass(frozen=True)
class Report:
    """Rows by name, in order."""

    rows: Mapping[str, Row]

    def closed(self, name: str, value: str = "sync_confidence", ceiling: str = CEILING) -> float:
        """The share of the gap between floor and ceiling that a candidate closes in one column."""
        floor, top, own = (float(getattr(self.rows[n], value)) for n in (FLOOR, ceiling, name))
        if top == floor:
            raise SettingsError(
                f"{ceiling!r} and {FLOOR!r} do not differ in {value}: there is no gap to close"
            )
        return (own - floor) / (top - floor)

    def json(self) -> str:
        """All figures in full, and the share of the gap in sync that each row closes."""
        rows = {name: asdict(row) | {"sync_gap_closed": self._gap(name)} for name, row in self.rows.items()}
        return json.dumps(rows, indent=2)

    def markdown(self) -> str:
        """The table."""
        head = ["", *(title for title, _, _ in _COLUMNS), "sync gap closed"]
        lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
        for name, row in self.rows.items():
            cells = [_cell(getattr(row, field), form) for _, field, form in _COLUMNS]
            lines.append([name, *cells, _cell(self._gap(name), "{:.0%}")])
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"

    def _gap(self, name: str) -> float | None:
        try:
            return self.closed(name)
        except (SettingsError, KeyError):
            return None


_COLUMNS = (
    ("Sync-C \u2191", "sync_confidence", "{:.3f}"),
    ("Sync-D \u2193", "sync_distance", "{:.3f}"),
    ("in place \u2191", "in_place", "{:.0%}"),
    ("correlation \u2191", "correlation", "{:.2f}"),
    ("leak \u2192 0", "leak", "{:.2f}"),
    ("LMD % \u2193", "lmd", "{:.2f}"),
    ("mouth dB \u2191", "mouth_psnr", "{:.1f}"),
    ("looks distance \u2193", "looks_distance", "{:.4f}"),
    ("outside dB \u2191", "outside_psnr", "{:.1f}"),
    ("outside SSIM \u2191", "outside_ssim", "{:.3f}"),
    ("identity \u2191", "identity", "{:.3f}"),
    ("success \u2191", "success", "{:.0%}"),
    ("hard success \u2191", "hard_success", "{:.0%}"),
)


def make_report(
    cases: Sequence[DubCase],
    measured: Mapping[str, Sequence[Measures | None]],
    rule: SuccessRule | None = None,
) -> Report:
    """Rows of all that was measured: a list as long as `cases` by each row's name, None where a method gave up.

    Raises SettingsError where lengths differ or the true dub's row is missing.
    """
    if CEILING not in measured or not cases:
        raise SettingsError(f"a report needs cases, and a row named {CEILING!r}")
    for name, measures in measured.items():
        if len(measures) != len(cases):
            raise SettingsError(f"{name!r} has {len(measures)} measures for {len(cases)} cases")
    truths = measured[CEILING]
    return Report({name: _row(cases, m, truths, rule or SuccessRule()) for name, m in measured.items()})


def write_report(report: Report, folder: Path, name: str = "report") -> tuple[Path, Path]:
    """Write `name`.json and `name`.md into a folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.json", folder / f"{name}.md"
    for path, text in zip(paths, (report.json(), report.markdown()), strict=True):
        write_text_whole(path, text)
    return paths


_MEANS = tuple(field.name for field in fields(Row) if field.name in Measures.__dataclass_fields__)


def _row(
    cases: Sequence[DubCase],
    measures: Sequence[Measures | None],
    truths: Sequence[Measures | None],
    rule: SuccessRule,
) -> Row:
    done = [(case, m) for case, m in zip(cases, measures, strict=True) if m is not None]
    if not done:
        raise SettingsError("a method that gave up on every case has no row")
    successes = [
        m is not None and truth is not None and rule.succeeds(m, truth)
        for m, truth in zip(measures, truths, strict=True)
    ]
    hard = [success for success, case in zip(successes, cases, strict=True) if case.kind != PLAIN]
    openings = [m.opening for _, m in done]
    targets = [case.target_opening for case, _ in done]

    return Row(
        cases=len(cases),
        in_place=float(np.mean([abs(m.sync_offset) <= 1 for _, m in done])),
        correlation=within_clip_correlation(openings, targets),
        leak=leak(openings, [case.source_opening for case, _ in done], targets),
        **{name: float(np.mean([getattr(m, name) for _, m in done])) for name in _MEANS},
        success=float(np.mean(successes)),
        hard_success=float(np.mean(hard)) if hard else None,
    )


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)

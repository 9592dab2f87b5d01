"""The rows of a batch, one after another."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

from xdub_core.cli import one_line
from xdub_core.cli.batch.manifest import Fault
from xdub_core.cli.batch.planned import PlannedRow, plan_rows
from xdub_core.cli.batch.report import BatchReport, RowResult, Stamp, State, report_table, stamp
from xdub_core.cli.console import answer, tell
from xdub_core.cli.dub import run_dub
from xdub_core.cli.kept_work import forget_finished

logger = logging.getLogger(__name__)


def run_batch(
    manifest: Path, report_path: Path | None, keep_going: bool, overwrite: bool
) -> BatchReport | None:
    """Dub the rows that an earlier run has not done; None where the manifest is wrong, which is told, and nothing done.

    Each row loads its model anew, as a `dub` of its own would: its output is the same file.

    Raises SettingsError for a manifest that cannot be read or a report that is none, and MediaError where the report
    cannot be written.
    """
    before = BatchReport.open(report_path or manifest.with_suffix(".report.json"), manifest.name)
    plans, faults = plan_rows(manifest, before, overwrite)
    if faults:
        _tell_faults(manifest, faults)
        return None
    report = BatchReport(before.path, before.manifest)
    report.results = {plan.key: _known(plan, before.results.get(plan.key)) for plan in plans}
    report.write()
    try:
        for plan in plans:
            if plan.done:
                tell(f"{plan.row.place}: {plan.out} is done already")
                forget_finished(plan.job)
            elif not _dub_row(plan, report) and not keep_going:
                break
    finally:
        answer.print(report_table(report.results.values()))
        answer.print(f"The report: {report.path}", markup=False, highlight=False, soft_wrap=True)
    return report


def _known(plan: PlannedRow, before: RowResult | None) -> RowResult:
    """What is known of a row when a batch begins."""
    result = RowResult(plan.row.number, plan.out, plan.key)
    if not plan.done:
        return result
    return replace(before or result, row=result.row, out=result.out, state=State.OK, outputs=_stamps(plan))


def _dub_row(plan: PlannedRow, report: BatchReport) -> bool:
    """Whether the row's dub was made; what a user could mend is told and noted."""
    result = report.results[plan.key]
    tell(f"{plan.row.place}: {plan.out}")
    report.note(replace(result, state=State.BEGUN))
    begun = time.monotonic()
    try:
        run_dub(plan.job)
    except Exception as error:
        if not (line := one_line(error)):
            raise
        logger.debug("%s", plan.row.place, exc_info=True)
        tell(f"error: {plan.row.place}: {line}")
        report.note(replace(result, state=State.FAILED, seconds=_since(begun), error=line))
        return False
    report.note(replace(result, state=State.OK, seconds=_since(begun), outputs=_stamps(plan)))
    return True


def _stamps(plan: PlannedRow) -> list[Stamp]:
    """What is there of the row's outputs."""
    return [found for path in plan.job.files.outputs if (found := stamp(path)) is not None]


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 3)


def _tell_faults(manifest: Path, faults: list[Fault]) -> None:
    for fault in faults:
        tell(f"error: {manifest}: {fault}")

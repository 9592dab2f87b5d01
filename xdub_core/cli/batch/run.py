"""The rows of a batch, one after another."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from xdub_core.cli import one_line
from xdub_core.cli.batch.manifest import Fault, check_kind
from xdub_core.cli.batch.planned import PlannedRow, plan_rows
from xdub_core.cli.batch.report import BatchReport, RowResult, Stamp, State, report_table, stamp
from xdub_core.cli.cluster.connection import Cluster, connected
from xdub_core.cli.cluster.rows import rows_on_cluster
from xdub_core.cli.console import answer, tell
from xdub_core.cli.dub import run_dub
from xdub_core.cli.kept_work import forget_finished

logger = logging.getLogger(__name__)


def run_batch(
    manifest: Path, report_path: Path | None, keep_going: bool, overwrite: bool, ray: str | None = None
) -> BatchReport | None:
    """Dub the rows that an earlier run has not done; None where the manifest is wrong, which is told, and nothing done.

    Each row loads its model anew, as a `dub` of its own would: its output is the same file. `ray`: the address of a
    cluster that makes the rows, side by side.

    Raises SettingsError for a manifest that cannot be read, a report that is none, or a cluster that is not there, and
    MediaError where the report cannot be written.
    """
    check_kind(manifest)
    before = BatchReport.open(report_path or manifest.with_suffix(".report.json"), manifest.name)
    plans, faults = plan_rows(manifest, before, overwrite)
    if faults:
        _tell_faults(manifest, faults)
        return None
    report = BatchReport(before.path, before.manifest)
    report.results = {plan.key: _known(plan, before.results.get(plan.key)) for plan in plans}
    with ExitStack() as stack:
        cluster = None if ray is None else stack.enter_context(connected(ray))
        report.write()
        stack.callback(_tell_report, report)
        for plan in plans:
            if plan.done:
                tell(f"{plan.row.place}: {plan.out} is done already")
                forget_finished(plan.job)
        upcoming = [plan for plan in plans if not plan.done]
        for made in _dub_here(upcoming, report) if cluster is None else _dub_there(upcoming, report, cluster):
            if not made and not keep_going:
                break
    return report


def _known(plan: PlannedRow, before: RowResult | None) -> RowResult:
    """What is known of a row when a batch begins."""
    result = RowResult(plan.row.number, plan.out, plan.key)
    if not plan.done:
        return result
    return replace(before or result, row=result.row, out=result.out, state=State.OK, outputs=_stamps(plan))


def _dub_here(plans: Sequence[PlannedRow], report: BatchReport) -> Iterator[bool]:
    """Dub rows one after another; whether each was made."""
    for plan in plans:
        _note_begun(plan, report)
        begun, line = time.monotonic(), ""
        try:
            run_dub(plan.job)
        except Exception as error:
            if not (line := one_line(error)):
                raise
            logger.debug("%s", plan.row.place, exc_info=True)
        yield _note_done(plan, report, time.monotonic() - begun, line)


def _dub_there(plans: Sequence[PlannedRow], report: BatchReport, cluster: Cluster) -> Iterator[bool]:
    """Dub rows on a cluster, side by side; whether each was made, as they are done."""
    jobs = [plan.job for plan in plans]
    for done in rows_on_cluster(cluster, jobs, run_dub, lambda number: _note_begun(plans[number], report)):
        plan = plans[done.number]
        for warning in done.warnings:
            logger.warning("%s: %s", plan.row.place, warning)
        yield _note_done(plan, report, done.seconds, done.error)


def _note_begun(plan: PlannedRow, report: BatchReport) -> None:
    tell(f"{plan.row.place}: {plan.out}")
    report.note(replace(report.results[plan.key], state=State.BEGUN))


def _note_done(plan: PlannedRow, report: BatchReport, seconds: float, error: str) -> bool:
    """Note what became of a row, and tell what a user could mend; whether it was made."""
    result = replace(report.results[plan.key], seconds=round(seconds, 3))
    if error:
        tell(f"error: {plan.row.place}: {error}")
        report.note(replace(result, state=State.FAILED, error=error))
        return False
    report.note(replace(result, state=State.OK, outputs=_stamps(plan)))
    return True


def _stamps(plan: PlannedRow) -> list[Stamp]:
    """What is there of the row's outputs."""
    return [found for path in plan.job.files.outputs if (found := stamp(path)) is not None]


def _tell_report(report: BatchReport) -> None:
    answer.print(report_table(report.results.values()))
    answer.print(f"The report: {report.path}", markup=False, highlight=False, soft_wrap=True)


def _tell_faults(manifest: Path, faults: list[Fault]) -> None:
    for fault in faults:
        tell(f"error: {manifest}: {fault}")

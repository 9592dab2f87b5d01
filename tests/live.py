"""What is told while the tests run: each failure at once, so that a run that is cut off has told it; and its end.

XDUB_TEST_SECONDS is the time that the whole run may take. After it the run ends as Ctrl+C ends it, red, with what was
running then and with what has failed; where even that does not end it, the process does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import nullcontext

import pytest

SECONDS_TO_END = 45
"""From the interrupt: to stop servers and browsers, and to print the failures."""


class Live:
    """A pytest plugin, for the process that prints: with xdist, workers tell it when their tests begin and end."""

    def __init__(self, config: pytest.Config, seconds: float | None) -> None:
        self.config = config
        self.seconds = seconds
        self.running: dict[str, float] = {}
        self.failed: list[str] = []
        if seconds is not None:
            self._after(seconds, self._time_is_up)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.running[nodeid] = time.monotonic()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.running.pop(nodeid, None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)
            self._print(f"FAILED {report.nodeid} ({report.when}, {report.duration:.0f} s): {reason(report)}")

    def _time_is_up(self) -> None:
        now = time.monotonic()
        running = "".join(f"\n  {name} (for {now - began:.0f} s)" for name, began in self.running.items())
        failed = "".join(f"\n  {name}" for name in self.failed) or " nothing"
        told = f"THE TESTS TOOK LONGER THAN {self.seconds:.0f} s. Running:{running}\nFailed so far:{failed}"
        self._print(told)
        self._after(SECONDS_TO_END, self._exit)
        signal.raise_signal(signal.SIGINT) if os.name == "nt" else os.kill(os.getpid(), signal.SIGINT)

    def _exit(self) -> None:
        self._print(f"The tests did not end within {SECONDS_TO_END} s, either.")
        sys.stdout.flush()
        os._exit(2)

    @staticmethod
    def _after(seconds: float, what) -> None:
        timer = threading.Timer(seconds, what)
        timer.daemon = True
        timer.start()

    def _print(self, line: str) -> None:
        reporter, capture = (
            self.config.pluginmanager.get_plugin(n) for n in ("terminalreporter", "capturemanager")
        )
        with capture.global_and_fixture_disabled() if capture else nullcontext():  # a test may be running
            reporter.write(f"\n{line}\n", red=True)
            reporter.flush()


def reason(report: pytest.TestReport) -> str:
    """A failure's first line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    return (crash.message if crash else report.longreprtext).strip().partition("\n")[0][:300]


def seconds_given() -> float | None:
    """XDUB_TEST_SECONDS, where it is set."""
    given = os.environ.get("XDUB_TEST_SECONDS")
    return max(1.0, float(given)) if given else None

"""A run of the tests that is cut off has told what failed, and what was running."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
FILE = """
import time

def test_wrong():
    assert 1 == 2, "one is not two"

def test_endless():
    time.sleep(100)
"""


def test_a_run_that_takes_too_long_ends_red_and_tells_all(tmp_path):
    (tmp_path / "test_it.py").write_text(FILE)
    plugin = "import live\n\ndef pytest_configure(config):\n    config.pluginmanager.register(live.Live(config, 4))\n"
    (tmp_path / "conftest.py").write_text(plugin)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        os.devnull,
        "--rootdir",
        tmp_path,
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [*command, tmp_path / "test_it.py"],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode
    assert "FAILED test_it.py::test_wrong (call, 0 s): AssertionError: one is not two" in done.stdout
    running, failed = done.stdout.partition("THE TESTS TOOK LONGER THAN 4 s")[2].split("Failed so far:")
    assert "test_it.py::test_endless (for" in running
    assert failed.strip().startswith("test_it.py::test_wrong")

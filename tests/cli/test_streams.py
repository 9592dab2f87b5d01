"""Printing never fails: on consoles of any encoding, into closed pipes and full disks, and without a console."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from xdub_core.cli.streams import forgiving_streams

unix = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a Unix shell")

PRINTS = """
import os, sys
from xdub_core.cli.streams import forgiving_streams
with forgiving_streams():
    file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
    for _ in range(3):
        print("出力.mp4" * 2000)
        print("warning: 出力.mp4", file=sys.stderr)
    os.write(1, b"said by a C library")
    os.write(file, b"whole")
    os.close(file)
"""


def printing(target, shell_end="", **environment):
    command = f'"{sys.executable}" -c "$PRINTS" "{target}" {shell_end}'
    everything = {**os.environ, "PRINTS": PRINTS, **environment}
    everything["PYTHONPATH"] = str(Path(__file__).parents[2])
    return subprocess.run(["bash", "-c", command], capture_output=True, env=everything, check=False)


@unix
@pytest.mark.parametrize(
    "shell_end",
    [">/dev/full", "2>/dev/full", ">&-", "2>&-", ">&- 2>&- <&-", "| head -c 1; exit ${PIPESTATUS[0]}"],
)
def test_the_work_is_done_whoever_reads_the_words(tmp_path, shell_end):
    done = printing(tmp_path / "out", shell_end)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr and b"ignored" not in done.stderr
    assert (tmp_path / "out").read_bytes() == b"whole"


@unix
@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437"])
def test_what_a_console_lacks_is_shown_as_escapes(tmp_path, encoding):
    done = printing(tmp_path / "out", PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    assert b"\\u51fa\\u529b.mp4" in done.stdout and b"\\u51fa\\u529b.mp4" in done.stderr


def test_streams_are_the_callers_again_afterwards():
    before = sys.stdout, sys.stderr
    with forgiving_streams():
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr) == before

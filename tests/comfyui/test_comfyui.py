"""Everything beside this file, run by a real ComfyUI's own Python (see conftest.py)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import comfy_home
import pytest
from comfy_home import comfyui_and_python

HERE = Path(__file__).resolve().parent
FILES = sorted(path.stem for path in HERE.glob("test_*.py") if path != Path(__file__).resolve())
TOLD = "THE NODES WERE NOT TESTED"
SECONDS_AT_MOST, FAILURES_AT_MOST = 1200, 10
pytestmark = pytest.mark.timeout(SECONDS_AT_MOST + 60)


@dataclass
class Report:
    """Test cases by file, as ComfyUI's Python reports them; `ended` is why some may be lacking."""

    cases: dict[str, list[ElementTree.Element]]
    ended: str | None


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Report:
    """All files' tests, run."""
    comfyui, python = comfyui_and_python(TOLD)
    result = tmp_path_factory.mktemp("comfyui") / "report.xml"
    options = ["-c", os.devnull, "--rootdir", HERE, "--import-mode=importlib", "-p", "no:cacheprovider", "-v"]
    options += ["--confcutdir", HERE.parent, f"--junit-xml={result}", f"--maxfail={FAILURES_AT_MOST}"]
    output, ended = run_at_most(
        SECONDS_AT_MOST,
        [python, "-m", "pytest", *(HERE / f"{name}.py" for name in FILES), *options],
        cwd=comfyui,
        env={**os.environ, "XDUB_INSIDE_COMFYUI": str(comfyui), "OMP_NUM_THREADS": "1"},
    )
    if not result.is_file():
        why = ended or "ComfyUI's Python could not run the tests"
        pytest.fail(f"{why}:\n{output[-5000:]}", pytrace=False)
    cases: dict[str, list[ElementTree.Element]] = {name: [] for name in FILES}
    for case in ElementTree.parse(result).iter("testcase"):
        where = case.get("classname") or case.get("name", "")  # the latter for a file that cannot be imported
        for name in cases.keys() & where.split(
            "."
        ):  # none where pytest tells of itself, when it is interrupted
            cases[name].append(case)
    stopped = f"the tests of files before it were given up after {FAILURES_AT_MOST} failures"
    return Report(cases, ended or (stopped if "stopping after" in output else None))


def run_at_most(seconds: float, command: list, **options) -> tuple[str, str | None]:
    """What a process prints; and, where it takes longer and is therefore ended, what it was at."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **options
    )
    try:
        return process.communicate(timeout=seconds)[0], None
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGINT)
    try:  # as Ctrl+C: fixtures stop their servers, and what has failed is told
        output = process.communicate(timeout=30)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        output = process.communicate()[0]
    at = re.findall(r"^\S+::\S+", output, re.MULTILINE)
    return (
        output,
        f"the tests in ComfyUI took longer than {seconds:.0f} s; the last was {at[-1] if at else 'none'}",
    )


@pytest.mark.parametrize("file", FILES)
def test_in_comfyui(report, file):
    cases = report.cases[file]
    if not cases:
        pytest.fail(f"not run: {report.ended}" if report.ended else f"{file} has no tests", pytrace=False)
    bad = [
        (case, problem) for case in cases for kind in ("failure", "error") for problem in case.findall(kind)
    ]
    if bad:
        pytest.fail(
            "\n\n".join(f"{case.get('name')}:\n{problem.text}" for case, problem in bad), pytrace=False
        )
    skipped = [
        (case.get("name"), case.find("skipped").get("message"))
        for case in cases
        if case.find("skipped") is not None
    ]
    if len(skipped) == len(cases):
        pytest.skip(f"all of {file}: {skipped[0][1]}")


def test_tests_that_take_too_long_are_ended_and_say_where():
    script = "import time; print('test_x.py::test_a PASSED\\ntest_x.py::test_b ', flush=True); time.sleep(99)"
    output, ended = run_at_most(3, [sys.executable, "-c", script])
    assert "KeyboardInterrupt" in output or os.name == "nt"
    assert ended == "the tests in ComfyUI took longer than 3 s; the last was test_x.py::test_b"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A ComfyUI without a Python that could run it."""
    (tmp_path / "comfy").mkdir()
    for name in ("comfyui_version.py", "comfy/sd.py"):
        (tmp_path / name).touch()
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    monkeypatch.setenv("COMFYUI_PYTHON", str(tmp_path / "no python"))
    monkeypatch.setattr(comfy_home.sys, "executable", None)
    return tmp_path


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_comfyui_that_cannot_run_is_a_failure_under_ci(checkout, monkeypatch, ci, outcome):
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="THE NODES WERE NOT TESTED: no Python"):
        comfyui_and_python(TOLD)


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_place_that_is_named_and_holds_no_comfyui_is_a_failure_under_ci(tmp_path, monkeypatch, ci, outcome):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    for home in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(home, str(tmp_path))
    monkeypatch.setattr(comfy_home, "PACK", tmp_path / "custom_nodes" / "x-dub")
    with pytest.raises(outcome, match="THE NODES WERE NOT TESTED"):
        comfyui_and_python(TOLD)

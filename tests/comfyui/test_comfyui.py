"""Everything beside this file, run by a real ComfyUI's own Python (see conftest.py)."""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import comfy_home
import pytest
from comfy_home import comfyui_and_python

HERE = Path(__file__).resolve().parent
FILES = sorted(path.stem for path in HERE.glob("test_*.py") if path != Path(__file__).resolve())
TOLD = "THE NODES WERE NOT TESTED"
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> dict[str, list[ElementTree.Element]]:
    """Test cases by file, as ComfyUI's Python reports them."""
    comfyui, python = comfyui_and_python(TOLD)
    result = tmp_path_factory.mktemp("comfyui") / "report.xml"
    options = ["-c", os.devnull, "--rootdir", HERE, "--import-mode=importlib", "-p", "no:cacheprovider", "-q"]
    run = subprocess.run(
        [
            python,
            "-m",
            "pytest",
            *(HERE / f"{name}.py" for name in FILES),
            *options,
            "--confcutdir",
            HERE.parent,
            f"--junit-xml={result}",
        ],
        cwd=comfyui,
        env={**os.environ, "XDUB_INSIDE_COMFYUI": str(comfyui), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if not result.is_file():
        pytest.fail(f"ComfyUI's Python could not run the tests:\n{run.stdout[-5000:]}\n{run.stderr[-5000:]}")
    cases: dict[str, list[ElementTree.Element]] = {name: [] for name in FILES}
    for case in ElementTree.parse(result).iter("testcase"):
        where = case.get("classname") or case.get("name", "")  # the latter for a file that cannot be imported
        cases[next(name for name in FILES if name in where.split("."))].append(case)
    return cases


@pytest.mark.parametrize("file", FILES)
def test_in_comfyui(report, file):
    cases = report[file]
    assert cases, f"{file} has no tests"
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

"""Everything beside this file, run by a real ComfyUI's own Python (see conftest.py)."""

from __future__ import annotations

import os
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from comfy_home import find_comfyui, find_python

HERE = Path(__file__).resolve().parent
FILES = sorted(path.stem for path in HERE.glob("test_*.py") if path != Path(__file__).resolve())
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> dict[str, list[ElementTree.Element]]:
    """Test cases by file, as ComfyUI's Python reports them."""
    comfyui = find_comfyui()
    if comfyui is None:
        pytest.skip(
            "THE NODES WERE NOT TESTED: no ComfyUI at COMFYUI_PATH, above this pack or at ~/comfy/ComfyUI"
        )
    python = find_python(comfyui)
    if python is None:
        pytest.skip(
            f"THE NODES WERE NOT TESTED: no Python for {comfyui} that has its requirements, the pack's and pytest; "
            "name one in COMFYUI_PYTHON"
        )
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

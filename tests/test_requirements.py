"""What the package asks for: one list in two places, and an OpenCV without windows."""

import re
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
WINDOWS = re.compile(
    r"cv2\.(imshow|namedWindow|waitKey|destroy\w*Windows?|selectROI\w*|createTrackbar|setMouse\w*)\b"
)


def declared() -> list[str]:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    block = re.search(r"^dependencies = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    return re.findall(r'"(.*?)"', block.group(1))


def test_comfyui_manager_installs_what_the_package_needs():
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == declared()


def test_torch_is_left_to_comfyui_and_opencv_needs_no_display():
    names = {Requirement(line).name for line in declared()}
    assert not {name for name in names if name.startswith("torch")}
    assert {name for name in names if "opencv" in name} == {"opencv-python-headless"}


def test_nothing_opens_a_window():
    folders = ("xdub_core", "nodes", "benchmarks", "tools")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert sources
    assert [path.name for path in sources if WINDOWS.search(path.read_text("utf-8"))] == []

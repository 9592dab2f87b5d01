"""What ComfyUI Registry shows and asks for: the pictures, the pack's entry in pyproject.toml, its publishing."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import yaml

from tests.comfyui.package import install

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACK = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((PACK / "pyproject.toml").read_text(encoding="utf-8"))
ENTRY = PROJECT["tool"]["comfy"]
PICTURES = PACK / "docs" / "pictures"
FLOW = PACK / ".github" / "workflows" / "publish.yml"


def test_the_icon_is_a_small_square_and_the_banner_21_to_9():
    height, width = cv2.imread(str(PICTURES / "icon.png")).shape[:2]
    assert height == width <= 400
    height, width = cv2.imread(str(PICTURES / "banner.png")).shape[:2]
    assert 9 * width == 21 * height


def test_the_name_is_one_that_the_registry_takes():
    name = PROJECT["project"]["name"]
    assert re.fullmatch(r"[a-zA-Z]+([-_.]?[a-zA-Z0-9]+)*", name) and len(name) < 100
    assert "comfyui" not in name.lower()
    assert re.fullmatch(r"\d+\.\d+\.\d+", PROJECT["project"]["version"])


def test_the_least_comfyui_is_the_one_that_the_pack_refuses_to_go_below():
    (least,) = re.findall(
        r"\((\d+), (\d+)\)", (PACK / "nodes" / "requirements.py").read_text(encoding="utf-8")
    )
    assert ENTRY["requires-comfyui"] == f">={'.'.join(least)}.0"


def test_extensions_of_the_front_end_are_named_after_the_pack():
    namespace = re.sub(r"[^a-z0-9]", "", ENTRY["DisplayName"].lower())
    for script in (PACK / "web").rglob("*.*js"):
        text = script.read_text(encoding="utf-8")
        for name in re.findall(r"registerExtension\(\s*{\s*name:\s*[\"'](.+?)[\"']", text):
            assert name.startswith(f"{namespace}."), script


@pytest.fixture
def check(tmp_path):
    """Run the publishing job's own check, in a folder with this pyproject.toml, after a commit with that one."""
    steps = yaml.safe_load(FLOW.read_text(encoding="utf-8"))["jobs"]["publish"]["steps"]
    (script,) = [step["run"] for step in steps if step.get("id") == "check"]

    def git(*words):
        who = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    def run(before: str, now: str):
        git("init", "-q")
        for text in (before, now):
            (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
            git("add", "pyproject.toml")
            git("commit", "-qm", "a version", "--allow-empty")
        told = tmp_path / "told.txt"
        environment = {"GITHUB_OUTPUT": str(told), "EVENT": "push"}
        return subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
        ), (told.read_text() if told.exists() else "")

    return run


def filled_in(version):
    comfy = "\n".join(f'{name} = "x"' for name in ("PublisherId", "Icon", "Banner"))
    return f'[project]\nversion = "{version}"\n[project.urls]\nRepository = "x"\n[tool.comfy]\n{comfy}\n'


pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the job's machine has tomllib")
def test_nothing_is_published_before_the_publisher_has_filled_in_who_they_are(check):
    text = (PACK / "pyproject.toml").read_text(encoding="utf-8")
    ended, _ = check(text, text)
    assert ended.returncode == 1
    assert "pyproject.toml lacks Repository, PublisherId, Icon, Banner" in ended.stderr


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the job's machine has tomllib")
@pytest.mark.parametrize(("now", "new"), [("0.1.0", "new=false\n"), ("0.2.0", "new=true\n")])
def test_only_another_version_is_published(check, now, new):
    ended, told = check(filled_in("0.1.0"), filled_in(now))
    assert ended.returncode == 0, ended.stderr
    assert told == new


def test_comfy_test_finds_nothing_but_the_engine_s_own_layers(tmp_path):
    """Its offline checks of sources and JavaScript (`pip install comfy-test`). The engine knows no ComfyUI, so its
    small networks are made of torch's own layers, which comfy-test would have to be ComfyUI's."""
    program = shutil.which("comfy-test") or shutil.which("comfy-test", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("comfy-test is not installed")
    if not install(tmp_path / "x-dub"):
        pytest.skip("the package is made of the files that git tracks")
    run = subprocess.run([program, "lint", "--json", str(tmp_path / "x-dub")], capture_output=True, text=True)
    results = json.loads(run.stdout)["results"]
    assert results["javascript"]["passed"], results["javascript"]
    syntax = results["syntax"]
    if not syntax["passed"]:
        assert "Forbidden patterns" in syntax["error"]
        files = re.findall(r"^(\S+\.py):$", syntax["details"], re.MULTILINE)
        complaints = re.findall(r"^\s+Line \d+: (.+?) --", syntax["details"], re.MULTILINE)
        assert files and all(name.startswith("xdub_core/") for name in files), files
        assert complaints and all(re.match(r"nn\.\w+\*?\w*\(\)", told) for told in complaints), set(
            complaints
        )

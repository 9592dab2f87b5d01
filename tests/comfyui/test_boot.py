"""ComfyUI starts with the pack: quickly, without a warning of its own, and says when it is itself too old."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from package import install

COMFYUI = Path(os.environ["XDUB_INSIDE_COMFYUI"])
PACK = Path(__file__).resolve().parents[2]
HEAVY = ("transformers", "mmpose", "mmdet", "mmcv", "diffsynth", "huggingface_hub")
NODES = {
    f"XDub{name}"
    for name in (
        *("LoadAudioEncoders", "LoadFaceDetector", "LoadMini", "Expert", "EmptyPrompt"),
        *("FaceCrop", "AudioFeatures", "ReferenceLatents", "Guidance", "Guider", "Sampler"),
        *("StitchClips", "ColorMatch", "PasteBack", "Dub"),
    )
}


@pytest.fixture(scope="module")
def boot(tmp_path_factory):
    """What `--quick-test-for-ci` prints, with this pack, as it is published, as the only custom node."""
    base = tmp_path_factory.mktemp("base")
    (base / "custom_nodes").mkdir()
    install(base / "custom_nodes" / "comfyui-x-dub")
    run = subprocess.run(
        [sys.executable, "main.py", "--cpu", "--quick-test-for-ci", "--base-directory", str(base)],
        cwd=COMFYUI,
        env={name: value for name, value in os.environ.items() if name != "XDUB_INSIDE_COMFYUI"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return re.sub(r"\x1b\[\d+m", "", run.stdout + run.stderr)


def test_the_pack_loads_in_under_a_second_and_without_a_warning(boot):
    found = re.search(r"([\d.]+) seconds( \(IMPORT FAILED\))?: \S*comfyui-x-dub", boot)
    assert found and not found[2]
    assert float(found[1]) < 1.0
    about_us = [line for line in boot.splitlines() if re.search(r"x[-_]?dub", line, re.IGNORECASE)]
    assert about_us == [line for line in about_us if "seconds:" in line]


def test_loading_the_pack_imports_none_of_the_heavy_packages(pytestconfig):
    heavy = [name for name in pytestconfig.pack_modules if name.split(".")[0] in HEAVY]
    assert heavy == []


def test_every_step_has_its_node_with_words_for_the_artist(pack):
    nodes = {node.define_schema().node_id: node.define_schema() for node in pack("extension").NODES}
    assert set(nodes) >= NODES
    for name, schema in nodes.items():
        assert schema.category in ("X-Dub", "X-Dub/Dub It"), name
        assert schema.display_name and schema.description, name
        assert all(i.tooltip for i in schema.inputs), name
        assert all(output.display_name for output in schema.outputs), name


def test_an_older_comfyui_is_told_the_version_that_is_needed(pack, monkeypatch):
    import comfyui_version

    requirements = pack("requirements")
    requirements.require_comfyui()
    for version in ("0.3.75", "0.32.9"):
        monkeypatch.setattr(comfyui_version, "__version__", version)
        with pytest.raises(
            ImportError, match=rf"needs ComfyUI 0\.33 or newer, and this is {re.escape(version)}"
        ):
            requirements.require_comfyui()
    for version in ("0.33.0", "0.33.1rc1", "0.100", "1.0"):
        monkeypatch.setattr(comfyui_version, "__version__", version)
        requirements.require_comfyui()


def test_engine_is_importable_and_nothing_else_of_the_pack_is(pack):
    import nodes
    import xdub_core

    assert Path(nodes.__file__) == COMFYUI / "nodes.py"
    assert Path(xdub_core.__file__).parent == PACK / "xdub_core"
    assert str(PACK) not in sys.path

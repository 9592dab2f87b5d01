"""The nodes' words in the front end's languages: what the schemas and the table say, as core serves it."""

import json
import sys
from pathlib import Path

import pytest
from package import install

PACK = Path(__file__).resolve().parents[2]
LOCALES = PACK / "locales"


@pytest.fixture(scope="module")
def maker():
    sys.path.insert(0, str(PACK / "tools"))
    import make_locales

    return make_locales


@pytest.fixture(scope="module")
def english(maker, pack):
    return maker.english(
        {node.define_schema().node_id: node.GET_NODE_INFO_V1() for node in pack("extension").NODES}
    )


def stored(language):
    return json.loads((LOCALES / language / "nodeDefs.json").read_text(encoding="utf-8"))


def test_english_is_what_the_schemas_say(english):
    assert stored("en") == english, "run tools/make_locales.py"


def test_chinese_is_what_the_table_says(maker, english):
    chinese, missing, stale = maker.translated(english, json.loads(maker.TABLE.read_text(encoding="utf-8")))
    assert not missing
    assert not stale
    assert stored("zh") == chinese, "run tools/make_locales.py"


def test_a_choice_s_own_inputs_have_words(maker):
    inner = {"required": {"box": ("STRING", {"tooltip": "The whole head."})}}
    options = [{"key": "find it", "inputs": {"required": {}}}, {"key": "box", "inputs": inner}]
    schema = {
        "required": {"face": ("COMFY_DYNAMICCOMBO_V3", {"tooltip": "Where it is.", "options": options})}
    }
    told = maker.english(
        {
            "XDubFaceCrop": {
                "display_name": "Face Crop",
                "description": "Cuts it out.",
                "input": schema,
                "output_name": [],
                "output_tooltips": [],
            },
            "KSampler": {},
        }
    )
    assert told["XDubFaceCrop"]["inputs"] == {
        "face": {"name": "face", "tooltip": "Where it is."},
        "face_box": {"name": "box", "tooltip": "The whole head."},
    }
    assert set(told) == {"XDubFaceCrop"}


def test_core_serves_them_from_the_published_pack(tmp_path, monkeypatch):
    import folder_paths
    from app.custom_node_manager import CustomNodeManager

    install(tmp_path / "comfyui-x-dub")
    monkeypatch.setattr(folder_paths, "get_folder_paths", lambda kind: [str(tmp_path)])
    served = CustomNodeManager().build_translations()
    assert {language: served[language]["nodeDefs"] for language in served} == {
        language: stored(language) for language in ("en", "zh")
    }

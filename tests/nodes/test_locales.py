"""locales/: both languages say something of every node, input and output, and say the same.

That English is what the schemas say, and Chinese what the table says, is seen in tests/comfyui/test_locales.py.
"""

import json
import re
from pathlib import Path

import pytest

PACK = Path(__file__).resolve().parents[2]
LANGUAGES = ["en", "zh"]
SAME_IN_CHINESE = {"CLIP", "Sigmas", "VAE", "Whisper", "wav2vec2"}
CHINESE = re.compile(r"[一-鿿]")


def words(language):
    return json.loads((PACK / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))


def flat(content, path=""):
    """Every text by its path."""
    if isinstance(content, str):
        return {path: content}
    return {key: text for name in content for key, text in flat(content[name], f"{path}.{name}").items()}


def node_ids():
    paths = (PACK / "nodes").glob("*.py")
    return {
        name for path in paths for name in re.findall(r'node_id="(\w+)"', path.read_text(encoding="utf-8"))
    }


@pytest.fixture(params=LANGUAGES)
def nodes(request):
    return words(request.param)


def test_every_node_is_there(nodes):
    assert set(nodes) == node_ids()
    assert all(node["display_name"] and node["description"] for node in nodes.values())


def test_every_input_and_output_has_a_name_and_a_tooltip(nodes):
    lacking = [
        f"{node}.{group}.{name}"
        for node, content in nodes.items()
        for group in ("inputs", "outputs")
        for name, said in content[group].items()
        if not (said.get("name") and said.get("tooltip"))
    ]
    assert not lacking


def test_keys_are_as_the_front_end_looks_them_up(nodes):
    """It puts an underscore for each dot in an input's name, and numbers outputs."""
    for content in nodes.values():
        assert not [name for name in content["inputs"] if "." in name]
        assert list(content["outputs"]) == [str(number) for number in range(len(content["outputs"]))]


def test_texts_have_nothing_that_the_front_end_takes_for_its_own_syntax(nodes):
    """Tooltips are shown as they are; the rest is compiled as messages, in which @, {}, and | mean something."""
    compiled = {key: text for key, text in flat(nodes).items() if not key.endswith(".tooltip")}
    assert not [key for key, text in compiled.items() if re.search(r"[@{}|]", text)]


def test_both_languages_have_the_same_keys():
    assert set(flat(words("en"))) == set(flat(words("zh")))


def test_nothing_is_left_in_english():
    left = {key: text for key, text in flat(words("zh")).items() if not CHINESE.search(text)}
    assert not {key: text for key, text in left.items() if text not in SAME_IN_CHINESE}


def test_numbers_are_the_same_in_both_languages():
    english, chinese = flat(words("en")), flat(words("zh"))
    number = re.compile(r"\d+(?:\.\d+)?")
    told = {key: (number.findall(english[key]), number.findall(chinese[key])) for key in chinese}
    assert not {key: pair for key, pair in told.items() if set(pair[0]) != set(pair[1])}


def test_chinese_has_chinese_punctuation():
    wrong = re.compile(r"[一-鿿][,;:?!()]|[,;:?!()][一-鿿]|[一-鿿]\.(?:\s|$)")
    assert not {key: text for key, text in flat(words("zh")).items() if wrong.search(text)}

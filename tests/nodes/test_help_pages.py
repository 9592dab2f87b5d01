"""The help pages: every node has one in both languages, with a picture, and with its inputs in the node's order."""

import json
import re
from pathlib import Path

import pytest

PACK = Path(__file__).resolve().parents[2]
DOCS = PACK / "web" / "docs"
WORDS = {
    language: json.loads((PACK / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))
    for language in ("en", "zh")
}
HEADINGS = {"en": ("Inputs", "Wiring", "Common mistakes"), "zh": ("输入", "连线", "常见错误")}
OPEN, CLOSE = "\uff08", "\uff09"  # Chinese brackets
MOST_BYTES = 1_200_000


def page(node, language):
    """Where the front end looks: docs/NODE/LANGUAGE.md, and for English docs/NODE.md."""
    path = DOCS / f"{node}.md" if language == "en" else DOCS / node / f"{language}.md"
    return path.read_text(encoding="utf-8")


def section(text, heading):
    """From one bold heading to the next."""
    return text.split(f"**{heading}**", 1)[1].split("\n**")[0]


@pytest.fixture(params=sorted(WORDS["en"]))
def node(request):
    return request.param


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_page_tells_what_where_and_what_goes_wrong(node, language):
    text = page(node, language)
    title = re.sub(rf" \(X-Dub\)|{OPEN}X-Dub{CLOSE}", "", WORDS[language][node]["display_name"])
    assert text.startswith(f"# {title}\n")
    places = [text.index(f"**{heading}**") for heading in HEADINGS[language]]
    assert places == sorted(places)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_its_inputs_stand_in_the_order_of_the_node(node, language):
    told = re.findall(r"^ *- `(\w+)`", section(page(node, language), HEADINGS[language][0]), re.MULTILINE)
    assert told == [said["name"] for said in WORDS["en"][node]["inputs"].values()]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_it_shows_a_picture_of_the_node(node, language):
    """Both languages' pictures are looked up in docs/ itself."""
    (picture,) = re.findall(r"^!\[[^\]]+\]\(([^)]+)\)$", page(node, language), re.MULTILINE)
    assert picture == f"{node}.webp"
    head = (DOCS / picture).read_bytes()[:12]
    assert head[:4] == b"RIFF" and head[8:] == b"WEBP"


def test_inputs_have_their_chinese_names_on_chinese_pages(node):
    text, said = page(node, "zh"), WORDS["zh"][node]["inputs"]
    inputs = section(text, HEADINGS["zh"][0])
    for key, words in said.items():
        name = WORDS["en"][node]["inputs"][key]["name"]
        told = re.search(rf"^ *- `{name}`{OPEN}([^{CLOSE}]+){CLOSE}", inputs, re.MULTILINE)
        assert told is None or told[1] == words["name"], name
        assert told or words["name"].lower() == name, name


def test_no_page_is_stale():
    nodes = set(WORDS["en"])
    assert {path.stem for path in DOCS.glob("*.md")} == nodes
    assert {path.parent.name for path in DOCS.glob("*/zh.md")} == nodes
    assert {path.stem for path in DOCS.glob("*.webp")} == nodes


def test_pictures_are_small():
    assert sum(path.stat().st_size for path in DOCS.glob("*.webp")) < MOST_BYTES

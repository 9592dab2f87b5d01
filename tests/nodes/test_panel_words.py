"""What the panels say is said in Chinese, too: each text that goes through t() in web/, with the same blanks."""

import json
import re
from pathlib import Path

WEB = Path(__file__).resolve().parents[2] / "web"
ZH = WEB.parent / "locales" / "zh" / "main.json"
SAID = re.compile(r"""(?<![\w.$])t\(\s*("(?:[^"\\]|\\.)*")""")
CALLED = re.compile(r"(?<![\w.$])t\((?!text\b)")
CHINESE = re.compile(r"[一-鿿]")


def sources():
    return {path: without_comments(path.read_text(encoding="utf-8")) for path in sorted(WEB.rglob("*.*js"))}


def said():
    return {json.loads(text) for source in sources().values() for text in SAID.findall(source)}


def table():
    return json.loads(ZH.read_text(encoding="utf-8"))["xdubPanels"]


def blanks(text):
    return sorted(re.findall(r"\{(\w+)\}", text))


def without_comments(source):
    return re.sub(r"/\*.*?\*/|^\s*//.*?$", "", source, flags=re.DOTALL | re.MULTILINE)


def test_what_is_said_can_be_found():
    """Texts are literals in double quotes."""
    for path, source in sources().items():
        assert len(CALLED.findall(source)) == len(SAID.findall(source)), path.name


def test_every_text_is_there_in_chinese_and_none_is_stale():
    assert set(table()) == said()


def test_translations_are_chinese_and_have_the_same_blanks():
    for text, translated in table().items():
        assert CHINESE.search(translated), text
        assert blanks(translated) == blanks(text), text


def test_nothing_is_said_past_the_table():
    """Words that are put on the screen as they stand."""
    put = re.compile(
        r"""(?:(?:textContent|innerText|title|placeholder|ariaLabel)\s*[:=]|"(?:aria-label|title)",)\s*["'`][^"'`$]*[A-Za-z]{3}"""
    )
    assert not {path.name: put.findall(source) for path, source in sources().items() if put.search(source)}

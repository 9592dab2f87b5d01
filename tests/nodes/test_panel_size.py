"""What the panels weigh, and that their styles do not meet: one sheet serves all."""

import re
from pathlib import Path

WEB = Path(__file__).resolve().parents[2] / "web"
MOST_BYTES = 100_000
SECTION = re.compile(r"^/\* (\w+) \*/$", re.MULTILINE)
CLASS = re.compile(r"\.(xdub-[a-z-]+)")

BARE = {"xdub-plot", "xdub-timeline"}
"""Classes without a style, by which tests find an element."""


def files(*suffixes):
    return [path for path in sorted(WEB.rglob("*")) if path.suffix in suffixes]


def sections():
    """The sheet's classes: what panels share, by "", and what is one panel's own, by its name."""
    shared, *own = SECTION.split((WEB / "lib" / "panel.css").read_text(encoding="utf-8"))
    named = zip(own[::2], own[1::2], strict=True)
    return {"": set(CLASS.findall(shared))} | {name: set(CLASS.findall(rules)) for name, rules in named}


def classes_of(path):
    """The classes that a module gives to its elements: written out, or by part() and keyboardPart()."""
    source = path.read_text(encoding="utf-8")
    parts = re.findall(r"""[pP]art\(\s*"([a-z-]+)\"""", source)
    return set(re.findall(r"xdub-[a-z]+(?:-[a-z]+)*", source)) | {f"xdub-{name}" for name in parts}


def panel_of(path):
    """people_strip.mjs is a part of people.mjs; a module of lib/ is nobody's own."""
    return path.stem.split("_")[0] if path.parent.name == "panels" else ""


def test_scripts_and_styles_are_small():
    assert sum(path.stat().st_size for path in files(".js", ".mjs", ".css")) <= MOST_BYTES


def test_comfyui_imports_one_script_at_start_up():
    assert [path.name for path in files(".js")] == ["xdub.js"]


def test_no_two_panels_share_a_class_of_one_s_own():
    own = {name: classes for name, classes in sections().items() if name}
    assert set(own) <= {panel_of(path) for path in files(".mjs")}
    for name, classes in own.items():
        others = [other for section, other in sections().items() if section != name]
        assert not classes & set().union(*others), name
        for path in (WEB / "panels").glob("*.mjs"):
            if panel_of(path) != name:
                assert not classes & classes_of(path), path.name


def test_every_class_is_used_and_every_class_in_use_is_known():
    known = set().union(*sections().values())
    used = set().union(*(classes_of(path) for path in files(".mjs")))
    assert known - used == set()
    assert used - known <= BARE

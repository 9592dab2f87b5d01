"""Who may import whom: a room knows the rooms below it and no others, neither inside a function nor for its types.

So there is no circle of rooms. `__main__.py` is how a program is entered, and stands above them all.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOWEST_FIRST = (
    *("errors", "files", "progress", "weights", "vae"),
    *("media/timeline", "media/container", "media/picture", "media/video", "media/sound", "media/output"),
    *(
        "audio",
        "face",
        "model",
        "sampling",
        "experts",
        "compose",
        "job",
        "dub",
        "dub_it",
        "report",
        "released",
        "mini",
    ),
    *("heads", "evaluation/dub_it", "training", "evaluation", "cli"),
)
BRIDGE = "nodes/comfy_bridge"
ROOMS = (
    *(f"xdub_core/{room}" for room in LOWEST_FIRST),
    *(f"{BRIDGE}/host", f"{BRIDGE}/model", f"{BRIDGE}/media", BRIDGE, f"{BRIDGE}/dub_it", "nodes"),
    f"{BRIDGE}/training",
)
NOT_INSTALLED = ("xdub_core/heads", "xdub_core/training", f"{BRIDGE}/training")
"""An artist's install is without them (.comfyignore)."""
MAY_TRAIN = (*NOT_INSTALLED, "xdub_core/evaluation", "xdub_core/cli")


def room_of(path):
    """The longest name in ROOMS that holds a path; None: another's package, or the door of a house."""
    return max((room for room in ROOMS if f"{path}/".startswith(f"{room}/")), key=len, default=None)


def imported(code, package):
    """The paths that the code of a package (its parts) imports."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name.replace(".", "/") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else ()
            module = (*start, *filter(None, (node.module or "").split(".")))
            yield from ("/".join((*module, alias.name)) for alias in node.names)


def modules():
    """(path without suffix, code) of every module."""
    for file in sorted((*(ROOT / "xdub_core").rglob("*.py"), *(ROOT / "nodes").rglob("*.py"))):
        yield file.relative_to(ROOT).with_suffix("").as_posix(), file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def doors():
    """(module, its room, a room that it imports)."""
    found = set()
    for path, code in modules():
        at = room_of(path)
        if at is not None and not path.endswith("__main__"):
            found |= {
                (path, at, to)
                for to in map(room_of, imported(code, path.split("/")[:-1]))
                if to not in (None, at)
            }
    return found


def test_a_room_imports_none_above_it(doors):
    assert sorted(f"{path} -> {to}" for path, at, to in doors if ROOMS.index(to) > ROOMS.index(at)) == []


def test_nothing_that_dubs_imports_what_only_training_needs(doors):
    assert (
        sorted(f"{path} -> {to}" for path, at, to in doors if to in NOT_INSTALLED and at not in MAY_TRAIN)
        == []
    )


def test_every_module_is_in_a_room():
    entries = {"xdub_core/__init__", "xdub_core/__main__", "xdub_core/media/__init__"}
    assert {path for path, _ in modules() if room_of(path) is None} == entries


def test_every_way_to_import_is_seen(doors):
    code = (
        "import a.b\nfrom . import c\nfrom ..d import e\ndef f():\n  from g.h import i\nif TYPES:\n  import j"
    )
    assert sorted(imported(code, ["x", "y"])) == ["a/b", "g/h/i", "j", "x/d/e", "x/y/c"]
    assert ("xdub_core/dub/clip_chain", "xdub_core/dub", "xdub_core/sampling") in doors

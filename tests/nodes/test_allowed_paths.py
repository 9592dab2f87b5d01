"""Which folders a workflow may name: every trick, judged before anything is touched."""

import ntpath
import os
import posixpath

import pytest

from xdub_core.errors import SettingsError

LINUX = ["/comfy/input", "/comfy/models"]
WINDOWS = [r"C:\Comfy\input", r"\\nas\dubs"]


@pytest.fixture
def allowed(pack):
    return pack("comfy_bridge.host.allowed_paths")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pairs", "/comfy/input/pairs"),
        ("a/../b/./c", "/comfy/input/b/c"),
        ("/comfy/models/mini", "/comfy/models/mini"),
        ("../models/mini", "/comfy/models/mini"),
        (".", "/comfy/input"),
        ("~", "/comfy/input/~"),
        ("$HOME", "/comfy/input/$HOME"),
        ("出力", "/comfy/input/出力"),
    ],
)
def test_names_inside_are_whole_paths(allowed, text, expected):
    assert allowed.allowed_path(text, LINUX[0], LINUX, posixpath) == expected


@pytest.mark.parametrize(
    "text",
    [
        "/etc",
        "/",
        "..",
        "../input_of_another",
        "/comfy/input_of_another",
        "/comfy/input/../../etc",
        "pairs/../../../etc",
        "//host/share",
        "//comfy/input",
        "/COMFY/INPUT",
        "/proc/self/root/etc",
        "/dev/fd/0",
        "a\0b",
        "a\nb",
        "a" * 5000,
        "\udce9",
    ],
)
def test_what_lies_outside_is_refused(allowed, text):
    with pytest.raises(SettingsError) as told:
        allowed.allowed_path(text, LINUX[0], LINUX, posixpath)
    assert len(str(told.value)) < 400
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pairs", r"C:\Comfy\input\pairs"),
        (r"a\..\b", r"C:\Comfy\input\b"),
        ("a/b", r"C:\Comfy\input\a\b"),
        (r"c:\COMFY\Input\x", r"c:\COMFY\Input\x"),
        (r"\\NAS\dubs\today", r"\\NAS\dubs\today"),
        ("//nas/dubs/today", r"\\nas\dubs\today"),
        (r"C:pairs", r"C:\Comfy\input\pairs"),
    ],
)
def test_windows_names_inside_are_whole_paths(allowed, text, expected):
    assert allowed.allowed_path(text, WINDOWS[0], WINDOWS, ntpath) == expected


@pytest.mark.parametrize(
    "text",
    [
        r"\\host\share",
        "//host/share",
        r"\\nas\other",
        r"/\host/share",
        r"\\?\UNC\host\share",
        r"\\?\C:\Windows",
        r"\\?\C:\Comfy\input\..\..\Windows",
        r"\\.\PhysicalDrive0",
        r"\\.\pipe\x",
        r"C:\Windows",
        "D:",
        "D:x",
        r"\Windows",
        "/Windows",
        r"..\..\Windows",
        r"C:\Comfy\input2",
        r"C:\Comfy\input\..\models",
        "NUL",
        "con.txt",
        r"a\COM1",
        "aux .mp4",
        "LPT³",
        "pairs:hidden",
        r"pairs::$INDEX_ALLOCATION",
        r".. \.. \Windows",
        "...",
        "pairs.",
    ],
)
def test_windows_tricks_are_refused(allowed, text):
    with pytest.raises(SettingsError):
        allowed.allowed_path(text, WINDOWS[0], WINDOWS, ntpath)


def test_nothing_outside_is_touched(allowed, tmp_path):
    """Not even to find out whether it is there: links are asked for below the roots only."""
    asked = []

    def read_link(path):
        asked.append(path)
        return {"/comfy/input/out": "//host/share", "/comfy/input/in": "../models/x"}.get(path)

    for text in ("/etc/passwd", "//host/share", "../../etc"):
        with pytest.raises(SettingsError, match="outside of the folders"):
            allowed.real_path(text, LINUX[0], LINUX, read_link)
    assert asked == []
    with pytest.raises(SettingsError, match="leads outside"):
        allowed.real_path("out/more", LINUX[0], LINUX, read_link)
    assert asked == ["/comfy/input/out"]
    assert allowed.real_path("in/y", LINUX[0], LINUX, read_link) == "/comfy/models/x/y"
    assert all(path.startswith("/comfy/") for path in asked)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_are_followed_and_judged_where_they_lead(allowed, tmp_path):
    root, secret = tmp_path / "input", tmp_path / "secret"
    for folder in (root / "real", secret):
        folder.mkdir(parents=True)
    for name, target in {
        "inside": root / "real",
        "relative": "real",
        "outside": secret,
        "climbing": "../secret",
        "twice": "climbing",
        "loop": "loop",
    }.items():
        (root / name).symlink_to(target)
    roots = [str(root)]
    for name in ("real", "inside", "relative"):
        assert allowed.real_path(f"{name}/x", str(root), roots) == str(root / "real" / "x")
    for name in ("outside", "climbing", "twice", "real/../outside"):
        with pytest.raises(SettingsError):
            allowed.real_path(f"{name}/x" if "/" not in name else name, str(root), roots)
    assert allowed.real_path("outside/../secret", str(root), roots) == str(root / "secret")  # by its words
    with pytest.raises(SettingsError, match="leads nowhere"):
        allowed.real_path("loop", str(root), roots)


def test_what_is_there_and_what_is_not_are_told_alike(allowed, tmp_path):
    told = []
    for text in (tmp_path, tmp_path / "not there"):
        with pytest.raises(SettingsError) as error:
            allowed.real_path(str(text), "/comfy/input", ["/comfy/input"])
        told.append(str(error.value).replace(repr(str(text)), "it"))
    assert told[0] == told[1]

"""A real ComfyUI and a real Chromium for the tests of what artists see: both are started once (see editor.py)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "comfyui")]

from browser import OPTIONS, find_chromium  # noqa: E402
from comfy_home import comfyui_and_python, tell_of_skipped  # noqa: E402
from comfy_server import Server  # noqa: E402
from editor import VIEW, Editor  # noqa: E402

TOLD = "THE EDITOR WAS NOT TESTED"


def pytest_terminal_summary(terminalreporter):
    tell_of_skipped(terminalreporter, TOLD)


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium. Without it tests are skipped; under CI it must start where it is there."""
    must_run = bool(os.environ.get("CI"))
    path = find_chromium()
    if path is None:
        told, named = f"{TOLD}: no Chromium at CHROMIUM_PATH or on the PATH", os.environ.get("CHROMIUM_PATH")
        pytest.fail(told) if must_run and named else pytest.skip(told)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        told = f"{TOLD}: no playwright; pip install playwright"
        pytest.fail(told) if must_run else pytest.skip(told)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(OPTIONS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def comfyui(tmp_path_factory, chromium):
    """The server: `base` (its folders), `address`, `get` and `post`."""
    running = os.environ.get("XDUB_WEB_SERVER")
    if running:
        base = Path(os.environ.get("XDUB_WEB_BASE", ""))
        yield SimpleNamespace(address=running, base=base)
        return
    found, python = comfyui_and_python(TOLD)
    server = Server(found, python, tmp_path_factory.mktemp("web"), ["--disable-api-nodes"])
    yield server
    server.stop()


@pytest.fixture(scope="session")
def only_editor(chromium, comfyui):
    """The one page of all tests."""
    context = chromium.new_context(viewport=VIEW, reduced_motion="reduce")
    yield Editor(context.new_page(), comfyui.address)
    context.close()


@pytest.fixture(scope="session", params=[False, True], ids=["canvas", "vue"])
def vue(request):
    """Which of ComfyUI's two renderers."""
    return request.param


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed:
        item.session.stash[FAILED] = True


@pytest.fixture
def editor(only_editor, vue, request):
    """The editor with an empty graph; the pack must leave the console alone."""
    if request.session.stash.get(FAILED, False):
        request.session.stash[FAILED] = False
        only_editor.renew()
    only_editor.open(vue)
    only_editor.pack_errors.clear()
    yield only_editor
    assert only_editor.pack_errors == []

"""A real ComfyUI and a real Chromium for the tests of what artists see: both are started once (see editor.py)."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
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
SECONDS_A_TEST, SECONDS_THE_FIRST = 120, 360
"""At most; the first one waits for the server, the browser and the page, too."""


@dataclass
class Patience:
    """How long a broken editor is tried: each failure takes its time to fail, and the rest would fail, too."""

    failures_at_most: int = 5
    failed: list[str] = field(default_factory=list)
    failed_last: bool = False
    given_up: str | None = None

    def note(self, failed: str) -> None:
        """A test has failed."""
        self.failed.append(failed)
        self.failed_last = True
        if len(self.failed) >= self.failures_at_most:
            self.give_up(f"{len(self.failed)} tests failed: {', '.join(self.failed)}")

    def give_up(self, why: str) -> None:
        """All that follow fail at once."""
        self.given_up = self.given_up or f"not tried, as {why}".partition("\n")[0]


PATIENCE = pytest.StashKey[Patience]()


def patience_of(session: pytest.Session) -> Patience:
    """This run's; made when it is first asked for, since a run of all tests begins before this file is read."""
    return session.stash.setdefault(PATIENCE, Patience())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    own = [item for item in items if item.path.is_relative_to(HERE)]
    for place, item in enumerate(own):
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(SECONDS_A_TEST if place else SECONDS_THE_FIRST))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if given_up := patience_of(item.session).given_up:
        pytest.fail(given_up, pytrace=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report, patience = (yield).get_result(), patience_of(item.session)
    if report.failed and not patience.given_up:
        patience.note(item.name)


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


@pytest.fixture
def editor(only_editor, vue, request):
    """The editor with an empty graph; the pack must leave the console alone."""
    patience = patience_of(request.session)
    if patience.failed_last:
        patience.failed_last = False
        try:
            only_editor.renew()
            only_editor.open(vue)
        except Exception as error:  # whatever it is: no test after this one would fare better
            patience.give_up(f"the editor does not come back after a failure: {error}")
            raise
    only_editor.open(vue)
    only_editor.pack_errors.clear()
    yield only_editor
    assert only_editor.pack_errors == []

"""Somebody who wants a first dub: at a first visit, where nothing is set, or later. Every click is counted, every
key noted."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from editor import HAS_STARTED

QUICK_START = "1_quick_start_built_in_model"
PACK = "comfyui-x-dub"
LATER = {"Comfy.TutorialCompleted": True, "Comfy.OnboardingCoachmarks.Seen": ["appMode", "firstRun"]}
"""What ComfyUI has noted of somebody who has been there: its template browser and App mode's tour were shown."""


class Newcomer:
    """A browser that has never been there. `clicks` is how often it has clicked, `keys` what it has pressed, `seconds`
    how long it took from asking for the page to the saved video. `settings`: what the server has noted of it."""

    def __init__(self, browser: Any, address: str, settings: dict[str, Any] | None = None) -> None:
        self.address, self.clicks, self.keys, self.seconds = address, 0, list[str](), 0.0
        self.context = browser.new_context(viewport={"width": 1400, "height": 1000}, reduced_motion="reduce")
        self.page = self.context.new_page()
        self.page.set_default_timeout(90_000)
        self._settings = settings or {}
        for path in ("settings", "settings/*"):  # the server keeps one browser's for all: these are its own
            self.page.route(f"**/api/{path}", self._answer)
        self._began = time.perf_counter()

    def _answer(self, route: Any) -> None:
        if route.request.method != "GET":
            route.fulfill(status=200, body="")
            return
        *_, name = route.request.url.split("/")
        route.fulfill(json=self._settings if name == "settings" else self._settings.get(name))

    def visit(self, query: str = "") -> None:
        """Open ComfyUI's page and wait until it can be used."""
        self._began = time.perf_counter()
        self.page.goto(f"http://{self.address}/{query}")
        self.page.wait_for_function(HAS_STARTED)

    def click(self, place: Any) -> None:
        """One click."""
        place.click()
        self.clicks += 1

    def press(self, key: str) -> None:
        """One key."""
        self.page.keyboard.press(key)
        self.keys.append(key)

    def dubbed(self, before: set[str], seconds: float = 280) -> None:
        """Wait for the end of the run that is not among `before`, which must have saved a video."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for number, run in history(self.address).items():
                if number not in before:
                    assert run["status"]["status_str"] == "success", run["status"]
                    assert _saved_videos(run), run["outputs"]
                    self.seconds = time.perf_counter() - self._began
                    return
            self.page.wait_for_timeout(200)
        raise AssertionError(f"no video after {seconds} seconds")

    def leave(self) -> None:
        """Close the browser's window."""
        self.context.close()


def first_dub(newcomer: Newcomer) -> None:
    """ComfyUI opens its template browser by itself at a first visit."""
    newcomer.visit()
    newcomer.click(newcomer.page.get_by_role("dialog").get_by_text(PACK))
    newcomer.click(newcomer.page.get_by_test_id(f"template-workflow-{QUICK_START}"))
    _run_graph(newcomer)


def first_dub_in_app_mode(newcomer: Newcomer) -> None:
    """The same browser offers the quick start as an app, too. App mode greets a newcomer with ComfyUI's tour."""
    page = newcomer.page
    newcomer.visit()
    newcomer.click(page.get_by_role("dialog").get_by_text(PACK))
    newcomer.click(page.get_by_test_id(f"template-workflow-{QUICK_START}.app"))
    page.get_by_role("button", name="Skip").wait_for()
    newcomer.press("Escape")
    newcomer.click(_run_of_app(page))


def dub_at_a_later_visit(newcomer: Newcomer) -> None:
    """By the pack's own menu, below ComfyUI's."""
    _choose_in_menu(newcomer, "X-Dub: quick start")
    _run_graph(newcomer)


def dub_in_app_mode_at_a_later_visit(newcomer: Newcomer) -> None:
    """There is no tour any more."""
    _choose_in_menu(newcomer, "X-Dub: quick start (app)")
    newcomer.click(_run_of_app(newcomer.page))


FIRST, AGAIN = (first_dub, first_dub_in_app_mode), (dub_at_a_later_visit, dub_in_app_mode_at_a_later_visit)
"""Ways to a dub: of somebody who has never been there, and of somebody who has."""


def go(way: Callable[[Newcomer], None], browser: Any, address: str) -> Newcomer:
    """Somebody who takes one of the ways until a dubbed video is saved."""
    newcomer = Newcomer(browser, address, LATER if way in AGAIN else {})
    try:
        before = set(history(address))
        way(newcomer)
        newcomer.dubbed(before)
    finally:
        newcomer.leave()
    return newcomer


def _choose_in_menu(newcomer: Newcomer, item: str) -> None:
    page = newcomer.page
    newcomer.visit()
    newcomer.click(page.locator(".comfy-menu-button-wrapper"))
    page.get_by_role("menuitem", name="X-Dub", exact=True).hover()
    newcomer.click(page.get_by_role("menuitem", name=item, exact=True))


def _run_graph(newcomer: Newcomer) -> None:
    newcomer.page.wait_for_function("() => app.rootGraph.nodes.some((node) => node.type === 'XDubDub')")
    newcomer.click(newcomer.page.get_by_test_id("queue-button"))


def _run_of_app(page: Any) -> Any:
    """Below the number of runs; a graph that is still shown has another one."""
    return page.get_by_test_id("linear-run-button").get_by_role("button", name="Run", exact=True)


def history(address: str) -> dict[str, Any]:
    """What the server has run."""
    with urllib.request.urlopen(f"http://{address}/history", timeout=60) as answer:
        return json.load(answer)


def _saved_videos(run: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        file
        for told in run["outputs"].values()
        for entries in told.values()
        for file in entries
        if isinstance(file, dict) and file.get("type") == "output" and file["filename"].endswith(".mp4")
    ]

"""Somebody's first visit: nothing is set, nothing was ever opened, and every click is counted."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

from editor import HAS_STARTED

QUICK_START = "1_quick_start_built_in_model"


class Newcomer:
    """A browser that has never been there. `clicks` is how often it has clicked, `seconds` since when it came."""

    def __init__(self, browser: Any, address: str) -> None:
        self.address, self.clicks = address, 0
        self.context = browser.new_context(viewport={"width": 1400, "height": 1000}, reduced_motion="reduce")
        self.page = self.context.new_page()
        self.page.set_default_timeout(90_000)
        for path in (
            "settings",
            "settings/*",
        ):  # the server keeps them for all browsers: this one shall have none
            self.page.route(f"**/api/{path}", _no_settings)
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the page was asked for."""
        return time.perf_counter() - self._began

    def visit(self, query: str = "") -> None:
        """Open ComfyUI's page and wait until it can be used."""
        self._began = time.perf_counter()
        self.page.goto(f"http://{self.address}/{query}")
        self.page.wait_for_function(HAS_STARTED)

    def click(self, place: Any) -> None:
        """One click."""
        place.click()
        self.clicks += 1

    def dubbed(self, before: set[str], seconds: float = 280) -> None:
        """Wait for the end of the run that is not among `before`, which must have saved a video."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for number, run in history(self.address).items():
                if number not in before:
                    assert run["status"]["status_str"] == "success", run["status"]
                    assert _saved_videos(run), run["outputs"]
                    return
            self.page.wait_for_timeout(200)
        raise AssertionError(f"no video after {seconds} seconds")

    def leave(self) -> None:
        """Close the browser's window."""
        self.context.close()


def first_dub(newcomer: Newcomer) -> None:
    """From the page's address to a dubbed video: ComfyUI opens its template browser by itself at a first visit."""
    page, before = newcomer.page, set(history(newcomer.address))
    newcomer.visit()
    newcomer.click(page.get_by_role("dialog").get_by_text("comfyui-x-dub"))
    newcomer.click(page.get_by_test_id(f"template-workflow-{QUICK_START}"))
    page.wait_for_function("() => app.rootGraph.nodes.some((node) => node.type === 'XDubDub')")
    newcomer.click(page.get_by_test_id("queue-button"))
    newcomer.dubbed(before)


def first_dub_in_app_mode(newcomer: Newcomer) -> None:
    """From the workflow's own address to a dubbed video. App mode greets a newcomer with ComfyUI's tour."""
    page, before = newcomer.page, set(history(newcomer.address))
    newcomer.visit(f"?template={QUICK_START}&source=comfyui-x-dub&mode=linear")
    newcomer.click(page.get_by_role("button", name="Skip"))
    newcomer.click(page.get_by_role("button", name="Run", exact=True))
    newcomer.dubbed(before)


def history(address: str) -> dict[str, Any]:
    """What the server has run."""
    with urllib.request.urlopen(f"http://{address}/history", timeout=60) as answer:
        return json.load(answer)


def _no_settings(route: Any) -> None:
    route.fulfill(json={}) if route.request.method == "GET" else route.fulfill(status=200, body="")


def _saved_videos(run: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        file
        for told in run["outputs"].values()
        for entries in told.values()
        for file in entries
        if isinstance(file, dict) and file.get("type") == "output" and file["filename"].endswith(".mp4")
    ]

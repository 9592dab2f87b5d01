"""The Chromium that the tests drive: CHROMIUM_PATH, or playwright's own, or one of the machine's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
OPTIONS = ("--no-sandbox", "--disable-dev-shm-usage")


def find_chromium(playwright_s_own: str | None = None) -> str | None:
    """The browser's path, or None."""
    named = os.environ.get("CHROMIUM_PATH")
    if named:
        return named if Path(named).is_file() else None
    found = (shutil.which(name) for name in NAMES)
    places = (place for place in (playwright_s_own, *PLACES) if place and Path(place).is_file())
    return next((path for path in found if path), None) or next(places, None)

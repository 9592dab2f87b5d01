"""What the pack costs when ComfyUI's page is opened, and how long a newcomer waits for the first dubbed video.

    python benchmarks/first_visit.py               # both; a ComfyUI and a Chromium are found as tests/web finds them
    python benchmarks/first_visit.py --loads 9     # page loads with and without the pack, each in a browser of its own

Seconds are wall clock from asking for the page until the editor can be used, with nothing in the browser's cache;
requests and bytes are those of the pack's own folder. The dub is workflow 1 as it is shipped, on the CPU.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS / "web"), str(TESTS / "comfyui")]

from browser import OPTIONS, find_chromium  # noqa: E402
from comfy_home import find_comfyui, find_python  # noqa: E402
from comfy_server import PACK_FOLDER, Server  # noqa: E402
from newcomer import Newcomer, first_dub, first_dub_in_app_mode  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

USABLE = "() => window.app?.extensionManager?.workflow?.activeWorkflow"
WITHOUT = "--disable-all-custom-nodes"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--loads", type=int, default=5, help="page loads with the pack, and as many without")
    given = options.parse_args()
    comfyui, path = find_comfyui(), find_chromium()
    python = comfyui and find_python(comfyui)
    if not (comfyui and python and path):
        sys.exit("no ComfyUI at COMFYUI_PATH with a Python that has its packages, or no Chromium")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(prefix="xdub_first_visit_") as base:
        browser = playwright.chromium.launch(executable_path=path, args=list(OPTIONS))
        for name, more in (("without the pack", [WITHOUT]), ("with the pack", [])):
            server = Server(comfyui, python, Path(base) / name.split()[0], more)
            try:
                print_loads(name, [load(browser, server.address) for _ in range(given.loads)])
                if not more:
                    print_dubs(browser, server.address)
            finally:
                server.stop()
        browser.close()


def load(browser: Any, address: str) -> tuple[float, int, int]:
    """Seconds until the page can be used; requests to the pack's folder, and their bytes."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(300_000)
    own: list[int] = []
    page.on("response", lambda answer: own.append(_size(answer)) if PACK_FOLDER in answer.url else None)
    began = time.perf_counter()
    page.goto(f"http://{address}/")
    page.wait_for_function(USABLE)
    seconds = time.perf_counter() - began
    context.close()
    return seconds, len(own), sum(own)


def _size(answer: Any) -> int:
    return int(answer.headers.get("content-length", 0))


def print_loads(name: str, loads: list[tuple[float, int, int]]) -> None:
    """One line: the median, the spread, and what the pack's folder had to send."""
    seconds = sorted(load[0] for load in loads)
    _, requests, size = loads[-1]
    print(
        f"{name:<18} page usable after {statistics.median(seconds):6.2f} s "
        f"({seconds[0]:.2f} to {seconds[-1]:.2f} of {len(seconds)}), "
        f"{requests} requests to the pack's folder, {size} bytes",
        flush=True,
    )


def print_dubs(browser: Any, address: str) -> None:
    """A line for each way to the first dub; the second way's dub may come from ComfyUI's cache."""
    for way in (first_dub, first_dub_in_app_mode):
        newcomer = Newcomer(browser, address)
        way(newcomer)
        print(f"{way.__name__:<22} {newcomer.clicks} clicks, {newcomer.seconds:6.1f} s", flush=True)
        newcomer.leave()


if __name__ == "__main__":
    main()

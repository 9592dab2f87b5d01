"""What the pack costs when ComfyUI's page is opened, and how long a newcomer waits for the first dubbed video.

    python benchmarks/first_visit.py               # a ComfyUI and a Chromium are found as tests/web finds them
    python benchmarks/first_visit.py --loads 9     # page loads with the pack, and as many without

Two ComfyUIs run side by side, one without the pack, and their pages are opened in turn, each in a browser with nothing
in its cache: seconds are wall clock from asking for the page until the editor can be used. Requests and bytes are those
of the pack's own folder. Then a newcomer's clicks, and seconds from asking for the page to the saved video: workflow 1
as it is shipped, on the CPU, nothing of it kept from before.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS / "web"), str(TESTS / "comfyui")]

SERVERS = {"without the pack": ["--disable-all-custom-nodes"], "with the pack": []}
USABLE = "() => window.app?.extensionManager?.workflow?.activeWorkflow"

Load = tuple[float, int, int]
"""Seconds until the page can be used; requests to the pack's folder, and their bytes."""


def main() -> None:
    """Print a line for each measurement."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--loads", type=int, default=5, help="page loads with the pack, and as many without")
    loads = options.parse_args().loads
    from browser import OPTIONS, find_chromium
    from comfy_home import find_comfyui, find_python
    from comfy_server import Server
    from playwright.sync_api import sync_playwright

    comfyui, chromium = find_comfyui(), find_chromium()
    python = comfyui and find_python(comfyui)
    if not (comfyui and python and chromium):
        sys.exit("no ComfyUI at COMFYUI_PATH with a Python that has its packages, or no Chromium")
    with ExitStack() as stack:
        base = stack.enter_context(tempfile.TemporaryDirectory(prefix="xdub_first_visit_"))
        servers = {}
        for name, more in SERVERS.items():
            servers[name] = Server(comfyui, python, Path(base) / name, more)
            stack.callback(servers[name].stop)
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=list(OPTIONS))
        stack.callback(browser.close)
        print_loads(browser, {name: server.address for name, server in servers.items()}, loads)
        print_dubs(browser, servers["with the pack"])


def print_loads(browser: Any, addresses: dict[str, str], count: int) -> None:
    """For each server the median, the spread, and what the pack's folder had to send."""
    measured: dict[str, list[Load]] = {name: [] for name in addresses}
    for address in addresses.values():
        load(browser, address)  # what a server reads but once
    for _ in range(count):
        for name, address in addresses.items():
            measured[name].append(load(browser, address))
    for name, loads in measured.items():
        seconds = sorted(each[0] for each in loads)
        _, requests, size = loads[-1]
        print(
            f"{name:<18} page usable after {statistics.median(seconds):6.2f} s "
            f"({seconds[0]:.2f} to {seconds[-1]:.2f} of {len(seconds)}), "
            f"{requests} requests to the pack's folder, {size} bytes",
            flush=True,
        )


def load(browser: Any, address: str) -> Load:
    """Open the page in a browser that has never been there."""
    from comfy_server import PACK_FOLDER

    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(300_000)
    own: list[Any] = []
    page.on("response", lambda answer: own.append(answer) if f"/{PACK_FOLDER}/" in answer.url else None)
    began = time.perf_counter()
    page.goto(f"http://{address}/")
    page.wait_for_function(USABLE)
    seconds = time.perf_counter() - began
    size = sum(len(answer.body()) for answer in own)
    context.close()
    return seconds, len(own), size


def print_dubs(browser: Any, server: Any) -> None:
    """A line for each way to the first dub."""
    from newcomer import Newcomer, first_dub, first_dub_in_app_mode

    for way in (first_dub, first_dub_in_app_mode):
        server.post("/free", {"unload_models": True, "free_memory": True})
        newcomer = Newcomer(browser, server.address)
        way(newcomer)
        print(f"{way.__name__:<22} {newcomer.clicks} clicks, {newcomer.seconds:6.1f} s", flush=True)
        newcomer.leave()


if __name__ == "__main__":
    main()

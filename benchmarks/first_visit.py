"""What the pack costs when ComfyUI's page is opened, and how long a newcomer waits for the first dubbed video.

    python benchmarks/first_visit.py               # a ComfyUI and a Chromium are found as tests/web finds them
    python benchmarks/first_visit.py --loads 9     # page loads with the pack, and as many without

Two ComfyUIs run side by side, one without the pack, and their pages are opened in turn, each in a browser with nothing
in its cache: seconds are wall clock from asking for the page until the editor can be used. Requests and bytes are those
of the pack's own folder. Then the ways to a first dub, of somebody who has never been there and of somebody who has:
clicks, keys, and seconds from asking for the page to the saved video: workflow 1 as it is shipped, on the CPU,
nothing of it kept from before.
"""

from __future__ import annotations

import argparse
import shutil
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
    """A row for each server: the median and the spread of seconds, and what the pack's folder had to send."""
    measured: dict[str, list[Load]] = {name: [] for name in addresses}
    for address in addresses.values():
        load(browser, address)  # what a server reads but once
    for _ in range(count):
        for name, address in addresses.items():
            measured[name].append(load(browser, address))
    print(
        f"{'page usable after, seconds':<34} {'median':>6}  {'least to most':<13} {'requests':>8} {'bytes':>7}"
    )
    for name, loads in measured.items():
        seconds = sorted(each[0] for each in loads)
        _, requests, size = loads[-1]
        spread = f"{seconds[0]:.2f} to {seconds[-1]:.2f}"
        print(
            f"{name:<34} {statistics.median(seconds):6.2f}  {spread:<13} {requests:>8} {size:>7}", flush=True
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
    """A row for each way to a dub."""
    from newcomer import AGAIN, FIRST, go

    print(f"\n{'way':<34} {'clicks':>6}  {'keys':<13} {'seconds':>7}", flush=True)
    for way in (*FIRST, *AGAIN):
        forget(server)
        newcomer = go(way, browser, server.address)
        name = way.__name__.replace("_", " ")
        print(
            f"{name:<34} {newcomer.clicks:>6}  {' '.join(newcomer.keys):<13} {newcomer.seconds:7.1f}",
            flush=True,
        )


def forget(server: Any) -> None:
    """Let the server begin anew: nothing in memory, and none of the work that the pack keeps for an interrupted dub."""
    server.post("/free", {"unload_models": True, "free_memory": True})
    shutil.rmtree(server.base / "user" / "x-dub", ignore_errors=True)


if __name__ == "__main__":
    main()

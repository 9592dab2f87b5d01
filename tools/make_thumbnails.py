"""Write the workflows' thumbnails: pictures of the editor with each of them open, from a ComfyUI that runs.

    python tools/make_thumbnails.py http://127.0.0.1:8188

Where the released model's files lie in that ComfyUI's folders, and `video.mp4` and `speech.wav` in its input folder, no
node is shown as lacking its file. An app is shown with what it has made, so that takes a dub.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "web"))

from browser import OPTIONS, find_chromium
from editor import SETTINGS, Editor
from picture_nodes import VIEW, place_graph, settle_media

WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows"
SIZE = (960, 556)
APP_VIEW = {"width": 1280, "height": 741}
SEEN = {"Comfy.OnboardingCoachmarks.Seen": ["appMode"]}
"""App mode's tour would lie over the app."""
HIDDEN = (
    ".p-toast, [data-testid*='error-overlay'], [data-testid='queue-notification-banner'] { display: none }"
)


def main() -> None:
    """One JPEG beside each workflow's JSON, or beside those that are named."""
    address, *names = sys.argv[1:]
    SETTINGS.update(SEEN)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(OPTIONS))
        editor = Editor(browser.new_page(viewport=VIEW), address.removeprefix("http://"))
        for path in sorted(WORKFLOWS.glob("*.json")):
            if names and path.stem not in names:
                continue
            editor.open(vue=True)
            editor.load(json.loads(path.read_text(encoding="utf-8")))
            editor.page.add_style_tag(content=HIDDEN)
            picture = picture_of_app(editor) if path.stem.endswith(".app") else picture_of_graph(editor)
            cv2.imwrite(str(path.with_suffix(".jpg")), picture, [cv2.IMWRITE_JPEG_QUALITY, 82])
        browser.close()


def picture_of_graph(editor: Editor) -> np.ndarray:
    """All of the graph, in the middle: uint8 [556, 960, 3] BGR."""
    settle_media(editor)
    shown = decoded(editor.page.screenshot(clip=place_graph(editor)))
    scale = min(SIZE[0] / shown.shape[1], SIZE[1] / shown.shape[0])
    shown = cv2.resize(shown, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    picture = np.full((SIZE[1], SIZE[0], 3), shown[2, 2], np.uint8)
    top, left = (SIZE[1] - shown.shape[0]) // 2, (SIZE[0] - shown.shape[1]) // 2
    picture[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    return picture


def picture_of_app(editor: Editor) -> np.ndarray:
    """The app once it has run."""
    editor.page.set_viewport_size(APP_VIEW)
    ended = editor.run(900)
    if ended["outcome"] != "execution_success":
        raise SystemExit(f"the run ended with {ended['outcome']}")
    editor.page.get_by_test_id("linear-center-panel").locator("video").first.wait_for()
    settle_media(editor)
    editor.page.wait_for_timeout(2000)  # its player turns a wheel until it has read on
    return cv2.resize(decoded(editor.page.screenshot()), SIZE, interpolation=cv2.INTER_AREA)


def decoded(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)


if __name__ == "__main__":
    main()

"""Write the workflows' thumbnails: pictures of the editor with each of them open, from a ComfyUI that runs.

python tools/make_thumbnails.py http://127.0.0.1:8188
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
from editor import VIEW, Editor

WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows"
SIZE = (960, 556)
BARS = 84
"""Pixels of the view above and left of the graph that show the editor's own bars."""


def main() -> None:
    """One JPEG beside each workflow's JSON."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(OPTIONS))
        editor = Editor(browser.new_page(viewport=VIEW), sys.argv[1].removeprefix("http://"))
        editor.open(vue=True)
        editor.js("() => app.extensionManager.setting.set('Comfy.Minimap.Visible', false)")
        for path in sorted(WORKFLOWS.glob("*.json")):
            editor.load(json.loads(path.read_text(encoding="utf-8")))
            editor.page.add_style_tag(content=".p-toast, [data-testid*='error-overlay'] { display: none }")
            area = {"x": BARS, "y": BARS, "width": VIEW["width"] - BARS, "height": VIEW["height"] - BARS - 20}
            png = np.frombuffer(editor.page.screenshot(clip=area), np.uint8)
            picture = cv2.resize(cv2.imdecode(png, cv2.IMREAD_COLOR), SIZE, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(path.with_suffix(".jpg")), picture, [cv2.IMWRITE_JPEG_QUALITY, 82])
        browser.close()


if __name__ == "__main__":
    main()

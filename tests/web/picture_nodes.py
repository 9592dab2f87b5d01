"""Make the pictures of the help pages and of the README: what the editor shows after real runs of the built-in model.

    python tests/web/picture_nodes.py                 # all: web/docs/NODE.webp and docs/pictures/*.webp
    python tests/web/picture_nodes.py XDubDub XDubPeople two_people

It needs what the tests of this folder need: a ComfyUI, a Chromium and playwright. To be run again when a node or a
panel looks different. The loaders of released files stand there with empty files of the right names, and are not run.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PACK = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "comfyui"), str(PACK)]

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from browser import OPTIONS, find_chromium  # noqa: E402
from comfy_home import comfyui_and_python  # noqa: E402
from comfy_server import Server  # noqa: E402
from editor import Editor  # noqa: E402
from playwright.sync_api import TimeoutError as PlaywrightTimeout  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from xdub_core.mini.card import BUILT_IN  # noqa: E402

DOCS, PICTURES = PACK / "web" / "docs", PACK / "docs" / "pictures"
SAMPLE = BUILT_IN.parent / "sample"
VIEW = {"width": 1900, "height": 2000}
SCALE = 1.5
MARGIN, QUALITY = 14, 82
SECONDS = 1500
PLAIN = {"Comfy.NodeBadge.NodeSourceBadgeMode": "None"}
SET = """(settings) => Promise.all(
    Object.entries(settings).map(([name, value]) => app.extensionManager.setting.set(name, value)))"""
EMPTY_FILES = (
    "audio_encoders/large-v2.pt",
    "audio_encoders/wav2vec2-base-960h.safetensors",
    "detection/yolox_l_8x8_300e_coco_20211126_140236-d3bd2b23.pth",
    "detection/rtmw-x_simcc-cocktail14_pt-ucoco_270e-384x288-f840f204_20231122.pth",
    "text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors",
)


def main() -> None:
    """Make those that are named, or all."""
    wanted = set(sys.argv[1:])
    comfyui, python = comfyui_and_python("NO PICTURES WERE MADE")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        base = Path(folder)
        provide_files(base)
        server = Server(comfyui, python, base, ["--disable-api-nodes"])
        chromium = find_chromium(playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=chromium, args=list(OPTIONS))
        try:
            context = browser.new_context(viewport=VIEW, device_scale_factor=SCALE)
            editor = Editor(context.new_page(), server.address)
            for scene, shown in SCENES.items():
                if not wanted or wanted & set(shown):
                    editor.open(vue=False)
                    editor.js(SET, PLAIN)
                    scene(editor)
                    for name in shown:
                        if not wanted or name in wanted:
                            show(editor, name)
        finally:
            browser.close()
            server.stop()


def provide_files(base: Path) -> None:
    """Files that a scene or a loader's list asks for."""
    for name in EMPTY_FILES:
        (base / "models" / name).parent.mkdir(parents=True, exist_ok=True)
        (base / "models" / name).touch()
    (base / "models" / "loras").mkdir()
    shutil.copy(BUILT_IN / "lip_expert.safetensors", base / "models" / "loras")
    pairs = base / "input" / "interviews"
    pairs.mkdir(parents=True)
    for name in ("anna", "bert"):
        shutil.copy(SAMPLE / "source.mp4", pairs / f"{name}.mp4")
        shutil.copy(SAMPLE / "recording.wav", pairs / f"{name}.wav")


# Scenes: what is loaded and run before pictures are taken


def every_step(editor: Editor) -> None:
    """Workflow 2."""
    run_workflow(editor, "2_built_in_model_every_step")


def two_people(editor: Editor) -> None:
    """Workflow 8, and a report of it."""
    load_workflow(editor, "8_two_people")
    (dub,), node = editor.ids("XDubDub"), editor.add("XDubReport", 1710, 560)
    editor.connect(dub, 1, node, "report")
    finish(editor.run(SECONDS))


def people(editor: Editor) -> None:
    """Workflow 8 as far as one runs it first: who is there?"""
    load_workflow(editor, "8_two_people")
    others = ["XDubDub", "XDubVoice", "SaveVideo"]
    remove = """(kinds) => app.rootGraph.nodes.filter((n) => kinds.includes(n.type))
        .forEach((n) => app.rootGraph.remove(n))"""
    editor.js(remove, others)
    finish(editor.run(SECONDS))


def parts(editor: Editor) -> None:
    """Nodes that no workflow of the built-in model has, run as far as they go without sampling."""
    mini = editor.add("XDubLoadMini")
    expert = editor.add("XDubExpert", 900)
    editor.connect(mini, 0, expert, "model")
    editor.set(expert, "noise_range", "lip (0.8 to 0.4)")
    folder = editor.add("XDubLoadFolder", 900, 500)
    editor.set(folder, "folder", "interviews")
    guidance = editor.add("XDubGuidance", 1400)
    speed = editor.add("XDubSpeed", 1900)
    for x, (node, output) in enumerate([(expert, 0), (folder, 2), (guidance, 0), (speed, 0)]):
        shown = editor.add("PreviewAny", 500 * x, 1500)
        editor.connect(node, output, shown, "source")
    finish(editor.run(SECONDS))


def guider(editor: Editor) -> None:
    """Workflow 2 up to the sampler, and a guider in its place."""
    load_workflow(editor, "2_built_in_model_every_step")
    (sampler,), node = editor.ids("XDubSampler"), editor.add("XDubGuider", 0, 2000)
    take_over = """([from, to]) => {
        const [old, node] = [from, to].map((id) => app.rootGraph.getNodeById(id))
        for (const [slot, input] of old.inputs.entries()) {
            const source = old.getInputNode(slot), link = app.rootGraph.links[input.link]
            const there = node.findInputSlot(input.name)
            if (source && there >= 0) source.connect(link.origin_slot, node, there)
        }
        app.rootGraph.remove(old)
        for (const other of app.rootGraph.nodes.filter((n) => ["SaveVideo", "PreviewImage"].includes(n.type)))
            app.rootGraph.remove(other)
    }"""
    editor.js(take_over, [sampler, node])
    shown = editor.add("PreviewAny", 600, 2000)
    editor.connect(node, 0, shown, "source")
    finish(editor.run(SECONDS))


def released_files(editor: Editor) -> None:
    """Nodes for the released model's files, as they stand after loading the pack; not run."""
    for x, kind in enumerate(("LoadAudioEncoders", "LoadFaceDetector", "LoadTextEncoder", "EmptyPrompt")):
        editor.add(f"XDub{kind}", 700 * x)
    clip, prompt = editor.ids("XDubLoadTextEncoder")[0], editor.ids("XDubEmptyPrompt")[0]
    editor.connect(clip, 0, prompt, "clip")
    editor.add("XDubFaceFromLandmarks", 0, 700)


def dub_it(editor: Editor) -> None:
    """Nodes for LTX-2, which nothing here can run."""
    for x, kind in enumerate(("Prompt", "Conditioning", "Isolation", "SecondStage", "Decode", "SavePrompt")):
        editor.add(f"XDubIt{kind}", 700 * x)
    editor.set(editor.ids("XDubItPrompt")[0], "dialogue", "Buenas noches, y bienvenidos.")
    conditioning, isolation = editor.ids("XDubItConditioning")[0], editor.ids("XDubItIsolation")[0]
    editor.connect(conditioning, 0, isolation, "model")
    editor.set(editor.add("XDubIt", 0, 700), "dialogue", "Buenas noches, y bienvenidos.")


SCENES: dict[Callable[[Editor], None], list[str]] = {  # a whole workflow before its nodes, which are widened
    every_step: [
        *("every_step", "XDubLoadMini", "XDubFaceCrop", "XDubReferenceLatents", "XDubSampler"),
        *("XDubStitchClips", "XDubColorMatch", "XDubPasteBack"),
    ],
    people: ["XDubLoadSample", "XDubPeople"],
    two_people: ["two_people", "XDubVoice", "XDubDub", "XDubReport"],
    parts: ["XDubExpert", "XDubLoadFolder", "XDubGuidance", "XDubSpeed"],
    guider: ["XDubAudioFeatures", "XDubGuider"],
    released_files: [
        *("XDubLoadAudioEncoders", "XDubLoadFaceDetector", "XDubLoadTextEncoder", "XDubEmptyPrompt"),
        "XDubFaceFromLandmarks",
    ],
    dub_it: [
        *("XDubIt", "XDubItPrompt", "XDubItConditioning"),
        *("XDubItIsolation", "XDubItSecondStage", "XDubItDecode", "XDubItSavePrompt"),
    ],
}


def load_workflow(editor: Editor, name: str) -> None:
    editor.load(PACK / "workflows" / f"{name}.json")


def run_workflow(editor: Editor, name: str) -> None:
    load_workflow(editor, name)
    finish(editor.run(SECONDS))


def finish(result: dict[str, Any]) -> None:
    """Stop where a run did not succeed: its picture would be a lie."""
    if result["outcome"] != "execution_success":
        raise SystemExit(f"the run ended with {result['outcome']}: {result}")


# Pictures


def show(editor: Editor, name: str) -> None:
    """Take the picture of a node of that class, or, by another name, of the whole workflow."""
    settle_media(editor)
    editor.page.add_style_tag(
        content=".p-toast, [data-testid='queue-notification-banner'] { display: none !important }"
    )
    if name.startswith("XDub"):
        box = place_node(editor, editor.ids(name)[0])
        save(editor.page.screenshot(clip=box), DOCS / f"{name}.webp", 1.0)
    else:
        save(editor.page.screenshot(clip=place_graph(editor)), PICTURES / f"{name}.webp", 1 / SCALE)


def settle_media(editor: Editor) -> None:
    """Wait until pictures and videos that the nodes show are loaded."""
    loaded = """() => [...document.images].every((image) => image.complete)
        && [...document.querySelectorAll("video")].every((video) => video.readyState >= 2 || video.error)"""
    with contextlib.suppress(PlaywrightTimeout):  # a video that nobody asked for need not be loaded
        editor.page.wait_for_function(loaded, timeout=20_000)
    editor.settle()


def place_node(editor: Editor, node: int) -> dict[str, float]:
    """Bring a node where no other one is; its place on the page."""
    look = """async ([id, margin]) => {
        app.canvas.deselectAll?.()
        const node = app.rootGraph.getNodeById(id)
        app.canvas.bringToFront(node)
        const shows = node.imgs?.length ? 340 : 0, [, least] = node.computeSize()
        node.pos = [1500 * id, -9000] // what other nodes show lies over everything
        node.setSize([Math.max(node.size[0], 400), Math.max(node.size[1], least + shows)])
        app.canvas.setDirty(true, true)
        await new Promise((done) => setTimeout(done, 300))
        const title = LiteGraph.NODE_TITLE_HEIGHT, [x, y] = [node.pos[0], node.pos[1] - title]
        const [width, height] = [node.size[0], node.size[1] + title]
        app.canvas.ds.scale = 1
        app.canvas.ds.offset = [480 - x, 130 - y]
        app.canvas.setDirty(true, true)
        await new Promise((done) => setTimeout(done, 1000))
        const [left, top] = app.canvasPosToClientPos([x, y])
        return { x: left - margin, y: top - margin, width: width + 2 * margin, height: height + 2 * margin }
    }"""
    box = editor.js(look, [node, MARGIN])
    editor.settle()
    return box


def place_graph(editor: Editor) -> dict[str, float]:
    """Bring the whole graph into the picture; its place on the page."""
    look = """async () => {
        const title = LiteGraph.NODE_TITLE_HEIGHT
        const nodes = app.rootGraph.nodes.map(({ pos: [x, y], size: [w, h] }) => [x, y - title, w, h + title])
        const groups = app.rootGraph.groups.map((group) => group.boundingRect)
        const bends = [...app.rootGraph.reroutes.values()].map(({ pos: [x, y] }) => [x - 10, y - 10, 20, 20])
        const boxes = [...nodes, ...groups, ...bends]
        const left = Math.min(...boxes.map((b) => b[0])), top = Math.min(...boxes.map((b) => b[1]))
        const width = Math.max(...boxes.map((b) => b[0] + b[2])) - left
        const height = Math.max(...boxes.map((b) => b[1] + b[3])) - top
        const scale = Math.min(1740 / width, 1340 / height, 1)
        app.canvas.ds.scale = scale
        app.canvas.ds.offset = [110 / scale - left, 110 / scale - top]
        app.canvas.setDirty(true, true)
        await new Promise((done) => setTimeout(done, 1000))
        const [x, y] = app.canvasPosToClientPos([left, top])
        return { x: x - 12, y: y - 12, width: width * scale + 24, height: height * scale + 24 }
    }"""
    box = editor.js(look)
    editor.settle()
    return box


def save(png: bytes, path: Path, scale: float) -> None:
    """Write a screenshot as WebP."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    if scale != 1.0:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    path.parent.mkdir(parents=True, exist_ok=True)
    _, encoded = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    path.write_bytes(encoded.tobytes())
    print(f"{path.relative_to(PACK)}: {picture.shape[1]} x {picture.shape[0]}, {len(encoded) / 1000:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    main()

"""Before/after and Sync: a player that shows each frame beside its own, and a plot that goes with it."""

import json

import numpy as np
import pytest

from xdub_core.media.output.before_after import BeforeAfterWriter
from xdub_core.media.picture.frame import FinishedFrame, SourceFrame
from xdub_core.media.timeline import constant_clock

FRAMES, WIDTH, HEIGHT, RATE = 50, 160, 120, 25
WHOLE = ((0, 0, WIDTH, HEIGHT),)
EXECUTED = """([id, output]) => window.comfyAPI.api.api.dispatchCustomEvent(
    "executed", { node: String(id), display_node: String(id), prompt_id: "a prompt", output })"""
PIXEL = """([x, y]) => {
    const canvas = document.querySelector(".xdub-stage canvas")
    return [...canvas.getContext("2d").getImageData(x * canvas.width, y * canvas.height, 1, 1).data].slice(0, 3)
}"""
LEFT, RIGHT = (0.4, 0.6), (0.6, 0.6)


def level(number):
    """Far from the level of the frames around: what hardly changes, the encoder leaves as it was."""
    return 60 + 24 * (number % 8)


def picture(number, channel):
    """Of one colour that tells the number, but for a white face in its lower right."""
    made = np.full((HEIGHT, WIDTH, 3), 20, np.uint8)
    made[..., channel] = level(number)
    made[80:100, 120:140] = 255
    return made


@pytest.fixture(scope="session")
def written(comfyui):
    """What Dub Video's ui says of a dub: its source is red, the dub blue, both tell each frame's number."""
    folder = comfyui.base / "temp"
    folder.mkdir(exist_ok=True)
    with BeforeAfterWriter(folder / "both.mp4", WIDTH, HEIGHT, constant_clock(FRAMES, RATE)) as writer:
        for number in range(FRAMES):
            source = SourceFrame(picture(number, 0))
            writer.write(FinishedFrame(picture(number, 2), source, WHOLE))
    where = {"x": [8125] * FRAMES, "y": [7500] * FRAMES, "side": [1600] * FRAMES}
    lips = [abs(number % 10 - 5) / 5 for number in range(FRAMES)]
    curve = {"person": 1, "measure": "opening", "rate": RATE, "before": [0.1] * FRAMES, "after": lips}
    curve |= {"loudness": lips, "lag_frames": 1, "correlation": 0.51, "correlation_before": 0.02}
    facts = {"size": writer.size, "frames": FRAMES, "seconds": FRAMES / RATE, "rate": RATE, "sounds": 0}
    facts |= {"faces": [{"number": 1, "name": "person 1", "rate": RATE, **where}], "sync": [curve]}
    (folder / "both.json").write_text(json.dumps(facts), encoding="utf-8")
    return [{kind: {"filename": f"both.{suffix}", "subfolder": "", "type": "temp"}
             for kind, suffix in (("video", "mp4"), ("facts", "json"))}]  # fmt: skip


@pytest.fixture
def node(editor):
    number = editor.add("XDubDub", 100, 40)
    editor.page.locator("[data-panel=compare] .xdub-line").wait_for()
    return number


@pytest.fixture
def stage(editor, node, written):
    editor.js(EXECUTED, [node, {"xdub_compare": written}])
    found = editor.page.locator(".xdub-stage")
    found.locator("canvas").wait_for()
    wait_for_colour(editor, LEFT, 0, 0)
    found.focus()
    return found


def wait_for_colour(editor, place, channel, number):
    """Until the stage shows frame `number` there, of the source (channel 0) or the dub (2)."""
    shows = f"""([place, channel, level]) => {{
        const pixel = ({PIXEL})(place)
        return Math.abs(pixel[channel] - level) < 11.5 && pixel[2 - channel] < 50
    }}"""
    editor.page.wait_for_function(shows, arg=[list(place), channel, level(number)])


def test_each_frame_of_the_dub_stands_beside_its_own_of_the_source(editor, stage):
    for key, number in ((".", 1), (".", 2), (",", 1), ("End", FRAMES - 1), (",", FRAMES - 2), ("Home", 0)):
        editor.page.keyboard.press(key)
        wait_for_colour(editor, LEFT, 0, number)
        wait_for_colour(editor, RIGHT, 2, number)
    for number in (33, 7, 24):
        editor.page.locator(".xdub-slider").fill(str(number))
        wait_for_colour(editor, LEFT, 0, number)
        wait_for_colour(editor, RIGHT, 2, number)


def test_the_wipe_follows_mouse_and_keys_and_one_key_flips(editor, stage):
    box = stage.bounding_box()
    editor.page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    wait_for_colour(editor, RIGHT, 0, 0)
    editor.page.keyboard.press("Home")
    for _ in range(6):
        editor.page.keyboard.press("Shift+ArrowLeft")
    wait_for_colour(editor, LEFT, 2, 0)
    editor.page.keyboard.press("f")
    wait_for_colour(editor, LEFT, 2, 0)
    editor.page.keyboard.press("f")
    wait_for_colour(editor, RIGHT, 0, 0)


def test_it_looks_at_the_face(editor, stage):
    editor.page.keyboard.press("z")
    editor.page.wait_for_function(f"() => ({PIXEL})([0.49, 0.5]).every((value) => value > 240)")
    editor.page.keyboard.press("0")
    wait_for_colour(editor, RIGHT, 2, 0)


def test_it_plays_to_its_end_and_stands_there(editor, stage):
    editor.page.keyboard.press("End")
    wait_for_colour(editor, LEFT, 0, FRAMES - 1)
    editor.page.locator(".xdub-slider").fill(str(FRAMES - 10))
    editor.page.locator(".xdub-controls button").first.click()
    wait_for_colour(editor, LEFT, 0, FRAMES - 1)
    wait_for_colour(editor, RIGHT, 2, FRAMES - 1)


def test_what_is_pressed_in_it_is_not_the_editor_s(editor, stage, node):
    before = editor.js("() => [app.canvas.ds.scale, ...app.canvas.ds.offset]")
    for key in (".", "f", "z", "0", "Space", "Space", "ArrowRight"):
        editor.page.keyboard.press(key)
    assert editor.js("() => [app.canvas.ds.scale, ...app.canvas.ds.offset]") == before
    assert editor.ids() == [node]


def test_a_click_into_the_curve_goes_to_its_time(editor, stage):
    plot = editor.page.locator("[data-panel=sync] .xdub-plot")
    box = plot.bounding_box()
    editor.page.mouse.click(box["x"] + 0.51 * box["width"], box["y"] + box["height"] / 2)
    wait_for_colour(editor, LEFT, 0, 25)
    told = editor.page.locator("[data-panel=sync] .xdub-lines")
    assert "0.51" in told.text_content()
    assert "+0.04" in told.text_content()
    editor.page.keyboard.press("ArrowRight")
    wait_for_colour(editor, LEFT, 0, 26)


PLAYERS = """(id) => {
    const node = app.rootGraph.getNodeById(id)
    const added = (node.widgets ?? []).filter((widget) => widget.name.includes("preview"))
    return added.length + document.querySelectorAll(`[data-node-id='${id}'] video:not(.xdub-unseen)`).length
}"""


def test_comfyui_s_own_player_is_not_shown_beside_it_but_where_it_cannot_play(editor, node, written, comfyui):
    """A real one, which either renderer would show."""
    (comfyui.base / "temp" / "dub.mp4").write_bytes((comfyui.base / "temp" / "both.mp4").read_bytes())
    own = {"images": [{"filename": "dub.mp4", "subfolder": "", "type": "temp"}], "animated": [True]}
    remember = "([id, output]) => { app.nodeOutputs[id] = output; app.canvas.setDirty(true, true) }"
    for output in ({"xdub_compare": written, **own}, {"xdub_compare": [], **own}):
        editor.js(remember, [node, output])
        editor.js(EXECUTED, [node, output])
        if output["xdub_compare"]:
            editor.page.locator(".xdub-stage canvas").wait_for()
            wait_for_colour(editor, LEFT, 0, 0)
            assert editor.js(PLAYERS, node) == 0
        else:
            editor.page.get_by_text("no before/after video of this dub").wait_for()
            editor.js("() => app.canvas.setDirty(true, true)")
            editor.page.wait_for_function(f"(id) => ({PLAYERS})(id) > 0", arg=node)


def test_what_cannot_be_played_is_said(editor, node, written, comfyui):
    (comfyui.base / "temp" / "broken.mp4").write_bytes(b"no video")
    broken = [{**written[0], "video": {"filename": "broken.mp4", "subfolder": "", "type": "temp"}}]
    editor.js(EXECUTED, [node, {"xdub_compare": broken}])
    editor.page.locator("[data-panel=compare] a").wait_for()
    assert not editor.js("(id) => app.rootGraph.getNodeById(id).hideOutputImages", node)


def test_a_dub_without_one_says_so(editor, node):
    editor.js(EXECUTED, [node, {"xdub_compare": []}])
    editor.page.get_by_text("no before/after video of this dub").wait_for()


def test_it_is_never_saved(editor, stage, node):
    assert not [name for name in editor.values(node) if name.startswith("xdub_")]


def test_a_report_is_shown_where_nothing_in_it_can_run(editor, comfyui):
    node = editor.add("XDubReport", 100, 40)
    editor.page.locator("[data-panel=report] .xdub-line").wait_for()
    (comfyui.base / "output").mkdir(exist_ok=True)
    page = "<!doctype html><h1>A dub</h1><script>document.body.append('ran')</script>"
    (comfyui.base / "output" / "told.html").write_text(page, encoding="utf-8")
    files = {
        kind: {"filename": f"told.{suffix}", "subfolder": "", "type": "output"}
        for kind, suffix in (("page", "html"), ("data", "json"))
    }
    editor.js(EXECUTED, [node, {"xdub_report": [files]}])
    frame = editor.page.frame_locator("[data-panel=report] iframe")
    frame.get_by_text("A dub").wait_for()
    assert "ran" not in frame.locator("body").inner_text()
    tab = editor.page.locator("[data-panel=report] a").first.get_attribute("href")
    assert tab.startswith("blob:")
    assert not [name for name in editor.values(node) if name.startswith("xdub_")]

"""The Clips panel: what is told of a dub while it is made, and afterwards; and the clips that are chosen in it."""

import time

import pytest

# Where a clip is on the screen, by the panel's own layout.
PLACE = """async ([id, number]) => {
    const { clipsOf, Rows } = await import(`/extensions/${PACK}/lib/timeline.mjs`)
    const element = app.rootGraph.getNodeById(id).widgets.find((w) => w.name === "xdub_clips").element
    const canvas = element.querySelector("canvas"), record = window.xdubTold
    const clips = clipsOf(record), clip = clips.find((each) => each.number === number)
    const [box] = new Rows(record, clips, canvas.clientWidth).rectangles(clip.lane, clip.start, clip.stop)
    const shown = canvas.getBoundingClientRect(), scale = shown.width / canvas.clientWidth
    const ratio = canvas.width / canvas.clientWidth
    const [x, y] = [box.x + box.width / 4, box.y + box.height / 4]
    const [r, g, b] = canvas.getContext("2d").getImageData(x * ratio, y * ratio, 1, 1).data
    return { x: shown.left + x * scale, y: shown.top + y * scale, colour: [r, g, b] }
}""".replace("${PACK}", "comfyui-x-dub")
PICTURED = """(beginning) => {
    const part = (name) => document.querySelector(`[data-panel=clips] .xdub-${name}`)
    const lines = part("lines"), picture = part("picture")
    return lines.textContent.startsWith(beginning) && picture.checkVisibility() && picture.naturalWidth > 100
}"""
TELL = """([id, whole, run]) => {
    window.xdubTold = whole
    const detail = { node: String(id), prompt: "a prompt", run, whole }
    window.comfyAPI.api.api.dispatchCustomEvent("xdub.clips", detail)
}"""
SHORT_DUB = {"steps": 1, "length": "audio", "quality": 40, "retries": 1}


def attempts(*reasons):
    return {
        str(number): {"seed": str(42 + number), "reasons": list(why)} for number, why in enumerate(reasons)
    }


def made(state="passed", **told):
    clip = {"state": state, "step": 4, "steps": 4, "attempts": attempts(()), "shown": 0, "seed": "42"}
    return clip | {"seconds": 2.0, "kept": False, "redone": 0} | told


def record(clips, lanes=1, told=None, **more):
    """A dub of so many clips a lane, a second each, with a second without a face after every fourth."""
    planned, number = [], 0
    for lane in range(lanes):
        shots, untouched = [], []
        for start in range(0, clips, 4):
            first = 25 * (start + start // 4)
            count = min(4, clips - start)
            each = [
                [number + place, first + 25 * place, first + 25 * (place + 1), 29] for place in range(count)
            ]
            shots.append([first, first + 25 * count, each])
            untouched.append([first + 25 * count, first + 25 * (count + 1), "the face is turned away"])
            number += count
        planned.append({"person": lane + 1, "shots": shots, "untouched": untouched})
    frames = planned[0]["untouched"][-1][1]
    told = {str(place): made() for place in range(number)} if told is None else told
    return {"fps": 25, "frames": frames, "lanes": planned, "clips": told, "elapsed": 10, "left": None} | more


@pytest.fixture
def node(editor):
    number = editor.add("XDubDub", 100, 40)
    editor.page.locator("[data-panel=clips] :is(.xdub-line, .xdub-head)").first.wait_for()
    return number


@pytest.fixture
def tell(editor, node):
    def told(whole, run=0):
        editor.js(TELL, [node, whole, run])
        editor.page.locator(".xdub-timeline canvas").wait_for()
        editor.settle()
        editor.settle()  # the rows' height is known after the first drawing

    return told


def place(editor, node, number):
    return editor.js(PLACE, [node, number])


def point(editor, node, number):
    """Move the pointer to a clip, and again where panels have grown meanwhile; where it is then."""
    at, before = place(editor, node, number), None
    while at != before:
        editor.page.mouse.move(at["x"], at["y"])
        editor.settle()
        at, before = place(editor, node, number), at
    return at


def part(editor, name):
    """A part of the panel (a locator)."""
    return editor.page.locator(f"[data-panel=clips] .xdub-{name}")


def head(editor):
    return part(editor, "head").text_content()


def lines(editor):
    """What is told of a clip."""
    return part(editor, "lines").text_content()


def test_a_dub_is_shown_as_it_is_made_and_afterwards(editor):
    """A real one, of a second of the sample, with one step a clip."""
    sample, parts = editor.add("XDubLoadSample", 50, 50), editor.add("XDubLoadMini", 50, 300)
    trim, dub = editor.add("TrimAudioDuration", 450, 50), editor.add("XDubDub", 800, 50)
    shown = editor.add("SaveVideo", 1250, 50)
    editor.set(trim, "duration", 0.6)
    for name, value in {**SHORT_DUB, "seed": 7 + editor.vue, "resume": False}.items():
        editor.set(dub, name, value)
    outputs = {"model": 0, "vae": 1, "audio_encoders": 2, "face_detector": 3}
    for name, output in outputs.items():
        editor.connect(parts, output, dub, name)
    editor.connect(sample, 0, dub, "video")
    editor.connect(sample, 1, trim, "audio")
    editor.connect(trim, 0, dub, "audio")
    editor.connect(dub, 0, shown, "video")
    editor.js("""() => {
        window.xdubStates = []
        window.comfyAPI.api.api.addEventListener("xdub.clips", ({ detail }) =>
            window.xdubStates.push(...Object.values((detail.whole ?? detail.change).clips ?? {}).map((c) => c.state)))
    }""")
    result = editor.run(200)
    assert result["outcome"] == "execution_success", result
    output = editor.js("(id) => app.nodeOutputs[id]", dub)
    (told,), (guidance,) = output["xdub_clips"], output["xdub_guidance"]
    assert told["ended"] == "done" and len(told["clips"]) >= 2
    assert "sampling" in editor.js("() => window.xdubStates")
    assert guidance["used"] and len(guidance["steps"]) == 1
    editor.js("(told) => { window.xdubTold = told }", told)
    assert head(editor).startswith(f"{len(told['clips'])} of {len(told['clips'])} clips")
    given_up = time.monotonic() + 30
    while not editor.js(PICTURED, "clip 2 "):
        editor.centre(part(editor, "rows"))  # again and again: the panels above still grow, and shift it
        point(editor, dub, 1)
        assert time.monotonic() < given_up, lines(editor)


@pytest.mark.parametrize(
    ("state", "colour"),
    [("passed", (47, 164, 107)), ("failed", (217, 83, 79)), ("unchecked", (111, 138, 165))],
)
def test_a_clip_s_colour_is_its_verdict(editor, node, tell, state, colour):
    tell(record(6, told={"2": made(state)}))
    assert place(editor, node, 2)["colour"] == list(colour)
    assert place(editor, node, 3)["colour"] != list(colour)


def test_what_the_pointer_is_at_is_told(editor, node, tell):
    why = "it flickers (0.03, where 0.015 is the most)"
    again = made(attempts=attempts((why,), ()), shown=1, seed="9813749817239487123")
    tell(record(6, told={"0": made(), "1": again}, left=75))
    assert "2 of 6 clips" in head(editor) and "about 1:15 left" in head(editor)
    point(editor, node, 1)
    told = lines(editor)
    assert told.startswith("clip 2 · 0:01.0 ") and "passed the self-check at attempt 2" in told
    assert "seed 9813749817239487123" in told and f"attempt 1: {why}" in told
    point(editor, node, 4)
    assert "waits" in lines(editor)


def test_a_click_marks_a_clip_for_redoing_and_the_next_takes_it_back(editor, node, tell):
    tell(record(6, told={str(number): made(redone=int(number == 3)) for number in range(5)}, ended="done"))
    for number in (2, 1, 0):
        at = point(editor, node, number)
        editor.page.mouse.click(at["x"], at["y"])
    assert editor.values(node)["redo"] == "1-3"
    editor.page.mouse.click(at["x"], at["y"])
    assert editor.values(node)["redo"] == "2-3"
    at = point(
        editor, node, 3
    )  # which is shown as it was redone once: to redo it again it must be named twice
    editor.page.mouse.click(at["x"], at["y"])
    assert editor.values(node)["redo"] == "2-4,4"
    at = point(editor, node, 5)  # which is not made yet
    editor.page.mouse.click(at["x"], at["y"])
    assert editor.values(node)["redo"] == "2-4,4"


def test_marking_a_clip_keeps_the_seed_of_the_others(editor, node, tell):
    editor.set(node, "seed", 77)  # as it is after a run, by "randomize"
    tell(record(3, ended="done", seed="5"))
    at = point(editor, node, 1)
    editor.page.mouse.click(at["x"], at["y"])
    values = editor.values(node)
    assert (values["redo"], values["seed"], values["control_after_generate"]) == ("2", 5, "fixed")
    assert "keeps seed 5" in lines(editor)


def test_a_mark_is_undone_at_once_with_the_seed_that_it_holds(editor, node, tell):
    editor.set(node, "seed", 77)
    before = editor.values(node)
    tell(record(3, ended="done", seed="5"))
    at = point(editor, node, 1)
    editor.page.mouse.click(at["x"], at["y"])
    assert editor.values(node)["redo"] == "2"
    editor.undo()
    assert editor.values(node) == before


def test_the_keyboard_goes_from_clip_to_clip_and_marks(editor, node, tell):
    tell(record(40, lanes=2, ended="done"))
    rows = part(editor, "rows")
    rows.focus()
    assert lines(editor).startswith("clip 1 · person 1")
    for key, clip in (("ArrowRight", 2), ("ArrowDown", 42), ("ArrowUp", 2), ("End", 40), ("ArrowDown", 80)):
        editor.page.keyboard.press(key)
        assert lines(editor).startswith(f"clip {clip} "), key
    editor.page.keyboard.press("Enter")
    assert editor.values(node)["redo"] == "80"
    assert "marked" in lines(editor)


def test_an_hour_is_scrolled_and_keeps_the_node_small(editor, node, tell):
    tell(record(1250, ended="done"))
    rows = part(editor, "rows")
    seen, whole = rows.evaluate("(e) => [e.clientHeight, e.scrollHeight]")
    assert whole > 3 * seen and seen < 400
    assert editor.js("(id) => app.rootGraph.getNodeById(id).size[1]", node) < 1600
    rows.focus()
    editor.page.keyboard.press("End")
    editor.settle()
    assert rows.evaluate("(e) => e.scrollTop + e.clientHeight > e.scrollHeight - 40")
    assert lines(editor).startswith("clip 1250 ")


def test_videos_of_a_list_are_told_apart(editor, node, tell):
    tell(record(4, ended="done"), run=0)
    tell(record(9, ended="done"), run=1)
    buttons = part(editor, "controls button")
    assert buttons.count() == 2
    buttons.nth(1).click()
    assert head(editor).startswith("9 of 9 clips")
    buttons.nth(0).click()
    assert head(editor).startswith("4 of 4 clips")


def test_what_is_redone_is_written_as_short_as_it_can_be(editor, node):
    shortest = """async (text) => {
        const { formatRedo, parseRedo } = await import("/extensions/comfyui-x-dub/lib/redo.mjs")
        return formatRedo(parseRedo(text))
    }"""
    for text, short in (
        ("", ""),
        ("3,1,2", "1-3"),
        ("12, 40-44", "12,40-44"),
        ("2,2,1", "1-2,2"),
        ("x,4", "4"),
    ):
        assert editor.js(shortest, text) == short

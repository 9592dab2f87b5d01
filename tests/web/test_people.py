"""The People panel: who is in the video is seen, and chosen by mouse and keyboard, in People and in Face Crop."""

import pytest

ROWS = ".xdub-person"


@pytest.fixture
def people(editor):
    """A People node that has looked at the sample of two people; Voice and Dub Video stand beside it, unconnected."""
    sample, model, people = (
        editor.add("XDubLoadSample"),
        editor.add("XDubLoadMini", 100, 350),
        editor.add("XDubPeople", 500),
    )
    editor.set(sample, "sample", "two people")
    editor.connect(sample, 0, people, "source")
    editor.connect(model, detector_of(editor, model), people, "face_detector")
    result = editor.run(600)
    assert result["outcome"] == "execution_success", result
    return people


def detector_of(editor, model):
    return editor.js(
        "(id) => app.rootGraph.getNodeById(id).outputs.findIndex((output) => output.type === 'XDUB_FACE_DETECTOR')",
        model,
    )


def panel(editor, node):
    """The panel, once it is shown and has people in it."""
    shown = f"""(id) => {{
        const element = app.rootGraph.getNodeById(id)?.widgets.find((each) => each.name === "xdub_people")?.element
        return element?.checkVisibility() && element.querySelector("{ROWS}") && element
    }}"""
    return editor.page.wait_for_function(shown, arg=node).as_element()


def test_an_empty_panel_says_what_to_do_and_is_not_saved(editor):
    node = editor.add("XDubPeople")
    assert editor.panel(node, "xdub_people").inner_text() == "Run to see who is in the video"
    (saved,) = editor.save()["nodes"]
    assert saved["widgets_values"] == [25]
    (prompted,) = editor.prompt().values()
    assert list(prompted["inputs"]) == ["image_fps"]


def test_the_graph_is_zoomed_and_moved_over_the_panel(editor):
    node = editor.add("XDubPeople", 500, 300)
    box = editor.panel(node, "xdub_people").bounding_box()
    view = "() => [app.canvas.ds.scale, ...app.canvas.ds.offset]"
    scale, *offset = editor.js(view)
    editor.page.mouse.move(box["x"] + 20, box["y"] + 10)
    editor.page.mouse.down(button="middle")
    editor.page.mouse.move(box["x"] + 80, box["y"] + 50, steps=4)
    editor.page.mouse.up(button="middle")
    moved = editor.js(view)[1:]
    assert [round((after - before) * scale) for before, after in zip(offset, moved, strict=True)] == [60, 40]
    editor.page.mouse.wheel(0, 300)
    editor.page.wait_for_function("(scale) => app.canvas.ds.scale < scale", arg=scale)


def test_everybody_is_shown_and_chosen_for_another_node(editor, people):
    voice = editor.add("XDubVoice", 1000)
    shown = panel(editor, people)
    rows = shown.query_selector_all(ROWS)
    assert [row.get_attribute("data-number") for row in rows] == ["1", "2"]
    assert "4.40 s on screen (100 %)" in rows[0].inner_text()
    assert shown.query_selector_all(".xdub-box")[1].inner_text() == "2"
    rows[0].click()
    shown.wait_for_selector(".xdub-use-in button").click()
    assert editor.values(voice)["person"] == "1"
    editor.undo()
    assert editor.values(voice)["person"] == "2"
    assert len(panel(editor, people).query_selector_all(ROWS)) == 2  # what was found is still there


def test_keys_choose_and_scrub(editor, people):
    voice = editor.add("XDubVoice", 1000)
    shown = panel(editor, people)
    shown.query_selector(ROWS).focus()
    for key in ("ArrowDown", "ArrowUp", "Enter", "Enter"):
        editor.page.keyboard.press(key)
    assert editor.values(voice)["person"] == "1"
    shown.query_selector("input[type=range]").focus()
    editor.page.keyboard.press("End")
    assert shown.query_selector(".xdub-time").inner_text() == "4.36 / 4.40 s"
    assert editor.ids() and shown.query_selector(".xdub-box")


def test_a_run_is_kept_while_another_workflow_is_looked_at(editor, people):
    panel(editor, people)
    outputs = editor.js("() => JSON.parse(JSON.stringify(app.nodeOutputs))")
    saved = editor.save()
    editor.clear()
    editor.load(saved)
    assert editor.panel(people, "xdub_people").inner_text() == "Run to see who is in the video"
    editor.js(
        "(outputs) => { app.nodeOutputs = outputs }", outputs
    )  # as ComfyUI does when the tab comes back
    panel(editor, people)


def test_it_lives_through_copies_and_subgraphs(editor, people):
    height = editor.js("(id) => app.rootGraph.getNodeById(id).size[1]", people)
    (copy,) = editor.copy_paste([people])
    assert editor.panel(copy, "xdub_people").inner_text() == "Run to see who is in the video"
    assert editor.js("(id) => app.rootGraph.getNodeById(id).size[1]", copy) == pytest.approx(height, abs=1)
    made = editor.to_subgraph([copy])
    names = "(id) => app.rootGraph.getNodeById(id).subgraph.nodes[0].widgets.map((widget) => widget.name)"
    assert editor.js(names, made)[-1] == "xdub_people"
    panel(editor, people)


def test_face_crop_takes_the_person_that_is_clicked(editor, people):
    crop = editor.add("XDubFaceCrop", 900)
    model, sample = editor.ids("XDubLoadMini")[0], editor.ids("XDubLoadSample")[0]
    editor.connect(sample, 0, crop, "source")
    name = editor.js(
        "(id) => app.rootGraph.getNodeById(id).inputs.find((input) => input.name.endsWith('face_detector')).name",
        crop,
    )
    editor.connect(model, detector_of(editor, model), crop, name)
    preview = editor.add("PreviewImage", 1300)
    editor.connect(crop, 2, preview, "images")
    assert editor.run(600)["outcome"] == "execution_success"
    shown = panel(editor, crop)
    editor.page.locator("[data-panel=people] .xdub-box[data-number='2']").last.click()
    person = {each.split(".")[-1]: value for each, value in editor.values(crop).items()}["person"]
    assert person == "2"
    chosen = shown.query_selector("[aria-selected=true]")
    assert chosen.get_attribute("data-number") == "2"

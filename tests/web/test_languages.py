"""The editor in Chinese: nodes, inputs and tooltips have the words of locales/zh, and help pages are found."""

import json
import re
from pathlib import Path

import pytest
from editor import PACK as FOLDER
from editor import Editor

PACK = Path(__file__).resolve().parents[2]
WORDS = json.loads((PACK / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))
CHINESE = re.compile(r"[一-鿿]")


@pytest.fixture(scope="module")
def chinese(chromium, comfyui):
    """An editor whose language is Chinese; the setting is the server's, and is put back."""
    context = chromium.new_context(viewport={"width": 1900, "height": 1100})
    settings = f"http://{comfyui.address}/api/settings"
    context.request.post(settings, data={"Comfy.Locale": "zh"})
    editor = Editor(context.new_page(), comfyui.address)
    editor.open(vue=False)
    yield editor
    assert editor.pack_errors == []
    context.request.post(settings, data={"Comfy.Locale": "en"})
    context.close()


@pytest.fixture(params=sorted(WORDS))
def kind(request):
    return request.param


def shown(editor, kind):
    """Title, and by name what stands at inputs, widgets and outputs."""
    read = """(kind) => {
        const node = LiteGraph.createNode(kind)
        app.canvas.graph.add(node)
        const named = (all) => Object.fromEntries(all.map((one) => [one.name, one.label ?? one.localized_name]))
        const kept = (node.widgets ?? []).filter((w) => w.serialize !== false)
        const texts = {
            title: node.title,
            // ComfyUI itself names the sockets of a choice in English; their widgets it does not.
            inputs: { ...named((node.inputs ?? []).filter((one) => !one.name.includes("."))), ...named(kept) },
            outputs: (node.outputs ?? []).map((one) => one.localized_name),
            tooltips: Object.fromEntries((node.widgets ?? []).map((w) => [w.name, w.tooltip])),
        }
        app.canvas.graph.remove(node)
        return texts
    }"""
    return editor.js(read, kind)


def test_a_node_s_words_are_chinese(chinese, kind):
    texts, words = shown(chinese, kind), WORDS[kind]
    assert texts["title"] == words["display_name"]
    assert texts["outputs"] == [said["name"] for said in words["outputs"].values()]
    for name, text in texts["inputs"].items():
        key = name.replace(".", "_")
        if key in words["inputs"]:
            assert text == words["inputs"][key]["name"], name


def test_tooltips_of_a_choice_s_own_inputs_are_chinese(chinese, kind):
    """Where a widget has a tooltip of its own, the editor shows that one."""
    for name, tooltip in shown(chinese, kind)["tooltips"].items():
        if tooltip and name.replace(".", "_") in WORDS[kind]["inputs"]:
            assert CHINESE.search(tooltip), name


@pytest.mark.parametrize("page", ["XDubDub", "XDubPeople"])
def test_its_help_page_is_shown_with_its_picture(chinese, page):
    chinese.clear()
    chinese.select([chinese.add(page, 600, 300)])
    chinese.page.get_by_test_id("info-button").click()
    picture = chinese.page.locator(f".markdown-content img[src*='/extensions/{FOLDER}/docs/{page}.webp']")
    picture.wait_for()
    loaded = "(image) => image.complete && image.naturalWidth > 0"
    chinese.page.wait_for_function(loaded, arg=picture.element_handle())
    text = chinese.page.locator(".markdown-content").first.inner_text()
    assert "常见错误" in text

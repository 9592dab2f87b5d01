"""Every node of the pack in the editor: its widgets answer, and their values are kept, in both renderers."""

import re
from pathlib import Path

import pytest
from editor import VIEW
from hands import KNOWN, show_all, ways, widgets_of
from playwright.sync_api import TimeoutError as PlaywrightTimeout

PACK = Path(__file__).resolve().parents[2]
KINDS = sorted(
    name
    for path in (PACK / "nodes").glob("*.py")
    for name in re.findall(r'node_id="(\w+)"', path.read_text(encoding="utf-8"))
)
LOWEST = VIEW["height"] - 150
"""Below it is what the editor shows over the graph, and no room for a list."""

CHANGED = (
    "([id, name, old]) => app.rootGraph.getNodeById(id).widgets.find((w) => w.name === name).value !== old"
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_widget_is_shown_and_answers_mouse_and_keyboard(editor, kind):
    node = editor.add(kind)
    show_all(editor, node)
    shown = widgets_of(editor, node)
    if editor.vue:
        assert editor.page.locator(f"[data-node-id='{node}'] .lg-node-widget").count() == len(shown)
    tried = set()
    while untried := [widget.name for widget in widgets_of(editor, node) if widget.name not in tried]:
        tried.add(untried[0])  # one by one, as a choice brings inputs along, and takes others away
        try_widget(editor, node, untried[0])
    (saved,) = editor.save()["nodes"]
    assert saved.get("widgets_values", []) == list(editor.values(node).values())


def try_widget(editor, node, name):
    box = editor.widget_box(node, name)
    if box["y"] + box["height"] > LOWEST:
        editor.move_graph(0, LOWEST / 2 - box["y"])
        box = editor.widget_box(node, name)
    assert box["width"] > 80 and box["height"] > 10, f"{name} is not to be seen: {box}"
    for place in range(2):
        (widget,) = [widget for widget in widgets_of(editor, node) if widget.name == name]
        change = dict(enumerate(ways(editor, widget))).get(place)
        if change is None:
            return
        change(editor, node, widget)
        try:
            editor.page.wait_for_function(CHANGED, arg=[node, name, widget.value], timeout=30_000)
        except PlaywrightTimeout:
            pytest.fail(f"{name} stayed {widget.value!r}: {change.__name__}")


@pytest.fixture
def everything(editor):
    """All nodes of the pack, each widget with another value than it is made with: node, class and values of each."""
    places = [(kind, 400 * (place % 6), 500 * (place // 6)) for place, kind in enumerate(KINDS)]
    nodes = dict(zip(editor.add_all(places), KINDS, strict=True))
    change_all(editor, nodes)
    return [(node, kind, editor.values(node)) for node, kind in nodes.items()]


def change_all(editor, nodes):
    """Choices first, which bring other inputs along; then those."""
    for choices in (True, False):
        editor.set_all({node: others(editor, node, choices) for node in nodes})


def others(editor, node, choices):
    return {
        widget.name: widget.other
        for widget in widgets_of(editor, node)
        if widget.kind in KNOWN and widget.can_change
        if choices == (widget.kind == "combo" and "." not in widget.name)
    }


def values_now(editor, everything):
    return [(node, kind, editor.values(node)) for node, kind, _ in everything]


def test_values_are_saved_and_loaded(editor, everything):
    saved = editor.save()
    editor.clear()
    editor.load(saved)
    assert values_now(editor, everything) == everything


def test_values_are_copied(editor, everything):
    copies = editor.copy_paste([node for node, _, _ in everything])
    assert [editor.values(copy) for copy in copies] == [values for _, _, values in everything]


def test_a_change_of_values_is_undone(editor, everything):
    editor.set_all({node: others(editor, node, choices=False) for node, _, _ in everything})
    assert values_now(editor, everything) != everything
    editor.undo()
    assert values_now(editor, everything) == everything


def test_values_go_into_a_subgraph_and_come_out_of_its_file(editor, everything):
    made = editor.to_subgraph([node for node, _, _ in everything])
    inside = "(id) => app.rootGraph.getNodeById(id).subgraph.nodes.map((n) => [n.id, n.type])"
    for again in (False, True):
        if again:
            saved = editor.save()
            editor.clear()
            editor.load(saved)
        found = [(kind, editor.values(node, made)) for node, kind in editor.js(inside, made)]
        assert found == [(kind, values) for _, kind, values in everything]


def test_values_survive_a_reload(editor, everything):
    editor.reload()
    assert values_now(editor, everything) == everything

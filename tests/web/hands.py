"""How a user changes a widget: by mouse and by keyboard, in each of ComfyUI's renderers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from editor import NODE, SHOWN, Editor

DIALOG = ".graphdialog :is(input, textarea)"
MENU = ".litecontextmenu .litemenu-entry"


@dataclass(frozen=True)
class Widget:
    """A widget as its node has it. `kind` is litegraph's: number, combo, toggle, text, or another's own name."""

    name: str
    kind: str
    value: Any
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def can_change(self) -> bool:
        """Whether there is another value: a list of files may be empty."""
        return self.kind != "combo" or len(self.choices) > 1

    @property
    def choices(self) -> list[str]:
        """A combo's values."""
        return self.options.get("values") or []

    @property
    def other(self) -> Any:
        """Another value that it may have."""
        if self.kind == "combo":
            return next(choice for choice in self.choices if choice != self.value)
        if self.kind == "toggle":
            return not self.value
        if self.kind == "number":
            step = self.options.get("step2") or 1
            higher = self.value + step
            return round(higher if higher <= self.options.get("max", higher) else self.value - step, 4)
        return "2" if self.value != "2" else "1"


KNOWN = ("number", "combo", "toggle", "text")
"""Kinds that can be changed here; others are their own tests' matter."""


def widgets_of(editor: Editor, node: int) -> list[Widget]:
    """The widgets of a node that are to be seen in the renderer, in order."""
    read = f"""([id, vue]) => {NODE}.widgets
        ?.filter((w) => {SHOWN} && !(vue && w.options?.canvasOnly))
        .map((w) => [w.name, w.type, w.value, JSON.parse(JSON.stringify(w.options ?? {{}}))]) ?? []"""
    return [Widget(*found) for found in editor.js(read, [node, editor.vue])]


def show_all(editor: Editor, node: int) -> None:
    """Bring the node into view at its own size, with its advanced inputs."""
    view = """(id) => {
        const node = app.rootGraph.getNodeById(id), ds = app.canvas.ds
        ds.scale = 1
        ds.offset = [400 - node.pos[0], 120 - node.pos[1]]
        app.canvas.setDirty(true, true)
    }"""
    editor.js(view, node)
    editor.settle()
    more = editor.page.locator(f"[data-node-id='{node}']").get_by_text("Show advanced inputs")
    if editor.vue and more.count():
        more.click()
        more.wait_for(state="detached")


def ways(editor: Editor, widget: Widget) -> list[Callable[[Editor, int, Widget], None]]:
    """Mouse and keyboard, as far as the renderer lets them change a widget of this kind to another value.

    A text is typed; on the canvas, lists and toggles have no keys.
    """
    if widget.kind not in KNOWN or not widget.can_change:
        return []
    by_mouse = [_mouse_in_vue if editor.vue else _mouse_on_canvas] if widget.kind != "text" else []
    by_keys = [_keys_in_vue if editor.vue else _keys_on_canvas]
    return by_mouse + (by_keys if editor.vue or widget.kind in ("number", "text") else [])


def _mouse_on_canvas(editor: Editor, node: int, widget: Widget) -> None:
    box = editor.widget_box(node, widget.name)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    if widget.kind == "number":
        upwards = widget.other > widget.value
        x = box["x"] + (box["width"] - 25 if upwards else 25)
    editor.page.mouse.click(x, y)
    if widget.kind == "combo":
        editor.page.locator(MENU).get_by_text(str(widget.other), exact=True).first.click()


def _keys_on_canvas(editor: Editor, node: int, widget: Widget) -> None:
    box = editor.widget_box(node, widget.name)
    editor.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    editor.page.locator(DIALOG).fill(str(widget.other))
    editor.page.keyboard.press("Enter")


def _mouse_in_vue(editor: Editor, node: int, widget: Widget) -> None:
    row = editor.vue_widget(node, widget.name)
    if widget.kind == "number":
        upwards = widget.other > widget.value
        row.get_by_test_id("increment" if upwards else "decrement").click()
    elif widget.kind == "combo":
        row.get_by_role("combobox").click()
        editor.page.get_by_role("option", name=str(widget.other), exact=True).click()
    elif widget.kind == "toggle":
        _toggle(editor, node, widget).click()


def _keys_in_vue(editor: Editor, node: int, widget: Widget) -> None:
    row, keyboard = editor.vue_widget(node, widget.name), editor.page.keyboard
    if widget.kind == "combo":
        for arrow in ("ArrowDown", "ArrowUp"):  # where the list begins is the renderer's affair
            row.get_by_role("combobox").focus()
            keyboard.press("Enter")
            editor.page.get_by_role("option").first.wait_for()
            keyboard.press(arrow)
            keyboard.press("Enter")
            editor.page.get_by_role("option").first.wait_for(state="hidden")
            editor.settle()
            if editor.values(node)[widget.name] != widget.value:
                return
    elif widget.kind == "toggle":
        _toggle(editor, node, widget).focus()
        keyboard.press("Space")
    else:
        entry = row.locator("input, textarea")
        entry.focus()
        keyboard.press("Control+A")
        keyboard.type(str(widget.other))
        keyboard.press("Enter")


def _toggle(editor: Editor, node: int, widget: Widget):
    """What switches it: a switch, or the other one of two named buttons."""
    row = editor.vue_widget(node, widget.name)
    named = widget.options.get("on") or widget.options.get("off")
    return (
        row.locator(f"button[value={'on' if widget.other else 'off'}]")
        if named
        else row.get_by_role("switch")
    )

"""ComfyUI's editor as the tests see it: a page object over playwright's `page`.

A test takes the fixture `editor`, and runs twice: with ComfyUI's canvas renderer, and with its Vue renderer
("Nodes 2.0"; `editor.vue` tells which). One server and one page serve all tests; each begins with an empty graph.
After each test the fixture fails it where the pack has written an error or a warning to the console.

    def test_a_value_is_kept(editor):
        node = editor.add("XDubDub")            # its id; or editor.load(workflow), editor.ids("XDubDub")
        editor.set(node, "steps", 7)            # as a program does; editor.widget_box(node, name): where to click
        assert editor.values(node)["steps"] == 7
        saved = editor.save()                   # the workflow's JSON; editor.prompt(): what would be queued
        copies = editor.copy_paste([node])      # ids; editor.undo(), editor.to_subgraph([node]), editor.reload()
        result = editor.run()                   # or editor.queue() ... editor.finished(seconds)
        editor.screenshot(folder / "node.png")  # to be looked at

`editor.page` is playwright's page, `editor.js("(a) => ...", a)` evaluates in it (`app` is ComfyUI's), and
`editor.panel(node, name)` is the element of a DOM widget. `comfyui.base / "input"` is the server's input folder.
While a panel is being written: `XDUB_WEB_SERVER=127.0.0.1:8188 pytest tests/web/test_x.py` takes a ComfyUI that runs
already, in whose custom_nodes the pack lies. Without it the pack is installed as git knows it: `git add` new files.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import APIResponse, ConsoleMessage, ElementHandle, Locator, Page, Response

PACK = "comfyui-x-dub"
RENDERER = "Comfy.VueNodes.Enabled"
SETTINGS = {
    "Comfy.TutorialCompleted": True,  # or a first visit opens the template browser
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasInfo": False,
    "Comfy.Notification.ShowVersionUpdates": False,
}
SECONDS = 30  # what playwright waits at most for a condition; CI's machines are slow
SECONDS_TO_START = 120  # for the editor to be there
SECONDS_TO_STOP = 60  # for the server to come to the end of a step of a dub that is cancelled
CHANGES_ARE_ONE_FOR = 60  # ms: what follows sooner is undone together with the change before
VIEW = {"width": 1400, "height": 1000}
HAS_STARTED = (
    "() => window.app?.extensionManager?.workflow?.activeWorkflow"
    " && window.LiteGraph?.registered_node_types?.XDubDub"
)
EMPTY: dict[str, Any] = {"last_node_id": 0, "last_link_id": 0, "nodes": [], "links": [], "version": 0.4}
CLEAR = """async (empty) => {
    const { workflow, sidebarTab, toast } = app.extensionManager
    document.activeElement?.blur()
    for (const left of document.querySelectorAll(".litecontextmenu, .graphdialog")) left.remove()
    toast.removeAll()
    sidebarTab.activeSidebarTabId = null
    app.canvas.deselectAll()
    await app.loadGraphData(empty, true, false)
    for (const other of workflow.openWorkflows.filter((each) => each !== workflow.activeWorkflow))
        await workflow.closeWorkflow(other)
    app.canvas.ds.scale = 1
    app.canvas.ds.offset = [0, 0]
    app.canvas.setDirty(true, true)
}"""
DIALOGS = "[role=dialog], .p-dialog-mask"
PUT_SETTINGS_BACK = """async ([before, renderer]) => {
    const { settings, get, set } = app.extensionManager.setting
    const now = {}
    for (const name of Object.keys(settings)) {
        const value = get(name)
        now[name] = JSON.stringify(value)
        if (before && name !== renderer && before[name] !== undefined && before[name] !== now[name])
            await set(name, JSON.parse(before[name]))
    }
    return before ?? now
}"""
SHOWN = "!w.hidden && !w.options?.hidden"
NODE = "app.rootGraph.getNodeById(id)"


class Editor:
    """One page with the editor in it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.vue = False
        self.pack_errors: list[str] = []
        self._settings: dict[str, str] | None = None
        self._listen()

    def _listen(self) -> None:
        self.page.set_default_timeout(SECONDS * 1000)
        self.page.set_default_navigation_timeout(SECONDS_TO_START * 1000)
        self.page.on("console", self._on_console)
        self.page.on(
            "pageerror", lambda error: self._note("uncaught", f"{error}\n{getattr(error, 'stack', '')}")
        )
        self.page.on("response", self._on_response)

    def renew(self) -> None:
        """Go on in a new page: what a failed test has left in the old one is nobody's matter."""
        context = self.page.context
        self.page.close()
        self.page = context.new_page()
        self._listen()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(message.type, f"{message.text} ({message.location.get('url', '')})")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400 and f"/extensions/{PACK}/" in response.url:
            self.pack_errors.append(f"{response.status}: {response.url}")

    def _note(self, kind: str, text: str) -> None:
        if f"/extensions/{PACK}/" in text or "xdub" in text.lower():
            self.pack_errors.append(f"{kind}: {text}")

    # The page

    def js(self, function: str, argument: Any = None) -> Any:
        """What a JavaScript function makes of `argument`, in the page."""
        return self.page.evaluate(function, argument)

    def open(self, vue: bool) -> None:
        """An empty graph in one of the two renderers."""
        if not self.page.url.startswith("http"):
            self.page.request.post(f"http://{self.address}/api/settings", data={**SETTINGS, RENDERER: vue})
            self.page.goto(f"http://{self.address}/")
            self._wait_for_start()
        self.vue = vue
        self._stop_runs()
        self._put_settings_back()
        self.js("([name, value]) => app.extensionManager.setting.set(name, value)", [RENDERER, vue])
        self.clear()

    def _wait_for_start(self) -> None:
        self.page.wait_for_function(HAS_STARTED, timeout=SECONDS_TO_START * 1000)
        self.page.locator(".p-blockui-mask, #vue-app .p-progressspinner").first.wait_for(state="hidden")

    def _stop_runs(self) -> None:
        """Nothing runs and nothing waits any longer: a failed test's dub would go on beside the next tests."""
        stopped_by = time.monotonic() + SECONDS_TO_STOP
        while any(len(prompts) for prompts in self._server("get", "queue").json().values()):
            assert time.monotonic() < stopped_by, f"a run goes on {SECONDS_TO_STOP} s after it was cancelled"
            self._server("post", "queue", data={"clear": True})
            self._server("post", "interrupt", data={})
            self.page.wait_for_timeout(100)

    def _server(self, method: str, path: str, **more: Any) -> APIResponse:
        return getattr(self.page.request, method)(f"http://{self.address}/api/{path}", **more)

    def _put_settings_back(self) -> None:
        """Settings are the server's: what a test has set would stay for all that follow."""
        self._settings = self.js(PUT_SETTINGS_BACK, [self._settings, RENDERER])

    def clear(self) -> None:
        """Begin anew: an empty graph at its own size, no other workflow, no dialog, nothing that could be undone."""
        self.page.keyboard.press("Escape")
        self.js(CLEAR, EMPTY)
        self.page.locator(DIALOGS).first.wait_for(state="hidden")
        self.settle()

    def reload(self) -> None:
        """As F5 does it; the editor brings its last workflow back by itself."""
        count = self.js("() => app.rootGraph.nodes.length")
        self.page.wait_for_timeout(600)  # the draft is written half a second after a change
        self.page.reload()
        self._wait_for_start()
        self.page.wait_for_function("(count) => app.rootGraph.nodes.length === count", arg=count)

    def screenshot(self, path: Path) -> Path:
        """A picture of the whole page."""
        self.page.screenshot(path=path)
        return path

    def command(self, name: str) -> None:
        """Execute one of the editor's commands, as its menus and keys do."""
        self.js("(name) => app.extensionManager.command.execute(name)", name)

    # Workflows

    def load(self, workflow: dict[str, Any] | Path) -> None:
        """Open a workflow in the UI format: a file's, or as JSON."""
        if isinstance(workflow, Path):
            workflow = json.loads(workflow.read_text(encoding="utf-8"))
        self.js("async (workflow) => { await app.loadGraphData(workflow) }", workflow)
        self.settle()

    def save(self) -> dict[str, Any]:
        """The workflow as its file would be."""
        return self.js("() => JSON.parse(JSON.stringify(app.rootGraph.serialize()))")

    def prompt(self) -> dict[str, Any]:
        """The workflow in the API format: what would be queued."""
        return self.js("async () => (await app.graphToPrompt()).output")

    def settle(self) -> None:
        """Wait until what was changed is drawn."""
        self.js("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        if self.vue:
            shown = """() => app.canvas.graph.nodes.every(
                (node) => document.querySelector(`[data-node-id='${node.id}']`))"""
            self.page.wait_for_function(shown)

    # Nodes

    def ids(self, kind: str | None = None) -> list[int]:
        """The nodes of the root graph, or those of one class."""
        wanted = "(kind) => app.rootGraph.nodes.filter((n) => !kind || n.type === kind).map((n) => n.id)"
        return self.js(wanted, kind)

    def add(self, kind: str, x: float = 100, y: float = 100) -> int:
        """Add a node of a class; its id."""
        (number,) = self.add_all([(kind, x, y)])
        return number

    def add_all(self, nodes: Sequence[tuple[str, float, float]]) -> list[int]:
        """Add nodes by class and place, as one change; their ids."""
        add = """(nodes) => nodes.map(([kind, x, y]) => {
            const node = LiteGraph.createNode(kind)
            node.pos = [x, y]
            app.canvas.graph.add(node)
            return node.id
        })"""
        numbers = self.js(add, [list(node) for node in nodes])
        self._remember()
        return numbers

    def connect(self, source: int, output: int, target: int, name: str) -> None:
        """Link an output to the input `name` of another node."""
        link = """([source, output, target, name]) => {
            const [from, to] = [source, target].map((id) => app.rootGraph.getNodeById(id))
            from.connect(output, to, to.findInputSlot(name))
        }"""
        self.js(link, [source, output, target, name])
        self._remember()

    def values(self, node: int, subgraph: int | None = None) -> dict[str, Any]:
        """The widgets of a node that are saved, by name, in order; `subgraph`: of a node inside that one."""
        read = """([id, outer]) => {
            const graph = outer === null ? app.rootGraph : app.rootGraph.getNodeById(outer).subgraph
            return (graph.getNodeById(id).widgets ?? []).filter((w) => w.serialize !== false)
                .map((w) => [w.name, w.value === undefined ? null : JSON.parse(JSON.stringify(w.value))])
        }"""
        return dict(self.js(read, [node, subgraph]))

    def set(self, node: int, name: str, value: Any) -> None:
        """Give a widget a value as a program does. A dynamic widget makes its inputs by it."""
        self.set_all({node: {name: value}})

    def set_all(self, values: dict[int, dict[str, Any]]) -> None:
        """Give widgets values: by node and name. It is one change to be undone."""
        change = """(all) => {
            for (const [id, values] of all)
                for (const [name, value] of values) {
                    const node = app.rootGraph.getNodeById(id)
                    const widget = node.widgets?.find((w) => w.name === name)
                    if (!widget) throw new Error(`${node.type} has no widget ${name}`)
                    widget.value = value
                    widget.callback?.(value, app.canvas, node)
                }
            app.canvas.setDirty(true, true)
        }"""
        self.js(change, [[node, list(named.items())] for node, named in values.items()])
        self._remember()

    def _remember(self) -> None:
        """Wait until a program's change is drawn, and make it one that can be undone, as a user's is by itself."""
        self.settle()
        self.js(
            """(pause) => {
                app.extensionManager.workflow.activeWorkflow.changeTracker.captureCanvasState()
                return new Promise((done) => setTimeout(done, pause))
            }""",
            CHANGES_ARE_ONE_FOR,
        )

    def panel(self, node: int, name: str) -> ElementHandle:
        """The element of a DOM widget, once it is shown."""
        find = f"([id, name]) => {NODE}.widgets?.find((w) => w.name === name)?.element"
        element = self.page.wait_for_function(find, arg=[node, name]).as_element()
        element.wait_for_element_state("visible")
        return element

    def widget_box(self, node: int, name: str) -> dict[str, float]:
        """Where a widget is on the screen, in CSS pixels: x, y, width, height."""
        if self.vue:
            return self.vue_widget(node, name).bounding_box()
        place = f"""([id, name]) => {{
            const node = {NODE}, widget = node.widgets.find((w) => w.name === name)
            const height = widget.computedHeight ?? LiteGraph.NODE_WIDGET_HEIGHT
            const [x, y] = app.canvasPosToClientPos([node.pos[0], node.pos[1] + widget.y])
            const scale = app.canvas.ds.scale
            return {{ x, y, width: (widget.width ?? node.size[0]) * scale, height: height * scale }}
        }}"""
        return self.js(place, [node, name])

    def centre(self, place: Locator) -> None:
        """Move the graph until an element stands in the middle of the window."""
        box = place.bounding_box()
        x, y = VIEW["width"] / 2 - box["width"] / 2, VIEW["height"] / 2 - box["height"] / 2
        self.move_graph(x - box["x"], y - box["y"])

    def move_graph(self, right: float, down: float) -> None:
        """Move the graph in the window, by CSS pixels."""
        move = """([x, y]) => {
            const { offset, scale } = app.canvas.ds
            offset[0] += x / scale
            offset[1] += y / scale
            app.canvas.setDirty(true, true)
        }"""
        self.js(move, [right, down])
        self.settle()

    def vue_widget(self, node: int, name: str):
        """The row of a widget that Vue draws (a locator)."""
        rows = self.page.locator(f"[data-node-id='{node}'] .lg-node-widget")
        order = f"""([id, name]) => {{
            const node = {NODE}
            const is_row = (w) => {SHOWN} && !w.options?.canvasOnly && (node.showAdvanced || !w.options?.advanced)
            return node.widgets.filter(is_row).findIndex((w) => w.name === name)
        }}"""
        return rows.nth(self.js(order, [node, name]))

    # What a user does with them

    def select(self, nodes: Sequence[int]) -> None:
        """Select nodes, and nothing else."""
        self.js(
            "(ids) => app.canvas.selectItems(ids.map((id) => app.rootGraph.getNodeById(id)))", list(nodes)
        )

    def copy_paste(self, nodes: Sequence[int]) -> list[int]:
        """Copy nodes and paste them; the ids of the copies."""
        before = set(self.ids())
        self.select(nodes)
        self.command("Comfy.Canvas.CopySelected")
        self.command("Comfy.Canvas.PasteFromClipboard")
        self.page.wait_for_function(
            "(count) => app.rootGraph.nodes.length === count", arg=len(before) + len(nodes)
        )
        self.settle()
        return [number for number in self.ids() if number not in before]

    def undo(self) -> None:
        """Take the last change back."""
        self.command("Comfy.Undo")
        self.settle()

    def to_subgraph(self, nodes: Sequence[int]) -> int:
        """Convert nodes to a subgraph; the id of the node that stands for it."""
        before = set(self.ids())
        self.select(nodes)
        self.command("Comfy.Graph.ConvertToSubgraph")
        appeared = "(before) => app.rootGraph.nodes.some((n) => !before.includes(n.id))"
        self.page.wait_for_function(appeared, arg=list(before))
        self.settle()
        (made,) = set(self.ids()) - before
        return made

    # Running

    def queue(self) -> None:
        """Queue the workflow; `finished` waits for its end."""
        self.js("""() => {
            const api = window.comfyAPI.api.api
            const ended = ["execution_success", "execution_error", "execution_interrupted"]
            const stop = new AbortController()
            window.xdubTestRun = null
            const end = (outcome, detail) => { stop.abort(); window.xdubTestRun = { outcome, ...detail } }
            for (const kind of ended)
                api.addEventListener(kind, (event) => end(kind, event.detail), { signal: stop.signal })
            app.queuePrompt(0).then((taken) => taken || end("refused", { errors: app.lastNodeErrors }))
        }""")

    def finished(self, seconds: float = 120) -> dict[str, Any]:
        """What became of it: `outcome` is execution_success, execution_error, execution_interrupted or refused."""
        ended = self.page.wait_for_function("() => window.xdubTestRun", timeout=seconds * 1000)
        result = ended.json_value()
        self.settle()
        return result

    def run(self, seconds: float = 120) -> dict[str, Any]:
        """Queue the workflow and wait for its end."""
        self.queue()
        return self.finished(seconds)

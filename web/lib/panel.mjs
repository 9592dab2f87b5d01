// A panel: a DOM widget of ours in a node, in both renderers. It shows, and sets other widgets; it is never saved.
//
// A panel's module exports `attach(node, host)`, called each time the node comes into a graph: it fills `host.element`,
// and listens until `host.signal` is aborted, when the node leaves it.

import { app } from "../../../scripts/app.js";
import { forwardUnhit } from "./canvas_events.mjs";
import { make } from "./dom.mjs";
import { onOutput } from "./execution.mjs";
import { after } from "./widgets.mjs";
import { loadWords, t } from "./words.mjs";

export { replayOutputs } from "./execution.mjs";

document.head.append(make("link", { rel: "stylesheet", href: new URL("./panel.css", import.meta.url) }));

/** Pixels: that ComfyUI leaves around a DOM widget; of a panel that shows but a line of text. */
const [MARGIN, EMPTY] = [10, 28];

/** Put a panel into a node, behind its widgets. `load` imports its module. */
export function addPanel(node, name, load) {
  const element = make("div", { class: "xdub-panel", "data-panel": name });
  let host;
  const widget = node.addDOMWidget(`xdub_${name}`, "xdub", element, {
    serialize: false,
    hideOnZoom: false,
    margin: MARGIN,
    getMinHeight: () => (host?.height ?? EMPTY) + 2 * MARGIN,
  });
  widget.serialize = false;
  forwardUnhit(element);
  host = new Host(node, element);

  const leave = () => {
    host.stay.abort();
    element.replaceChildren();
  };
  const enter = () => {
    leave();
    host = new Host(node, element);
    attach(node, host, load);
    keepPlace(node, element, host.signal);
  };
  after(node, "onAdded", enter);
  after(node, "onRemoved", leave);
  if (node.graph) enter();
}

/**
 * The Vue renderer keeps what it has drawn for a node, with that node's element in it, when another one of the same
 * number comes in its stead: by undo, from another workflow, from a subgraph.
 */
function keepPlace(node, element, signal) {
  const look = () => {
    if (signal.aborted || node.graph !== app.canvas.graph) return;
    const there = document.querySelector(`[data-node-id="${node.id}"] [data-panel="${element.dataset.panel}"]`);
    if (there !== element) there?.replaceWith(element);
  };
  const lookSoon = () => requestAnimationFrame(() => requestAnimationFrame(look)); // after Vue
  app.canvas.canvas.addEventListener("litegraph:set-graph", lookSoon, { signal });
  lookSoon();
}

async function attach(node, host, load) {
  try {
    const [panel] = await Promise.all([load(), loadWords()]);
    if (!host.signal.aborted) panel.attach(node, host);
  } catch (error) {
    console.warn("X-Dub: a panel could not be loaded", error);
    if (!host.signal.aborted) host.say(t("This panel could not be loaded: reload the page"));
  }
}

/** What a panel has of its place, while its node is in a graph: `signal` is aborted when it leaves it. */
class Host {
  stay = new AbortController();
  signal = this.stay.signal;

  constructor(node, element) {
    Object.assign(this, { node, element });
    this.setHeight(EMPTY);
  }

  /** Set the panel's least height in pixels; the node grows where it must, and never shrinks. */
  setHeight(pixels) {
    this.height = Math.ceil(pixels);
    this.element.style.minHeight = `${this.height}px`;
    const { node } = this;
    node.graph?.setDirtyCanvas(true, true);
    if (LiteGraph.vueNodesMode) return; // it grows by itself there; computeSize() would count what is not shown
    const [width, height] = node.computeSize();
    if (node.size[0] < width || node.size[1] < height) {
      node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], height)]);
    }
  }

  /** Empty the panel, and show one line: what to do, or what is wrong. */
  say(text) {
    this.element.replaceChildren(make("p", { class: "xdub-line", title: text }, text));
    this.setHeight(EMPTY);
  }

  onOutput(callback) {
    onOutput(this.node, this.signal, callback);
  }
}

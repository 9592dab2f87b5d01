// A panel: a DOM widget of ours in a node, in both renderers. It shows, and sets other widgets; it is never saved.
//
// A panel's module exports `attach(node, host)`, which fills `host.element` and listens until `host.signal` is aborted:
//
//   export function attach(node, host) {
//     host.say(t("Run to see the clips"));
//     host.onOutput((output) => output.xdub_clips && show(host, output.xdub_clips[0]));
//   }
//
// It is called each time the node comes into a graph, and aborted each time it leaves it.

import { app } from "../../../scripts/app.js";
import { forwardUnhit } from "./canvas_events.mjs";
import { onEvent, onOutput } from "./execution.mjs";
import { useStyles } from "./theme.mjs";
import { after } from "./widgets.mjs";
import { t } from "./words.mjs";

export { replayOutputs } from "./execution.mjs";

/** Pixels that ComfyUI leaves around a DOM widget. */
const MARGIN = 10;
/** Pixels of a panel that has nothing to show: a line of text. */
const EMPTY = 28;

/**
 * What a panel has of its place.
 * @typedef {object} Host
 * @property {HTMLElement} element the panel's own, as wide and as high as the node lets it be
 * @property {AbortSignal} signal aborted when the node leaves its graph: for listeners, observers, requests
 * @property {(pixels: number) => void} setHeight the panel's least height; the node grows where it must, never shrinks
 * @property {(text: string) => void} say empty the panel, and show one line: what to do, or what is wrong
 * @property {(callback: (output: object) => void) => void} onOutput see execution.mjs
 * @property {(type: string, callback: (detail: object) => void) => void} onEvent see execution.mjs
 */

/**
 * Put a panel into a node, behind its widgets.
 * @param {object} node of LiteGraph
 * @param {string} name
 * @param {() => Promise<{attach: (node: object, host: Host) => void}>} load imports its module
 */
export function addPanel(node, name, load) {
  useStyles();
  const element = document.createElement("div");
  element.className = "xdub-panel";
  element.dataset.panel = name;
  const place = new Place(node, element);
  const widget = node.addDOMWidget(`xdub_${name}`, "xdub", element, {
    serialize: false,
    hideOnZoom: false,
    margin: MARGIN,
    getMinHeight: () => place.height + 2 * MARGIN,
  });
  widget.serialize = false;
  forwardUnhit(element);
  place.setHeight(EMPTY);

  const enter = () => {
    const signal = place.enter();
    attachWhile(signal, node, place, load);
    keepPlace(node, element, signal);
  };
  after(node, "onAdded", enter);
  after(node, "onRemoved", () => place.leave());
  if (node.graph) enter();
}

/**
 * Keep the panel in its node where the Vue renderer does not. It keeps what it has drawn for a node when another one of
 * the same number comes in its stead, by undo, from another workflow, from a subgraph: with that node's element in it.
 */
function keepPlace(node, element, signal) {
  const look = () => {
    if (signal.aborted || node.graph !== app.canvas.graph) return;
    const there = document.querySelector(`[data-node-id="${node.id}"] [data-panel="${element.dataset.panel}"]`);
    if (there && there !== element) there.replaceWith(element);
  };
  const lookSoon = () => requestAnimationFrame(() => requestAnimationFrame(look)); // after Vue
  app.canvas.canvas.addEventListener("litegraph:set-graph", lookSoon, { signal });
  lookSoon();
}

/** A panel's place in its node, and the time that the node spends in a graph. */
class Place {
  height = EMPTY;
  /** @type {AbortController | undefined} */
  #stay;

  constructor(node, element) {
    this.node = node;
    this.element = element;
  }

  enter() {
    this.leave();
    this.#stay = new AbortController();
    return this.#stay.signal;
  }

  leave() {
    this.#stay?.abort();
    this.element.replaceChildren();
  }

  setHeight(pixels) {
    this.height = Math.ceil(pixels);
    this.element.style.minHeight = `${this.height}px`;
    const { node } = this;
    const needed = node.computeSize();
    if (node.size[0] < needed[0] || node.size[1] < needed[1]) {
      node.setSize([Math.max(node.size[0], needed[0]), Math.max(node.size[1], needed[1])]);
    }
    node.graph?.setDirtyCanvas(true, true);
  }

  say(text) {
    const line = document.createElement("p");
    line.className = "xdub-line";
    line.textContent = text;
    this.element.replaceChildren(line);
    this.setHeight(EMPTY);
  }
}

/** Attach the panel's module, unless the node has left its graph before it was there. */
async function attachWhile(signal, node, place, load) {
  /** @type {Host} */
  const host = {
    element: place.element,
    signal,
    setHeight: (pixels) => place.setHeight(pixels),
    say: (text) => place.say(text),
    onOutput: (callback) => onOutput(node, signal, callback),
    onEvent: (type, callback) => onEvent(node, type, signal, callback),
  };
  try {
    const { attach } = await load();
    if (!signal.aborted) attach(node, host);
  } catch (error) {
    console.warn("X-Dub: a panel could not be loaded", error);
    if (!signal.aborted) host.say(t("This panel could not be loaded: reload the page"));
  }
}

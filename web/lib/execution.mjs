// What nodes tell while and after they execute, also inside subgraphs.
//
// A node has three names: `node.id` in its graph; "1:2:3" through the subgraphs to it, as the server calls it; and
// "<subgraph>:<id>", by which the front end keeps outputs.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

/** @typedef {{node: object, callback: (output: object) => void}} Watcher */
/** @type {Set<Watcher>} */
const watchers = new Set();

/**
 * The node that the server calls so; undefined where there is none.
 * @param {string | number} id "1:2:3" through subgraphs
 */
export function nodeOfExecution(id) {
  let graph = app.rootGraph;
  let node;
  for (const part of String(id).split(":")) {
    node = graph?.getNodeById(Number(part)) ?? graph?.getNodeById(part);
    graph = node?.subgraph;
  }
  return node ?? undefined;
}

/** The name by which the front end keeps a node's output. */
export function locatorOf(node) {
  return node.graph === app.rootGraph ? String(node.id) : `${node.graph?.id}:${node.id}`;
}

/**
 * Call back for each event of the server that is about this node: its detail has `node`, an execution id.
 * @param {object} node
 * @param {string} type "xdub.clips", "executing", ...
 * @param {AbortSignal} signal
 * @param {(detail: object) => void} callback
 */
export function onEvent(node, type, signal, callback) {
  const listen = ({ detail }) => {
    const id = detail?.display_node ?? detail?.node;
    if (id != null && nodeOfExecution(id) === node) callback(detail);
  };
  api.addEventListener(type, listen);
  signal.addEventListener("abort", () => api.removeEventListener(type, listen), { once: true });
}

/**
 * Call back with the node's `ui` output: each time it has executed, and with what the front end has kept of it (after
 * undo, or when its workflow's tab comes back).
 * @param {object} node
 * @param {AbortSignal} signal
 * @param {(output: object) => void} callback
 */
export function onOutput(node, signal, callback) {
  const watcher = { node, callback };
  watchers.add(watcher);
  signal.addEventListener("abort", () => watchers.delete(watcher), { once: true });
  onEvent(node, "executed", signal, ({ output }) => output && callback(output));
  replay(watcher, app.nodeOutputs);
}

/** Give panels what the front end has kept, outputs by locator. */
export function replayOutputs(outputs) {
  for (const watcher of watchers) replay(watcher, outputs);
}

function replay({ node, callback }, outputs) {
  const output = outputs?.[locatorOf(node)];
  if (output) callback(output);
}

/**
 * The address of a file that a node has written.
 * @param {{filename: string, subfolder?: string, type?: string}} file as `ui` outputs have it
 */
export function viewUrl({ filename, subfolder = "", type = "temp" }) {
  return api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`);
}

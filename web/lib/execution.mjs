// What nodes tell when they have executed, also inside subgraphs. The server calls a node "1:2:3", through the subgraphs
// to it; the front end keeps its output by "<subgraph>:<id>".

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { keepIn, onAbort } from "./dom.mjs";

const watchers = new Set();

/** The node that the server calls so; undefined where there is none. */
export function nodeOfExecution(id) {
  let graph = app.rootGraph;
  let node;
  for (const part of String(id).split(":")) {
    node = graph?.getNodeById(Number(part)) ?? graph?.getNodeById(part);
    graph = node?.subgraph;
  }
  return node ?? undefined;
}

/** Call back with the node's `ui` output: each time it has executed, and with what the front end has kept of it. */
export function onOutput(node, signal, callback) {
  const replay = (outputs) => {
    const locator = node.graph === app.rootGraph ? node.id : `${node.graph?.id}:${node.id}`;
    if (outputs?.[locator]) callback(outputs[locator]);
  };
  const executed = ({ detail }) => {
    const id = detail?.display_node ?? detail?.node;
    if (id != null && detail.output && nodeOfExecution(id) === node) callback(detail.output);
  };
  keepIn(watchers, replay, signal);
  api.addEventListener("executed", executed);
  onAbort(signal, () => api.removeEventListener("executed", executed));
  replay(app.nodeOutputs);
}

export function replayOutputs(outputs) {
  for (const replay of watchers) replay(outputs);
}

export function viewUrl({ filename, subfolder = "", type = "temp" }) {
  return api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`);
}

// Records that grow while nodes work: the server tells changes, which are put together here.

import { api } from "../../../scripts/api.js";
import { keepIn } from "./dom.mjs";
import { nodeOfExecution } from "./execution.mjs";

/** Nodes whose records are remembered for panels that come later: after undo, or when their workflow comes back. */
const REMEMBERED = 16;
const ENDS = ["execution_success", "execution_error", "execution_interrupted"];

/**
 * The records of one kind of event, whose detail has node, prompt, run, and `whole` or `change`. A node has several runs
 * where it executes for a list: {record, received}, the latter when its newest change came, by performance.now().
 */
export class LiveRecords {
  #nodes = new Map();
  #watchers = new Set();

  constructor(event) {
    api.addEventListener(event, ({ detail }) => this.#take(detail));
    for (const end of ENDS) api.addEventListener(end, ({ detail }) => this.#end(detail?.prompt_id));
  }

  /** Call back with all runs of a node's newest prompt whenever one changes, and at once where some still work. */
  watch(node, signal, callback) {
    keepIn(this.#watchers, { node, callback }, signal);
    for (const [id, { runs }] of this.#nodes) {
      if (nodeOfExecution(id) === node && !allEnded(runs)) callback(runs);
    }
  }

  #take({ node: id, prompt, run, whole, change }) {
    let told = this.#nodes.get(id);
    if (told?.prompt !== prompt) told = { prompt, runs: [] };
    if (whole) told.runs[run] = { record: whole };
    else if (told.runs[run]) merge(told.runs[run].record, change);
    else return; // what came before was told to another tab
    told.runs[run].received = performance.now();
    this.#nodes.delete(id);
    this.#nodes.set(id, told); // the newest one is the last
    if (this.#nodes.size > REMEMBERED) this.#nodes.delete(this.#nodes.keys().next().value);
    this.#tell(id, told.runs);
  }

  /** What has not told its end when the prompt has ended will not tell it any more. */
  #end(ended) {
    for (const [id, { prompt, runs }] of this.#nodes) {
      if (prompt !== ended || allEnded(runs)) continue;
      for (const run of runs) if (run) run.record.ended ??= "stopped";
      this.#tell(id, runs);
    }
  }

  #tell(id, runs) {
    const node = nodeOfExecution(id);
    for (const watcher of this.#watchers) if (watcher.node === node) watcher.callback(runs);
  }
}

export function allEnded(runs) {
  return runs.every((run) => !run || run.record.ended);
}

/** What is an object in both is merged, everything else replaced: as the server does it. */
function merge(record, change) {
  for (const [name, value] of Object.entries(change)) {
    if (isObject(value) && isObject(record[name])) merge(record[name], value);
    else record[name] = value;
  }
}

function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

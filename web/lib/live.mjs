// Records that grow while nodes work: the server tells changes, and here they are put together, for each execution.

import { api } from "../../../scripts/api.js";
import { nodeOfExecution } from "./execution.mjs";

/** Nodes whose records are remembered, for panels that come later: after undo, or when their workflow is shown again. */
const REMEMBERED = 16;
const ENDS = ["execution_success", "execution_error", "execution_interrupted"];

/**
 * One execution of a node, which has several where it executes for a list.
 * @typedef {{record: object, received: number}} Run `received`: when its newest change came, by performance.now()
 */

/** The records of one kind of event, whose detail has node, prompt, run, and `whole` or `change`. */
export class LiveRecords {
  /** @type {Map<string, {prompt: string, runs: Run[]}>} */
  #nodes = new Map();
  /** @type {Set<{node: object, callback: (runs: Run[]) => void}>} */
  #watchers = new Set();

  /** @param {string} event "xdub.clips" */
  constructor(event) {
    api.addEventListener(event, ({ detail }) => this.#take(detail));
    for (const end of ENDS) api.addEventListener(end, ({ detail }) => this.#end(detail?.prompt_id));
  }

  /**
   * Call back with all runs of a node's newest prompt whenever one of them changes, and at once where some still work.
   * @param {object} node
   * @param {AbortSignal} signal
   * @param {(runs: Run[]) => void} callback
   */
  watch(node, signal, callback) {
    const watcher = { node, callback };
    this.#watchers.add(watcher);
    signal.addEventListener("abort", () => this.#watchers.delete(watcher), { once: true });
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
    this.#remember(id, told);
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

  #remember(id, told) {
    this.#nodes.delete(id);
    this.#nodes.set(id, told);
    if (this.#nodes.size > REMEMBERED) this.#nodes.delete(this.#nodes.keys().next().value);
  }
}

/** Whether nothing of these works any more. */
export function allEnded(runs) {
  return runs.every((run) => !run || run.record.ended);
}

/** Put a change into a record as the server does: what is an object in both is merged, everything else replaced. */
export function merge(record, change) {
  for (const [name, value] of Object.entries(change)) {
    if (isObject(value) && isObject(record[name])) merge(record[name], value);
    else record[name] = value;
  }
}

function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

// What a dub's players and plots show: a video of source and dub, and a file of facts beside it, both by the server.

import { viewUrl } from "./execution.mjs";

/** @type {Map<string, Promise<object | undefined>>} by address: two panels of a node want the same */
const loading = new Map();
const MOST = 4;

/**
 * Call back with {video, facts} each time the node has made another dub; with undefined where there is none, or none
 * any more. The signal is aborted when the next one comes.
 * @param {import("./panel.mjs").Host} host
 * @param {(found: {video: string, facts: object} | undefined, signal: AbortSignal) => void} callback
 */
export function loadedFacts(host, callback) {
  let shown;
  let stop;
  host.onOutput(async ({ xdub_compare: found }) => {
    if (!found || (shown !== undefined && shown === found[0]?.video.filename)) return;
    stop?.abort();
    stop = new AbortController();
    const signal = AbortSignal.any([host.signal, stop.signal]);
    shown = found[0]?.video.filename ?? "";
    const facts = shown ? await load(viewUrl(found[0].facts)) : undefined;
    if (!signal.aborted) callback(facts && { video: viewUrl(found[0].video), facts }, signal);
  });
}

function load(url) {
  if (!loading.has(url)) loading.set(url, read(url));
  if (loading.size > MOST) loading.delete(loading.keys().next().value);
  return loading.get(url);
}

async function read(url) {
  try {
    const response = await fetch(url);
    return response.ok ? await response.json() : undefined;
  } catch {
    return undefined;
  }
}

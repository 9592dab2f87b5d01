// What a dub's players and plots share: a video of source and dub, a file of facts, and the second that they look at.

import { viewUrl } from "./execution.mjs";

/** By address: two panels of a node want the same. */
const loading = new Map();
const MOST = 4;

/**
 * Call back with {video, facts} each time the node has made another dub, or with undefined where there is none; and with
 * a signal that is aborted when the next one comes.
 */
export function loadedFacts(host, callback) {
  let shown;
  let stop;
  host.onOutput(async ({ xdub_compare: found }) => {
    const name = found?.[0]?.video.filename ?? "";
    if (!found || shown === name) return;
    shown = name;
    stop?.abort();
    stop = new AbortController();
    const signal = AbortSignal.any([host.signal, stop.signal]);
    const facts = name ? await load(viewUrl(found[0].facts)) : undefined;
    if (!signal.aborted) callback(facts && { video: viewUrl(found[0].video), facts }, signal);
  });
}

function load(url) {
  if (!loading.has(url)) loading.set(url, read(url, (response) => response.json()));
  if (loading.size > MOST) loading.delete(loading.keys().next().value);
  return loading.get(url);
}

/** What `take` makes of the server's answer; undefined where there is none. */
export async function read(url, take) {
  const response = await fetch(url).catch(() => undefined);
  return response?.ok ? take(response).catch(() => undefined) : undefined;
}

const heads = new WeakMap();

export function playheadOf(node) {
  if (!heads.has(node)) heads.set(node, new Playhead());
  return heads.get(node);
}

class Playhead extends EventTarget {
  time = 0;

  /** The player is there. */
  moveTo(time) {
    this.time = time;
    this.dispatchEvent(new Event("moved"));
  }

  /** Somebody wants to be there. A player takes it by preventDefault(). */
  ask(time) {
    const untaken = this.dispatchEvent(new CustomEvent("asked", { detail: time, cancelable: true }));
    if (untaken) this.moveTo(time);
  }
}

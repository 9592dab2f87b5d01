// The time that a node's panels look at together: its player tells it, and others may ask for another.

/** @type {WeakMap<object, Playhead>} */
const heads = new WeakMap();

/** A node's playhead. */
export function playheadOf(node) {
  let head = heads.get(node);
  if (!head) heads.set(node, (head = new Playhead()));
  return head;
}

class Playhead {
  /** Seconds of the dub. */
  time = 0;
  #listeners = { moved: new Set(), asked: new Set() };

  /** The player is at another time. */
  moveTo(time) {
    this.time = time;
    for (const listen of this.#listeners.moved) listen(time);
  }

  /** Somebody wants to be at another time. Without a player the time is only told to the others. */
  ask(time) {
    if (!this.#listeners.asked.size) return this.moveTo(time);
    for (const listen of this.#listeners.asked) listen(time);
  }

  /**
   * @param {"moved" | "asked"} what
   * @param {AbortSignal} signal
   * @param {(time: number) => void} callback
   */
  on(what, signal, callback) {
    this.#listeners[what].add(callback);
    signal.addEventListener("abort", () => this.#listeners[what].delete(callback), { once: true });
  }
}

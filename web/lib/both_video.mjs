// One video with two pictures in it, the source's above the dub's, so that both have one clock. It is played unseen; who
// draws it is told of each frame.

import { make, onAbort } from "./dom.mjs";

/**
 * What nodes/comfy_bridge/comparison.py says of such a video are `facts`: `size` of each picture; `rate` of frames a
 * second, or the `times` of all; `sounds` 1: the dub's, 2: that one left and the source's right.
 */

const TINY = 1e-4;

export class BothVideo {
  frame = 0; // that is shown
  #sound = "dub";
  #audio;

  /** `drawn`: a frame is there; `changed`: it plays or stops; `failed`: it cannot be played. */
  constructor(src, facts, signal, { drawn, changed, failed }) {
    this.facts = facts;
    this.element = make("video", { class: "xdub-unseen", tabindex: -1, "aria-hidden": "true", playsinline: true, src });
    this.element.preload = "auto";
    const shown = (time) => {
      this.frame = this.frameAt(time);
      drawn();
    };
    this.#watch(shown, signal);
    const on = (type, call) => this.element.addEventListener(type, call, { signal });
    for (const type of ["play", "pause", "ended", "ratechange"]) on(type, changed);
    // A frame that was sought while the video stands is not always announced as one that is presented.
    for (const type of ["loadeddata", "seeked"]) on(type, () => shown(this.element.currentTime));
    on("ended", () => this.goTo(this.last)); // browsers leave out the last frames where they are late
    on("error", failed);
    onAbort(signal, () => this.#close());
  }

  #watch(shown, signal) {
    const { element } = this;
    const exact = Boolean(element.requestVideoFrameCallback);
    const wait = (call) => (exact ? element.requestVideoFrameCallback(call) : requestAnimationFrame(call));
    const next = (_, frame) => {
      if (signal.aborted) return;
      if (exact || !element.paused) shown(frame?.mediaTime ?? element.currentTime);
      wait(next);
    };
    wait(next);
  }

  #close() {
    this.element.pause();
    this.element.removeAttribute("src");
    this.element.load(); // lets go of the file and the decoder
    this.element.remove();
    this.#audio?.context.close();
  }

  get isReady() {
    return this.element.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && !this.element.seeking;
  }

  get isPlaying() {
    return !this.element.paused && !this.element.ended;
  }

  get last() {
    return this.facts.frames - 1;
  }

  timeOf(frame) {
    const { times, rate, seconds, frames } = this.facts;
    if (frame >= frames) return seconds;
    return times ? times[frame] : frame / rate;
  }

  frameAt(time) {
    const { times, rate } = this.facts;
    return this.#within(times ? times.findLastIndex((each) => each <= time + TINY) : Math.floor(time * rate + 0.01));
  }

  #within(frame) {
    return Math.min(Math.max(frame, 0), this.last);
  }

  goTo(frame) {
    this.element.pause();
    this.frame = this.#within(frame);
    // Its middle: at its very start, rounding would show the one before.
    this.element.currentTime = (this.timeOf(this.frame) + this.timeOf(this.frame + 1)) / 2;
  }

  step(frames) {
    this.goTo(this.frame + frames);
  }

  /** Go to a time, and go on playing if it plays. */
  seek(time) {
    const frame = this.frameAt(time);
    if (this.isPlaying) this.element.currentTime = this.timeOf(frame) + TINY;
    else this.goTo(frame);
  }

  toggle() {
    if (this.isPlaying) return this.element.pause();
    this.#route();
    if (this.frame >= this.last) this.element.currentTime = 0;
    this.element.play().catch(() => {}); // whoever pauses at once interrupts it
  }

  /** @param {"dub" | "source" | "none"} sound */
  hear(sound) {
    this.#sound = sound;
    this.#route();
  }

  /** Lead what shall be heard to the loudspeakers. Browsers allow that only once somebody has clicked. */
  #route() {
    this.element.muted = this.#sound === "none" || !this.facts.sounds;
    if (this.facts.sounds < 2) return;
    this.#audio ??= channels(this.element);
    const { context, splitter, out } = this.#audio;
    splitter.disconnect();
    splitter.connect(out, this.#sound === "source" ? 1 : 0);
    context.resume();
  }

  /** Draw a part of one of the two pictures: the source's (0) or the dub's (1). */
  draw(context, which, [x, y, width, height], target) {
    const [, lines] = this.facts.size;
    context.drawImage(this.element, x, y + which * lines, width, height, ...target);
  }
}

function channels(element) {
  const context = new AudioContext();
  const splitter = context.createChannelSplitter(2);
  // Of one channel, which is heard on both sides.
  const out = new GainNode(context, { channelCount: 1, channelCountMode: "explicit" });
  context.createMediaElementSource(element).connect(splitter);
  out.connect(context.destination);
  return { context, splitter, out };
}

/** Where a face is at a time: {x, y, side} in parts of the picture; undefined where it is not there. */
export function faceAt(face, time) {
  const at = Math.max(0, time * face.rate);
  const [before, after] = [Math.floor(at), Math.ceil(at)].map((n) => Math.min(n, face.x.length - 1));
  const one = faceOf(face, before) ?? faceOf(face, after);
  const other = faceOf(face, after) ?? one;
  if (!one) return undefined;
  const leaps = Math.hypot(other.x - one.x, other.y - one.y) > one.side / 2; // a cut, and no movement
  const share = leaps ? 0 : at - before;
  const between = (name) => one[name] + (other[name] - one[name]) * share;
  return { x: between("x"), y: between("y"), side: between("side") };
}

function faceOf(face, number) {
  const [x, y, side] = [face.x[number], face.y[number], face.side[number]];
  return x == null ? undefined : { x: x / 1e4, y: y / 1e4, side: side / 1e4 };
}

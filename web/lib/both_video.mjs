// One video with two pictures in it, the source's above the dub's: so both have one clock, and every frame of the one
// stands beside the very frame of the other. It is played unseen; who draws it is told of each frame.

/**
 * What the server says of such a video (nodes/comfy_bridge/comparison.py).
 * @typedef {object} Facts
 * @property {[number, number]} size of each picture
 * @property {number} frames
 * @property {number} seconds
 * @property {number} rate frames a second
 * @property {number[]} [times] when each frame appears, where that is at no constant rate
 * @property {number} sounds 0; 1: the dub's; 2: the dub's in the left channel and the source's in the right one
 * @property {{number: number, name: string, rate: number, x: (number | null)[], y: (number | null)[],
 *   side: (number | null)[]}[]} faces in 10,000ths of the picture
 */

export const SOUNDS = ["dub", "source", "none"];
const TINY = 1e-4;

export class BothVideo {
  /** @type {number} the frame that is shown */
  frame = 0;
  #audio;

  /**
   * @param {string} url
   * @param {Facts} facts
   * @param {AbortSignal} signal
   * @param {{drawn: () => void, changed: () => void, failed: () => void}} callbacks a frame is there; it plays or does
   *   not; it cannot be played
   */
  constructor(url, facts, signal, { drawn, changed, failed }) {
    this.facts = facts;
    this.sound = "dub";
    this.element = Object.assign(document.createElement("video"), { playsInline: true, preload: "auto", src: url });
    this.element.className = "xdub-unseen";
    this.element.tabIndex = -1;
    this.element.setAttribute("aria-hidden", "true");
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
    signal.addEventListener("abort", () => this.#close(), { once: true });
  }

  /** Tell of each frame as it appears. */
  #watch(shown, signal) {
    const { element } = this;
    if (element.requestVideoFrameCallback) {
      const next = (_, { mediaTime }) => {
        if (signal.aborted) return;
        shown(mediaTime);
        element.requestVideoFrameCallback(next);
      };
      element.requestVideoFrameCallback(next);
      return;
    }
    const look = () => {
      if (signal.aborted) return;
      if (!element.paused) shown(element.currentTime);
      requestAnimationFrame(look);
    };
    look();
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

  /** Seconds at which a frame appears. */
  timeOf(frame) {
    const { times, rate, seconds, frames } = this.facts;
    if (frame >= frames) return seconds;
    return times ? times[frame] : frame / rate;
  }

  /** The frame that is shown at a time. */
  frameAt(time) {
    const { times, rate } = this.facts;
    if (!times) return this.#within(Math.floor(time * rate + 0.01));
    let [low, high] = [0, times.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (times[middle] <= time + TINY) low = middle;
      else high = middle;
    }
    return low;
  }

  #within(frame) {
    return Math.min(Math.max(frame, 0), this.last);
  }

  /** Stand still at a frame. */
  goTo(frame) {
    this.element.pause();
    this.frame = this.#within(frame);
    // Its middle: at its very start, rounding would show the one before.
    this.element.currentTime = (this.timeOf(this.frame) + this.timeOf(this.frame + 1)) / 2;
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

  /** @param {string} sound one of SOUNDS */
  hear(sound) {
    this.sound = sound;
    this.#route();
  }

  /** Lead what shall be heard to the loudspeakers. Browsers allow that only once somebody has clicked. */
  #route() {
    this.element.muted = this.sound === "none" || !this.facts.sounds;
    if (this.facts.sounds < 2) return;
    this.#audio ??= channels(this.element);
    const { context, splitter, out } = this.#audio;
    splitter.disconnect();
    splitter.connect(out, this.sound === "source" ? 1 : 0);
    context.resume();
  }

  /** Draw a part of one of the two pictures. @param {0 | 1} which 0: the source's, 1: the dub's */
  draw(context, which, [x, y, width, height], target) {
    const [, lines] = this.facts.size;
    context.drawImage(this.element, x, y + which * lines, width, height, ...target);
  }
}

function channels(element) {
  const context = new AudioContext();
  const splitter = context.createChannelSplitter(2);
  const out = context.createGain(); // of one channel, which is heard on both sides
  out.channelCount = 1;
  out.channelCountMode = "explicit";
  context.createMediaElementSource(element).connect(splitter);
  out.connect(context.destination);
  return { context, splitter, out };
}

/**
 * Where a face is at a time: {x, y, side} as fractions of the picture; undefined where it is not there.
 * @param {Facts["faces"][0]} face
 */
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

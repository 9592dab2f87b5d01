// Some frames of the video with everybody's boxes, which can be clicked; and bars of when each person is seen.

import { make, nearest, part, slider } from "../lib/dom.mjs";
import { onResize } from "../lib/draw.mjs";
import { viewUrl } from "../lib/execution.mjs";
import { personColour } from "../lib/theme.mjs";
import { t } from "../lib/words.mjs";

/** The least percentage of its bar that a stretch is drawn with. */
const VISIBLE = 0.4;

export class Strip {
  #at = 0;
  #chosen = -1;
  #bars = [];

  /** `shown`: see people.mjs; `onChoose(place)`: a box was clicked, of the one at this place among the people. */
  constructor(shown, signal, onChoose) {
    Object.assign(this, { shown, onChoose });
    this.boxes = part("boxes");
    this.frame = part("frame", this.boxes);
    this.stage = part("people-stage", this.frame);
    this.time = make("output", { class: "xdub-time" });
    this.slider = slider(t("Time in the video"), shown.frames.length - 1, (at) => this.show(at));
    this.element = part("strip", this.stage, part("scrub", this.slider, this.time));
    this.#fitFrame(signal);
    this.#look();
    this.show(0);
  }

  show(at) {
    this.#at = at;
    const { frames, fps, count } = this.shown;
    const seconds = (frame) => (frame / fps).toFixed(2);
    this.slider.value = at;
    this.time.textContent = `${seconds(frames[at])} / ${seconds(count)} s`;
    this.slider.setAttribute("aria-valuetext", `${seconds(frames[at])} s`);
    for (const bar of this.#bars) bar.style.setProperty("--at", (frames[at] + 0.5) / count);
    this.boxes.style.cssText = inSheet(this.shown.strip, at, this.shown.columns, frames.length);
    this.#drawBoxes();
  }

  /** Show the picture with a person in it that is nearest to what is shown. */
  showPlace(place) {
    const has = (boxes) => boxes.some(([whose]) => whose === place);
    const there = [...this.shown.boxes.keys()].filter((at) => has(this.shown.boxes[at]));
    if (!there.length || there.includes(this.#at)) return;
    this.show(nearest(there, (at) => Math.abs(at - this.#at)));
  }

  choose(place) {
    this.#chosen = place;
    this.#markBoxes();
  }

  /** When a person is seen, with a mark where the strip stands. */
  bar(place) {
    const { seen, count } = this.shown;
    const stops = seen[place].map((stretch) => {
      const [from, to] = stretch.map((frame) => (100 * frame) / count);
      return `#0000 ${from}%, var(--hue) 0 ${Math.max(to, from + VISIBLE)}%, #0000 0`;
    });
    const bar = make("div", { class: "xdub-bar", style: `background-image: linear-gradient(90deg, ${stops})` });
    this.#bars.push(bar);
    return bar;
  }

  /** Whether the pictures are still there. */
  #look() {
    const told = make("p", { class: "xdub-line" }, t("The pictures are gone: run again to see them"));
    const gone = () => this.frame.prepend(told);
    if (this.shown.strip) make("img", { src: viewUrl(this.shown.strip), error: gone });
    else gone();
  }

  #drawBoxes() {
    const percent = (part) => `${(100 * part).toFixed(2)}%`;
    const box = ([place, x0, y0, x1, y1]) => {
      const number = this.shown.people[place]?.number;
      const hit = number !== undefined;
      const size = `width: ${percent(x1 - x0)}; height: ${percent(y1 - y0)}; --hue: ${personColour(number ?? 1)}`;
      const style = `left: ${percent(x0)}; top: ${percent(y0)}; ${size}`;
      const data = { "data-place": place, "data-number": number, "data-hit": hit };
      const click = hit && (() => this.onChoose(place));
      return make("div", { class: "xdub-box", style, ...data, click }, ...(hit ? [make("b", {}, String(number))] : []));
    };
    this.boxes.replaceChildren(...this.shown.boxes[this.#at].map(box));
    this.#markBoxes();
  }

  #markBoxes() {
    for (const box of this.boxes.children) box.toggleAttribute("data-chosen", box.dataset.place === String(this.#chosen));
  }

  /** Keep the frame as large as the stage lets it be, in the video's proportions. */
  #fitFrame(signal) {
    const [width, height] = this.shown.size;
    onResize(this.stage, signal, () => {
      const { clientWidth, clientHeight } = this.stage;
      const scale = Math.min(clientWidth / width, clientHeight / height);
      const [wide, high] = [width, height].map((side) => `${Math.floor(side * scale)}px`);
      Object.assign(this.frame.style, { width: wide, height: high });
    });
  }
}

/** The style that shows one picture of a sheet, `count` of them in rows of `columns` at most. */
export function inSheet(file, place, columns, count) {
  if (!file) return "";
  const across = Math.min(columns, count);
  const down = Math.ceil(count / across);
  const at = (which, of) => (of > 1 ? (100 * which) / (of - 1) : 0);
  const position = `${at(place % across, across)}% ${at(Math.floor(place / across), down)}%`;
  return `background: url("${viewUrl(file)}") ${position} / ${100 * across}% ${100 * down}%`;
}

// Some frames of the video with everybody's boxes, to scrub through, and bars of when each person is seen.

import { make } from "../lib/dom.mjs";
import { canvasIn } from "../lib/draw.mjs";
import { viewUrl } from "../lib/execution.mjs";
import { personColour } from "../lib/theme.mjs";
import { t } from "../lib/words.mjs";

/** The least part of its bar that a stretch is drawn with. */
const VISIBLE = 1 / 250;

/** One frame at a time; its boxes can be clicked. */
export class Strip {
  #at = 0;
  #chosen = -1;
  #picture;
  #bars = [];

  /**
   * @param {import("./people.mjs").Shown} shown
   * @param {AbortSignal} signal
   * @param {(place: number) => void} onChoose a box was clicked: its place among the people
   */
  constructor(shown, signal, onChoose) {
    Object.assign(this, { shown, signal, onChoose });
    this.boxes = make("div", { class: "xdub-boxes" });
    this.frame = make("div", { class: "xdub-frame" }, this.boxes);
    this.stage = make("div", { class: "xdub-people-stage" }, this.frame);
    this.time = make("output", { class: "xdub-people-time" });
    this.slider = this.#slider();
    const scrub = make("div", { class: "xdub-scrub" }, this.slider, this.time);
    this.element = make("div", { class: "xdub-strip" }, this.stage, scrub);
    ({ canvas: this.canvas, redraw: this.redraw } = canvasIn(this.frame, signal, (...given) => this.#draw(...given)));
    this.frame.prepend(this.canvas);
    this.#fitFrame();
    this.#load();
    this.show(0);
  }

  /** Show picture number `at` of the strip. */
  show(at) {
    this.#at = at;
    const { frames, fps, count } = this.shown;
    const seconds = (frame) => (frame / fps).toFixed(2);
    this.slider.value = String(at);
    this.time.textContent = `${seconds(frames[at])} / ${seconds(count)} s`;
    this.slider.setAttribute("aria-valuetext", `${seconds(frames[at])} s`);
    for (const bar of this.#bars) bar.style.setProperty("--at", String((frames[at] + 0.5) / count));
    this.#drawBoxes();
    this.redraw();
  }

  /** Show the picture with a person in it that is nearest to what is shown. */
  showPlace(place) {
    const has = (boxes) => boxes.some(([whose]) => whose === place);
    const there = [...this.shown.boxes.keys()].filter((at) => has(this.shown.boxes[at]));
    if (!there.length || there.includes(this.#at)) return;
    const far = (at) => Math.abs(at - this.#at);
    this.show(there.reduce((best, at) => (far(at) < far(best) ? at : best)));
  }

  /** Mark the boxes of a person as chosen. */
  choose(place) {
    this.#chosen = place;
    this.#markBoxes();
  }

  /** When a person is seen: a bar of the whole video, with a mark where the strip stands. */
  bar(place) {
    const { seen, count } = this.shown;
    const least = count * VISIBLE;
    const stretch = ([start, stop]) => `M${start} 0h${Math.max(stop - start, least)}v1H${start}z`;
    const picture = make(
      "svg:svg",
      { viewBox: `0 0 ${count} 1`, preserveAspectRatio: "none", "aria-hidden": "true" },
      make("svg:path", { d: seen[place].map(stretch).join("") }),
    );
    const bar = make("div", { class: "xdub-bar" }, picture);
    this.#bars.push(bar);
    return bar;
  }

  #slider() {
    const last = this.shown.frames.length - 1;
    const slider = make("input", { type: "range", min: 0, max: last, step: 1, "aria-label": t("Time in the video") });
    slider.addEventListener("input", () => this.show(Number(slider.value)), { signal: this.signal });
    // Its keys are its own: neither the graph nor the page scrolls.
    slider.addEventListener("keydown", (event) => event.key !== "Tab" && event.stopPropagation(), { signal: this.signal });
    return slider;
  }

  async #load() {
    const picture = new Image();
    try {
      if (!this.shown.strip) throw new Error("not saved");
      picture.src = viewUrl(this.shown.strip);
      await picture.decode();
    } catch {
      this.frame.prepend(make("p", { class: "xdub-line" }, t("The pictures are gone: run again to see them")));
      return;
    }
    this.#picture = picture;
    this.redraw();
  }

  #draw(context, width, height) {
    if (!this.#picture) return;
    const columns = Math.min(this.shown.columns, this.shown.frames.length);
    const rows = Math.ceil(this.shown.frames.length / columns);
    const [wide, high] = [this.#picture.naturalWidth / columns, this.#picture.naturalHeight / rows];
    const [x, y] = [(this.#at % columns) * wide, Math.floor(this.#at / columns) * high];
    context.imageSmoothingQuality = "high";
    context.drawImage(this.#picture, x, y, wide, high, 0, 0, width, height);
  }

  #drawBoxes() {
    const percent = (part) => `${(100 * part).toFixed(2)}%`;
    const boxes = this.shown.boxes[this.#at].map(([place, x0, y0, x1, y1]) => {
      const number = this.shown.people[place]?.number;
      const style =
        `left: ${percent(x0)}; top: ${percent(y0)}; width: ${percent(x1 - x0)}; height: ${percent(y1 - y0)};` +
        `--hue: ${personColour(number ?? 1)}`;
      const hit = number !== undefined;
      const box = make("div", { class: "xdub-box", style, "data-place": place, "data-number": number, "data-hit": hit });
      if (hit) {
        box.append(make("b", {}, String(number)));
        box.addEventListener("click", () => this.onChoose(place), { signal: this.signal });
      }
      return box;
    });
    this.boxes.replaceChildren(...boxes);
    this.#markBoxes();
  }

  #markBoxes() {
    for (const box of this.boxes.children) box.toggleAttribute("data-chosen", box.dataset.place === String(this.#chosen));
  }

  /** Keep the frame as large as the stage lets it be, in the video's proportions. */
  #fitFrame() {
    const [width, height] = this.shown.size;
    const fit = () => {
      const { clientWidth, clientHeight } = this.stage;
      const scale = Math.min(clientWidth / width, clientHeight / height);
      this.frame.style.width = `${Math.floor(width * scale)}px`;
      this.frame.style.height = `${Math.floor(height * scale)}px`;
    };
    const observer = new ResizeObserver(fit);
    observer.observe(this.stage);
    this.signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  }
}

// Sync: lips against sound in time, as xdub_core/report/lips.py has them. It follows the player; a click goes there.

import { canvasIn } from "../lib/draw.mjs";
import { loadedFacts } from "../lib/facts.mjs";
import { playheadOf } from "../lib/playhead.mjs";
import { colours, personColour } from "../lib/theme.mjs";
import { t } from "../lib/words.mjs";

/** Pixels of each person's curve, and of the words; seconds that are seen at once, at most. */
const [LANE, WORDS, SPAN] = [56, 46, 20];

/** @param {object} node @param {import("../lib/panel.mjs").Host} host */
export function attach(node, host) {
  host.say(t("Run to see lips against sound here"));
  loadedFacts(host, (found, signal) => {
    if (found?.facts.sync.length) new Sync(node, host, signal, found.facts);
    else host.say(t("Nothing is known of this dub's lips and sound"));
  });
}

class Sync {
  constructor(node, host, signal, facts) {
    Object.assign(this, { facts, playhead: playheadOf(node) });
    const part = (name) => Object.assign(document.createElement("div"), { className: name });
    const [plot, words] = [part("xdub-plot"), part("xdub-lines")];
    Object.assign(plot, { tabIndex: 0, role: "application" });
    plot.setAttribute("aria-label", t("Lips against sound: arrow keys go from frame to frame"));
    plot.style.minHeight = `${LANE * facts.sync.length}px`;
    plot.style.cursor = "pointer";
    words.setAttribute("aria-live", "polite");
    this.words = words;
    host.element.replaceChildren(plot, words);
    Object.assign(this, canvasIn(plot, signal, (context, width, height) => this.#draw(context, width, height)));
    plot.addEventListener("click", (event) => this.#click(event));
    plot.addEventListener("keydown", (event) => this.#key(event));
    this.playhead.on("moved", signal, () => this.#tell());
    host.setHeight((LANE + WORDS) * facts.sync.length);
    this.#tell();
  }

  get #span() {
    return Math.min(SPAN, this.facts.seconds);
  }

  /** The first second that is seen. */
  get #start() {
    return Math.min(Math.max(0, this.playhead.time - this.#span / 2), this.facts.seconds - this.#span);
  }

  #click({ clientX }) {
    const box = this.canvas.getBoundingClientRect();
    this.playhead.ask(this.#start + ((clientX - box.left) / box.width) * this.#span);
  }

  #key(event) {
    const { time } = this.playhead;
    const frame = 1 / this.facts.rate;
    const steps = { ArrowLeft: -frame, ArrowRight: frame, PageUp: -SPAN / 2, PageDown: SPAN / 2, Home: -time };
    const step = event.key === "End" ? this.facts.seconds - time : steps[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    // Into the middle of a frame, where rounding finds no other.
    const frames = Math.round((time + step) * this.facts.rate) + 0.5;
    this.playhead.ask(Math.min(Math.max(0, frames * frame), this.facts.seconds));
  }

  #tell() {
    const lines = this.facts.sync.map((curve) => {
      const [said, number] = [toldOf(curve), Math.floor(this.playhead.time * curve.rate + 0.01)];
      const at = (name) => curve[name][number]?.toFixed(2) ?? "–";
      const values = { lips: at("after"), before: at("before"), sound: at("loudness") };
      const now = t("now: lips {lips}, source's {before}, loudness {sound}", values);
      return `${t("person {number}", { number: curve.person })}: ${said}\n${now}`;
    });
    this.words.textContent = lines.join("\n");
    this.words.title = t(
      "Coloured: the dub's lips, thin: the source's, grey ground: loudness. Loudness is no mouth: 0.3 to 0.6 is good",
    );
    this.redraw();
  }

  #draw(context, width, height) {
    const { text, faint, line } = colours();
    const [start, span] = [this.#start, this.#span];
    const lane = height / this.facts.sync.length;
    this.facts.sync.forEach((curve, index) => {
      const base = (index + 1) * lane - 2;
      const first = Math.floor(start * curve.rate);
      const last = Math.min(curve.after.length - 1, Math.ceil((start + span) * curve.rate));
      const x = (number) => ((number / curve.rate - start) / span) * width;
      const y = (value) => base - Math.min(1, value) * (lane - 6);
      const path = (values, closed) => {
        context.beginPath();
        let drawing = false;
        for (let number = first; number <= last; number++) {
          const value = values[number];
          if (value == null) drawing = false;
          else if (drawing) context.lineTo(x(number), y(value));
          else context.moveTo(x(number), closed ? base : y(value));
          drawing = value != null;
        }
        if (closed) context.lineTo(x(last), base);
      };
      context.fillStyle = line;
      path(curve.loudness, true);
      context.fill();
      Object.assign(context, { strokeStyle: faint, lineWidth: 1 });
      path(curve.before);
      context.stroke();
      Object.assign(context, { strokeStyle: personColour(curve.person), lineWidth: 2 });
      path(curve.after);
      context.stroke();
    });
    context.fillStyle = text;
    context.fillRect(((this.playhead.time - start) / span) * width - 0.5, 0, 1, height);
  }
}

/** How lips and sound go together, in words. */
function toldOf({ measure, lag_frames: lag, rate, correlation, correlation_before: before }) {
  if (correlation == null) return t("too short to say how lips and sound go together");
  const values = { together: correlation.toFixed(2), before: before?.toFixed(2) ?? "–" };
  const told =
    measure === "opening"
      ? t("the mouth's opening and loudness {together} (source: {before})", values)
      : t("the mouth's movement and loudness {together} (source: {before})", values);
  if (lag == null) return told;
  const seconds = `${lag > 0 ? "+" : ""}${(lag / rate).toFixed(2)}`;
  return `${told}, ${t("lips {seconds} s after the sound", { seconds })}`;
}

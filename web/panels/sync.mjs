// Sync: lips against sound in time, as xdub_core/report/lips.py has them.

import { keyboardPart, toldPart } from "../lib/dom.mjs";
import { canvasIn } from "../lib/draw.mjs";
import { loadedFacts, playheadOf } from "../lib/shared.mjs";
import { colours, personColour } from "../lib/theme.mjs";
import { t } from "../lib/words.mjs";

/** Pixels of each person's curve, and of the words; seconds that are seen at once, at most. */
const [LANE, WORDS, SPAN] = [56, 46, 20];

export function attach(node, host) {
  host.say(t("Run to see lips against sound here"));
  loadedFacts(host, (found, signal) => {
    if (found?.facts.sync.length) new Sync(node, host, signal, found.facts);
    else host.say(t("Nothing is known of this dub's lips and sound"));
  });
}

class Sync {
  constructor(node, host, signal, facts) {
    Object.assign(this, { facts, playhead: playheadOf(node), words: toldPart() });
    const name = t("Lips against sound: arrow keys go from frame to frame");
    const plot = keyboardPart("plot", name, (key) => this.#onKey(key));
    plot.style.minHeight = `${LANE * facts.sync.length}px`;
    plot.style.cursor = "pointer";
    host.element.replaceChildren(plot, this.words);
    Object.assign(this, canvasIn(plot, signal, (...given) => this.#draw(...given)));
    plot.addEventListener("click", (event) => {
      this.playhead.ask(this.#start + (this.at(event)[0] / this.canvas.clientWidth) * this.#span);
    });
    this.playhead.addEventListener("moved", () => this.#tell(), { signal });
    host.setHeight((LANE + WORDS) * facts.sync.length);
    this.#tell();
  }

  get #span() {
    return Math.min(SPAN, this.facts.seconds);
  }

  get #start() {
    return Math.min(Math.max(0, this.playhead.time - this.#span / 2), this.facts.seconds - this.#span);
  }

  #onKey(key) {
    const [{ time }, { rate, seconds }] = [this.playhead, this.facts];
    const frame = 1 / rate;
    const [page, end] = [SPAN / 2, seconds - time];
    const steps = { ArrowLeft: -frame, ArrowRight: frame, PageUp: -page, PageDown: page, Home: -time, End: end };
    if (!(key in steps)) return false;
    // Into the middle of a frame, where rounding finds no other.
    const frames = Math.round((time + steps[key]) * rate) + 0.5;
    this.playhead.ask(Math.min(Math.max(0, frames * frame), seconds));
    return true;
  }

  #tell() {
    const lines = this.facts.sync.map((curve) => {
      const at = (name) => curve[name][Math.floor(this.playhead.time * curve.rate + 0.01)]?.toFixed(2) ?? "–";
      const values = { lips: at("after"), before: at("before"), sound: at("loudness") };
      const now = t("now: lips {lips}, source's {before}, loudness {sound}", values);
      return `${t("person {number}", { number: curve.person })}: ${toldOf(curve)}\n${now}`;
    });
    this.words.textContent = lines.join("\n");
    this.words.title = t(
      "Coloured: the dub's lips, thin: the source's, grey ground: loudness. Loudness is no mouth: 0.3 to 0.6 is good",
    );
    this.redraw();
  }

  #draw(context, width, height) {
    const { text, faint, line } = colours(context);
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
          if (value != null && drawing) context.lineTo(x(number), y(value));
          else if (value != null) context.moveTo(x(number), closed ? base : y(value));
          drawing = value != null;
        }
        if (closed) context.lineTo(x(last), base);
      };
      context.fillStyle = line;
      path(curve.loudness, true);
      context.fill();
      const curves = [[curve.before, faint, 1], [curve.after, personColour(curve.person), 2]];
      for (const [values, strokeStyle, lineWidth] of curves) {
        Object.assign(context, { strokeStyle, lineWidth });
        path(values);
        context.stroke();
      }
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

// Guidance: how far the result follows reference and audio at each noise level, as the engine computes it: along the
// way that the node's values describe, or at the very levels at which a sampler has asked the model.

import { api } from "../../../scripts/api.js";
import { canvasIn } from "../lib/draw.mjs";
import { drawGuidance, Plot, short } from "../lib/guidance_drawing.mjs";
import { LiveRecords } from "../lib/live.mjs";
import { t } from "../lib/words.mjs";

const LIVE = new LiveRecords("xdub.guidance");
/** Pixels of the plot, of each expert's band, and of the lines around it. */
const [PLOT, BAND, LINES] = [116, 15, 56];
/** How often a node's values are looked at, in ms: no event tells of all the ways in which they change. */
const LOOK = 400;

/** @param {object} node @param {import("../lib/panel.mjs").Host} host */
export function attach(node, host) {
  const panel = new GuidancePanel(host);
  const makes = node.comfyClass === "XDubGuidance";
  host.say(t("Run to see the guidance"));
  if (makes) followValues(node, host, panel);
  else LIVE.watch(node, host.signal, (runs) => panel.show(runs.find(Boolean).record));
  host.onOutput(({ xdub_guidance: records }) => {
    if (records?.length && !(makes && knowsAll(node))) panel.show(records[0]);
  });
}

/** Ask the engine again whenever a value of the node has changed. */
function followValues(node, host, panel) {
  let asked;
  const look = async () => {
    if (document.hidden || !knowsAll(node)) return;
    const inputs = valuesOf(node);
    const text = JSON.stringify(inputs);
    if (text === asked) return;
    asked = text;
    const answer = await askEngine(text, host.signal);
    if (host.signal.aborted || asked !== text || !answer) return;
    if (answer.error) panel.complain(answer.error);
    else panel.show(answer);
  };
  const watch = setInterval(look, LOOK);
  host.signal.addEventListener("abort", () => clearInterval(watch), { once: true });
  look();
}

/** @returns {Promise<object | undefined>} a record, or {error}; undefined where the server is not there */
async function askEngine(body, signal) {
  try {
    const headers = { "Content-Type": "application/json" };
    const response = await api.fetchApi("/xdub/guidance", { method: "POST", body, headers, signal });
    return response.ok ? await response.json() : undefined;
  } catch {
    return undefined; // the front end tells that the server is gone
  }
}

/** Whether no value comes from another node, which is known when it runs. */
function knowsAll(node) {
  return !node.inputs?.some(({ widget, link }) => widget && link != null);
}

function valuesOf(node) {
  const saved = (node.widgets ?? []).filter((widget) => widget.serialize !== false);
  return Object.fromEntries(saved.map(({ name, value }) => [name, value]));
}

class GuidancePanel {
  #record;
  #plot;
  #place; // of the row that is pointed at

  constructor(host) {
    this.host = host;
  }

  show(record) {
    if (!record.line) return;
    this.#record = record;
    this.#plot = undefined;
    if (!this.head?.isConnected) this.#build();
    const plot = PLOT + BAND * record.experts.length;
    this.area.style.minHeight = `${plot}px`;
    this.host.setHeight(plot + LINES);
    this.#refresh();
  }

  complain(text) {
    this.#record = undefined;
    this.host.say(text);
    this.host.element.firstChild.title = text;
  }

  #build() {
    const part = (name) => Object.assign(document.createElement("div"), { className: name });
    [this.head, this.area, this.told] = [part("xdub-head"), part("xdub-plot"), part("xdub-lines")];
    Object.assign(this.area, { tabIndex: 0, role: "application" });
    this.area.setAttribute("aria-label", t("Guidance over the noise: arrow keys go from step to step"));
    this.told.setAttribute("aria-live", "polite");
    this.host.element.replaceChildren(this.head, this.area, this.told);
    Object.assign(this, canvasIn(this.area, this.host.signal, (...given) => this.#draw(...given)));
    this.area.addEventListener("pointermove", (event) => this.#point(event));
    this.area.addEventListener("pointerleave", () => this.#go(undefined));
    this.area.addEventListener("keydown", (event) => this.#key(event));
    this.area.addEventListener("focus", () => this.#go(this.#place ?? 0));
    this.area.addEventListener("blur", () => this.#go(undefined));
  }

  /** What can be pointed at: the steps, or the line where no sampler has gone along it. */
  get #rows() {
    return this.#record.steps.length ? this.#record.steps : this.#record.line;
  }

  #draw(context, width, height) {
    if (!this.#record) return;
    this.#plot = new Plot(this.#record, width, height);
    drawGuidance(context, this.#plot, this.#rows[this.#place]);
  }

  #point({ clientX }) {
    const box = this.canvas.getBoundingClientRect();
    const scale = box.width / this.canvas.clientWidth || 1;
    const sigma = this.#plot?.sigmaAt((clientX - box.left) / scale);
    if (sigma === undefined) return;
    const far = ([level]) => Math.abs(level - sigma);
    const nearest = this.#rows.reduce((best, row, place) => (far(row) < far(this.#rows[best]) ? place : best), 0);
    this.#go(nearest);
  }

  #key(event) {
    const last = this.#rows.length - 1;
    const to = { ArrowLeft: (this.#place ?? 0) - 1, ArrowRight: (this.#place ?? -1) + 1, Home: 0, End: last }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.#go(Math.min(Math.max(to, 0), last));
  }

  #go(place) {
    if (this.#place === place) return;
    this.#place = place;
    this.#refresh();
  }

  #refresh() {
    if (!this.#record) return;
    this.head.textContent = toldOfGuidance(this.#record);
    const row = this.#rows[this.#place];
    this.told.textContent = row ? toldOfRow(this.#record, row, this.#place) : legend();
    this.redraw();
  }
}

function toldOfGuidance({ steps, used, window: [start, end], patched }) {
  const parts = [];
  if (steps.length) {
    const count = steps.length;
    parts.push(used ? t("as used, at {count} noise levels", { count }) : t("as planned, at {count} steps", { count }));
  }
  if (start < 1 || end > 0) parts.push(t("guided from noise {start} to {end}", { start, end }));
  if (patched) parts.push(t("other nodes change it on the way"));
  return parts.join(" · ") || t("reference and audio over the noise");
}

function legend() {
  return t("blue, left: reference · orange, right: audio · from noise 1, where sampling begins, to 0");
}

function toldOfRow({ steps, experts }, [sigma, reference, audio, predictions], place) {
  const acting = experts.filter(({ lowest, highest }) => lowest <= sigma && sigma <= highest);
  return [
    steps.length && t("{number} of {count}", { number: place + 1, count: steps.length }),
    t("noise {sigma}", { sigma: sigma.toFixed(3) }),
    t("reference {scale}", { scale: short(reference) }),
    t("audio {scale}", { scale: short(audio) }),
    predictions === 1 ? t("not guided") : t("{count} predictions", { count: predictions }),
    ...acting.map(({ name, strength }) => `${name} × ${short(strength)}`),
  ]
    .filter(Boolean)
    .join(" · ");
}

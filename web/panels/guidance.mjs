// Guidance: how far the result follows reference and audio at each noise level: by a node's values, or where a sampler has
// really asked the model.

import { api } from "../../../scripts/api.js";
import { keyboardPart, nearest, onAbort, part, placeByKey, toldPart } from "../lib/dom.mjs";
import { canvasIn } from "../lib/draw.mjs";
import { BAND, drawGuidance, Plot, short } from "../lib/guidance_drawing.mjs";
import { LiveRecords } from "../lib/live.mjs";
import { t } from "../lib/words.mjs";

const LIVE = new LiveRecords("xdub.guidance");
/** Pixels of the plot, and of the lines around it. */
const [PLOT, LINES] = [116, 56];
/** How often a node's values are looked at, in ms: no event tells of all the ways in which they change. */
const LOOK = 400;

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

function followValues(node, host, panel) {
  let asked;
  const look = async () => {
    if (document.hidden || !knowsAll(node)) return;
    const saved = (node.widgets ?? []).filter((widget) => widget.serialize !== false);
    const text = JSON.stringify(Object.fromEntries(saved.map(({ name, value }) => [name, value])));
    if (text === asked) return;
    asked = text;
    const answer = await askEngine(text, host.signal);
    if (host.signal.aborted || asked !== text || !answer) return;
    if (answer.error) panel.complain(answer.error);
    else panel.show(answer);
  };
  const watch = setInterval(look, LOOK);
  onAbort(host.signal, () => clearInterval(watch));
  look();
}

/** A record, or {error}; nothing where the server is gone, which the front end tells, or the node. */
function askEngine(body, signal) {
  const headers = { "Content-Type": "application/json" };
  const asked = api.fetchApi("/xdub/guidance", { method: "POST", body, headers, signal });
  return asked.then((answer) => answer.ok && answer.json()).catch(() => undefined);
}

/** Whether no value comes from another node. */
function knowsAll(node) {
  return !node.inputs?.some(({ widget, link }) => widget && link != null);
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
  }

  #build() {
    const name = t("Guidance over the noise: arrow keys go from step to step");
    [this.head, this.area, this.told] = [part("head"), keyboardPart("plot", name, (key) => this.#onKey(key)), toldPart()];
    this.host.element.replaceChildren(this.head, this.area, this.told);
    Object.assign(this, canvasIn(this.area, this.host.signal, (...given) => this.#draw(...given)));
    this.area.addEventListener("pointermove", (event) => this.#point(this.at(event)));
    this.area.addEventListener("focus", () => this.#go(this.#place ?? 0));
    for (const type of ["pointerleave", "blur"]) this.area.addEventListener(type, () => this.#go(undefined));
  }

  /** What can be pointed at. */
  get #rows() {
    return this.#record.steps.length ? this.#record.steps : this.#record.line;
  }

  #draw(context, width, height) {
    if (!this.#record) return;
    this.#plot = new Plot(this.#record, width, height);
    drawGuidance(context, this.#plot, this.#rows[this.#place]);
  }

  #point([x]) {
    const sigma = this.#plot?.sigmaAt(x);
    if (sigma === undefined) return;
    this.#go(this.#rows.indexOf(nearest(this.#rows, ([level]) => Math.abs(level - sigma))));
  }

  #onKey(key) {
    const to = placeByKey(key, this.#place ?? 0, this.#rows.length - 1);
    if (to === undefined) return false;
    this.#go(to);
    return true;
  }

  #go(place) {
    this.#place = place;
    this.#refresh();
  }

  #refresh() {
    if (!this.#record) return;
    this.head.textContent = toldOfGuidance(this.#record);
    const row = this.#rows[this.#place];
    this.told.textContent = row
      ? toldOfRow(this.#record, row, this.#place)
      : t("blue, left: reference · orange, right: audio · from noise 1, where sampling begins, to 0");
    this.redraw();
  }
}

function toldOfGuidance({ steps, used, window: [start, end], patched }) {
  const count = steps.length;
  const planned = used ? t("as used, at {count} noise levels", { count }) : t("as planned, at {count} steps", { count });
  const parts = [
    count && planned,
    (start < 1 || end > 0) && t("guided from noise {start} to {end}", { start, end }),
    patched && t("other nodes change it on the way"),
  ];
  return parts.filter(Boolean).join(" · ") || t("reference and audio over the noise");
}

function toldOfRow({ steps, experts }, [sigma, reference, audio, predictions], place) {
  const acting = experts.filter(({ lowest, highest }) => lowest <= sigma && sigma <= highest);
  const parts = [
    steps.length && t("{number} of {count}", { number: place + 1, count: steps.length }),
    t("noise {sigma}", { sigma: sigma.toFixed(3) }),
    t("reference {scale}", { scale: short(reference) }),
    t("audio {scale}", { scale: short(audio) }),
    predictions === 1 ? t("not guided") : t("{count} predictions", { count: predictions }),
    ...acting.map(({ name, strength }) => `${name} × ${short(strength)}`),
  ];
  return parts.filter(Boolean).join(" · ");
}

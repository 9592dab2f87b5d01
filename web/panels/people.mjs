// People: everybody in the video, to look at and to choose from, in the People node and in Face Crop.

import { make, onKeys } from "../lib/dom.mjs";
import { viewUrl } from "../lib/execution.mjs";
import { personColour, useStyles } from "../lib/theme.mjs";
import { after, setWidget, settable } from "../lib/widgets.mjs";
import { t } from "../lib/words.mjs";
import { Strip } from "./people_strip.mjs";

/** Pixels: of a person's row, of the strip, of what is around them; and how many rows are shown without scrolling. */
const [ROW, STRIP, AROUND, MOST_ROWS] = [54, 200, 18, 4];
const USE_IN = 58;

/**
 * What nodes/comfy_bridge/people_shown.py writes. Frames are the model's, `fps` a second; `boxes` has for each frame of
 * the strip [place in `seen`, x0, y0, x1, y1] in parts of the picture; `seen` has [first frame, the one after] each.
 * @typedef {object} Shown
 * @property {number} fps
 * @property {number} count
 * @property {[number, number]} size
 * @property {number} columns
 * @property {number[]} frames
 * @property {number[][][]} boxes
 * @property {[number, number][][]} seen
 * @property {object | null} strip
 * @property {object | null} portraits
 * @property {{number: number, first: number, seconds: number, share: number, pixels: number, why_not: string | null}[]} people
 * @property {number} more
 * @property {number | null} chosen
 */

export function attach(node, host) {
  useStyles("people.css");
  host.say(t("Run to see who is in the video"));
  /** @type {PeoplePanel | undefined} */
  let panel;
  const watched = new WeakSet();
  const follow = () => {
    const widget = settable(node, "person");
    if (widget && !watched.has(widget)) after(watched.add(widget) && widget, "callback", follow);
    if (!host.signal.aborted) panel?.follow();
  };
  host.element.addEventListener("pointerenter", follow, { signal: host.signal });
  host.onOutput(({ xdub_people: records }) => {
    const shown = records?.at(-1);
    if (!shown || shown === panel?.shown) return;
    panel?.leave();
    panel = new PeoplePanel(node, host, shown);
    follow();
  });
}

class PeoplePanel {
  /** @type {number | null} whom the artist has chosen */
  #chosen = null;
  #rows;

  /** @param {object} node @param {import("../lib/panel.mjs").Host} host @param {Shown} shown */
  constructor(node, host, shown) {
    this.node = node;
    this.shown = shown;
    this.stay = new AbortController();
    this.signal = AbortSignal.any([host.signal, this.stay.signal]);
    this.strip = new Strip(shown, this.signal, (place) => this.#choose(shown.people[place]?.number));
    this.useIn = make("div", { class: "xdub-use-in" });
    this.#rows = shown.people.map((person, place) => this.#row(person, place));
    const parts = shown.people.length ? [this.strip.element, this.#list(), this.#more(), this.useIn] : [this.strip.element];
    host.element.replaceChildren(...parts);
    host.setHeight(this.#height());
  }

  /** Give way to another one. */
  leave() {
    this.stay.abort();
  }

  /** Show what the node's widget says, where it has one. */
  follow() {
    if (this.#own()) this.#chosen = this.#inWidget();
    this.#update();
  }

  #list() {
    const named = { role: "listbox", "aria-label": t("People in the video"), "data-capture-wheel": "true" };
    const list = make("div", { class: "xdub-people", ...named }, ...this.#rows);
    onKeys(list, this.signal, (key) => this.#onKey(key));
    return list;
  }

  #height() {
    const { people } = this.shown;
    const rows = Math.min(people.length, MOST_ROWS) * ROW;
    return STRIP + rows + AROUND + (people.length && !this.#own() ? USE_IN : 0);
  }

  /** The widget of this node that says who; the People node has none. */
  #own() {
    return settable(this.node, "person");
  }

  #inWidget() {
    const value = String(this.#own()?.value ?? "").trim();
    return /^\d+$/.test(value) ? Number(value) : null;
  }

  #choose(number) {
    if (number === undefined) return;
    const widget = this.#own();
    if (widget) setWidget(this.node, widget, String(number));
    this.#chosen = number;
    this.#show(number);
    this.#update();
  }

  /** Show a frame that has this person in it. */
  #show(number) {
    this.strip.showPlace(this.shown.people.findIndex((person) => person.number === number));
  }

  #onKey(key) {
    const at = this.#rows.indexOf(document.activeElement);
    if (key === "Enter" || key === " ") {
      this.#choose(this.shown.people[at]?.number);
      if (key === "Enter") this.useIn.querySelector("button")?.focus();
      return true;
    }
    const last = this.#rows.length - 1;
    const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: last }[key];
    if (to === undefined) return false;
    this.#rows[Math.max(0, Math.min(last, to))].focus();
    return true;
  }

  #row(person, place) {
    const row = make(
      "div",
      { class: "xdub-person", role: "option", "data-number": person.number, style: `--hue: ${personColour(person.number)}` },
      make("div", { class: "xdub-portrait", style: this.#portrait(place) }, make("b", {}, String(person.number))),
      make("div", { class: "xdub-about" }, this.#told(person), this.strip.bar(place)),
    );
    const { signal } = this;
    row.addEventListener("click", () => this.#choose(person.number), { signal });
    row.addEventListener("focus", () => this.#show(person.number), { signal });
    return row;
  }

  #told({ first, seconds, share, pixels, why_not: why }) {
    const from = t("from {first} s", { first: first.toFixed(2) });
    const long = t("{seconds} s on screen ({share} %)", { seconds: seconds.toFixed(2), share: Math.round(100 * share) });
    const lines = [make("span", {}, from), make("span", { class: "xdub-faint" }, long)];
    if (why) lines[0].append(make("span", { class: "xdub-cannot" }, ` · ${notDubbed(why)}`));
    return make("div", { class: "xdub-people-told", title: `${from}, ${long}, ${pixels} px` }, ...lines);
  }

  #portrait(place) {
    const { portraits, people, columns: most } = this.shown;
    if (!portraits) return "";
    const columns = Math.min(most, people.length);
    const rows = Math.ceil(people.length / columns);
    const part = (at, count) => (count > 1 ? (100 * at) / (count - 1) : 0);
    const [across, down] = [part(place % columns, columns), part(Math.floor(place / columns), rows)];
    return (
      `background-image: url("${viewUrl(portraits)}"); background-size: ${100 * columns}% ${100 * rows}%;` +
      `background-position: ${across}% ${down}%`
    );
  }

  #more() {
    const { more } = this.shown;
    return more ? make("p", { class: "xdub-line" }, t("and {more} more, seen for less", { more })) : "";
  }

  #update() {
    const used = this.#own() ? this.shown.chosen : null;
    const focusable = Math.max(0, this.shown.people.findIndex((person) => person.number === this.#chosen));
    for (const [place, row] of this.#rows.entries()) {
      const { number } = this.shown.people[place];
      row.setAttribute("aria-selected", String(number === this.#chosen));
      row.tabIndex = place === focusable ? 0 : -1;
      row.classList.toggle("xdub-used", number === used);
      row.title = number === used ? t("This face was handed on by the last run") : "";
    }
    this.strip.choose(this.shown.people.findIndex((person) => person.number === this.#chosen));
    if (!this.#own()) this.useIn.replaceChildren(...this.#uses());
  }

  /** Buttons that write the person into the nodes of this graph that ask for one. */
  #uses() {
    const number = this.#chosen;
    if (number === null) return [make("span", {}, t("Choose a face to use it in another node"))];
    const asking = this.node.graph.nodes.filter((each) => each !== this.node && isOurs(each) && settable(each, "person"));
    if (!asking.length) return [make("span", {}, t("Type {number} as person in Dub Video, Face Crop or Voice", { number }))];
    return [make("span", {}, t("Use person {number} in", { number })), ...asking.map((each) => this.#use(each, number))];
  }

  #use(asking, number) {
    const widget = settable(asking, "person");
    const done = String(widget.value).trim() === String(number);
    const title = t("{node} has person {value} now", { node: asking.title, value: widget.value || "–" });
    const called = `${done ? "✓ " : ""}${asking.title.replace(" (X-Dub)", "")} #${asking.id}`;
    const button = make("button", { type: "button", "aria-pressed": String(done), title }, called);
    const use = () => {
      const now = settable(asking, "person"); // the node may have changed since
      if (now && asking.graph) setWidget(asking, now, String(number));
      const place = [...this.useIn.children].indexOf(button);
      this.#update();
      this.useIn.children[place]?.focus();
    };
    button.addEventListener("click", use, { signal: this.signal });
    onKeys(button, this.signal, (key) => key === "Enter" && (use(), true));
    return button;
  }
}

/** Whether a node is of this pack, or a subgraph, which may have taken a person out of one. */
function isOurs(node) {
  return Boolean(node.comfyClass?.startsWith("XDub") || node.subgraph);
}

/** Why a person cannot be dubbed, as the engine says it. */
function notDubbed(why) {
  const told = {
    "the face is tiny": t("too small to dub"),
    "the face is turned away": t("always turned away"),
    "the mouth is hidden": t("the mouth is always hidden"),
  };
  return told[why] ?? why;
}

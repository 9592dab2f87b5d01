// People: everybody in the video, to look at and to choose from, in the People node and in Face Crop.

import { button, make, onKeys, part, placeByKey } from "../lib/dom.mjs";
import { personColour } from "../lib/theme.mjs";
import { after, setWidget, settable } from "../lib/widgets.mjs";
import { t } from "../lib/words.mjs";
import { inSheet, Strip } from "./people_strip.mjs";

/** Pixels: of a person's row, of the strip, of what is around them; and how many rows are shown without scrolling. */
const [ROW, STRIP, AROUND, MOST_ROWS] = [54, 200, 18, 4];
const USE_IN = 58;

/** nodes/comfy_bridge/people_shown.py writes what is `shown`. */
export function attach(node, host) {
  host.say(t("Run to see who is in the video"));
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
    panel = new PeoplePanel(node, host, shown);
    follow();
  });
}

class PeoplePanel {
  #chosen = null; // the number of the one whom the artist has chosen
  #rows;

  constructor(node, host, shown) {
    Object.assign(this, { node, shown });
    this.strip = new Strip(shown, host.signal, (place) => this.#choose(shown.people[place]?.number));
    this.useIn = make("div", { class: "xdub-use-in xdub-controls" });
    this.#rows = shown.people.map((person, place) => this.#row(person, place));
    const people = shown.people.length ? [this.#list(), this.#more(), this.useIn] : [];
    host.element.replaceChildren(this.strip.element, ...people);
    host.setHeight(this.#height());
  }

  follow() {
    const value = String(this.#own()?.value ?? "").trim();
    if (this.#own()) this.#chosen = /^\d+$/.test(value) ? Number(value) : null;
    this.#update();
  }

  #list() {
    const named = { role: "listbox", "aria-label": t("People in the video"), "data-capture-wheel": "true" };
    const list = make("div", { class: "xdub-people", ...named }, ...this.#rows);
    return onKeys(list, (key) => this.#onKey(key));
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

  #choose(number) {
    if (number === undefined) return;
    const widget = this.#own();
    if (widget) setWidget(this.node, widget, String(number));
    this.#chosen = number;
    this.#show(number);
    this.#update();
  }

  #show(number) {
    this.strip.showPlace(this.#placeOf(number));
  }

  #placeOf(number) {
    return this.shown.people.findIndex((person) => person.number === number);
  }

  #onKey(key) {
    const at = this.#rows.indexOf(document.activeElement);
    if (key === "Enter" || key === " ") {
      this.#choose(this.shown.people[at]?.number);
      if (key === "Enter") this.useIn.querySelector("button")?.focus();
      return true;
    }
    const to = placeByKey(key, at, this.#rows.length - 1);
    this.#rows[to]?.focus();
    return to !== undefined;
  }

  #row({ number, ...person }, place) {
    const { portraits, people, columns } = this.shown;
    const [click, focus] = [() => this.#choose(number), () => this.#show(number)];
    const told = part("about", this.#told(person), this.strip.bar(place));
    const face = make("div", { class: "xdub-portrait", style: inSheet(portraits, place, columns, people.length) }, make("b", {}, String(number)));
    const style = `--hue: ${personColour(number)}`;
    return make("div", { class: "xdub-person", role: "option", "data-number": number, style, click, focus }, face, told);
  }

  #told({ first, seconds, share, pixels, why_not: why }) {
    const from = t("from {first} s", { first: first.toFixed(2) });
    const long = t("{seconds} s on screen ({share} %)", { seconds: seconds.toFixed(2), share: Math.round(100 * share) });
    const cannot = why ? [make("span", { class: "xdub-cannot" }, ` · ${notDubbed(why)}`)] : [];
    const lines = [make("span", {}, from, ...cannot), make("span", { class: "xdub-faint" }, long)];
    return make("div", { class: "xdub-people-told", title: `${from}, ${long}, ${pixels} px` }, ...lines);
  }

  #more() {
    const { more } = this.shown;
    return more ? make("p", { class: "xdub-line" }, t("and {more} more, seen for less", { more })) : "";
  }

  #update() {
    const used = this.#own() ? this.shown.chosen : null;
    const chosen = this.#placeOf(this.#chosen);
    for (const [place, row] of this.#rows.entries()) {
      const { number } = this.shown.people[place];
      row.setAttribute("aria-selected", place === chosen);
      row.tabIndex = place === Math.max(0, chosen) ? 0 : -1;
      row.classList.toggle("xdub-used", number === used);
      row.title = number === used ? t("This face was handed on by the last run") : "";
    }
    this.strip.choose(chosen);
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
    const use = () => {
      const now = settable(asking, "person"); // the node may have changed since
      if (now && asking.graph) setWidget(asking, now, String(number));
      const place = [...this.useIn.children].indexOf(made);
      this.#update();
      this.useIn.children[place]?.focus();
    };
    const made = button(called, title, use, { "aria-pressed": String(done), "aria-label": called });
    return onKeys(made, (key) => key === "Enter" && (use(), true));
  }
}

/** Whether a node is of this pack, or a subgraph, which may have a person of one. */
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

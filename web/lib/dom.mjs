// Elements of panels, in a line each: of the class xdub-<name>, with what they listen to.

/** Make an element. Attributes that are undefined or false are left out; functions listen to the event of their name. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

export function part(name, ...children) {
  return make("div", { class: `xdub-${name}` }, ...children);
}

/** A box that fills what there is, and takes the keyboard. */
export function keyboardPart(name, label, onKey) {
  const attributes = { class: `xdub-${name} xdub-fill`, tabindex: 0, role: "application", "aria-label": label };
  return onKeys(make("div", attributes), onKey);
}

/** Words, read out when they change. */
export function toldPart() {
  return make("div", { class: "xdub-lines", "aria-live": "polite" });
}

export function button(text, title, click, more) {
  return make("button", { type: "button", title, "aria-label": title, click, ...more }, text);
}

/** Keys of a form's element are its own: neither the graph nor the panel has them. */
const keydown = (event) => event.key !== "Tab" && event.stopPropagation();

export function slider(label, max, input) {
  const act = ({ target }) => input(Number(target.value));
  const range = { type: "range", min: 0, max, step: 1, value: 0 };
  return make("input", { ...range, class: "xdub-slider", "aria-label": label, input: act, keydown });
}

export function choice(title, options, chosen, act) {
  const change = ({ target }) => act(target.value);
  const made = options.map(([value, text]) => new Option(text, value, false, value === chosen));
  return make("select", { title, "aria-label": title, change, keydown }, ...made);
}

/** Let keys be an element's: what `onKey` answers with true is neither the page's nor the graph's. */
export function onKeys(element, onKey) {
  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !onKey(event.key, event)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  return element;
}

/** The place among 0 ... last to which an arrow key, Home or End leads; undefined for other keys. */
export function placeByKey(key, at, last) {
  const steps = { ArrowLeft: at - 1, ArrowUp: at - 1, ArrowRight: at + 1, ArrowDown: at + 1, Home: 0, End: last };
  return key in steps ? Math.max(0, Math.min(last, steps[key])) : undefined;
}

/** The item that is least `far`. */
export function nearest(items, far) {
  return items.reduce((best, item) => (far(item) < far(best) ? item : best));
}

export function onAbort(signal, call) {
  signal.addEventListener("abort", call, { once: true });
}

export function keepIn(set, kept, signal) {
  set.add(kept);
  onAbort(signal, () => set.delete(kept));
}

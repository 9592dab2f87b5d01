// Colours: ComfyUI's own, dark or light; and one for each person.

import { onAbort } from "./dom.mjs";

/** Hues of people 1, 2, ...: told apart on dark and on light grounds. */
const PEOPLE = ["#3b8eea", "#e8833a", "#2fa46b", "#d65b9a", "#8f7ae5", "#b59a1f", "#24a3b5", "#d9534f"];

/** The colour of a person, numbered from 1. */
export function personColour(number) {
  return PEOPLE[(number - 1) % PEOPLE.length];
}

/** The theme's text, faint, line and ground, as panel.css has them, for a canvas. */
export function colours({ canvas }) {
  const style = getComputedStyle(canvas);
  const named = ["text", "faint", "line", "ground"].map((name) => [name, style.getPropertyValue(`--${name}`)]);
  return Object.fromEntries(named);
}

export function onThemeChange(callback, signal) {
  const observer = new MutationObserver(callback);
  observer.observe(document.documentElement, { attributeFilter: ["class", "style"] });
  observer.observe(document.body, { attributeFilter: ["class"] });
  onAbort(signal, () => observer.disconnect());
}

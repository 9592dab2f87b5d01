// Colours: ComfyUI's own, dark or light, by its CSS variables; and one for each person.

const COLOURS = {
  text: "--input-text",
  faint: "--descrip-text",
  line: "--border-color",
  ground: "--comfy-input-bg",
  error: "--error-text",
};
const FALLBACK = { text: "#ddd", faint: "#999", line: "#4e4e4e", ground: "#222", error: "#ff4444" };

/** Hues of people 1, 2, ...: told apart on dark and on light grounds. */
const PEOPLE = ["#3b8eea", "#e8833a", "#2fa46b", "#d65b9a", "#8f7ae5", "#b59a1f", "#24a3b5", "#d9534f"];

/**
 * Load a style sheet of panels/ or, without a name, panel.css, once.
 * @param {string} [name]
 */
export function useStyles(name) {
  const href = new URL(name ? `../panels/${name}` : "./panel.css", import.meta.url).href;
  if ([...document.head.querySelectorAll("link")].some((link) => link.href === href)) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = href;
  document.head.append(link);
}

/** The colour of a person, numbered from 1. */
export function personColour(number) {
  return PEOPLE[(number - 1) % PEOPLE.length];
}

/**
 * The theme's colours, for canvases; everything else uses panel.css.
 * @returns {{text: string, faint: string, line: string, ground: string, error: string}}
 */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const named = ([name, variable]) => [name, style.getPropertyValue(variable).trim() || FALLBACK[name]];
  return Object.fromEntries(Object.entries(COLOURS).map(named));
}

/**
 * Call back after the theme has changed.
 * @param {() => void} callback
 * @param {AbortSignal} signal
 */
export function onThemeChange(callback, signal) {
  const observer = new MutationObserver(callback);
  const seen = { attributes: true, attributeFilter: ["class", "style"] };
  observer.observe(document.documentElement, seen);
  observer.observe(document.body, { attributes: true, attributeFilter: ["class"] });
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });
}

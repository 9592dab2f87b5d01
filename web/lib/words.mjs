// The panels' words in the language of the front end. English stands where it is said; other languages have a table.

import { app } from "../../../scripts/app.js";
import { zh } from "./words_zh.mjs";

/** @type {Record<string, Record<string, string>>} */
const TABLES = { zh };

/** The front end's language: "en", "zh", "zh-TW", ... */
export function language() {
  return app.extensionManager?.setting?.get("Comfy.Locale") || "en";
}

/**
 * A text in the front end's language, its {names} filled in: t("clip {n} of {count}", { n: 3, count: 12 }).
 * The text must be a literal, so that the tests find it; what no table has is shown as it stands.
 * @param {string} text
 * @param {Record<string, string | number>} [values]
 */
export function t(text, values = {}) {
  const said = TABLES[language()]?.[text] ?? text;
  return said.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

// The panels' words. English stands where it is said; others are `xdubPanels` of locales/<language>/main.json.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

/** What all packs' locales/ say, by language; asked for once. */
let asked;
let said = {};

function language() {
  return app.extensionManager?.setting?.get("Comfy.Locale") || "en";
}

/** Have the locales of the front end's language, which English needs none of. */
export async function loadWords() {
  if (language() === "en") return {};
  said = await (asked ??= api.getCustomNodesI18n().catch(() => ({})));
  return said[language()] ?? {};
}

/**
 * A text in that language, its {names} filled in: t("clip {n} of {count}", { n: 3, count: 12 }). It must be a
 * literal, so that the tests find it.
 */
export function t(text, values = {}) {
  const told = said[language()]?.xdubPanels?.[text] ?? text;
  return told.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

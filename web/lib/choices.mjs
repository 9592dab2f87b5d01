// Tooltips of the inputs that a choice brings along (DynamicCombo), in the front end's language. It looks up all other
// words of a node by itself, these names too, but takes these tooltips from the node's definition.

import { api } from "../../../scripts/api.js";

/** @type {Promise<Record<string, any>> | undefined} The pack's locales/<language>/nodeDefs.json, asked for once. */
let words;

/**
 * Put the translated tooltips into a node's definition, before nodes are made of it.
 * @param {{name: string, input: Record<string, Record<string, [unknown, any]>>}} definition
 * @param {string} language
 */
export async function translateChoices(definition, language) {
  words ??= api.getCustomNodesI18n().then((all) => all[language]?.nodeDefs ?? {});
  const said = (await words)[definition.name]?.inputs ?? {};
  for (const [name, options] of inputsOf(definition.input)) translateInner(name, options, said);
}

function translateInner(outer, options, said) {
  for (const choice of options?.options ?? []) {
    for (const [name, inner] of inputsOf(choice?.inputs)) {
      const key = `${outer}_${name}`;
      if (inner && said[key]?.tooltip) inner.tooltip = said[key].tooltip;
      translateInner(key, inner, said);
    }
  }
}

/** Names and options of the inputs of a definition, or of a choice. */
function inputsOf(groups = {}) {
  const groupsShown = [groups.required ?? {}, groups.optional ?? {}];
  return groupsShown.flatMap((group) => Object.entries(group).map(([name, spec]) => [name, spec[1]]));
}

// Tooltips of the inputs that a choice brings along (DynamicCombo): all other words of a node the front end translates
// by itself.

import { loadWords } from "./words.mjs";

/** Put the translated tooltips into a node's definition, before nodes are made of it. */
export async function translateChoices({ name, input }) {
  const { nodeDefs } = await loadWords();
  translate(input, nodeDefs?.[name]?.inputs ?? {});
}

function translate(inputs, said, within = "") {
  for (const [name, [, options]] of Object.entries({ ...inputs?.required, ...inputs?.optional })) {
    const key = within + name;
    if (within && options && said[key]?.tooltip) options.tooltip = said[key].tooltip;
    for (const choice of options?.options ?? []) translate(choice?.inputs, said, `${key}_`);
  }
}

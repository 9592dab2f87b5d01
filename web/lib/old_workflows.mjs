// Workflows from before some choices had inputs of their own, or inputs stood in the order of use: they keep widgets' values
// by their places alone, which are put where they belong now.

/**
 * By node: its widgets `before`, and whether values stand so; the `choice` that has inputs of its `own` now, by what is
 * chosen; its widgets `now`, a choice's own right after it; and the values of those that were `added`.
 */
const LAYOUTS = {
  XDubFaceCrop: {
    before: "face crop_size box detect_every as_released image_fps person",
    isOld: (values) => values.length > 5 && typeof values[1] === "number",
    choice: "face",
    own: { "find it": ["face_detector", "person", "detect_every"], box: ["box"], mask: ["mask"] },
    now: "face crop_size as_released image_fps",
    added: { person: "" },
  },
  XDubDub: {
    before: "seed control_after_generate steps length quality as_released image_fps person silence extend fps retries resume",
    isOld: (values) => typeof values[0] === "number",
    choice: "length",
    own: { audio: ["extend"], longest: ["extend"] },
    now: "person length silence seed control_after_generate steps redo fps quality retries resume image_fps as_released speed",
    added: {
      person: "", silence: "closed", extend: "bounce", redo: "", fps: "source", retries: 2, resume: true, speed: "exact",
    },
  },
  XDubExpert: {
    before: "expert strength noise_range from_noise to_noise",
    isOld: (values) => values.length === 5,
    choice: "noise_range",
    own: { custom: ["from_noise", "to_noise"] },
    now: "expert strength noise_range",
  },
};

/** Renew those of a saved workflow's nodes that are old. */
export function renew(nodes) {
  for (const node of nodes) {
    const layout = LAYOUTS[node.type];
    if (!layout || !Array.isArray(node.widgets_values) || !layout.isOld(node.widgets_values)) continue;
    renewInputs(node, layout);
    renewValues(node, layout);
  }
}

function renewValues(node, layout) {
  const before = layout.before.split(" ").map((name, place) => [name, node.widgets_values[place]]);
  const values = { ...layout.added, ...Object.fromEntries(before.filter(([, value]) => value !== undefined)) };
  const own = (layout.own[values[layout.choice]] ?? []).filter((name) => name in values);
  const names = layout.now.split(" ").flatMap((name) => (name === layout.choice ? [name, ...own] : [name]));
  node.widgets_values = names.map((name) => values[name]);
  delete node.widgets_values_named;
}

/** An input that is a choice's own now bears its name; where nothing is connected to it, it comes anew. */
function renewInputs(node, { before, choice, own }) {
  const chosen = node.widgets_values[before.split(" ").indexOf(choice)];
  const movable = new Set(Object.values(own).flat());
  node.inputs = node.inputs?.filter((input) => !movable.has(input.name) || input.link != null);
  for (const input of node.inputs ?? []) {
    if (!own[chosen]?.includes(input.name)) continue;
    input.name = `${choice}.${input.name}`;
    if (input.widget) input.widget = { name: input.name };
  }
}

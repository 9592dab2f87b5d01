// Ordinary widgets that panels set, so that what they choose is in workflows and prompts.

import { app } from "../../../scripts/app.js";

/** A node's widget of this name, a choice's own too ("face.person"); undefined where there is none, or a link. */
export function settable(node, name) {
  const widget = node.widgets?.find((each) => each.name === name || each.name.endsWith(`.${name}`));
  const linked = node.inputs?.some((input) => input.widget?.name === widget?.name && input.link != null);
  return widget && !linked ? widget : undefined;
}

/** Set a widget as its user would. */
export function setWidget(node, widget, value) {
  if (!widget || widget.value === value) return;
  asOneChange(() => {
    widget.value = value;
    widget.callback?.(value, app.canvas, node);
    node.graph?.setDirtyCanvas(true, true);
  });
}

/** Let what is set meanwhile be undone together. */
export function asOneChange(set) {
  app.canvas.emitBeforeChange();
  set();
  app.canvas.emitAfterChange();
}

/** Call something after a callback of a node's or a widget's. */
export function after(owner, name, call) {
  const before = owner[name];
  owner[name] = function (...given) {
    const result = before?.apply(this, given);
    call();
    return result;
  };
}

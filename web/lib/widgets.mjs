// Ordinary widgets that panels read and set, so that what they choose is in the workflow and in prompts.

import { app } from "../../../scripts/app.js";

/**
 * A node's widget of this name, or the one of a choice's own inputs ("face.person"); undefined where there is none, or
 * where a link gives its value.
 * @param {object} node
 * @param {string} name
 */
export function settable(node, name) {
  const widget = node.widgets?.find((each) => each.name === name || each.name.endsWith(`.${name}`));
  const linked = node.inputs?.some((input) => input.widget?.name === widget?.name && input.link != null);
  return widget && !linked ? widget : undefined;
}

/** Set a widget as its user would: with its callback, drawn anew, and to be undone. */
export function setWidget(node, widget, value) {
  app.canvas.emitBeforeChange();
  widget.value = value;
  widget.callback?.(value, app.canvas, node);
  node.graph?.setDirtyCanvas(true, true);
  app.canvas.emitAfterChange();
}

/** Call something after a callback of a node's or a widget's own. */
export function after(owner, name, call) {
  const before = owner[name];
  owner[name] = function (...given) {
    const result = before?.apply(this, given);
    call();
    return result;
  };
}

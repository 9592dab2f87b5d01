// What hits nothing in a panel is the graph's: wheel, middle button, and the menu of the right one. The Vue renderer has
// the element inside its node, where they mostly find their own way; the other lays it over the canvas, which hears
// nothing. Dragging with the left button moves no node from a widget, neither from ComfyUI's own.

import { app } from "../../../scripts/app.js";

const HIT = "a, button, input, select, textarea, [tabindex], [data-hit]";
const [MIDDLE, RIGHT] = [1, 2];

/**
 * Forward what hits nothing in an element. Hit is what can be clicked or focused, or has `data-hit`; the middle button
 * hits nothing anywhere, and a wheel only what has `data-capture-wheel`, the focus, and something to scroll.
 * @param {HTMLElement} element
 */
export function forwardUnhit(element) {
  let panning = false;
  const inNode = () => element.closest("[data-node-id]") !== null;

  element.addEventListener("wheel", (event) => {
    if (inNode() || scrolls(event.target.closest("[data-capture-wheel]"))) return;
    event.preventDefault();
    forward(new WheelEvent(event.type, event));
  });
  element.addEventListener("pointerdown", (event) => {
    const menu = event.button === RIGHT && !inNode() && !event.target.closest(HIT);
    panning = event.button === MIDDLE;
    if (!menu && !panning) return;
    event.preventDefault();
    forward(new PointerEvent(event.type, event));
  });
  for (const type of ["pointermove", "pointerup", "pointercancel"]) {
    element.addEventListener(type, (event) => {
      if (panning) forward(new PointerEvent(event.type, event));
      panning &&= type === "pointermove";
    });
  }
  element.addEventListener("contextmenu", (event) => {
    if (!inNode() && !event.target.closest(HIT)) event.preventDefault();
  });
}

function forward(event) {
  app.canvas.canvas.dispatchEvent(event);
}

function scrolls(list) {
  return Boolean(list?.contains(document.activeElement) && list.scrollHeight > list.clientHeight);
}

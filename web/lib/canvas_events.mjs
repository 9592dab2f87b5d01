// What hits nothing in a panel is the graph's: wheel, middle button, and the menu of the right one. In the Vue renderer they
// find their own way; in the other the element lies over the canvas, which hears nothing.

import { app } from "../../../scripts/app.js";

const HIT = "a, button, input, select, textarea, [tabindex], [data-hit]";
const [MIDDLE, RIGHT] = [1, 2];

/** The middle button hits nothing anywhere, a wheel only what has `data-capture-wheel`, the focus, and is scrolled. */
export function forwardUnhit(element) {
  let panning = false;
  const inNode = () => element.closest("[data-node-id]") !== null;
  const unhit = (event) => !inNode() && !event.target.closest(HIT);
  const forward = (event) => app.canvas.canvas.dispatchEvent(event);

  element.addEventListener("wheel", (event) => {
    if (inNode() || scrolls(event.target.closest("[data-capture-wheel]"))) return;
    event.preventDefault();
    forward(new WheelEvent(event.type, event));
  });
  element.addEventListener("pointerdown", (event) => {
    panning = event.button === MIDDLE;
    if (!panning && (event.button !== RIGHT || !unhit(event))) return;
    event.preventDefault();
    forward(new PointerEvent(event.type, event));
  });
  for (const type of ["pointermove", "pointerup", "pointercancel"]) {
    element.addEventListener(type, (event) => {
      if (panning) forward(new PointerEvent(event.type, event));
      panning &&= type === "pointermove";
    });
  }
  element.addEventListener("contextmenu", (event) => unhit(event) && event.preventDefault());
}

function scrolls(list) {
  return Boolean(list?.contains(document.activeElement) && list.scrollHeight > list.clientHeight);
}

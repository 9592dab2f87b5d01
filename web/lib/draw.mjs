// Canvases that are sharp on every screen and stay as they are while the graph is zoomed.

import { make, onAbort } from "./dom.mjs";
import { onThemeChange } from "./theme.mjs";

/** Device pixels for each of the layout's, at least: the graph may be zoomed in. And what browsers refuse beyond. */
const [SHARPNESS, LARGEST] = [2, 8192];

/**
 * A canvas that fills its parent. `draw(context, width, height)`, in the layout's pixels, is called when its size, the
 * screen, or the theme changes; never for a zoom. `redraw()` calls it once before the next picture, however often;
 * `at(event)` is where a pointer is, in the layout's pixels.
 */
export function canvasIn(parent, signal, draw) {
  const canvas = make("canvas", { class: "xdub-canvas" });
  parent.append(canvas);
  let waiting = 0;
  const paint = () => {
    waiting = 0;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (signal.aborted || !width || !height) return;
    const context = fitted(canvas, width, height);
    context.clearRect(0, 0, width, height);
    draw(context, width, height);
  };
  const redraw = () => (waiting ||= requestAnimationFrame(paint));
  const at = ({ clientX, clientY }) => {
    const { left, top, width } = canvas.getBoundingClientRect();
    const scale = width / canvas.clientWidth || 1;
    return [(clientX - left) / scale, (clientY - top) / scale];
  };
  onResize(canvas, signal, redraw);
  onThemeChange(redraw, signal);
  window.addEventListener("resize", redraw, { signal }); // also sent where the screen's pixels change
  onAbort(signal, () => cancelAnimationFrame(waiting));
  return { canvas, redraw, at };
}

export function onResize(element, signal, call) {
  const observer = new ResizeObserver(call);
  observer.observe(element);
  onAbort(signal, () => observer.disconnect());
}

function fitted(canvas, width, height) {
  const wanted = Math.max(SHARPNESS, window.devicePixelRatio || 1);
  const ratio = Math.min(wanted, LARGEST / width, LARGEST / height);
  const size = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  const context = canvas.getContext("2d");
  context.font = "10px Inter, Arial, sans-serif";
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

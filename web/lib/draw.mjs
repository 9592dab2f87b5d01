// Canvases that are sharp on every screen and stay as they are while the graph is zoomed.

import { onThemeChange } from "./theme.mjs";

/** Device pixels for each of the layout's, at least: the graph may be zoomed in. */
const SHARPNESS = 2;
/** Browsers refuse canvases beyond some size. */
const LARGEST = 8192;

/**
 * A canvas that fills its parent, drawn anew when its size, the screen, or the theme changes; never for a zoom.
 * @param {HTMLElement} parent
 * @param {AbortSignal} signal
 * @param {(context: CanvasRenderingContext2D, width: number, height: number) => void} draw in the layout's pixels
 * @returns {{canvas: HTMLCanvasElement, redraw: () => void}} `redraw` draws once before the next picture, however often
 */
export function canvasIn(parent, signal, draw) {
  const canvas = document.createElement("canvas");
  canvas.className = "xdub-canvas";
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
  const redraw = () => {
    waiting ||= requestAnimationFrame(paint);
  };
  const observer = new ResizeObserver(redraw);
  observer.observe(canvas);
  onThemeChange(redraw, signal);
  window.addEventListener("resize", redraw, { signal }); // also sent where the screen's pixels change
  signal.addEventListener("abort", () => {
    observer.disconnect();
    cancelAnimationFrame(waiting);
  });
  return { canvas, redraw };
}

function fitted(canvas, width, height) {
  const wanted = Math.max(SHARPNESS, window.devicePixelRatio || 1);
  const ratio = Math.min(wanted, LARGEST / width, LARGEST / height);
  const size = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

// How a dub's clips are drawn: colour and sign tell how each is, so that neither is needed alone.

import { moment } from "./clip_words.mjs";
import { colours } from "./theme.mjs";

/** By state; the light ones are of clips that were kept from an earlier run. */
const STATES = { sampling: "#3b8eea", passed: "#2fa46b", unchecked: "#6f8aa5", failed: "#d9534f" };
const KEPT = 0.45;
const MARKED = "#e8b33a";

/**
 * Draw all rows.
 * @param {CanvasRenderingContext2D} context
 * @param {import("./timeline.mjs").Rows} rows
 * @param {{pointed: number | undefined, focused: number | undefined, marked: (number: number) => boolean}} shown clips
 *   by number
 */
export function drawTimeline(context, rows, shown) {
  const { record } = rows;
  const theme = colours();
  context.font = "10px Inter, Arial, sans-serif";
  context.textBaseline = "middle";
  context.fillStyle = theme.faint;
  for (const [row, start] of rows.starts().entries()) {
    context.fillText(moment(start, record.fps), 2, row * rows.rowHeight + (rows.rowHeight - 4) / 2);
  }
  for (const [lane, { untouched }] of record.lanes.entries()) {
    for (const [start, stop] of untouched) drawUntouched(context, rows.rectangles(lane, start, stop), theme);
    for (const clip of rows.lanes[lane]) drawClip(context, rows, clip, shown, theme);
  }
}

/** What passes through untouched: a thin line. */
function drawUntouched(context, rectangles, theme) {
  context.fillStyle = theme.line;
  for (const { x, y, width, height } of rectangles) context.fillRect(x, y + height / 2 - 1, width, 2);
}

function drawClip(context, rows, clip, { pointed, focused, marked }, theme) {
  const told = rows.record.clips[clip.number];
  for (const whole of rows.rectangles(clip.lane, clip.start, clip.stop)) {
    const box = { ...whole, x: whole.x + 0.5, width: Math.max(1, whole.width - 1) };
    context.fillStyle = theme.ground;
    context.fillRect(box.x, box.y, box.width, box.height);
    if (told) fillState(context, box, told);
    if (told?.seed !== undefined && box.width > 8) drawSign(context, box, told, theme);
    context.strokeStyle = clip.number === focused ? theme.text : theme.line;
    context.lineWidth = clip.number === focused ? 2 : 1;
    if (clip.number === pointed) context.strokeStyle = theme.text;
    context.strokeRect(box.x + 0.5, box.y + 0.5, Math.max(0, box.width - 1), box.height - 1);
    if (marked(clip.number + 1)) drawMark(context, box);
  }
}

function fillState(context, { x, y, width, height }, { state, step = 0, steps, kept }) {
  context.fillStyle = STATES[state];
  if (state === "sampling") {
    context.globalAlpha = KEPT;
    context.fillRect(x, y, width, height);
    context.globalAlpha = 1;
    context.fillRect(x, y, steps ? (width * step) / steps : 0, height);
    return;
  }
  context.globalAlpha = kept ? KEPT : 1;
  context.fillRect(x, y, width, height);
  context.globalAlpha = 1;
}

/** A cross for a broken clip, the number of attempts where it took more than one. */
function drawSign(context, { x, y, width, height }, { state, attempts, kept }, theme) {
  const tries = Object.keys(attempts).length;
  const sign = state === "failed" ? "×" : tries > 1 ? String(tries) : "";
  if (!sign) return;
  context.fillStyle = kept ? theme.text : "#fff";
  context.textAlign = "center";
  context.fillText(sign, x + width / 2, y + height / 2 + 0.5);
  context.textAlign = "start";
}

/** A corner of the clips that shall be sampled again. */
function drawMark(context, { x, y, width, height }) {
  context.fillStyle = MARKED;
  context.fillRect(x, y + height - 4, width, 4);
}

// How a dub's clips are drawn: colour and sign tell how each is, so that neither is needed alone.

import { moment } from "./clip_words.mjs";
import { colours } from "./theme.mjs";

/** By state; the light ones are of clips that were kept from an earlier run. */
const STATES = { sampling: "#3b8eea", passed: "#2fa46b", unchecked: "#6f8aa5", failed: "#d9534f" };
const KEPT = 0.45;
const MARKED = "#e8b33a";

/** `pointed` and `focused` in `shown` are clips' numbers, `marked` tells of a clip. */
export function drawTimeline(context, rows, shown) {
  const { record } = rows;
  const theme = colours(context);
  Object.assign(context, { textBaseline: "middle", fillStyle: theme.faint });
  for (let row = 0; row < rows.count; row++) {
    context.fillText(moment(row * rows.frames, record.fps), 2, row * rows.rowHeight + (rows.rowHeight - 4) / 2);
  }
  for (const [lane, { untouched }] of record.lanes.entries()) {
    context.fillStyle = theme.line;
    for (const { x, y, width, height } of untouched.flatMap(([start, stop]) => rows.rectangles(lane, start, stop))) {
      context.fillRect(x, y + height / 2 - 1, width, 2);
    }
    for (const clip of rows.lanes[lane]) drawClip(context, rows, clip, shown, theme);
  }
}

function drawClip(context, rows, clip, { pointed, focused, marked }, theme) {
  const told = rows.record.clips[clip.number];
  for (const whole of rows.rectangles(clip.lane, clip.start, clip.stop)) {
    const box = { ...whole, x: whole.x + 0.5, width: Math.max(1, whole.width - 1) };
    context.fillStyle = theme.ground;
    context.fillRect(box.x, box.y, box.width, box.height);
    if (told) fillState(context, box, told);
    if (told?.seed !== undefined && box.width > 8) drawSign(context, box, told, theme);
    context.strokeStyle = [pointed, focused].includes(clip.number) ? theme.text : theme.line;
    context.lineWidth = clip.number === focused ? 2 : 1;
    context.strokeRect(box.x + 0.5, box.y + 0.5, Math.max(0, box.width - 1), box.height - 1);
    context.fillStyle = MARKED;
    if (marked(clip)) context.fillRect(box.x, box.y + box.height - 4, box.width, 4);
  }
}

function fillState(context, { x, y, width, height }, { state, step = 0, steps, kept }) {
  const sampling = state === "sampling";
  Object.assign(context, { fillStyle: STATES[state], globalAlpha: kept || sampling ? KEPT : 1 });
  context.fillRect(x, y, width, height);
  context.globalAlpha = 1;
  if (sampling && steps) context.fillRect(x, y, (width * step) / steps, height);
}

/** A cross for a broken clip, the number of attempts where it took more than one. */
function drawSign(context, { x, y, width, height }, { state, attempts, kept }, theme) {
  const tries = Object.keys(attempts).length;
  const sign = state === "failed" ? "×" : tries > 1 ? String(tries) : "";
  if (!sign) return;
  Object.assign(context, { fillStyle: kept ? theme.text : "#fff", textAlign: "center" });
  context.fillText(sign, x + width / 2, y + height / 2 + 0.5);
  context.textAlign = "start";
}

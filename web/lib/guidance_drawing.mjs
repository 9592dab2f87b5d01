// The guidance drawn over the noise, from 1 to 0: each scale against its own greatest value.

import { colours } from "./theme.mjs";

const [REFERENCE, AUDIO, EXPERT] = ["#3b8eea", "#e8833a", "#8f7ae5"];
/** Columns of a record's rows, after the noise level. */
const SCALES = [[1, REFERENCE], [2, AUDIO]];
/** Pixels around the plot; of an expert's band. */
const [SIDE, TOP, BOTTOM] = [30, 8, 18];
export const BAND = 15;

export class Plot {
  constructor(record, width, height) {
    this.record = record;
    this.left = SIDE;
    this.width = Math.max(1, width - 2 * SIDE);
    this.bands = record.experts.length * BAND;
    this.bottom = height - BOTTOM - this.bands;
    this.height = Math.max(1, this.bottom - TOP);
    const rows = [...record.line, ...record.steps];
    this.most = rows.reduce((most, row) => most.map((value, column) => Math.max(value, row[column])), [1, 1e-6, 1e-6]);
  }

  x(sigma) {
    return this.left + (1 - sigma) * this.width;
  }

  y(value, column) {
    return this.bottom - (value / this.most[column]) * this.height * 0.94;
  }

  sigmaAt(x) {
    return 1 - (x - this.left) / this.width;
  }
}

/** `row`: the step or point that is pointed at, if any. */
export function drawGuidance(context, plot, row) {
  const theme = colours(context);
  const { record } = plot;
  Object.assign(context, { lineWidth: 1 });
  drawWindow(context, plot, theme);
  drawAxes(context, plot, theme);
  for (const [column, colour] of SCALES) {
    drawLine(context, plot, column, colour);
    for (const step of record.steps) drawDot(context, plot, step, column, 2);
  }
  record.experts.forEach((expert, place) => drawExpert(context, plot, expert, place, theme));
  if (row) drawPointed(context, plot, row, theme);
}

/** Where there is no guidance the ground is shaded. */
function drawWindow(context, plot, theme) {
  const [start, end] = plot.record.window;
  Object.assign(context, { fillStyle: theme.line, globalAlpha: 0.35 });
  for (const [from, to] of [[1, start], [end, 0]]) {
    context.fillRect(plot.x(from), TOP, plot.x(to) - plot.x(from), plot.height);
  }
  context.globalAlpha = 1;
}

function drawAxes(context, plot, theme) {
  context.strokeStyle = theme.line;
  context.strokeRect(plot.left + 0.5, TOP + 0.5, plot.width, plot.height);
  Object.assign(context, { fillStyle: theme.faint, textBaseline: "top", textAlign: "center" });
  for (const sigma of [1, 0.75, 0.5, 0.25, 0]) {
    context.fillText(String(sigma), plot.x(sigma), plot.bottom + plot.bands + 5);
  }
  const sides = [[plot.left - 4, "right"], [plot.left + plot.width + 4, "left"]];
  for (const [column, fillStyle] of SCALES) {
    const [at, textAlign] = sides[column - 1];
    Object.assign(context, { fillStyle, textAlign, textBaseline: "middle" });
    for (const value of [0, plot.most[column]]) context.fillText(short(value), at, plot.y(value, column));
  }
}

function drawLine(context, plot, column, strokeStyle) {
  Object.assign(context, { strokeStyle, lineWidth: 1.5 });
  context.beginPath();
  for (const row of plot.record.line) context.lineTo(plot.x(row[0]), plot.y(row[column], column));
  context.stroke();
  context.lineWidth = 1;
}

/** A band below the plot, over the noise levels at which an expert acts. */
function drawExpert(context, plot, { name, lowest, highest }, place, theme) {
  const y = plot.bottom + place * BAND + 3;
  const [from, to] = [plot.x(highest), plot.x(lowest)];
  Object.assign(context, { fillStyle: EXPERT, globalAlpha: 0.55 });
  context.fillRect(from, y, Math.max(2, to - from), BAND - 4);
  Object.assign(context, { fillStyle: theme.text, globalAlpha: 1, textAlign: "left", textBaseline: "middle" });
  const left = Math.max(plot.left, from) + 4;
  context.fillText(name, left, y + (BAND - 4) / 2, plot.left + plot.width - left);
}

function drawPointed(context, plot, row, theme) {
  const x = plot.x(row[0]);
  context.strokeStyle = theme.text;
  context.beginPath();
  context.moveTo(x, TOP);
  context.lineTo(x, plot.bottom + plot.bands);
  context.stroke();
  for (const [column] of SCALES) drawDot(context, plot, row, column, 4);
}

function drawDot(context, plot, row, column, radius) {
  context.fillStyle = SCALES[column - 1][1];
  context.beginPath();
  context.arc(plot.x(row[0]), plot.y(row[column], column), radius, 0, 2 * Math.PI);
  context.fill();
}

export function short(value) {
  return String(Math.round(value * 100) / 100);
}

// How the guidance is drawn: noise from 1, where sampling begins, to 0; each scale against its own greatest value.

import { colours } from "./theme.mjs";

export const REFERENCE = "#3b8eea";
export const AUDIO = "#e8833a";
/** Pixels around the plot; of an expert's band. */
const [LEFT, RIGHT, TOP, BOTTOM, BAND] = [30, 30, 8, 18, 15];

/** Where things are in a plot of some size. */
export class Plot {
  constructor(record, width, height) {
    this.record = record;
    this.left = LEFT;
    this.width = Math.max(1, width - LEFT - RIGHT);
    this.bands = record.experts.length * BAND;
    this.bottom = height - BOTTOM - this.bands;
    this.height = Math.max(1, this.bottom - TOP);
    const rows = [...record.line, ...record.steps];
    this.most = [1, 2].map((column) => Math.max(1e-6, ...rows.map((row) => row[column])));
  }

  x(sigma) {
    return this.left + (1 - sigma) * this.width;
  }

  /** @param {number} column 1: of the reference's scale; 2: of the audio's */
  y(value, column) {
    return this.bottom - (value / this.most[column - 1]) * this.height * 0.94;
  }

  sigmaAt(x) {
    return 1 - (x - this.left) / this.width;
  }
}

/**
 * Draw a guidance.
 * @param {CanvasRenderingContext2D} context
 * @param {Plot} plot
 * @param {number[] | undefined} row the step or point that is pointed at
 */
export function drawGuidance(context, plot, row) {
  const theme = colours();
  const { record } = plot;
  context.font = "10px Inter, Arial, sans-serif";
  context.lineWidth = 1;
  drawWindow(context, plot, theme);
  drawAxes(context, plot, theme);
  for (const [column, colour] of [[1, REFERENCE], [2, AUDIO]]) {
    drawLine(context, plot, column, colour);
    for (const step of record.steps) dot(context, plot.x(step[0]), plot.y(step[column], column), 2, colour);
  }
  record.experts.forEach((expert, place) => drawExpert(context, plot, expert, place, theme));
  if (row) drawPointed(context, plot, row, theme);
}

/** Where there is no guidance the ground is shaded. */
function drawWindow(context, plot, theme) {
  const [start, end] = plot.record.window;
  context.fillStyle = theme.line;
  context.globalAlpha = 0.35;
  for (const [from, to] of [[1, start], [end, 0]]) {
    context.fillRect(plot.x(from), TOP, plot.x(to) - plot.x(from), plot.height);
  }
  context.globalAlpha = 1;
}

function drawAxes(context, plot, theme) {
  context.strokeStyle = theme.line;
  context.strokeRect(plot.left + 0.5, TOP + 0.5, plot.width, plot.height);
  context.fillStyle = theme.faint;
  context.textBaseline = "top";
  context.textAlign = "center";
  for (const sigma of [1, 0.75, 0.5, 0.25, 0]) {
    context.fillText(String(sigma), plot.x(sigma), plot.bottom + plot.bands + 5);
  }
  context.textBaseline = "middle";
  for (const [column, colour, at, align] of [[1, REFERENCE, plot.left - 4, "right"], [2, AUDIO, plot.left + plot.width + 4, "left"]]) {
    context.fillStyle = colour;
    context.textAlign = align;
    for (const value of [0, plot.most[column - 1]]) context.fillText(short(value), at, plot.y(value, column));
  }
}

function drawLine(context, plot, column, colour) {
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.beginPath();
  for (const row of plot.record.line) context.lineTo(plot.x(row[0]), plot.y(row[column], column));
  context.stroke();
  context.lineWidth = 1;
}

/** A band below the plot, over the noise levels at which an expert acts. */
function drawExpert(context, plot, { name, lowest, highest }, place, theme) {
  const y = plot.bottom + place * BAND + 3;
  const [from, to] = [plot.x(highest), plot.x(lowest)];
  context.fillStyle = "#8f7ae5";
  context.globalAlpha = 0.55;
  context.fillRect(from, y, Math.max(2, to - from), BAND - 4);
  context.globalAlpha = 1;
  context.fillStyle = theme.text;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.save();
  context.beginPath();
  context.rect(plot.left, y - 2, plot.width, BAND);
  context.clip();
  context.fillText(name, Math.max(plot.left, from) + 4, y + (BAND - 4) / 2);
  context.restore();
}

function drawPointed(context, plot, row, theme) {
  const x = plot.x(row[0]);
  context.strokeStyle = theme.text;
  context.beginPath();
  context.moveTo(x, TOP);
  context.lineTo(x, plot.bottom + plot.bands);
  context.stroke();
  dot(context, x, plot.y(row[1], 1), 4, REFERENCE);
  dot(context, x, plot.y(row[2], 2), 4, AUDIO);
}

function dot(context, x, y, radius, colour) {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

/** A scale in few letters. */
export function short(value) {
  return String(Math.round(value * 100) / 100);
}

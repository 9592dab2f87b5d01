// A dub's clips in rows, as text is set in lines: so that each can be seen and hit, however many there are.

import { nearest, placeByKey } from "./dom.mjs";

/** Pixels: of a clip of usual length at least, of lanes, between lanes, between rows, for the time where a row begins. */
const [LEAST, LANE, LANE_GAP, ROW_GAP, MARGIN] = [13, 18, 3, 7, 44];

/**
 * All clips of a record, by number: counted from 0 over the whole dub, in the `lane` of a speaker and a `shot` of that
 * one; it is the first to make the frames [start, stop), and samples `frames`.
 */
export function clipsOf({ lanes }) {
  const inShot = (planned, lane, shot) =>
    planned.map(([number, start, stop, frames]) => ({ number, lane, shot, start, stop, frames }));
  const clips = lanes.flatMap(({ shots }, lane) => shots.flatMap(([, , planned], shot) => inShot(planned, lane, shot)));
  return clips.sort((a, b) => a.number - b.number);
}

export class Rows {
  constructor(record, clips, width) {
    this.record = record;
    this.lanes = record.lanes.map((_, lane) => clips.filter((clip) => clip.lane === lane));
    this.width = Math.max(1, width - MARGIN);
    const lengths = clips.map((clip) => clip.stop - clip.start).sort((a, b) => a - b);
    const usual = lengths[lengths.length >> 1] ?? record.frames;
    const fit = Math.max(1, Math.floor(this.width / LEAST)) * usual;
    this.count = Math.max(1, Math.ceil(record.frames / fit));
    this.frames = Math.max(1, this.count === 1 ? record.frames : fit);
    this.rowHeight = record.lanes.length * (LANE + LANE_GAP) + ROW_GAP;
    this.height = this.count * this.rowHeight;
  }

  /** The rectangles of frames [start, stop) in a lane, one for each row that they are in. */
  rectangles(lane, start, stop) {
    const found = [];
    for (let row = Math.floor(start / this.frames); row * this.frames < stop && row < this.count; row++) {
      const [from, to] = [start, stop].map((frame) => Math.min(Math.max(frame - row * this.frames, 0), this.frames));
      const x = MARGIN + (from / this.frames) * this.width;
      const y = row * this.rowHeight + lane * (LANE + LANE_GAP) + LANE_GAP;
      found.push({ x, y, width: ((to - from) / this.frames) * this.width, height: LANE });
    }
    return found;
  }

  /** What is at a place: {lane, frame}, and `clip` where there is one; undefined beside the rows. */
  at(x, y) {
    const row = Math.floor(y / this.rowHeight);
    const lane = Math.floor((y - row * this.rowHeight) / (LANE + LANE_GAP));
    if (x < MARGIN || x > MARGIN + this.width || row < 0 || row >= this.count || !this.lanes[lane]) return undefined;
    const frame = row * this.frames + ((x - MARGIN) / this.width) * this.frames;
    return { lane, frame, clip: this.lanes[lane].find((clip) => clip.start <= frame && frame < clip.stop) };
  }

  /** The clip to which a key leads from another: in its lane, or up and down to another lane or row. */
  beside(clip, key) {
    const lane = this.lanes[clip.lane];
    const step = { ArrowUp: -1, ArrowDown: 1 }[key];
    if (!step) return lane[placeByKey(key, lane.indexOf(clip), lane.length - 1)];
    const middle = ({ start, stop }) => (start + stop) / 2;
    const to = (clips, frame) => nearest(clips, (each) => Math.abs(middle(each) - frame));
    const next = this.lanes[clip.lane + step];
    if (next?.length) return to(next, middle(clip));
    const frame = middle(clip) + step * this.frames;
    if (frame < 0 || frame >= this.record.frames) return clip;
    return to(this.lanes.filter((each) => each.length).at(step < 0 ? -1 : 0), frame);
  }
}

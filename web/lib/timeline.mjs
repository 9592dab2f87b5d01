// A dub's clips in rows, as text is set in lines: so that each can be seen and hit, however many there are.

/** Pixels of a clip of usual length, at least. */
const LEAST = 13;
const LANE = 18;
const LANE_GAP = 3;
const ROW_GAP = 7;
/** Pixels for the time at which a row begins. */
const MARGIN = 44;

/**
 * @typedef {object} Clip
 * @property {number} number counted from 0 over the whole dub
 * @property {number} lane of its speaker
 * @property {number} shot of that speaker's, from 0
 * @property {number} start the first frame that it is the first to make
 * @property {number} stop
 * @property {number} frames that are sampled
 */

/** All clips of a record, by number. @returns {Clip[]} */
export function clipsOf(record) {
  const clips = [];
  for (const [lane, { shots }] of record.lanes.entries()) {
    for (const [shot, [, , planned]] of shots.entries()) {
      for (const [number, start, stop, frames] of planned) clips.push({ number, lane, shot, start, stop, frames });
    }
  }
  return clips.sort((a, b) => a.number - b.number);
}

/** Where clips stand in rows of some width. */
export class Rows {
  /**
   * @param {object} record
   * @param {Clip[]} clips
   * @param {number} width in pixels
   */
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
  }

  get height() {
    return this.count * this.rowHeight;
  }

  /** The first frame of each row. */
  starts() {
    return Array.from({ length: this.count }, (_, row) => row * this.frames);
  }

  /**
   * The rectangles of frames [start, stop) in a lane, one for each row that they are in.
   * @returns {{x: number, y: number, width: number, height: number}[]}
   */
  rectangles(lane, start, stop) {
    const found = [];
    for (let row = Math.floor(start / this.frames); row * this.frames < stop && row < this.count; row++) {
      const [from, to] = [start, stop].map((frame) =>
        Math.min(Math.max(frame - row * this.frames, 0), this.frames),
      );
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
    return { lane, frame, clip: this.clipAt(lane, frame) };
  }

  clipAt(lane, frame) {
    return this.lanes[lane].find((clip) => clip.start <= frame && frame < clip.stop);
  }

  /**
   * The clip beside another: "ArrowLeft" and "ArrowRight" in its lane, "ArrowUp" and "ArrowDown" in the lane or row
   * above or below, "Home" and "End". The same one where there is none.
   * @param {Clip} clip
   * @param {string} key
   */
  beside(clip, key) {
    const lane = this.lanes[clip.lane];
    const place = lane.indexOf(clip);
    if (key === "ArrowLeft") return lane[place - 1] ?? clip;
    if (key === "ArrowRight") return lane[place + 1] ?? clip;
    if (key === "Home") return lane[0];
    if (key === "End") return lane.at(-1);
    const step = key === "ArrowUp" ? -1 : 1;
    const next = clip.lane + step;
    const middle = (clip.start + clip.stop) / 2;
    if (this.lanes[next]?.length) return nearest(this.lanes[next], middle);
    const lanes = this.lanes.filter((each) => each.length);
    const frame = middle + step * this.frames;
    if (frame < 0 || frame >= this.record.frames) return clip;
    return nearest(step < 0 ? lanes.at(-1) : lanes[0], frame);
  }
}

function nearest(clips, frame) {
  const far = (clip) => Math.abs((clip.start + clip.stop) / 2 - frame);
  return clips.reduce((best, clip) => (far(clip) < far(best) ? clip : best));
}

// What the Clips panel says of a dub, and of a clip.

import { t } from "./words.mjs";

/** Seconds as 3.2 s, 2:03 or 1:02:03. */
export function clock(seconds) {
  if (seconds < 60) return t("{seconds} s", { seconds: seconds < 10 ? seconds.toFixed(1) : Math.round(seconds) });
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** A moment of the video: 0:03.2, 12:05.0, 1:02:03.4. */
export function moment(frames, fps) {
  const tenths = Math.round((frames / fps) * 10);
  const [hours, minutes, rest] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60, (tenths % 600) / 10];
  const seconds = rest.toFixed(1).padStart(4, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

/**
 * Where a dub stands, in one line.
 * @param {object} record
 * @param {number} count of all clips
 * @param {number} elapsed seconds until now
 */
export function toldOfDub(record, count, elapsed) {
  const all = Object.values(record.clips);
  const made = all.filter((clip) => clip.seed !== undefined);
  const parts = [t("{done} of {count} clips", { done: made.length, count }), clock(elapsed)];
  if (record.ended === "stopped") parts.push(t("stopped"));
  if (!record.ended && record.left) parts.push(t("about {time} left", { time: clock(record.left) }));
  const told = (clips, text) => clips.length && parts.push(text(clips.length));
  told(made.filter((clip) => clip.state === "failed"), (count) => t("{count} look broken", { count }));
  told(made.filter((clip) => clip.shown > 0), (count) => t("{count} sampled again", { count }));
  told(made.filter((clip) => clip.kept), (count) => t("{count} kept from before", { count }));
  return parts.join(" · ");
}

/** Whose lane it is; empty where there is one. */
export function laneName(record, lane) {
  if (record.lanes.length < 2) return "";
  const number = record.lanes[lane].person;
  return number ? t("person {number}", { number }) : t("speaker {number}", { number: lane + 1 });
}

/**
 * A clip in a few lines: which it is, how it is, what it was made from.
 * @param {object} record
 * @param {import("./timeline.mjs").Clip} clip
 * @param {boolean} marked whether it shall be sampled again
 * @returns {string[]}
 */
export function toldOfClip(record, clip, marked) {
  const told = record.clips[clip.number];
  const place = [
    t("clip {number}", { number: clip.number + 1 }),
    laneName(record, clip.lane),
    `${moment(clip.start, record.fps)} – ${moment(clip.stop, record.fps)}`,
    t("shot {number}", { number: clip.shot + 1 }),
  ];
  const lines = [place.filter(Boolean).join(" · ")];
  if (!told) return [...lines, t("waits")];
  lines.push(toldOfState(told));
  lines.push(toldOfNoise(told, clip));
  for (const [attempt, { reasons = [] }] of Object.entries(told.attempts)) {
    if (reasons.length) {
      lines.push(t("attempt {number}: {why}", { number: Number(attempt) + 1, why: reasons.join("; ") }));
    }
  }
  if (marked) lines.push(t("marked: the next run samples it again, and keeps seed {seed} for the others", { seed: record.seed ?? "" }));
  return lines;
}

function toldOfState({ state, step, steps, attempts, shown, kept }) {
  const tries = Object.keys(attempts).length;
  if (state === "sampling") {
    const at = t("step {step} of {steps}", { step, steps: steps ?? "?" });
    return tries > 1 ? `${at}, ${t("attempt {number}", { number: tries })}` : at;
  }
  const found = {
    passed: shown ? t("passed the self-check at attempt {number}", { number: shown + 1 }) : t("passed the self-check"),
    failed: t("looks broken in every attempt; number {number} is shown", { number: shown + 1 }),
    unchecked: t("not checked"),
  }[state];
  return kept ? `${t("kept from an earlier run")}, ${found}` : found;
}

function toldOfNoise({ attempts, seed, seconds, kept, redone }, { frames }) {
  const newest = Object.values(attempts).at(-1);
  const parts = [t("seed {seed}", { seed: seed ?? newest?.seed ?? "?" })];
  if (redone) parts.push(t("redone {count} ×", { count: redone }));
  parts.push(t("{count} frames sampled", { count: frames }));
  if (seconds !== undefined && !kept) parts.push(clock(seconds));
  return parts.join(" · ");
}

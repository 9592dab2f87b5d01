// What the Clips panel says of a dub, and of a clip.

import { t } from "./words.mjs";

/** 3.2 s, 2:03 or 1:02:03. */
export function clock(seconds) {
  if (seconds >= 60) return inMinutes(seconds, 0);
  return t("{seconds} s", { seconds: seconds < 10 ? seconds.toFixed(1) : Math.round(seconds) });
}

/** A moment of the video: 0:03.2, 12:05.0, 1:02:03.4. */
export function moment(frames, fps) {
  return inMinutes(frames / fps, 1);
}

function inMinutes(seconds, digits) {
  const told = Number(seconds.toFixed(digits));
  const [hours, minutes] = [Math.floor(told / 3600), Math.floor(told / 60) % 60];
  const rest = (told % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export function span(start, stop, fps) {
  return `${moment(start, fps)} – ${moment(stop, fps)}`;
}

/** Where a dub of `count` clips stands after `elapsed` seconds, in one line. */
export function toldOfDub(record, count, elapsed) {
  const made = Object.values(record.clips).filter((clip) => clip.seed !== undefined);
  const many = (is, text) => {
    const found = made.filter(is).length;
    return found && text(found);
  };
  const parts = [
    t("{done} of {count} clips", { done: made.length, count }),
    clock(elapsed),
    record.ended === "stopped" && t("stopped"),
    !record.ended && record.left && t("about {time} left", { time: clock(record.left) }),
    many((clip) => clip.state === "failed", (count) => t("{count} look broken", { count })),
    many((clip) => clip.shown > 0, (count) => t("{count} sampled again", { count })),
    many((clip) => clip.kept, (count) => t("{count} kept from before", { count })),
  ];
  return parts.filter(Boolean).join(" · ");
}

/** Whose lane it is, where there are several. */
function laneName({ lanes }, lane) {
  const number = lanes[lane].person;
  if (lanes.length < 2) return "";
  return number ? t("person {number}", { number }) : t("speaker {number}", { number: lane + 1 });
}

/** A clip in lines: which it is, how it is, what it was made from, and whether it shall be sampled again. */
export function toldOfClip(record, clip, marked) {
  const told = record.clips[clip.number];
  const place = [
    t("clip {number}", { number: clip.number + 1 }),
    laneName(record, clip.lane),
    span(clip.start, clip.stop, record.fps),
    t("shot {number}", { number: clip.shot + 1 }),
  ];
  const first = place.filter(Boolean).join(" · ");
  if (!told) return [first, t("waits")];
  const seed = record.seed ?? "";
  const tries = Object.entries(told.attempts).map(([attempt, { reasons }]) => {
    const why = reasons?.join("; ");
    return why && t("attempt {number}: {why}", { number: Number(attempt) + 1, why });
  });
  const again = marked && t("marked: the next run samples it again, and keeps seed {seed} for the others", { seed });
  return [first, toldOfState(told), toldOfNoise(told, clip), ...tries, again];
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
  const parts = [
    t("seed {seed}", { seed: seed ?? newest?.seed ?? "?" }),
    redone && t("redone {count} ×", { count: redone }),
    t("{count} frames sampled", { count: frames }),
    seconds !== undefined && !kept && clock(seconds),
  ];
  return parts.filter(Boolean).join(" · ");
}

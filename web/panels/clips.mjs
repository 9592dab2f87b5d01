// Clips: the shots and clips of a dub in time, while it is made and afterwards. What a pointer or the keyboard is at is
// told with its picture; a click or Enter writes the clip's number into the node's input `redo`.

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { clock, moment, toldOfClip, toldOfDub } from "../lib/clip_words.mjs";
import { canvasIn } from "../lib/draw.mjs";
import { nodeOfExecution, viewUrl } from "../lib/execution.mjs";
import { allEnded, LiveRecords } from "../lib/live.mjs";
import { formatRedo, parseRedo } from "../lib/redo.mjs";
import { clipsOf, Rows } from "../lib/timeline.mjs";
import { drawTimeline } from "../lib/timeline_drawing.mjs";
import { t } from "../lib/words.mjs";

const LIVE = new LiveRecords("xdub.clips");

/** Pixels of rows that are seen without scrolling, at most; of what is told of a clip; of the other lines. */
const [SEEN, TOLD, LINES] = [176, 80, 46];
const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

/** @param {object} node @param {import("../lib/panel.mjs").Host} host */
export function attach(node, host) {
  host.say(t("Run to see the clips here as they are made"));
  const panel = new ClipsPanel(node, host);
  LIVE.watch(node, host.signal, (runs) => panel.show(runs));
  host.onOutput(({ xdub_clips: records }) => {
    if (records?.length && allEnded(panel.runs)) panel.show(records.map((record) => ({ record })));
  });
}

class ClipsPanel {
  /** @type {import("../lib/live.mjs").Run[]} */
  runs = [];
  #chosen = 0;
  #plan;
  #clips = [];
  /** @type {Rows | undefined} */
  #rows;
  #pointed;
  #focused;
  #preview;

  constructor(node, host) {
    this.node = node;
    this.host = host;
    const tick = setInterval(() => this.#tick(), 500);
    const preview = ({ detail }) => this.#takePreview(detail);
    api.addEventListener("b_preview_with_metadata", preview);
    host.signal.addEventListener("abort", () => {
      clearInterval(tick);
      api.removeEventListener("b_preview_with_metadata", preview);
      URL.revokeObjectURL(this.#preview);
    });
  }

  get #run() {
    return this.runs[this.#chosen];
  }

  get #record() {
    return this.#run?.record;
  }

  /** Show the runs of a prompt: the one that works, else the one that was looked at. */
  show(runs) {
    const working = runs.findIndex((run) => run && !run.record.ended);
    this.runs = runs;
    if (working >= 0) this.#chosen = working;
    if (!this.#run) this.#chosen = runs.findIndex(Boolean);
    if (this.#record?.lanes) this.#update();
  }

  #update() {
    if (this.#plan !== this.#record.lanes) {
      this.#plan = this.#record.lanes;
      this.#clips = clipsOf(this.#record);
      [this.#rows, this.#pointed] = [];
    }
    if (!this.head?.isConnected) this.#build();
    this.#buildRuns();
    this.#tell();
    this.redraw();
  }

  #build() {
    const part = (name, kind = "div") => Object.assign(document.createElement(kind), { className: name });
    [this.head, this.choice, this.told] = [part("xdub-head"), part("xdub-runs"), part("xdub-told")];
    [this.picture, this.lines] = [part("xdub-picture", "img"), part("xdub-lines")];
    this.picture.alt = "";
    this.lines.setAttribute("aria-live", "polite");
    this.told.append(this.picture, this.lines);
    const [list, place] = [part("xdub-rows"), part("xdub-timeline")];
    Object.assign(list, { tabIndex: 0, role: "application" });
    list.dataset.captureWheel = "";
    list.setAttribute("aria-label", t("Clips: arrow keys go from one to the next, Enter marks one for redoing"));
    list.append(place);
    this.list = list;
    this.host.element.replaceChildren(this.head, this.choice, list, this.told);
    this.place = place;
    const draw = (context, width) => this.#draw(context, width);
    Object.assign(this, canvasIn(place, this.host.signal, draw));
    this.#listen(list, place);
  }

  #listen(list, place) {
    place.addEventListener("pointermove", (event) => this.#point(this.#at(event)));
    place.addEventListener("pointerleave", () => this.#point(undefined));
    place.addEventListener("click", (event) => {
      const clip = this.#at(event)?.clip;
      if (!clip) return;
      this.#focused = clip.number;
      this.#mark(clip);
    });
    list.addEventListener("keydown", (event) => this.#key(event));
    for (const type of ["focus", "blur"]) list.addEventListener(type, () => this.#refresh());
  }

  /** Where the pointer is, in the timeline's own pixels, however the graph is zoomed. */
  #at({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    const scale = box.width / this.canvas.clientWidth || 1;
    return this.#rows?.at((clientX - box.left) / scale, (clientY - box.top) / scale);
  }

  #draw(context, width) {
    if (this.#rows?.record !== this.#record || this.#rows.laidOut !== width) {
      this.#rows = new Rows(this.#record, this.#clips, width);
      this.#rows.laidOut = width;
      this.place.style.height = `${this.#rows.height}px`;
      const seen = Math.min(this.#rows.height, SEEN);
      this.list.style.minHeight = `${seen}px`;
      this.host.setHeight(LINES + (this.runs.length > 1 ? 26 : 0) + seen + TOLD);
    }
    const counts = parseRedo(this.#redo?.value);
    const marked = (number) => this.#isMarked(counts, number);
    const [pointed, focused] = [this.#pointed?.clip?.number, this.#atFocus?.number];
    drawTimeline(context, this.#rows, { pointed, focused, marked });
  }

  /** The clip that has the keyboard; undefined where it is elsewhere. */
  get #atFocus() {
    if (!this.list.matches(":focus")) return undefined;
    return this.#clips.find(({ number }) => number === this.#focused) ?? this.#clips[0];
  }

  #refresh() {
    this.#tell();
    this.redraw();
  }

  #point(at) {
    const same = at?.clip === this.#pointed?.clip && Boolean(at) === Boolean(this.#pointed);
    this.#pointed = at;
    this.canvas.style.cursor = at?.clip && this.#canMark(at.clip) ? "pointer" : "default";
    if (!same || (at && !at.clip)) this.#refresh();
  }

  #key(event) {
    const clip = this.#atFocus;
    if (!clip || !this.#rows || event.ctrlKey || event.metaKey || event.altKey) return;
    if (MOVES.includes(event.key)) this.#focused = this.#rows.beside(clip, event.key).number;
    else if (event.key === "Enter" || event.key === " ") this.#mark(clip);
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.#reveal();
    this.#refresh();
  }

  /** Scroll to the clip that has the focus. */
  #reveal() {
    const { lane, start, stop } = this.#atFocus;
    const { y, height } = this.#rows.rectangles(lane, start, stop)[0];
    const { scrollTop, clientHeight } = this.list;
    if (y < scrollTop) this.list.scrollTop = y - 4;
    else if (y + height > scrollTop + clientHeight) this.list.scrollTop = y + height + 4 - clientHeight;
  }

  // Marking

  get #redo() {
    return this.node.widgets?.find(({ name }) => name === "redo");
  }

  #canMark({ number }) {
    return Boolean(this.#redo) && this.#record.clips[number]?.seed !== undefined;
  }

  /** Whether a clip, by its number from 1, shall be sampled more often than what is shown was. */
  #isMarked(counts, number) {
    return (counts.get(number) ?? 0) > (this.#record.clips[number - 1]?.redone ?? 0);
  }

  /** Mark a clip for redoing, or take that back. */
  #mark(clip) {
    if (!this.#canMark(clip)) return this.#refresh();
    const widget = this.#redo;
    const counts = parseRedo(widget.value);
    const number = clip.number + 1;
    const redone = this.#record.clips[clip.number].redone ?? 0;
    const marked = this.#isMarked(counts, number);
    counts.set(number, marked ? redone : redone + 1);
    app.canvas.emitBeforeChange(); // so that all is undone together
    this.#set(widget, formatRedo(counts));
    if (!marked) this.#holdSeed();
    app.canvas.emitAfterChange();
    this.#refresh();
  }

  /** With another seed all clips would be others: take the one that these were made with, and let it stay. */
  #holdSeed() {
    const named = (name) => this.node.widgets.find((widget) => widget.name === name);
    const { seed } = this.#record;
    if (seed === undefined || !named("seed")) return;
    this.#set(named("seed"), Number(seed));
    this.#set(named("control_after_generate"), "fixed");
  }

  #set(widget, value) {
    if (!widget || widget.value === value) return;
    widget.value = value;
    widget.callback?.(value, app.canvas, this.node);
    app.canvas.setDirty(true, true);
  }

  // Words and pictures

  #buildRuns() {
    const many = this.runs.length > 1;
    this.choice.hidden = !many;
    if (!many || this.choice.childElementCount === this.runs.length) return this.#pressRuns();
    this.choice.replaceChildren(
      ...this.runs.map((_, run) => {
        const button = Object.assign(document.createElement("button"), { textContent: String(run + 1) });
        button.title = t("video {number} of {count}", { number: run + 1, count: this.runs.length });
        button.addEventListener("click", () => {
          this.#chosen = run;
          if (this.#record?.lanes) this.#update();
        });
        return button;
      }),
    );
    this.#pressRuns();
  }

  #pressRuns() {
    for (const [run, button] of [...this.choice.children].entries()) {
      button.setAttribute("aria-pressed", String(run === this.#chosen));
      button.disabled = !this.runs[run];
    }
  }

  #tell() {
    const { record, received } = this.#run;
    const since = record.ended || received === undefined ? 0 : (performance.now() - received) / 1000;
    this.head.textContent = toldOfDub(record, this.#clips.length, record.elapsed + since);
    const at = this.#pointed;
    const clip = at ? at.clip : (this.#atFocus ?? this.#working());
    if (clip) this.#tellClip(clip);
    else this.#say(at ? this.#toldBeside(at) : this.#hints());
  }

  #hints() {
    const hints = [t("Point at a clip, or go there with the arrow keys, to see it")];
    return this.#redo ? [...hints, t("A click or Enter marks it for redoing: the next run samples it again")] : hints;
  }

  #tellClip(clip) {
    const counts = parseRedo(this.#redo?.value);
    const told = this.#record.clips[clip.number];
    const sampling = told?.state === "sampling";
    const address = told?.picture ? viewUrl(told.picture) : sampling ? this.#preview : undefined;
    this.#say(toldOfClip(this.#record, clip, this.#isMarked(counts, clip.number + 1)), address);
  }

  #toldBeside({ lane, frame }) {
    const { untouched } = this.#record.lanes[lane];
    const span = untouched.find(([start, stop]) => start <= frame && frame < stop);
    if (!span) return [moment(frame, this.#record.fps)];
    const [start, stop, why] = span;
    const fps = this.#record.fps;
    const place = `${moment(start, fps)} – ${moment(stop, fps)} · ${clock((stop - start) / fps)}`;
    return [place, t("passes through untouched"), why].filter(Boolean);
  }

  #say(lines, picture) {
    const told = lines.join("\n");
    if (this.lines.textContent !== told) this.lines.textContent = told;
    this.picture.hidden = !picture;
    if (picture && this.picture.getAttribute("src") !== picture) this.picture.src = picture;
  }

  /** The clip that is sampled now. */
  #working() {
    if (this.#record.ended) return undefined;
    return this.#clips.find(({ number }) => this.#record.clips[number]?.state === "sampling");
  }

  #takePreview({ blob, displayNodeId, nodeId }) {
    if (allEnded(this.runs) || nodeOfExecution(displayNodeId ?? nodeId) !== this.node) return;
    const before = this.#preview;
    this.#preview = URL.createObjectURL(blob);
    if (this.head?.isConnected) this.#tell();
    URL.revokeObjectURL(before);
  }

  /** The clock goes on, and somebody may have written into `redo`. */
  #tick() {
    if (!this.#record?.lanes || !this.head?.isConnected) return;
    const changed = this.#redo?.value !== this.redoSeen;
    this.redoSeen = this.#redo?.value;
    if (changed) this.#refresh();
    else if (!this.#record.ended) this.#tell();
  }
}

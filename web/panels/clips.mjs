// Clips: the shots and clips of a dub in time, while it is made and afterwards; a click or Enter on one writes its number
// into the node's input `redo`.

import { api } from "../../../scripts/api.js";
import { clock, moment, span, toldOfClip, toldOfDub } from "../lib/clip_words.mjs";
import { button, keyboardPart, make, onAbort, part, toldPart } from "../lib/dom.mjs";
import { canvasIn } from "../lib/draw.mjs";
import { nodeOfExecution, viewUrl } from "../lib/execution.mjs";
import { allEnded, LiveRecords } from "../lib/live.mjs";
import { formatRedo, parseRedo } from "../lib/redo.mjs";
import { clipsOf, Rows } from "../lib/timeline.mjs";
import { drawTimeline } from "../lib/timeline_drawing.mjs";
import { asOneChange, setWidget, settable } from "../lib/widgets.mjs";
import { t } from "../lib/words.mjs";

const LIVE = new LiveRecords("xdub.clips");

/** Pixels of rows that are seen without scrolling, at most; of what is told of a clip; of other lines; of the runs. */
const [SEEN, TOLD, LINES, RUNS] = [176, 80, 46, 26];
const PREVIEW = "b_preview_with_metadata";

export function attach(node, host) {
  host.say(t("Run to see the clips here as they are made"));
  const panel = new ClipsPanel(node, host);
  LIVE.watch(node, host.signal, (runs) => panel.show(runs));
  host.onOutput(({ xdub_clips: records }) => {
    if (records?.length && allEnded(panel.runs)) panel.show(records.map((record) => ({ record })));
  });
}

class ClipsPanel {
  runs = [];
  #chosen = 0;
  #plan;
  #clips = [];
  #rows;
  #pointed;
  #focused;
  #preview;
  #redoSeen;

  constructor(node, host) {
    Object.assign(this, { node, host });
    const tick = setInterval(() => this.#tick(), 500);
    const preview = ({ detail }) => this.#takePreview(detail);
    api.addEventListener(PREVIEW, preview);
    onAbort(host.signal, () => {
      clearInterval(tick);
      api.removeEventListener(PREVIEW, preview);
      URL.revokeObjectURL(this.#preview);
    });
  }

  get #record() {
    return this.runs[this.#chosen]?.record;
  }

  /** Show the runs of a prompt: the one that works, else the one that was looked at. */
  show(runs) {
    const working = runs.findIndex((run) => run && !run.record.ended);
    this.runs = runs;
    if (working >= 0) this.#chosen = working;
    if (!this.#record) this.#chosen = runs.findIndex(Boolean);
    this.#update();
  }

  #update() {
    if (!this.#record?.lanes) return;
    if (this.#plan !== this.#record.lanes) {
      this.#plan = this.#record.lanes;
      this.#clips = clipsOf(this.#record);
      [this.#rows, this.#pointed] = [];
    }
    if (!this.head?.isConnected) this.#build();
    this.#showRuns();
    this.#refresh();
  }

  #build() {
    const name = t("Clips: arrow keys go from one to the next, Enter marks one for redoing");
    this.list = keyboardPart("rows", name, (key) => this.#onKey(key));
    this.list.dataset.captureWheel = "";
    [this.head, this.choice, this.place, this.lines] = [part("head"), part("controls"), part("timeline"), toldPart()];
    this.picture = make("img", { class: "xdub-picture", alt: "" });
    this.list.append(this.place);
    this.host.element.replaceChildren(this.head, this.choice, this.list, part("told", this.picture, this.lines));
    Object.assign(this, canvasIn(this.place, this.host.signal, (context, width) => this.#draw(context, width)));
    this.place.addEventListener("pointermove", (event) => this.#point(this.#rows?.at(...this.at(event))));
    this.place.addEventListener("pointerleave", () => this.#point(undefined));
    this.place.addEventListener("click", (event) => {
      const clip = this.#rows?.at(...this.at(event))?.clip;
      if (!clip) return;
      this.#focused = clip.number;
      this.#mark(clip);
    });
    for (const type of ["focus", "blur"]) this.list.addEventListener(type, () => this.#refresh());
  }

  #draw(context, width) {
    if (this.#rows?.record !== this.#record || this.#rows.laidOut !== width) {
      this.#rows = new Rows(this.#record, this.#clips, width);
      this.#rows.laidOut = width;
      this.place.style.height = `${this.#rows.height}px`;
      const seen = Math.min(this.#rows.height, SEEN);
      this.list.style.minHeight = `${seen}px`;
      this.host.setHeight(LINES + (this.runs.length > 1 ? RUNS : 0) + seen + TOLD);
    }
    const counts = this.#counts();
    const marked = (clip) => this.#isMarked(clip, counts);
    drawTimeline(context, this.#rows, { pointed: this.#pointed?.clip?.number, focused: this.#atFocus?.number, marked });
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
    this.#pointed = at;
    this.canvas.style.cursor = at?.clip && this.#canMark(at.clip) ? "pointer" : "default";
    this.#refresh();
  }

  #onKey(key) {
    const clip = this.#atFocus;
    if (!clip || !this.#rows) return false;
    const to = this.#rows.beside(clip, key);
    if (to) this.#focused = to.number;
    else if (key === "Enter" || key === " ") this.#mark(clip);
    else return false;
    this.#reveal();
    this.#refresh();
    return true;
  }

  #reveal() {
    const { lane, start, stop } = this.#atFocus;
    const { y, height } = this.#rows.rectangles(lane, start, stop)[0];
    const { scrollTop, clientHeight } = this.list;
    if (y < scrollTop) this.list.scrollTop = y - 4;
    else if (y + height > scrollTop + clientHeight) this.list.scrollTop = y + height + 4 - clientHeight;
  }

  get #redo() {
    return settable(this.node, "redo");
  }

  #counts() {
    return parseRedo(this.#redo?.value);
  }

  #canMark({ number }) {
    return Boolean(this.#redo) && this.#record.clips[number]?.seed !== undefined;
  }

  /** Whether a clip shall be sampled more often than what is shown was. */
  #isMarked({ number }, counts = this.#counts()) {
    return (counts.get(number + 1) ?? 0) > (this.#record.clips[number]?.redone ?? 0);
  }

  /** Mark a clip for redoing, or take that back. */
  #mark(clip) {
    if (!this.#canMark(clip)) return this.#refresh();
    const [counts, marked] = [this.#counts(), this.#isMarked(clip)];
    counts.set(clip.number + 1, (this.#record.clips[clip.number].redone ?? 0) + (marked ? 0 : 1));
    asOneChange(() => {
      setWidget(this.node, this.#redo, formatRedo(counts));
      if (!marked) this.#holdSeed();
    });
    this.#refresh();
  }

  /** With another seed all clips would be others. */
  #holdSeed() {
    const [{ seed }, widget] = [this.#record, settable(this.node, "seed")];
    if (seed === undefined || !widget) return;
    setWidget(this.node, widget, Number(seed));
    setWidget(this.node, settable(this.node, "control_after_generate"), "fixed");
  }

  #showRuns() {
    const { runs, choice } = this;
    const count = runs.length;
    const choose = (run) => () => {
      this.#chosen = run;
      this.#update();
    };
    const made = (_, run) => button(String(run + 1), t("video {number} of {count}", { number: run + 1, count }), choose(run));
    if (choice.childElementCount !== count) choice.replaceChildren(...runs.map(made));
    choice.hidden = count < 2;
    for (const [run, each] of [...choice.children].entries()) {
      each.setAttribute("aria-pressed", run === this.#chosen);
      each.disabled = !runs[run];
    }
  }

  #tell() {
    const { record, received } = this.runs[this.#chosen];
    const since = record.ended || received === undefined ? 0 : (performance.now() - received) / 1000;
    this.head.textContent = toldOfDub(record, this.#clips.length, record.elapsed + since);
    const at = this.#pointed;
    const clip = at ? at.clip : (this.#atFocus ?? this.#working());
    if (clip) this.#tellClip(clip);
    else this.#say(at ? this.#toldBeside(at) : this.#hints());
  }

  #hints() {
    return [
      t("Point at a clip, or go there with the arrow keys, to see it"),
      this.#redo && t("A click or Enter marks it for redoing: the next run samples it again"),
    ];
  }

  #tellClip(clip) {
    const told = this.#record.clips[clip.number];
    const address = told?.picture ? viewUrl(told.picture) : told?.state === "sampling" ? this.#preview : undefined;
    this.#say(toldOfClip(this.#record, clip, this.#isMarked(clip)), address);
  }

  #toldBeside({ lane, frame }) {
    const { fps, lanes } = this.#record;
    const found = lanes[lane].untouched.find(([start, stop]) => start <= frame && frame < stop);
    if (!found) return [moment(frame, fps)];
    const [start, stop, why] = found;
    return [`${span(start, stop, fps)} · ${clock((stop - start) / fps)}`, t("passes through untouched"), why];
  }

  #say(lines, picture) {
    const told = lines.filter(Boolean).join("\n");
    if (this.lines.textContent !== told) this.lines.textContent = told;
    this.picture.hidden = !picture;
    if (picture && this.picture.getAttribute("src") !== picture) this.picture.src = picture;
  }

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
    const changed = this.#redo?.value !== this.#redoSeen;
    this.#redoSeen = this.#redo?.value;
    if (changed) this.#refresh();
    else if (!this.#record.ended) this.#tell();
  }
}

// Before/after: a player of the dub with the source wiped over it.

import { BothVideo, faceAt } from "../lib/both_video.mjs";
import { button, choice, keyboardPart, make, part, slider } from "../lib/dom.mjs";
import { canvasIn } from "../lib/draw.mjs";
import { loadedFacts, playheadOf } from "../lib/shared.mjs";
import { t } from "../lib/words.mjs";

/** Pixels of the pictures at least, and of what is beneath. */
const [STAGE, LINES] = [200, 90];
const SPEEDS = [0.25, 0.5, 1];
const [FACE_MARGIN, MOST_ZOOM, ZOOM_STEP] = [0.75, 16, 1.25];
const WHOLE = { x: 0.5, y: 0.5, zoom: 1 };

export function attach(node, host) {
  host.say(t("Run to compare the dub with its source here"));
  hidePlayer(node, true);
  loadedFacts(host, (found, signal) => {
    hidePlayer(node, Boolean(found));
    if (found) new Comparison(node, host, signal, found.video, found.facts);
    else host.say(t("There is no before/after video of this dub: run again, or look into the log"));
  });
}

/** ComfyUI's own player: Vue's, and what the other renderer adds as it draws. */
function hidePlayer(node, hidden) {
  node.hideOutputImages = hidden;
  node.onDrawBackground = hidden ? undefined : node.constructor.prototype.onDrawBackground;
}

class Comparison {
  /** Left of it is the source. */
  wipe = 0.5;
  /** Shown alone, if anything: 0 the source, 1 the dub. */
  alone;
  view = { ...WHOLE };
  /** Which face is followed; -1: none. */
  followed = -1;

  constructor(node, host, signal, url, facts) {
    Object.assign(this, { node, host, url, facts, playhead: playheadOf(node) });
    this.video = new BothVideo(url, facts, signal, {
      drawn: () => this.#drawn(),
      changed: () => this.#tell(),
      failed: () => this.#fail(),
    });
    const wanted = (event) => {
      event.preventDefault();
      this.video.seek(event.detail);
    };
    this.playhead.addEventListener("asked", wanted, { signal });
    const stage = this.#stage();
    this.slider = slider(t("Frame"), this.video.last, (frame) => this.video.goTo(frame));
    host.element.replaceChildren(stage, this.slider, this.#controls());
    Object.assign(this, canvasIn(stage, signal, (...given) => this.#draw(...given)));
    host.setHeight(STAGE + LINES);
    this.#tell();
  }

  #stage() {
    const name = t("Before and after: arrow keys wipe, F flips, space plays, comma and full stop step, Z looks at the face");
    const stage = keyboardPart("stage", name, (key, event) => this.#onKey(key, event));
    stage.title = t("Left of the line: the source. Drag to wipe; Shift and drag to move a picture that is enlarged");
    stage.append(this.video.element);
    let from;
    const drag = (event) => {
      const at = this.at(event);
      this.#drag(at, from, event.shiftKey);
      from = at;
    };
    stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.stopPropagation();
      stage.focus({ preventScroll: true });
      stage.setPointerCapture(event.pointerId);
      from = this.at(event);
      drag(event);
    });
    stage.addEventListener("pointermove", (event) => stage.hasPointerCapture(event.pointerId) && drag(event));
    return stage;
  }

  #controls() {
    const speeds = SPEEDS.map((speed) => [speed, `${speed}×`]);
    const setSpeed = (value) => (this.video.element.playbackRate = Number(value));
    this.play = button("", "", () => this.video.toggle());
    this.time = make("span", { class: "xdub-time" });
    this.flip = button(t("flip"), t("Show the source, or the dub, alone (F)"), () => this.#flip());
    this.zoom = choice(t("What is looked at (Z, + and -)"), this.#zooms(), 1, (value) => this.#look(value));
    this.loop = button("⟳", t("Begin again at the end (L)"), () => this.#toggleLoop());
    return part(
      "controls",
      this.play,
      button("◀", t("One frame back (,)"), () => this.video.step(-1)),
      button("▶", t("One frame on (.)"), () => this.video.step(1)),
      this.time,
      this.flip,
      this.zoom,
      choice(t("How fast it plays"), speeds, 1, setSpeed),
      this.loop,
      this.facts.sounds ? choice(t("What is heard"), this.#sounds(), "dub", (value) => this.video.hear(value)) : "",
    );
  }

  #zooms() {
    const faces = this.facts.faces.map(({ number }, index) => [`face ${index}`, t("face {number}", { number })]);
    return [[1, t("whole")], ...faces, [2, "2×"], [4, "4×"]];
  }

  #sounds() {
    const source = [["source", t("source's sound")]].slice(0, this.facts.sounds - 1);
    return [["dub", t("dub's sound")], ...source, ["none", t("no sound")]];
  }

  #drag([x, y], [fromX, fromY], moves) {
    const { left, wide, scale } = this.#placed(this.canvas.clientWidth, this.canvas.clientHeight);
    const [columns, lines] = this.facts.size;
    if (!moves) return this.#wipeTo((x - left) / wide);
    this.followed = -1;
    this.view.x -= (x - fromX) / scale / columns;
    this.view.y -= (y - fromY) / scale / lines;
    this.#tell();
  }

  #onKey(key, { shiftKey }) {
    const far = shiftKey ? 0.1 : 0.02;
    const { options, selectedIndex } = this.zoom;
    const toggle = () => this.video.toggle();
    const closer = () => this.#look(this.view.zoom * ZOOM_STEP);
    const keys = {
      ArrowLeft: () => this.#wipeTo(this.wipe - far),
      ArrowRight: () => this.#wipeTo(this.wipe + far),
      " ": toggle,
      k: toggle,
      ",": () => this.video.step(-1),
      ".": () => this.video.step(1),
      Home: () => this.video.goTo(0),
      End: () => this.video.goTo(this.video.last),
      f: () => this.#flip(),
      l: () => this.#toggleLoop(),
      z: () => this.#look(options[(selectedIndex + 1) % options.length].value),
      "+": closer,
      "=": closer,
      "-": () => this.#look(this.view.zoom / ZOOM_STEP),
      0: () => this.#look(1),
    };
    const act = keys[key.length === 1 ? key.toLowerCase() : key];
    act?.();
    return act;
  }

  #wipeTo(share) {
    this.alone = undefined;
    this.wipe = Math.min(1, Math.max(0, share));
    this.#tell();
  }

  #flip() {
    this.alone = this.alone === 1 ? 0 : 1;
    this.#tell();
  }

  #toggleLoop() {
    this.video.element.loop = !this.video.element.loop;
    this.#tell();
  }

  /** Look at the whole picture, into its middle, or at a face. */
  #look(value) {
    const [, face] = /^face (\d+)$/.exec(value) ?? [];
    this.followed = Number(face ?? -1);
    const zoom = Math.min(MOST_ZOOM, Math.max(1, value));
    if (!face) this.view = zoom > 1 ? { ...this.view, zoom } : { ...WHOLE };
    this.zoom.value = face ? value : zoom;
    this.#tell();
  }

  // What is shown

  #drawn() {
    this.playhead.moveTo(this.video.timeOf(this.video.frame));
    this.#tell();
  }

  #tell() {
    const { video } = this;
    this.play.textContent = video.isPlaying ? "❚❚" : "►";
    this.play.title = video.isPlaying ? t("Pause (space)") : t("Play (space)");
    this.play.setAttribute("aria-label", this.play.title);
    this.flip.setAttribute("aria-pressed", this.alone !== undefined);
    this.loop.setAttribute("aria-pressed", video.element.loop);
    const time = `${video.timeOf(video.frame).toFixed(2)} s`;
    this.time.textContent = `${time} · ${video.frame}`;
    this.time.title = t("frame {frame} of {count}", { frame: video.frame, count: this.facts.frames });
    this.slider.value = video.frame;
    this.slider.setAttribute("aria-valuetext", time);
    if (video.isReady) this.redraw(); // or the last picture stays
  }

  #fail() {
    hidePlayer(this.node, false);
    const link = make("a", { href: this.url, target: "_blank", rel: "noopener" }, t("open it in another program"));
    this.host.element.replaceChildren(
      make("p", { class: "xdub-lines" }, t("This browser cannot play the before/after video (H.264):"), " ", link),
    );
  }

  /** How a stage of this size shows the picture: its `seen` part, in its own pixels, and where. */
  #placed(width, height) {
    const [columns, lines] = this.facts.size;
    const fits = Math.min(width / columns, height / lines);
    const face = this.facts.faces[this.followed];
    const found = face && faceAt(face, this.video.timeOf(this.video.frame));
    if (found) {
      const side = found.side * Math.max(columns, lines) * FACE_MARGIN;
      this.view = { x: found.x, y: found.y, zoom: Math.max(1, Math.min(width, height) / side / fits) };
    }
    const scale = fits * this.view.zoom;
    const size = [Math.min(columns, width / scale), Math.min(lines, height / scale)];
    const corner = [columns, lines].map((whole, axis) => {
      const start = this.view["xy"[axis]] * whole - size[axis] / 2;
      return Math.min(Math.max(start, 0), whole - size[axis]);
    });
    this.view.x = (corner[0] + size[0] / 2) / columns; // not beyond its edge
    this.view.y = (corner[1] + size[1] / 2) / lines;
    const [wide, high] = [size[0] * scale, size[1] * scale];
    return { seen: [...corner, ...size], left: (width - wide) / 2, top: (height - high) / 2, wide, high, scale };
  }

  #draw(context, width, height) {
    if (!this.video.isReady) return;
    const { seen, left, top, wide, high } = this.#placed(width, height);
    const split = this.alone === undefined ? this.wipe : 1 - this.alone;
    for (const which of [0, 1]) {
      const [from, share] = which ? [split, 1 - split] : [0, split];
      if (share <= 0) continue;
      const part = [seen[0] + from * seen[2], seen[1], share * seen[2], seen[3]];
      this.video.draw(context, which, part, [left + from * wide, top, share * wide, high]);
    }
    if (this.alone === undefined) line(context, left + split * wide, top, high);
    if (split > 0) caption(context, t("source"), left + 6, top + 6, 0);
    if (split < 1) caption(context, t("dub"), left + wide - 6, top + 6, 1);
  }
}

function line(context, x, top, height) {
  context.fillStyle = "#000a";
  context.fillRect(x - 1.5, top, 3, height);
  context.fillStyle = "#fff";
  context.fillRect(x - 0.5, top, 1, height);
  context.beginPath();
  context.arc(x, top + height / 2, 6, 0, 2 * Math.PI);
  context.fill();
  context.strokeStyle = "#000a";
  context.stroke();
}

/** A word on a picture; it begins at `x`, or `before` it. */
function caption(context, text, x, y, before) {
  Object.assign(context, { font: "11px Inter, Arial, sans-serif", fillStyle: "#000a", textBaseline: "middle" });
  const width = context.measureText(text).width + 8;
  const left = x - before * width;
  context.fillRect(left, y, width, 16);
  context.fillStyle = "#fff";
  context.fillText(text, left + 4, y + 8.5);
}

// Before/after: a player of the dub with the source wiped over it. Drag or the arrow keys move the wipe, F flips, comma and
// full stop step from frame to frame, Z looks at the face.

import { BothVideo, faceAt, SOUNDS } from "../lib/both_video.mjs";
import { canvasIn } from "../lib/draw.mjs";
import { loadedFacts } from "../lib/facts.mjs";
import { playheadOf } from "../lib/playhead.mjs";
import { t } from "../lib/words.mjs";

/** Pixels of the pictures at least, and of the lines beneath. */
const [STAGE, LINES] = [200, 90];
const SPEEDS = [0.25, 0.5, 1];
const [FACE_MARGIN, MOST_ZOOM, ZOOM_STEP] = [0.75, 16, 1.25];
const WHOLE = { x: 0.5, y: 0.5, zoom: 1 };

/** @param {object} node @param {import("../lib/panel.mjs").Host} host */
export function attach(node, host) {
  host.say(t("Run to compare the dub with its source here"));
  node.hideOutputImages = true; // ComfyUI's own player of the dub, which this one is instead of
  loadedFacts(host, (found, signal) => {
    node.hideOutputImages = Boolean(found);
    if (found) new Comparison(node, host, signal, found.video, found.facts);
    else host.say(t("There is no before/after video of this dub: run again, or look into the log"));
  });
}

class Comparison {
  /** The part of the picture left of it is the source's. */
  wipe = 0.5;
  /** What is shown alone, if anything: 0 the source, 1 the dub. @type {0 | 1 | undefined} */
  alone;
  view = { ...WHOLE };
  /** @type {number} which face is followed; -1: none */
  followed = -1;

  constructor(node, host, signal, url, facts) {
    Object.assign(this, { node, host });
    this.facts = facts;
    this.url = url;
    this.playhead = playheadOf(node);
    this.video = new BothVideo(url, facts, signal, {
      drawn: () => this.#drawn(),
      changed: () => this.#tell(),
      failed: () => this.#fail(),
    });
    this.playhead.on("asked", signal, (time) => this.video.seek(time));
    this.#build(signal);
    host.setHeight(STAGE + LINES);
    this.#tell();
  }

  #build(signal) {
    const part = (name) => Object.assign(document.createElement("div"), { className: name });
    const [stage, controls] = [part("xdub-stage"), part("xdub-controls")];
    Object.assign(stage, { tabIndex: 0, role: "application" });
    stage.setAttribute(
      "aria-label",
      t("Before and after: arrow keys wipe, F flips, space plays, comma and full stop step, Z looks at the face"),
    );
    stage.title = t("Left of the line: the source. Drag to wipe; Shift and drag to move a picture that is enlarged");
    stage.append(this.video.element);
    this.stage = stage;
    this.#buildControls(controls);
    this.host.element.replaceChildren(stage, this.slider, controls);
    Object.assign(this, canvasIn(stage, signal, (context, width, height) => this.#draw(context, width, height)));
    this.#listen(stage);
  }

  #buildControls(controls) {
    this.slider = Object.assign(document.createElement("input"), { type: "range", min: 0, step: 1, value: 0 });
    this.slider.max = this.video.last;
    this.slider.className = "xdub-slider";
    this.slider.setAttribute("aria-label", t("Frame"));
    this.slider.addEventListener("input", () => this.video.goTo(Number(this.slider.value)));
    this.slider.addEventListener("keydown", (event) => event.stopPropagation());
    this.play = button("", "", () => this.video.toggle());
    this.flip = button(t("flip"), t("Show the source, or the dub, alone (F)"), () => this.#flip());
    this.time = Object.assign(document.createElement("span"), { className: "xdub-time" });
    this.zoom = choice(t("What is looked at (Z, + and -)"), this.#zooms(), 1, (value) => this.#look(value));
    const speeds = SPEEDS.map((speed) => [speed, `${speed}×`]);
    const setSpeed = (value) => (this.video.element.playbackRate = Number(value));
    const speed = choice(t("How fast it plays"), speeds, 1, setSpeed);
    this.loop = button("⟳", t("Begin again at the end (L)"), () => this.#toggleLoop());
    controls.append(
      this.play,
      button("◀", t("One frame back (,)"), () => this.#step(-1)),
      button("▶", t("One frame on (.)"), () => this.#step(1)),
      this.time,
      this.flip,
      this.zoom,
      speed,
      this.loop,
    );
    if (this.facts.sounds) controls.append(choice(t("What is heard"), this.#sounds(), "dub", (value) => this.video.hear(value)));
  }

  #zooms() {
    const faces = this.facts.faces.map(({ number }, index) => [`face ${index}`, t("face {number}", { number })]);
    return [[1, t("whole")], ...faces, [2, "2×"], [4, "4×"]];
  }

  #sounds() {
    const names = { dub: t("dub's sound"), source: t("source's sound"), none: t("no sound") };
    return SOUNDS.filter((sound) => sound !== "source" || this.facts.sounds > 1).map((sound) => [sound, names[sound]]);
  }

  #listen(stage) {
    stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.stopPropagation();
      stage.focus({ preventScroll: true });
      stage.setPointerCapture(event.pointerId);
      this.#drag(event);
    });
    stage.addEventListener("pointermove", (event) => {
      if (stage.hasPointerCapture(event.pointerId)) this.#drag(event);
    });
    stage.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Wipe to where the pointer is, or move what is seen. */
  #drag({ clientX, movementX, movementY, shiftKey }) {
    const box = this.canvas.getBoundingClientRect();
    const { left, wide, scale } = this.#placed(box.width, box.height);
    if (shiftKey) {
      this.followed = -1;
      this.view.x -= movementX / scale / this.facts.size[0];
      this.view.y -= movementY / scale / this.facts.size[1];
    } else {
      this.alone = undefined;
      this.wipe = clamped((clientX - box.left - left) / wide);
    }
    this.#tell();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const far = event.shiftKey ? 0.1 : 0.02;
    const keys = {
      ArrowLeft: () => this.#wipeBy(-far),
      ArrowRight: () => this.#wipeBy(far),
      " ": () => this.video.toggle(),
      k: () => this.video.toggle(),
      ",": () => this.#step(-1),
      ".": () => this.#step(1),
      Home: () => this.video.goTo(0),
      End: () => this.video.goTo(this.video.last),
      f: () => this.#flip(),
      l: () => this.#toggleLoop(),
      z: () => this.#nextZoom(),
      "+": () => this.#enlarge(ZOOM_STEP),
      "=": () => this.#enlarge(ZOOM_STEP),
      "-": () => this.#enlarge(1 / ZOOM_STEP),
      0: () => this.#look(1),
    };
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation(); // or they would be the editor's own
    act();
  }

  #wipeBy(share) {
    this.alone = undefined;
    this.wipe = clamped(this.wipe + share);
    this.#tell();
  }

  #flip() {
    this.alone = this.alone === 1 ? 0 : 1;
    this.#tell();
  }

  #step(frames) {
    this.video.goTo(this.video.frame + frames);
  }

  #toggleLoop() {
    this.video.element.loop = !this.video.element.loop;
    this.#tell();
  }

  #nextZoom() {
    this.zoom.selectedIndex = (this.zoom.selectedIndex + 1) % this.zoom.options.length;
    this.#look(this.zoom.value);
  }

  /** Look at the whole picture, into the middle of what is seen, or at a face. */
  #look(value) {
    const face = /^face (\d+)$/.exec(value);
    this.followed = face ? Number(face[1]) : -1;
    if (!face) this.view = Number(value) === 1 ? { ...WHOLE } : { ...this.view, zoom: Number(value) };
    this.zoom.value = String(value);
    this.#tell();
  }

  #enlarge(factor) {
    this.followed = -1;
    this.view.zoom = Math.min(MOST_ZOOM, Math.max(1, this.view.zoom * factor));
    if (this.view.zoom === 1) Object.assign(this.view, WHOLE);
    this.zoom.value = String(this.view.zoom);
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
    this.flip.setAttribute("aria-pressed", String(this.alone !== undefined));
    this.loop.setAttribute("aria-pressed", String(video.element.loop));
    const time = `${video.timeOf(video.frame).toFixed(2)} s`;
    this.time.textContent = `${time} · ${video.frame}`;
    this.time.title = t("frame {frame} of {count}", { frame: video.frame, count: this.facts.frames });
    this.slider.value = String(video.frame);
    this.slider.setAttribute("aria-valuetext", time);
    if (video.isReady) this.redraw(); // until then the last picture stays
  }

  #fail() {
    this.node.hideOutputImages = false;
    const line = Object.assign(document.createElement("p"), { className: "xdub-lines" });
    const link = Object.assign(document.createElement("a"), { href: this.url, target: "_blank", rel: "noopener" });
    link.textContent = t("open it in another program");
    line.append(t("This browser cannot play the before/after video (H.264):"), " ", link);
    this.host.element.replaceChildren(line);
  }

  /** How a stage of this size shows the picture: the `seen` part of it, in its own pixels, and where. */
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
    this.view.x = (corner[0] + size[0] / 2) / columns; // no further than to the picture's edge
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
    if (split > 0) caption(context, t("source"), left + 6, top + 6, "left");
    if (split < 1) caption(context, t("dub"), left + wide - 6, top + 6, "right");
  }
}

function clamped(share) {
  return Math.min(1, Math.max(0, share));
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

/** A word on a picture, whatever is in it. */
function caption(context, text, x, y, align) {
  context.font = "11px Inter, Arial, sans-serif";
  const width = context.measureText(text).width + 8;
  context.fillStyle = "#000a";
  context.fillRect(align === "left" ? x : x - width, y, width, 16);
  Object.assign(context, { fillStyle: "#fff", textAlign: align, textBaseline: "middle" });
  context.fillText(text, align === "left" ? x + 4 : x - 4, y + 8.5);
}

function button(text, title, act) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: text, title });
  made.setAttribute("aria-label", title);
  made.addEventListener("click", act);
  return made;
}

function choice(title, options, chosen, act) {
  const made = Object.assign(document.createElement("select"), { title });
  made.setAttribute("aria-label", title);
  for (const [value, text] of options) made.add(new Option(text, String(value), false, value === chosen));
  made.addEventListener("change", () => act(made.value));
  made.addEventListener("keydown", (event) => event.stopPropagation());
  return made;
}

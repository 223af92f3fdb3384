// The timeline under the player: waveform with speech, curves of the face, actions; one playhead through all.

import { el, words } from "./dom.js";

const WAVE_PX = 52;
const CURVE_PX = 34;
const SPEECH = 0.5; // the detector's own threshold
const CURVES = [
  ["yaw", "yaw", "°"], ["pitch", "pitch", "°"], ["roll", "roll", "°"],
  ["mouth_opening", "mouth", ""], ["eye_opening", "eyes", ""],
];

/** curves: the answer of /api/clip/ID/curves; actions: [{name, start_s, end_s, confidence, by}]. */
export class Timeline {
  constructor(container, { curves, actions, seconds, onSeek }) {
    this.curves = curves;
    this.seconds = seconds;
    this._outputs = [];
    this._canvases = [];
    this._playhead = el("div", { class: "playhead", "aria-hidden": "true" });
    this._scrub = el("div", { class: "scrub", role: "slider", tabindex: "0", "aria-label": "Frame",
      "aria-valuemin": 0, "aria-valuemax": curves.frames - 1 }, this._playhead);
    const lanes = el("div", { class: "lanes" });
    if (curves.waveform) {
      const heard = el("span", { class: "speech-key", title: "shaded: speech", text: "speech" });
      this._lane(lanes, "sound", WAVE_PX, (c, w, h) => this._wave(c, w, h), curves.speech && heard);
    }
    for (const [key, name, unit] of CURVES) {
      if (curves[key]?.some((v) => v !== null)) this._curve(lanes, curves[key], name, unit);
    }
    actionLanes(lanes, actions, seconds);
    lanes.append(el("div"), el("div", { class: "ruler" }, ...ruler(seconds)), this._scrub);
    container.replaceChildren(lanes);
    this._seeking(onSeek, curves);
    new ResizeObserver(() => this._paint()).observe(lanes);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this._paint());
  }

  /** Move the playhead to a frame and show its values. */
  show(frame) {
    this._frame = frame;
    const { fps, frames } = this.curves;
    this._playhead.style.left = `${(100 * (frame + 0.5)) / fps / this.seconds}%`;
    this._scrub.setAttribute("aria-valuenow", frame);
    this._scrub.setAttribute("aria-valuetext", `frame ${frame} of ${frames}, ${(frame / fps).toFixed(2)} seconds`);
    for (const { output, values, unit } of this._outputs) {
      const value = values[frame];
      output.textContent = value === null || value === undefined ? "–" : `${value.toFixed(unit ? 1 : 2)}${unit}`;
    }
  }

  _lane(lanes, name, height, paint, output = null) {
    const canvas = el("canvas", { height, "aria-hidden": "true" });
    canvas.style.height = `${height}px`;
    this._canvases.push([canvas, height, paint]);
    lanes.append(el("div", { class: "name" }, name, output), canvas);
  }

  _curve(lanes, values, name, unit) {
    const output = el("output");
    this._outputs.push({ output, values, unit });
    const known = values.filter((v) => v !== null);
    // Angles keep zero in the middle; openings start at zero.
    const reach = Math.max(unit ? 10 : 0.05, ...known.map(Math.abs));
    const [low, high] = unit ? [-reach, reach] : [0, Math.max(reach, ...known)];
    this._lane(lanes, name, CURVE_PX, (context, width, height) => {
      const y = (value) => height - 3 - ((value - low) / (high - low)) * (height - 6);
      if (unit) {
        context.fillStyle = colour("--line");
        context.fillRect(0, y(0), width, 1);
      }
      context.strokeStyle = colour("--accent");
      context.lineWidth = 1.5;
      context.beginPath();
      let pen = false;
      values.forEach((value, k) => {
        if (value === null) {
          pen = false;
          return;
        }
        const x = ((k + 0.5) / this.curves.fps / this.seconds) * width;
        if (pen) context.lineTo(x, y(value));
        else context.moveTo(x, y(value));
        pen = true;
      });
      context.stroke();
    }, output);
  }

  _wave(context, width, height) {
    const { waveform, speech, fps } = this.curves;
    const { peaks } = waveform;
    context.fillStyle = colour("--speech");
    const frame = width / fps / this.seconds;
    (speech ?? []).forEach((probability, k) => {
      // A pixel over, so that no seam shows between frames.
      if (probability >= SPEECH) context.fillRect(k * frame, 0, frame + 0.5, height);
    });
    context.fillStyle = colour("--accent");
    const loudest = Math.max(0.05, ...peaks.map(([low, high]) => Math.max(-low, high)));
    const wide = width / peaks.length;
    peaks.forEach(([low, high], k) => {
      const top = (1 - high / loudest) * (height / 2);
      const bottom = (1 - low / loudest) * (height / 2);
      context.fillRect(k * wide, top, Math.max(0.75, wide * 0.7), Math.max(1, bottom - top));
    });
  }

  _paint() {
    const density = window.devicePixelRatio || 1;
    for (const [canvas, height, paint] of this._canvases) {
      const width = canvas.clientWidth;
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
      const context = canvas.getContext("2d");
      context.scale(density, density);
      paint(context, width, height);
    }
  }

  _seeking(onSeek, { fps, frames }) {
    const seek = (event) => {
      const { left, width } = this._scrub.getBoundingClientRect();
      const at = ((event.clientX - left) / width) * this.seconds;
      onSeek(Math.max(0, Math.min(frames - 1, Math.floor(at * fps))));
    };
    this._scrub.addEventListener("pointerdown", (event) => {
      this._scrub.setPointerCapture(event.pointerId);
      seek(event);
    });
    this._scrub.addEventListener("pointermove", (event) => this._scrub.hasPointerCapture(event.pointerId) && seek(event));
    this._scrub.addEventListener("keydown", (event) => {
      if (event.key === "Home") onSeek(0);
      else if (event.key === "End") onSeek(frames - 1);
      else return;
      event.preventDefault();
    });
  }
}

function actionLanes(lanes, actions, seconds) {
  const names = [...new Set(actions.map((a) => a.name))];
  if (names.length) lanes.append(el("div", { class: "group", text: "Actions" }));
  for (const name of names) {
    const lane = el("div", { class: "lane" });
    for (const { start_s, end_s, confidence, by } of actions.filter((a) => a.name === name)) {
      const sure = confidence === null || confidence === undefined ? "" : `, confidence ${confidence.toFixed(2)}`;
      const text = `${name} ${start_s.toFixed(2)} to ${end_s.toFixed(2)} s${sure}, ${by}`;
      const act = el("div", { class: "act", role: "img", title: text, "aria-label": text });
      act.style.left = `${(100 * start_s) / seconds}%`;
      act.style.width = `${(100 * (end_s - start_s)) / seconds}%`;
      act.style.opacity = String(0.45 + 0.55 * (confidence ?? 1));
      lane.append(act);
    }
    lanes.append(el("div", { class: "name", text: words(name) }), lane);
  }
}

function ruler(seconds) {
  const marks = 4;
  return Array.from({ length: marks + 1 }, (_, k) => el("span", { text: `${((seconds * k) / marks).toFixed(1)} s` }));
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name);
}

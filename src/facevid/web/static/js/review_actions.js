// The actions of a clip as an annotator corrects them: drop, move, rename, and new ones at the playhead.

import { el } from "./dom.js";

const LONG_S = 1; // how long a new action is until its end is set
const NAMES = "action-names"; // id of the list that names are completed from

/**
 * The list of actions under review. shown: [{name, start_s, end_s}] as the dataset has them; given: the list that the
 * annotator, or another one, gave before, or null. clip: {fps, frames}. hooks: seek(seconds), frame() (the frame on the
 * screen) and changed(), called after every change.
 */
export class ActionList {
  constructor(shown, given, names, clip, hooks) {
    this._shown = said(shown);
    this._acts = (given ?? shown).map((act) => ({ ...act }));
    this._names = names;
    this._clip = clip;
    this._hooks = hooks;
  }

  get length() {
    return this._acts.length;
  }

  /** The list as it stands, in the order of time, without those that are wrong. */
  said() {
    return said(this._acts.filter((act) => !act.wrong));
  }

  /** Whether that differs from what the dataset shows. */
  get changed() {
    return JSON.stringify(this.said()) !== JSON.stringify(this._shown);
  }

  /** What must be done before the list can be taken, or null. */
  missing() {
    return this._acts.some((act) => !act.name && !act.wrong)
      ? "Say what the new action is first: choose its name, or 0 removes it." : null;
  }

  /** A new action that begins at the playhead; gives its place in the list. */
  add() {
    const start_s = this._now();
    this._acts.push({ name: "", start_s, end_s: Math.min(start_s + LONG_S, this._seconds), added: true });
    this._hooks.changed();
    return this._acts.length - 1;
  }

  /** Take a key for the action at a place; true where it means something. */
  key(key, place) {
    const act = this._acts[place];
    if (!act) return false;
    const does = {
      "[": () => this._start(act, this._now()), "]": () => this._end(act, this._now() + 1 / this._clip.fps),
      0: () => this._drop(act), 1: () => (act.wrong = false), Delete: () => this._drop(act),
      Enter: () => this._hooks.seek(act.start_s),
    }[key];
    if (!does) return false;
    does();
    if (key !== "Enter") this._hooks.changed();
    return true;
  }

  /** The row of an action; in focus it can be edited. */
  row(place, focused, choose) {
    const act = this._acts[place];
    const where = el("i");
    where.style.left = `${(100 * act.start_s) / this._seconds}%`;
    where.style.width = `${(100 * (act.end_s - act.start_s)) / this._seconds}%`;
    const changed = act.added || this._shown.every((s) => JSON.stringify(s) !== JSON.stringify(said([act])[0]));
    const row = el(
      "div", {
        class: `row-item action${focused ? " focused" : ""}`, data: { action: act.name },
        "aria-current": focused ? "true" : undefined,
        on: { click: () => !focused && (choose(), this._hooks.seek(act.start_s)) },
      },
      el(
        "div", { class: "name" },
        el("span", { text: act.name || "new action" }),
        el("span", {
          class: `value${act.wrong ? " dropped" : changed ? " changed" : ""}`,
          text: `${act.start_s.toFixed(2)}–${act.end_s.toFixed(2)} s`,
        }),
      ),
      el("div", { class: "span", "aria-hidden": "true" }, where),
    );
    if (focused) row.append(this._editor(act, place));
    return row;
  }

  /** The names to complete from, once for all rows. */
  names() {
    return el("datalist", { id: NAMES }, ...this._names.map((value) => el("option", { value })));
  }

  _editor(act, place) {
    const button = (key, text) => el(
      "button", { on: { click: () => this.key(key, place) } }, el("kbd", { text: key }), ` ${text}`,
    );
    const name = el("input", {
      type: "text", class: "action-name", list: NAMES, value: act.name, placeholder: "what is done",
      "aria-label": "Action", spellcheck: "false", autocomplete: "off",
      on: {
        change: () => this._rename(act, name.value),
        keydown: (event) => (event.key === "Enter" || event.key === "Escape") && name.blur(),
      },
    });
    const seconds = (label, value, set) => el("input", {
      type: "number", min: 0, max: this._seconds, step: "any", value: value.toFixed(2), "aria-label": label,
      on: {
        change: (event) => {
          if (event.target.value && event.target.checkValidity()) set(Number(event.target.value));
          this._hooks.changed();
        },
        keydown: (event) => event.key === "Enter" && event.target.blur(),
      },
    });
    return el(
      "div", { class: "values" }, name,
      el("span", { class: "bound" }, button("[", "start here"), seconds("Start in seconds", act.start_s, (s) => this._start(act, s))),
      el("span", { class: "bound" }, button("]", "end here"), seconds("End in seconds", act.end_s, (s) => this._end(act, s))),
      act.wrong ? button("1", "it is right") : button("0", act.added ? "remove" : "wrong"),
    );
  }

  /** The action of the vocabulary that was typed, or that begins so, or has it within; else the name stays. */
  _rename(act, typed) {
    const text = typed.trim().toLowerCase();
    const found = this._names.find((n) => n === text) ?? this._names.find((n) => n.startsWith(text))
      ?? this._names.find((n) => n.includes(text));
    if (text && found) act.name = found;
    this._hooks.changed();
  }

  /** Move the start; an end that would lie before it moves along. */
  _start(act, seconds) {
    const long = act.end_s - act.start_s;
    act.start_s = Math.max(0, Math.min(seconds, this._seconds));
    if (act.end_s <= act.start_s) act.end_s = Math.min(act.start_s + long, this._seconds);
  }

  /** Move the end; a start that would lie behind it moves along. */
  _end(act, seconds) {
    const long = act.end_s - act.start_s;
    act.end_s = Math.max(0, Math.min(seconds, this._seconds));
    if (act.start_s >= act.end_s) act.start_s = Math.max(0, act.end_s - long);
  }

  _drop(act) {
    if (act.added) this._acts.splice(this._acts.indexOf(act), 1);
    else act.wrong = true;
  }

  _now() {
    return this._hooks.frame() / this._clip.fps;
  }

  get _seconds() {
    return this._clip.frames / this._clip.fps;
  }
}

/** As the server stores actions: names and times alone, to the millisecond, in the order of time. */
function said(acts) {
  const round = (seconds) => Math.round(seconds * 1000) / 1000;
  return acts
    .map(({ name, start_s, end_s }) => ({ name, start_s: round(start_s), end_s: round(end_s) }))
    .sort((a, b) => a.start_s - b.start_s || a.end_s - b.end_s || (a.name < b.name ? -1 : 1));
}

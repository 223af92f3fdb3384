// The form of the task "attributes": one row a value, chosen by keys, and the list of actions.

import { el, words } from "./dom.js";
import { ActionList } from "./review_actions.js";
import { clipHead } from "./review_head.js";

const TYPING_MS = 600; // two digits within this time are one number
const UNKNOWN = "cannot be told";

/** The attributes and actions of one clip; see `makeForm`. */
export class AttributesForm {
  constructor(item, offered, root, { seek, frame }) {
    this._item = item;
    // What nobody can judge by eye is not asked.
    const vocabulary = offered.attributes.filter((a) => a.confirmed !== "never");
    this._vocabulary = new Map(vocabulary.map((a) => [a.name, a]));
    this._root = root;
    this._clip = item;
    this._typed = "";
    this._shown = Object.fromEntries(
      Object.entries(item.attributes)
        .filter(([name, said]) => said && this._vocabulary.has(name)).map(([name, said]) => [name, said.value]),
    );
    this._chosen = new Set(Object.keys(item.mine?.said.attributes ?? {}));
    this._values = { ...this._shown, ...item.mine?.said.attributes };
    this._disputed = new Set((item.about ?? []).filter((name) => this._vocabulary.has(name)));
    for (const verdict of item.said ?? []) Object.assign(this._values, verdict.said.attributes);
    for (const name of this._disputed) delete this._values[name];
    const lists = (item.said ?? []).map((v) => v.said.actions).filter(Boolean);
    this._actions = new ActionList(item.actions, item.mine?.said.actions ?? lists[0] ?? null, offered.actions, item, {
      seek, frame, changed: () => this._draw(),
    });
    this._names = vocabulary
      .filter((a) => a.name in this._values || this._disputed.has(a.name) || a.kind === "choice")
      .map((a) => a.name);
    this._names.sort((a, b) => this._disputed.has(b) - this._disputed.has(a));
    this._focus = 0;
    this._draw();
  }

  said(verdict) {
    if (verdict === "skip") return {};
    const changed = this._names.filter((name) => name in this._shown && this._values[name] !== this._shown[name]);
    // Accepting confirms every value that stands here, but for those that must be chosen; rejecting says only what was
    // corrected.
    const told = this._names.filter((name) => name in this._values
      && ((verdict === "accept" && !this._mustBeChosen(name)) || this._values[name] !== this._shown[name]));
    const said = { attributes: Object.fromEntries(told.map((name) => [name, this._values[name]])) };
    if (this._actions.changed) changed.push("actions");
    if ((verdict === "accept" && this._actions.length) || this._actions.changed) said.actions = this._actions.said();
    return changed.length ? { ...said, changed } : said;
  }

  missing(verdict) {
    const open = [...this._disputed].filter((name) => !(name in this._values));
    if (verdict === "accept" && open.length) return `Say which is right first: ${open.map(words).join(", ")}.`;
    return verdict === "skip" ? null : this._actions.missing();
  }

  /** Called with every frame on the screen: the playhead over the actions. */
  frame(frame) {
    this._root.style.setProperty("--at", `${(100 * frame) / this._clip.frames}%`);
  }

  /** Whether a value that stands here counts only if the annotator chose it. */
  _mustBeChosen(name) {
    return this._vocabulary.get(name).confirmed === "if chosen" && !this._chosen.has(name);
  }

  key(event) {
    if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      const rows = this._names.length + this._actions.length;
      this._focus = (this._focus + (event.key === "ArrowDown" ? 1 : rows - 1)) % rows;
      this._typed = "";
      this._draw();
      return true;
    }
    if (event.key === "i") {
      this._newAction();
      return true;
    }
    const place = this._focus - this._names.length;
    if (place >= 0) return this._actions.key(event.key, place);
    if (/^[0-9]$/.test(event.key)) {
      this._digit(event.key);
      return true;
    }
    if (event.key === "n") {
      this._root.querySelector(".add")?.focus();
      return true;
    }
    if (event.key === "Enter") {
      this._root.querySelector(".focused input")?.select();
      return true;
    }
    return false;
  }

  _digit(digit) {
    const name = this._names[this._focus];
    const values = this._vocabulary.get(name).values;
    clearTimeout(this._timer);
    const number = Number(this._typed + digit);
    this._typed = "";
    if (digit === "0" && number === 0) this._set(name, null);
    else if (number >= 1 && number <= values.length) {
      this._set(name, values[number - 1]);
      if (number * 10 <= values.length) {
        this._typed = String(number);
        this._timer = setTimeout(() => (this._typed = ""), TYPING_MS);
      }
    }
  }

  _newAction() {
    this._focus = this._names.length + this._actions.add();
    this._draw();
    this._root.querySelector(".action-name").focus();
  }

  _set(name, value) {
    this._chosen.add(name);
    if (this._values[name] === value && this._shown[name] !== value) delete this._values[name];
    else this._values[name] = value;
    this._draw();
  }

  _draw() {
    this._focus = Math.min(this._focus, this._names.length + this._actions.length - 1);
    const rows = [];
    let group = null;
    this._names.forEach((name, k) => {
      const of = this._vocabulary.get(name);
      if (of.group !== group && !this._disputed.has(name)) {
        group = of.group;
        rows.push(el("div", { class: "group", text: group }));
      }
      rows.push(this._attribute(of, k));
    });
    rows.push(el("div", { class: "group", text: "actions" }), this._actions.names());
    for (let k = 0; k < this._actions.length; k++) {
      const place = this._names.length + k;
      rows.push(this._actions.row(k, place === this._focus, () => ((this._focus = place), this._draw())));
    }
    rows.push(el("button", { class: "new-action", on: { click: () => this._newAction() } }, el("kbd", { text: "i" }), " New action at the playhead"));
    const others = [...this._vocabulary.keys()].filter((name) => !this._names.includes(name));
    const add = el(
      "select", { class: "add", "aria-label": "Add an attribute", on: { change: () => this._add(add.value) } },
      el("option", { value: "", text: "Another attribute… (n)" }),
      ...others.map((name) => el("option", { value: name, text: words(name) })),
    );
    this._root.replaceChildren(clipHead(this._item), ...rows, add);
    this._root.querySelector(".focused")?.scrollIntoView({ block: "nearest" });
  }

  _add(name) {
    if (!name) return;
    this._names.push(name);
    this._focus = this._names.length - 1;
    this._draw();
    document.activeElement?.blur();
  }

  _attribute(of, k) {
    const value = this._values[of.name];
    const changed = of.name in this._values && value !== this._shown[of.name];
    const source = this._item.attributes[of.name];
    const row = el(
      "div", {
        class: `row-item${k === this._focus ? " focused" : ""}${this._disputed.has(of.name) ? " disputed" : ""}`,
        "aria-current": k === this._focus ? "true" : undefined, data: { name: of.name }, title: of.about,
        on: { click: () => k !== this._focus && ((this._focus = k), this._draw()) },
      },
      el(
        "div", { class: "name" },
        el("span", { text: words(of.name) }),
        source && el("span", { class: `badge ${source.by.split(":")[0]}`, text: source.by.split(":")[0] }),
        el("span", { class: "others", text: this._others(of.name) }),
        value !== undefined && this._mustBeChosen(of.name) && el("span", {
          class: "others", text: "confirmed only if chosen", title: "Accept leaves this value as it is, measured",
        }),
        el("span", {
          class: `value${changed ? " changed" : ""}${value === undefined ? " none" : ""}`,
          text: value === undefined ? "unknown" : value === null ? UNKNOWN : `${words(value)}${of.unit ? ` ${of.unit}` : ""}`,
        }),
      ),
    );
    if (k === this._focus) row.append(this._choices(of, value));
    return row;
  }

  _others(name) {
    return (this._item.said ?? [])
      .filter((v) => name in (v.said.attributes ?? {}))
      .map((v) => `${v.annotator}: ${v.said.attributes[name] ?? UNKNOWN}`)
      .join(" · ");
  }

  _choices(of, value) {
    const button = (key, text, to) => el(
      "button", { "aria-pressed": String(value === to), on: { click: () => this._set(of.name, to) } },
      el("kbd", { text: key }), ` ${words(text)}`,
    );
    const field = of.kind === "number" && el("input", {
      type: "number", min: of.low, max: of.high, step: "any", value: value ?? "", "aria-label": of.name,
      on: {
        change: (event) => event.target.checkValidity() && event.target.value && this._set(of.name, event.target.value),
        keydown: (event) => event.key === "Enter" && event.target.blur(),
      },
    });
    return el(
      "div", { class: "values" },
      ...of.values.map((v, k) => button(String(k + 1), v, v)), field, button("0", UNKNOWN, null),
    );
  }
}

// What is said of a clip, one form a task: `said(verdict)` gives what is sent, `key(event)` takes keys.

import { el, words } from "./dom.js";

const TYPING_MS = 600; // two digits within this time are one number
const UNKNOWN = "cannot be told";

/** The form of a task for one clip. */
export function makeForm(task, item, vocabulary, root, hooks) {
  const Form = { attributes: AttributesForm, captions: CaptionsForm, keep: KeepForm }[task];
  return new Form(item, vocabulary, root, hooks);
}

function head(item) {
  return el(
    "div", { class: "clip-head" },
    el("span", { class: "mono", text: item.clip_id }),
    item.identity && el("span", { class: "badge", text: item.identity }),
    item.twice && el("span", { class: "badge", text: "two annotators", title: "One of the share seen by two" }),
    item.mine && el("span", { class: "badge annotator", text: `you said: ${item.mine.verdict}` }),
    item.about && el("span", { class: "badge model", text: "disagreement" }),
  );
}

class KeepForm {
  constructor(item, _vocabulary, root) {
    root.replaceChildren(
      head(item),
      el("p", { class: "question", text: "Does this clip belong in the dataset?" }),
      el("p", { class: "muted", text: "One face, whole and in sight; speech that is this face's; nothing drawn over it." }),
      ...(item.said ?? []).map((v) => el("div", { class: "quote" }, el("b", { text: v.annotator }), v.verdict)),
    );
  }

  said() {
    return {};
  }

  missing() {
    return null;
  }

  key() {
    return false;
  }
}

class CaptionsForm {
  constructor(item, _vocabulary, root) {
    this._item = item;
    this._texts = new Map();
    for (const { length, text } of item.captions) if (!this._texts.has(length)) this._texts.set(length, text);
    if (item.caption && !this._texts.has("medium")) this._texts.set("medium", item.caption);
    if (!this._texts.size) this._texts.set("medium", "");
    this._field = el("textarea", {
      class: "caption-text", "aria-label": "Caption", readonly: true,
      on: { blur: () => (this._field.readOnly = true) },
    });
    this._lengths = el("div", { class: "lengths", role: "group", "aria-label": "Length" });
    root.replaceChildren(
      head(item),
      this._lengths,
      this._field,
      el("p", { class: "muted", text: "e edits the text, Esc leaves it; a accepts what stands here." }),
      ...(item.said ?? []).map((v, k) => el(
        "div", { class: "quote" }, el("b", { text: `${k + 1} ${v.annotator}: ${v.verdict}` }), v.said.text ?? "",
      )),
    );
    const mine = item.mine?.said;
    const first = mine?.length ?? item.said?.[0]?.said.length ?? (this._texts.has("medium") ? "medium" : [...this._texts.keys()][0]);
    this._choose(first);
    if (mine?.text) this._field.value = mine.text;
  }

  said(verdict) {
    const text = this._field.value.trim();
    if (verdict === "skip" || !text) return {};
    const changed = text !== (this._texts.get(this._length) ?? "").trim();
    return { length: this._length, text, ...(changed ? { changed: ["caption"] } : {}) };
  }

  missing(verdict) {
    return verdict === "accept" && !this._field.value.trim() ? "There is no caption to accept; press e to write one." : null;
  }

  key(event) {
    if (event.key === "e") {
      this._field.readOnly = false;
      this._field.focus();
      return true;
    }
    const digit = Number(event.key);
    if (!digit || event.key === " ") return false;
    if (this._item.said) {
      const text = this._item.said[digit - 1]?.said.text;
      if (text) this._field.value = text;
    } else if (digit <= this._texts.size) {
      this._choose([...this._texts.keys()][digit - 1]);
    }
    return true;
  }

  _choose(length) {
    this._length = length;
    this._field.value = this._texts.get(length) ?? "";
    this._lengths.replaceChildren(...[...this._texts.keys()].map((name, k) => el(
      "button", { "aria-pressed": String(name === length), on: { click: () => this._choose(name) } },
      el("kbd", { text: String(k + 1) }), ` ${name}`,
    )));
  }
}

class AttributesForm {
  constructor(item, vocabulary, root, { seek }) {
    this._item = item;
    this._vocabulary = new Map(vocabulary.map((a) => [a.name, a]));
    this._root = root;
    this._seek = seek;
    this._typed = "";
    this._shown = Object.fromEntries(
      Object.entries(item.attributes).filter(([, said]) => said).map(([name, said]) => [name, said.value]),
    );
    this._values = { ...this._shown, ...item.mine?.said.attributes };
    this._disputed = new Set((item.about ?? []).filter((name) => this._vocabulary.has(name)));
    for (const verdict of item.said ?? []) Object.assign(this._values, verdict.said.attributes);
    for (const name of this._disputed) delete this._values[name];
    this._dropped = new Set();
    const lists = (item.said ?? []).map((v) => v.said.actions).filter(Boolean);
    this._actions = item.mine?.said.actions ?? lists[0] ?? item.actions;
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
    // Accepting confirms every value that stands here; rejecting says only what was corrected.
    const told = this._names.filter((name) => name in this._values && (verdict === "accept" || this._values[name] !== this._shown[name]));
    const said = { attributes: Object.fromEntries(told.map((name) => [name, this._values[name]])) };
    const kept = this._actions.filter((_, k) => !this._dropped.has(k));
    if (this._dropped.size) changed.push("actions");
    if ((verdict === "accept" && this._actions.length) || this._dropped.size) {
      said.actions = kept.map(({ name, start_s, end_s }) => ({ name, start_s, end_s }));
    }
    return changed.length ? { ...said, changed } : said;
  }

  missing(verdict) {
    const open = [...this._disputed].filter((name) => !(name in this._values));
    return verdict === "accept" && open.length ? `Say which is right first: ${open.map(words).join(", ")}.` : null;
  }

  key(event) {
    if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      const rows = this._names.length + this._actions.length;
      this._focus = (this._focus + (event.key === "ArrowDown" ? 1 : rows - 1)) % rows;
      this._typed = "";
      this._draw();
      return true;
    }
    if (/^[0-9]$/.test(event.key)) {
      this._digit(event.key);
      return true;
    }
    if (event.key === "n") {
      this._root.querySelector(".add")?.focus();
      return true;
    }
    if (event.key === "Enter") {
      const action = this._actions[this._focus - this._names.length];
      if (action) this._seek(action.start_s);
      else this._root.querySelector(".focused input")?.select();
      return true;
    }
    return false;
  }

  _digit(digit) {
    const name = this._names[this._focus];
    if (name === undefined) {
      const k = this._focus - this._names.length;
      if (digit === "0") this._dropped.add(k);
      else this._dropped.delete(k);
      this._draw();
      return;
    }
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

  _set(name, value) {
    if (this._values[name] === value && this._shown[name] !== value) delete this._values[name];
    else this._values[name] = value;
    this._draw();
  }

  _draw() {
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
    if (this._actions.length) rows.push(el("div", { class: "group", text: "actions (0 wrong, 1 right, Enter shows)" }));
    this._actions.forEach((action, k) => rows.push(this._action(action, k)));
    const others = [...this._vocabulary.keys()].filter((name) => !this._names.includes(name));
    const add = el(
      "select", { class: "add", "aria-label": "Add an attribute", on: { change: () => this._add(add.value) } },
      el("option", { value: "", text: "Another attribute… (n)" }),
      ...others.map((name) => el("option", { value: name, text: words(name) })),
    );
    this._root.replaceChildren(head(this._item), ...rows, add);
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

  _action(action, k) {
    const place = this._names.length + k;
    return el(
      "div", {
        class: `row-item${place === this._focus ? " focused" : ""}`, data: { action: action.name },
        on: { click: () => ((this._focus = place), this._draw(), this._seek(action.start_s)) },
      },
      el(
        "div", { class: "name" },
        el("span", { text: action.name }),
        el("span", {
          class: `value${this._dropped.has(k) ? " dropped" : ""}`,
          text: `${action.start_s.toFixed(2)}–${action.end_s.toFixed(2)} s`,
        }),
      ),
    );
  }
}

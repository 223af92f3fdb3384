// What is said of a clip, one form a task: `said(verdict)` gives what is sent, `key(event)` takes keys.

import { el } from "./dom.js";
import { AttributesForm } from "./review_attributes.js";
import { clipHead } from "./review_head.js";

const LENGTHS = ["short", "medium", "long"];

/**
 * The form of a task for one clip. offered: the answer of /api/review/tasks. hooks: seek(seconds), and frame(), the frame
 * on the screen.
 */
export function makeForm(task, item, offered, root, hooks) {
  const Form = { attributes: AttributesForm, captions: CaptionsForm, keep: KeepForm }[task];
  return new Form(item, offered, root, hooks);
}

class KeepForm {
  constructor(item, _offered, root) {
    root.replaceChildren(
      clipHead(item),
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
  constructor(item, offered, root) {
    this._item = item;
    this._texts = new Map();
    for (const length of LENGTHS) {
      const found = item.captions.find((c) => c.length === length);
      // One of medium length may always be written, also where it is missing or was rejected.
      if (found || length === "medium") this._texts.set(length, found?.text ?? "");
    }
    this._field = el("textarea", {
      class: "caption-text", "aria-label": "Caption", readonly: true,
      on: { blur: () => (this._field.readOnly = true) },
    });
    this._lengths = el("div", { class: "lengths", role: "group", "aria-label": "Length" });
    const hint = this._texts.get("medium") || offered.annotated ? [] : [el(
      "p", { class: "hint" }, "No clip has a caption yet. ", el("code", { text: offered.annotate }),
      " words one for every clip; or press e and write.",
    )];
    root.replaceChildren(
      clipHead(item),
      this._lengths,
      this._field,
      el("p", { class: "muted", text: "e edits the text, Esc leaves it; a accepts what stands here; r hides it." }),
      ...hint,
      ...(item.said ?? []).map((v, k) => el(
        "div", { class: "quote" }, el("b", { text: `${k + 1} ${v.annotator}: ${v.verdict}` }), v.said.text ?? "",
      )),
    );
    const mine = item.mine?.said;
    const first = mine?.length ?? item.said?.[0]?.said.length ?? "medium";
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

// The column of facets: values with counts, and histograms of scores, each counted under the other conditions.

import { getJson } from "./api.js";
import { el, number, words } from "./dom.js";
import { histogram } from "./histogram.js";

const OPEN_KEY = "facevid.facets";
const SHOWN = 10;
const OPEN_AT_FIRST = ["a.gender", "a.hair_colour", "a.emotion", "action", "reason", "s.seconds", "s.sharpness"];
const GROUPS = {
  person: "Person", hair: "Hair", face: "Face", clothes: "Clothes", light: "Light", scene: "Scene", dynamic: "Expression",
};

/** Draws the facets that `info` (the answer of /api/info) names; open ones are counted, closed ones cost nothing. */
export class Facets {
  constructor(container, info, filter, onError) {
    this.container = container;
    this.info = info;
    this.filter = filter;
    this._onError = onError;
    this._open = new Set(JSON.parse(localStorage.getItem(OPEN_KEY) ?? "null") ?? OPEN_AT_FIRST);
    this._long = new Set();
    this._answers = {};
  }

  /** Draw the sections of the filter's table and count the open ones. */
  show() {
    const sections = this.filter.table === "clips" ? this._clipSections() : this._rejectedSections();
    this.container.replaceChildren(
      ...sections.filter(([, fields]) => fields.length).map(([title, fields]) =>
        el("section", { class: "facets-group" }, el("h2", { text: title }), ...fields.map((f) => this._facet(f))),
      ),
    );
    return this.refresh();
  }

  /** Count the open facets anew. */
  async refresh() {
    const fields = [...this.container.querySelectorAll("details[open]")].map((node) => node.dataset.field);
    this._request?.abort();
    if (!fields.length) return;
    this._request = new AbortController();
    const params = new URLSearchParams(this.filter.conditions);
    params.set("table", this.filter.table);
    params.set("fields", fields.join(","));
    try {
      const answers = await getJson("/api/facets", params, { signal: this._request.signal });
      Object.assign(this._answers, answers);
      for (const field of Object.keys(answers)) this._fill(field);
    } catch (error) {
      if (error.name !== "AbortError") this._onError(error);
    }
  }

  _clipSections() {
    const attributes = Object.entries(GROUPS).map(([group, title]) => [
      title,
      this.info.attributes.filter((a) => a.group === group).map((a) => [`a.${a.name}`, words(a.name), a.about]),
    ]);
    const actions = this.info.actions.length ? [["action", "action", "what is done in the clip"]] : [];
    return [
      ["Actions", actions],
      ...attributes,
      ["Origin", [["identity", "person", "one face, the same across sources"], ["source", "source", "file the clip was cut from"]]],
      ["Scores", this._scores()],
    ];
  }

  _rejectedSections() {
    return [
      ["Rejected for", [["reason", "reason", "the rule that the stretch failed"]]],
      ["Origin", [["source", "source", "file of the stretch"]]],
      ["Scores", this._scores()],
    ];
  }

  _scores() {
    return this.info.scores.map((score) => [`s.${score.name}`, words(score.name), `score ${score.name}`]);
  }

  _facet([field, title, about]) {
    const node = el(
      "details", { class: "facet", data: { field }, open: this._open.has(field) },
      el("summary", { title: about }, el("span", { text: title })), el("div", { class: "body" }),
    );
    node.addEventListener("toggle", () => {
      if (node.open === this._open.has(field)) return;
      if (node.open) this._open.add(field);
      else this._open.delete(field);
      localStorage.setItem(OPEN_KEY, JSON.stringify([...this._open]));
      if (node.open) this.refresh();
    });
    return node;
  }

  _fill(field) {
    const node = this.container.querySelector(`details[data-field="${CSS.escape(field)}"]`);
    if (!node) return;
    const body = node.querySelector(".body");
    const focused = body.contains(document.activeElement) ? document.activeElement.dataset.value : undefined;
    const answer = this._answers[field];
    node.classList.toggle("active", this.filter.get(field) !== "");
    if (answer.kind === "histogram") {
      body.replaceChildren(histogram(answer, {
        name: words(field.slice(2)), range: this.filter.range(field),
        onRange: (low, high) => this.filter.setRange(field, low, high),
      }), ...notes(answer));
      return;
    }
    body.replaceChildren(...this._values(field, answer));
    if (focused !== undefined) body.querySelector(`[data-value="${CSS.escape(focused)}"]`)?.focus();
  }

  _values(field, { values, unknown, distinct }) {
    const chosen = this.filter.values(field);
    const all = unknown ? [...values, { value: "unknown", count: unknown }] : values;
    if (!all.length) return [el("div", { class: "muted", text: "Nothing to choose from." })];
    const most = Math.max(...all.map((v) => v.count));
    const long = this._long.has(field) || all.length <= SHOWN + 1;
    const shown = long ? all : all.filter((v, k) => k < SHOWN || chosen.includes(v.value));
    const rows = shown.map(({ value, count }) => {
      const bar = el("i", { class: "bar" });
      bar.style.width = `${(100 * count) / most}%`;
      return el(
        "button", {
          class: value === "unknown" ? "value unknown" : "value", "aria-pressed": String(chosen.includes(value)),
          data: { value }, on: { click: () => this.filter.toggle(field, value) },
        },
        bar, el("span", { class: "name", text: words(value) }), el("span", { class: "count", text: number(count) }),
      );
    });
    if (!long) {
      rows.push(el("button", {
        class: "quiet more", text: `all ${all.length}`,
        on: { click: () => { this._long.add(field); this._fill(field); } },
      }));
    }
    if (long && distinct > values.length) {
      rows.push(el("div", { class: "muted missing", text: `the first ${number(values.length)} of ${number(distinct)}` }));
    }
    return rows;
  }
}

function notes({ below, above, missing }) {
  const said = [[below, "below"], [above, "above"], [missing, "without a value"]].filter(([count]) => count);
  return said.length
    ? [el("div", { class: "muted missing", text: said.map(([count, what]) => `${number(count)} ${what}`).join(" · ") })]
    : [];
}

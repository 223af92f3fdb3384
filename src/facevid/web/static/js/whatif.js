// What another threshold would keep: the score's histogram with the rule drawn in, and a slider that moves it.

import { getJson } from "./api.js";
import { duration, el, number, words } from "./dom.js";
import { histogram } from "./histogram.js";

const STEPS = 200;
const SETTLE_MS = 60;

/**
 * The panel above the rejected stretches; `show(reason)` draws the rules of that reason (all of them for ""). Of
 * info, the answer of /api/info, it needs the rules and how often each reason was given.
 */
export class WhatIf {
  constructor(container, { rules, reasons }, onError) {
    this.container = container;
    // The rule that rejected most comes first: another threshold matters there.
    const often = (rule) => reasons.find(({ reason }) => reason === rule.reason)?.count ?? 0;
    this.rules = [...rules].sort((a, b) => often(b) - often(a));
    this._onError = onError;
  }

  async show(reason) {
    this._request?.abort();
    const rules = this.rules.filter((rule) => !reason || rule.reason === reason);
    const numeric = rules.filter((rule) => rule.min !== null || rule.max !== null);
    this.container.hidden = !numeric.length;
    if (!numeric.length) return;
    const choice = el(
      "select", { "aria-label": "rule", on: { change: () => this._draw(numeric[choice.selectedIndex]) } },
      ...numeric.map((rule) => el("option", { text: sentence(rule) })),
    );
    this._plot = el("div", { class: "plot" });
    this._sliders = el("div", { class: "sliders" });
    this._answer = el("div", { class: "answer", role: "status", "aria-live": "polite" });
    this.container.replaceChildren(
      el("div", { class: "head" }, el("h2", { text: "What if the threshold were another?" }), choice),
      this._plot, this._sliders, this._answer,
    );
    await this._draw(numeric[0]);
  }

  async _draw(rule) {
    this._rule = rule;
    this._try = { min: rule.min, max: rule.max };
    const field = `s.${rule.score}`;
    try {
      const answer = await getJson("/api/facets", { table: "clips", fields: field });
      if (this._rule !== rule) return;
      this._data = answer[field];
    } catch (error) {
      this._onError(error);
      return;
    }
    this._plotNow();
    this._sliders.replaceChildren(
      ...["min", "max"].filter((side) => rule[side] !== null).map((side) => this._slider(side)),
      el("button", { text: "Back to the recipe", on: { click: () => this._draw(rule) } }),
    );
    await this._ask();
  }

  _plotNow() {
    const { edges, counts, kept = counts, rejected = counts.map(() => 0) } = this._data;
    const rule = this._rule;
    const moved = ["min", "max"]
      .filter((side) => this._try[side] !== null && this._try[side] !== rule[side])
      .map((side) => ({ value: this._try[side], kind: "mark", label: `tried: ${number(this._try[side])}` }));
    const both = kept.map((count, k) => count + rejected[k]);
    const data = { edges, counts: both, stacks: [["rejected", both], ["kept", kept]], thresholds: [rule] };
    this._plot.replaceChildren(
      histogram(data, { name: words(rule.score), marks: moved, reach: limits(rule), height: 96 }),
      el(
        "div", { class: "legend muted" },
        el("span", {}, el("i", { class: "swatch kept" }), "kept"),
        el("span", {}, el("i", { class: "swatch rejected" }), "rejected, for any reason"),
        el("span", {}, el("i", { class: "swatch threshold" }), "threshold of the recipe"),
        moved.length > 0 && el("span", {}, el("i", { class: "swatch mark" }), "tried"),
      ),
    );
  }

  _slider(side) {
    const { edges } = this._data;
    const rule = this._rule;
    const low = Math.min(edges[0], ...limits(rule));
    const high = Math.max(edges[edges.length - 1], ...limits(rule));
    const shown = el("output", { class: "mono", text: number(rule[side]) });
    const slider = el("input", {
      type: "range", min: low, max: high, step: (high - low) / STEPS || 1, "aria-label": `${words(rule.score)}, ${limit(side)}`,
      on: {
        input: () => {
          this._try[side] = Number(slider.value);
          shown.textContent = number(this._try[side]);
          this._plotNow();
          clearTimeout(this._timer);
          this._timer = setTimeout(() => this._ask(), SETTLE_MS);
        },
      },
    });
    slider.value = rule[side];
    return el("label", { class: "slider" }, el("span", { text: limit(side) }), slider, shown);
  }

  async _ask() {
    this._request?.abort();
    this._request = new AbortController();
    const params = { score: this._rule.score };
    for (const side of ["min", "max"]) if (this._try[side] !== null) params[side] = this._try[side];
    try {
      const answer = await getJson("/api/whatif", params, { signal: this._request.signal });
      this._answer.replaceChildren(...said(answer));
    } catch (error) {
      if (error.name !== "AbortError") this._onError(error);
    }
  }
}

function said(answer) {
  return [
    el("div", {}, el("strong", { text: number(answer.clips_kept) }), ` of ${number(answer.clips_now)} clips would stay`,
      el("span", { class: "muted", text: ` (${duration(answer.seconds_kept)})` })),
    el("div", {}, el("strong", { text: number(answer.rejected_that_would_pass) }),
      ` of ${number(answer.rejected_by_this_rule)} stretches that this rule rejected would pass every rule`,
      el("span", { class: "muted", text: ` (${duration(answer.seconds_that_would_pass)})` })),
  ];
}

function limits(rule) {
  return [rule.min, rule.max].filter((value) => value !== null);
}

function limit(side) {
  return side === "min" ? "at least" : "at most";
}

function sentence(rule) {
  const sides = ["min", "max"].filter((side) => rule[side] !== null).map((side) => `${limit(side)} ${number(rule[side])}`);
  return `${words(rule.reason)}: ${words(rule.score)} ${sides.join(", ")}`;
}

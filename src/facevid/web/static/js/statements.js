// What is said of a clip: captions, and attributes with every statement, its confidence and who made it.

import { el, number, words } from "./dom.js";

const UNKNOWN = "unknown"; // what a person says of a value that cannot be told, or of a caption that is wrong

const SECTIONS = [
  ["person", "Person"], ["hair", "Hair"], ["face", "Face"], ["clothes", "Clothes"], ["light", "Light"],
  ["scene", "Scene"], ["dynamic", "Expression"],
];
const ORDER = ["self", "annotator", "model", "measured"];

/** Captions, longest last, each with its origin; then what is spoken. */
export function captionsOf(annotations) {
  const of = (kind) => annotations.filter((a) => a.kind === kind);
  const lengths = ["short", "medium", "long"];
  const captions = of("caption").sort((a, b) => lengths.indexOf(a.name) - lengths.indexOf(b.name) || rank(a) - rank(b));
  const hidden = withdrawn(captions);
  const blocks = captions.map((a) => (a.value === UNKNOWN ? rejection(a) : block(a, a.name, hidden.has(a))));
  blocks.push(...of("transcript").map((a) => block(a, `spoken, ${a.name}`)));
  if (!blocks.length) blocks.push(el("div", { class: "muted", text: "Nobody has described this clip yet." }));
  return [el("h2", { text: "Captions" }), ...blocks];
}

/** A table of the attributes: the value shown is marked, every other statement stands below it. */
export function attributesOf(annotations, vocabulary) {
  const said = new Map();
  for (const a of annotations) {
    if (a.kind === "attribute") said.set(a.name, [...(said.get(a.name) ?? []), a]);
  }
  if (!said.size) {
    const hint = "No attribute is known; facevid annotate measures them.";
    return [el("h2", { text: "Attributes" }), el("div", { class: "muted", text: hint })];
  }
  const groupOf = new Map(vocabulary.map((a) => [a.name, a]));
  const rows = SECTIONS.flatMap(([group, title]) => {
    const names = [...said.keys()].filter((name) => (groupOf.get(name)?.group ?? "dynamic") === group);
    if (!names.length) return [];
    const order = vocabulary.map((a) => a.name);
    names.sort((a, b) => order.indexOf(a) - order.indexOf(b));
    return [
      el("tr", {}, el("th", { class: "section", colspan: "4", scope: "rowgroup", text: title })),
      ...names.flatMap((name) => statementRows(name, said.get(name), groupOf.get(name)?.about)),
    ];
  });
  const head = el("tr", {}, ...["attribute", "value", "confidence", "said by"].map((t) => el("th", { scope: "col", text: t })));
  return [el("h2", { text: "Attributes" }), el("table", { class: "facts" }, el("thead", {}, head), el("tbody", {}, ...rows))];
}

/** The statement that is shown is the first of these: by who says so, then the most confident. */
export function inOrder(statements) {
  return [...statements].sort((a, b) => rank(a) - rank(b) || (b.confidence ?? -1) - (a.confidence ?? -1));
}

function statementRows(name, statements, about) {
  return inOrder(statements).map((a, k) =>
    el(
      "tr", { class: k ? "other" : "shown-row" },
      el("td", { text: k ? "also said" : words(name), title: k ? null : about }),
      el("td", { class: k || a.value === UNKNOWN ? "" : "shown", text: a.value === UNKNOWN ? "cannot be told" : words(a.value) }),
      el("td", { class: "sure" }, ...confidence(a.confidence)),
      el("td", {}, origin(a)),
    ),
  );
}

function confidence(value) {
  if (value === null || value === undefined) return ["–"];
  const fill = el("i");
  fill.style.width = `${100 * value}%`;
  return [el("span", { class: "meter", "aria-hidden": "true" }, fill), ` ${value.toFixed(2)}`];
}

function origin({ by, who }) {
  return el("span", { class: `badge ${by.split(":")[0]}`, text: who ? `${by} ${who}` : by });
}

/** The captions that a person's rejection hides: those of its length that rank after it. */
function withdrawn(captions) {
  const hidden = new Set();
  for (const no of captions.filter((a) => a.value === UNKNOWN)) {
    for (const a of captions) {
      if (a.name !== no.name || a.value === UNKNOWN) continue;
      const after = rank(a) - rank(no) || (no.confidence ?? -1) - (a.confidence ?? -1);
      if (after > 0) hidden.add(a);
    }
  }
  return hidden;
}

function rejection(statement) {
  return el(
    "div", { class: "caption" }, el("p", { class: "muted", text: `The ${statement.name} caption was rejected.` }),
    el("div", { class: "origin" }, origin(statement)),
  );
}

function block(statement, label, hidden = false) {
  const sure = statement.confidence === null || statement.confidence === undefined
    ? null : el("span", { class: "muted", text: `confidence ${number(statement.confidence)}` });
  return el(
    "div", { class: `caption${hidden ? " hidden-by-review" : ""}` }, el("p", { text: statement.value }),
    el(
      "div", { class: "origin" }, el("span", { class: "badge", text: label }), origin(statement), sure,
      hidden && el("span", { class: "muted", text: "not shown" }),
    ),
  );
}

function rank({ by }) {
  return ORDER.indexOf(by.split(":")[0]);
}

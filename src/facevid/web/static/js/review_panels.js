// How the review goes: progress, agreement and lots, and the dialog of its settings.

import { getJson, sendJson } from "./api.js";
import { el, number, toast, words } from "./dom.js";

const CHOICES = {
  queue: ["all", "samples"],
  level: ["I", "II", "III"],
  severity: ["normal", "tightened", "reduced"],
  aql: [0.01, 0.015, 0.025, 0.04, 0.065, 0.1, 0.15, 0.25, 0.4, 0.65, 1, 1.5, 2.5, 4, 6.5, 10],
};
const LABELS = {
  share: "Share of clips that two people see", queue: "Clips in the queue", lot_size: "Clips of a lot",
  aql: "Acceptance quality limit, percent", level: "Inspection level", severity: "Inspection",
};

/** Fetch and draw all three panels. */
export async function drawPanels(task, annotator) {
  const [told, agreed, found] = await Promise.all(
    ["progress", "agreement", "lots"].map((name) => getJson(`/api/review/${name}`, { task })),
  );
  drawProgress(told);
  drawAgreement(agreed.agreement);
  drawLots(found, () => openSettings(found.settings, annotator, () => drawPanels(task, annotator)));
  return told;
}

function panel(id, title, ...content) {
  document.getElementById(id).replaceChildren(el("h2", { text: title }), ...content.filter(Boolean));
}

function table(heads, rows) {
  return el(
    "table", { class: "facts" },
    el("tr", {}, ...heads.map((text, k) => el("th", { class: k ? "number" : "", text }))),
    ...rows.map((cells) => el("tr", {}, ...cells.map((cell, k) => (
      cell instanceof Node ? el("td", { class: "number" }, cell) : el("td", { class: k ? "number" : "", text: cell })
    )))),
  );
}

function drawProgress(told) {
  const bar = document.getElementById("progress");
  const fill = el("i");
  bar.replaceChildren(fill);
  fill.style.width = `${(100 * told.done) / Math.max(1, told.clips)}%`;
  bar.title = `${number(told.done)} of ${number(told.clips)} clips done`;
  panel(
    "done", "Progress",
    el("p", { text: `${number(told.done)} of ${number(told.clips)} clips done` }),
    table(["", "clips"], [
      ["wait for a second annotator", number(told.begun)],
      ["disagreements", number(told.disputed)],
      ["settled by a third", number(told.adjudicated)],
      ...Object.entries(told.answers).map(([who, count]) => [who, number(count)]),
    ]),
    told.median_seconds !== null && el("p", { class: "muted", text: `${number(told.median_seconds)} s a clip (median)` }),
  );
  document.getElementById("disputes").textContent = told.disputed ? `Disagreements (${told.disputed})` : "Disagreements";
}

function drawAgreement(agreed) {
  const shown = agreed.filter((a) => a.alpha.n > 0);
  if (!shown.length) {
    panel("agreement", "Agreement", el("p", { class: "muted", text: "No clip has answers of two annotators yet." }));
    return;
  }
  panel("agreement", "Agreement", table(["", "clips", "alpha", "kappa"], shown.map(({ name, alpha, kappa }) => [
    words(name), number(alpha.n), coefficient(alpha),
    kappa.length === 1 ? coefficient(kappa[0]) : el("span", {
      text: kappa.length ? `${kappa.length} pairs` : "–",
      title: kappa.map((k) => `${k.annotators.join(" and ")}: ${k.value ?? k.reason}`).join("\n"),
    }),
  ])));
}

function coefficient({ value, reason }) {
  return el("span", { text: value === null ? "–" : value.toFixed(2), title: reason ?? "" });
}

function drawLots(found, change) {
  const { settings, lots } = found;
  panel(
    "lots", "Lots",
    el("p", {
      class: "muted",
      text: `${number(settings.lot_size)} clips a lot, AQL ${settings.aql} %, level ${settings.level}, ${settings.severity} `
        + `inspection; by the switching rules the next is ${found.next_severity}.`,
    }),
    lots.length
      ? table(["lot", "seen", "faulty", "Ac/Re", ""], lots.slice(0, 50).map((lot) => [
        `${lot.number} (${number(lot.size)})`, `${lot.looked_at}/${lot.plan.sample_size}`, number(lot.faulty),
        `${lot.plan.accept}/${lot.plan.reject}`,
        el("span", { class: `decision-${lot.decision}`, text: lot.decision }),
      ]))
      : el("p", { text: "Too few clips for a lot." }),
    lots.length > 50 && el("p", { class: "muted", text: `and ${lots.length - 50} more` }),
    el("button", { id: "settings", text: "Settings…", on: { click: change } }),
  );
}

function openSettings(settings, annotator, done) {
  const fields = Object.entries(settings).map(([name, value]) => {
    const field = CHOICES[name]
      ? el("select", { name }, ...CHOICES[name].map((c) => el("option", { value: c, text: String(c), selected: c === value })))
      : el("input", { name, type: "number", step: "any", value });
    return el("label", {}, el("span", { text: LABELS[name] }), field);
  });
  const save = async () => {
    const changes = {};
    for (const field of dialog.querySelectorAll("[name]")) {
      const value = ["queue", "level", "severity"].includes(field.name) ? field.value : Number(field.value);
      if (value !== settings[field.name]) changes[field.name] = value;
    }
    try {
      if (Object.keys(changes).length) await sendJson("POST", "/api/review/settings", { settings: changes, annotator });
      dialog.close();
      done();
    } catch (error) {
      toast(error.message, "error");
    }
  };
  const dialog = el(
    "dialog", { "aria-label": "Settings" }, el("h2", { text: "Settings of this review" }), ...fields,
    el("div", { class: "row" },
      el("button", { text: "Cancel", on: { click: () => dialog.close() } }),
      el("button", { class: "primary", text: "Save", on: { click: save } })),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

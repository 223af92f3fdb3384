// Builds elements from data without ever parsing text as HTML, and shows messages that pass.

/** An element: `attributes` become attributes, except "class", "on" (listeners by event), "data" and "text". */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "text") node.textContent = value;
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An SVG element with its attributes. */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A sentence at the foot of the page for a few seconds; "error" as kind keeps it longer. */
export function toast(message, kind = "") {
  document.querySelector(".toast")?.remove();
  const node = el("div", { class: `toast ${kind}`, role: kind === "error" ? "alert" : "status", text: message });
  document.body.append(node);
  setTimeout(() => node.remove(), kind === "error" ? 8000 : 2500);
}

/** A block that says why nothing is shown: a title, a sentence or its parts; `action` = [label, listener] adds a button. */
export function notice(title, sentence, { error = false, action = null } = {}) {
  return el(
    "div",
    { class: error ? "notice error" : "notice", role: error ? "alert" : "status" },
    el("h2", { text: title }),
    el("div", {}, sentence),
    action && el("button", { text: action[0], on: { click: action[1] } }),
  );
}

/** True where a key pressed belongs to a field that is being typed into. */
export function typing(event) {
  return event.target.closest?.("input:not([type=range]):not([type=checkbox]), textarea, select, dialog[open]") !== null;
}

/** A number for reading: 270043 -> "270,043", .12345 -> "0.123". */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return value.toLocaleString("en", { maximumSignificantDigits: Math.abs(value) >= 1000 ? 5 : 3 });
}

/** Seconds for reading: 754 -> "12 min 34 s", 7300 -> "2.03 h". */
export function duration(seconds) {
  if (seconds < 60) return `${number(Math.round(seconds * 10) / 10)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${number(seconds / 3600)} h`;
}

/** A name of a column for reading: "hair_colour" -> "hair colour". */
export function words(name) {
  return name.replaceAll("_", " ");
}

// A histogram in SVG: bars, thresholds drawn in, and a range that can be dragged out.

import { el, number, svg } from "./dom.js";

const WIDTH = 240;

/**
 * data: {edges (n + 1), counts (n), missing, thresholds: [{min, max, reason}], kept?, rejected? (n counts each)}.
 * range: [low, high] with null for an open side. onRange(low, high) makes it a control; marks: extra lines
 * [{value, label}]; reach: values that the axis must take in.
 */
export function histogram(data, { name, range = [null, null], onRange = null, marks = [], reach = [], height = 56 } = {}) {
  const { edges, counts } = data;
  if (!counts.length || counts.every((c) => c === 0)) {
    return el("div", { class: "histogram empty muted", text: "No clip has this score." });
  }
  const low = Math.min(edges[0], ...reach);
  const span = Math.max(edges[edges.length - 1], ...reach) - low || 1;
  const x = (value) => Math.max(0, Math.min(WIDTH, ((value - low) / span) * WIDTH));
  const chart = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: "none", role: "img", height,
    "aria-label": `${name}: ${number(total(counts))} from ${number(edges[0])} to ${number(edges[edges.length - 1])}`,
  });
  const series = data.stacks ?? [["bar", counts]];
  const tallest = Math.max(1, ...series.flatMap(([, values]) => values));
  for (const [kind, values] of series) {
    values.forEach((count, k) => {
      if (!count) return;
      const tall = Math.max(1.5, (count / tallest) * (height - 2));
      const inside = (range[0] === null || edges[k + 1] > range[0]) && (range[1] === null || edges[k] < range[1]);
      chart.append(
        svg("rect", {
          class: inside ? kind : `${kind} outside`,
          x: x(edges[k]) + 0.4, width: Math.max(0.6, x(edges[k + 1]) - x(edges[k]) - 0.8),
          y: height - tall, height: tall,
        }, svg("title", {}, `${number(edges[k])} to ${number(edges[k + 1])}: ${number(count)}`)),
      );
    });
  }
  for (const mark of [...thresholdMarks(data.thresholds ?? []), ...marks]) {
    if (mark.value < low || mark.value > low + span) continue; // a rule that is far from every score
    chart.append(
      svg("line", { class: mark.kind ?? "mark", x1: x(mark.value), x2: x(mark.value), y1: 0, y2: height },
        svg("title", {}, mark.label)),
    );
  }
  const figure = el(
    "div", { class: "histogram" }, chart,
    el("div", { class: "ends muted" }, el("span", { text: number(low) }), el("span", { text: number(low + span) })),
  );
  if (onRange) {
    dragging(chart, (a, b) => onRange(...snap(edges, low + (a / WIDTH) * span, low + (b / WIDTH) * span)));
    figure.append(fields(name, range, onRange));
  }
  return figure;
}

/** Lines for the two sides of each rule. */
export function thresholdMarks(thresholds) {
  return thresholds.flatMap(({ min, max, reason }) => [
    ...(min === null || min === undefined ? [] : [{ value: min, kind: "threshold", label: `${reason}: at least ${number(min)}` }]),
    ...(max === null || max === undefined ? [] : [{ value: max, kind: "threshold", label: `${reason}: at most ${number(max)}` }]),
  ]);
}

function dragging(chart, done) {
  let start = null;
  const box = svg("rect", { class: "selection", y: 0, height: "100%", width: 0 });
  const at = (event) => {
    const { left, width } = chart.getBoundingClientRect();
    return Math.max(0, Math.min(WIDTH, ((event.clientX - left) / width) * WIDTH));
  };
  chart.classList.add("draggable");
  chart.addEventListener("pointerdown", (event) => {
    start = at(event);
    chart.setPointerCapture(event.pointerId);
    chart.append(box);
    event.preventDefault();
  });
  chart.addEventListener("pointermove", (event) => {
    if (start === null) return;
    box.setAttribute("x", Math.min(start, at(event)));
    box.setAttribute("width", Math.abs(at(event) - start));
  });
  chart.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const [a, b] = [start, at(event)].sort((p, q) => p - q);
    start = null;
    box.remove();
    done(a, b);
  });
  chart.addEventListener("pointercancel", () => {
    start = null;
    box.remove();
  });
}

// A range always covers whole bars, so that the count seen is the count filtered.
function snap(edges, low, high) {
  const last = edges.length - 2;
  const bar = (value) => Math.max(0, Math.min(last, edges.findLastIndex((edge) => edge <= value)));
  return [edges[bar(low)], edges[bar(high) + 1]];
}

function fields(name, range, onRange) {
  const field = (side, label) =>
    el("input", {
      type: "number", step: "any", "aria-label": `${name}, ${label}`, placeholder: label, value: range[side] ?? "",
      on: {
        change: (event) => {
          const now = [...range];
          now[side] = event.target.value === "" ? null : Number(event.target.value);
          onRange(...now);
        },
      },
    });
  const isSet = range[0] !== null || range[1] !== null;
  return el(
    "div", { class: "fields" }, field(0, "from"), el("span", { class: "muted", text: "to" }), field(1, "to"),
    isSet && el("button", { class: "quiet", text: "clear", on: { click: () => onRange(null, null) } }),
  );
}

function total(counts) {
  return counts.reduce((sum, count) => sum + count, 0);
}

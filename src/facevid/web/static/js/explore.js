// The explore page: ties the filter to its address, the facets, the grid and the rejected stretches.

import { getJson } from "./api.js";
import { duration, el, notice, number, toast, typing, words } from "./dom.js";
import { Facets } from "./facets.js";
import { Filter } from "./filter.js";
import { Grid } from "./grid.js";
import { helpDialog } from "./help.js";
import { clipLayout, clipTile, Preview, stretchLayout, stretchTile } from "./tiles.js";
import { WhatIf } from "./whatif.js";

const SCROLL_KEY = "facevid.scroll";
const TYPING_MS = 200;
const byId = (id) => document.getElementById(id);

const filter = new Filter(location.search);
let about = null; // the answer of /api/info
let listed = null; // how many rows the filter has, once the list has come
const openHelp = helpDialog([
  [["/"], "search in captions"],
  [["←", "→", "↑", "↓"], "move in the grid"],
  [["Home", "End"], "first, last clip"],
  [["Enter"], "open the clip"],
  [["Backspace"], "back to the filter before"],
  [["?"], "this list"],
]);
const grid = new Grid(byId("grid"), {
  fetchPage: (offset, limit, signal) => {
    const params = new URLSearchParams(filter.toString());
    params.set("offset", offset);
    params.set("limit", limit);
    return getJson("/api/clips", params, { signal });
  },
  tile: clipTile,
  layout: clipLayout,
  onTotal: showTotal,
  onError: failed,
});
new Preview(byId("grid"));
start();

async function start() {
  // The clips need not wait for what the dataset is about.
  const shown = showRows(rememberedScroll());
  let info;
  try {
    info = await getJson("/api/info");
  } catch (error) {
    failed(error);
    return;
  }
  about = info;
  if (listed === 0) showTotal(0); // the list was faster than what the dataset is about
  document.title = `${info.name} · facevid`;
  byId("about").textContent =
    `${info.name} — ${number(info.clips)} clips · ${duration(info.seconds)} · ${number(info.persons)} people`;
  byId("kept").textContent = `Kept ${number(info.clips)}`;
  byId("rejected").textContent = `Rejected ${number(info.rejected)}`;
  byId("hint").hidden = info.annotated;
  byId("hint").replaceChildren(...annotateHint(info));
  const facets = new Facets(byId("facets"), info, filter, failed);
  const whatif = new WhatIf(byId("whatif"), info, failed);
  let table = null;
  let reason = null;

  const show = () => {
    const rejected = filter.table === "rejected";
    const turned = filter.table !== table;
    table = filter.table;
    byId("kept").setAttribute("aria-pressed", String(!rejected));
    byId("rejected").setAttribute("aria-pressed", String(rejected));
    byId("search").hidden = rejected; // what was never cut has no caption
    if (document.activeElement !== byId("search")) byId("search").value = filter.get("q");
    if (turned) sorting(info, rejected);
    byId("sort").value = filter.get("sort");
    byId("direction").textContent = filter.get("desc") ? "↓" : "↑";
    byId("direction").disabled = !filter.get("sort");
    chips();
    if (turned || reason !== filter.get("reason")) {
      reason = filter.get("reason");
      if (rejected) whatif.show(reason.includes(",") ? "" : reason);
      else byId("whatif").hidden = true;
    }
    if (turned) facets.show();
    else facets.refresh();
  };
  filter.addEventListener("change", () => {
    history.pushState(null, "", `${location.pathname}${filter.toString() && `?${filter}`}`);
    showRows();
    show();
  });
  addEventListener("popstate", () => {
    filter.read(location.search);
    showRows();
    show();
  });
  controls();
  show();
  await shown;
}

function showRows(scrollTop = 0) {
  const conditions = filter.toString();
  return grid.reset(scrollTop, filter.table === "rejected"
    ? { tile: stretchTile, layout: stretchLayout }
    : { tile: (row) => clipTile(row, conditions), layout: clipLayout });
}

function controls() {
  let timer = 0;
  byId("search").addEventListener("input", (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (filter.table === "clips") filter.set("q", event.target.value.trim());
    }, TYPING_MS);
  });
  byId("kept").addEventListener("click", () => filter.table !== "clips" && filter.show("clips"));
  byId("rejected").addEventListener("click", () => filter.table !== "rejected" && filter.show("rejected"));
  byId("sort").addEventListener("change", (event) => filter.order(event.target.value, Boolean(filter.get("desc"))));
  byId("direction").addEventListener("click", () => filter.order(filter.get("sort"), !filter.get("desc")));
  byId("copy-command").addEventListener("click", () => copy("command", "command"));
  byId("copy-python").addEventListener("click", () => copy("python", "Python"));
  byId("help").addEventListener("click", openHelp);
  addEventListener("pagehide", () => {
    sessionStorage.setItem(SCROLL_KEY, JSON.stringify([filter.toString(), byId("grid").scrollTop]));
  });
  document.addEventListener("keydown", (event) => {
    if (typing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") byId("search").focus();
    else if (event.key === "Backspace") history.back();
    else if (event.key.startsWith("Arrow") && !event.target.closest(".grid, .side") && grid.total) grid.focus(0);
    else return;
    event.preventDefault();
  });
}

function sorting(info, rejected) {
  const own = rejected ? ["source_name", "start_s"] : ["clip_id", "source_name", "start_s", "identity", "frames"];
  byId("sort").replaceChildren(
    el("option", { value: "", text: "dataset order" }),
    el("optgroup", { label: "Columns" }, ...own.map((name) => el("option", { value: name, text: words(name) }))),
    el("optgroup", { label: "Scores" }, ...info.scores.map(({ name }) => el("option", { value: name, text: words(name) }))),
  );
}

function chips() {
  const conditions = filter.entries();
  byId("chips").hidden = !conditions.length;
  byId("chips").replaceChildren(
    ...conditions.map(([name, value]) => {
      const text = condition(name, value);
      const remove = el("button", { text: "×", "aria-label": `Remove ${text}`, on: { click: () => filter.set(name, "") } });
      return el("span", { class: "chip" }, text, remove);
    }),
    el("button", { class: "quiet", text: "Clear all", on: { click: () => filter.clear() } }),
  );
}

function condition(name, value) {
  if (name === "q") return `caption has “${value}”`;
  const field = words(name.replace(/^[as]\./, ""));
  if (!value.includes("..") || !/^[as]\./.test(name)) {
    // Several values of a field mean any of them; several actions are all wanted.
    const values = filter.values(name).map((v) => (name === "source" ? v : words(v)));
    return `${field}: ${values.join(name === "action" ? " and " : " or ")}`;
  }
  const [low, high] = filter.range(name);
  if (low === null) return `${field} ≤ ${number(high)}`;
  return high === null ? `${field} ≥ ${number(low)}` : `${field} ${number(low)} – ${number(high)}`;
}

function showTotal(total) {
  listed = total;
  const what = filter.table === "rejected" ? "stretch" : "clip";
  byId("count").textContent = `${number(total)} ${what}${total === 1 ? "" : what === "clip" ? "s" : "es"}`;
  byId("grid").hidden = total === 0;
  byId("message").hidden = total > 0;
  if (total > 0) return;
  const filtered = filter.entries().length > 0;
  if (filter.get("q") && about && !about.annotated) {
    const clear = ["Clear all", () => filter.clear()];
    byId("message").replaceChildren(notice("No captions yet", annotateHint(about), { action: clear }));
    return;
  }
  byId("message").replaceChildren(
    filtered
      ? notice("Nothing fits", "No row meets all conditions. Take one away, or begin anew.", {
          action: ["Clear all", () => filter.clear()],
        })
      : notice("Nothing here", `This dataset has no ${filter.table === "rejected" ? "rejected stretches" : "clips"}.`),
  );
}

/** How a dataset gets its attributes, actions and captions. */
function annotateHint(info) {
  return ["Nobody has said yet what the clips show. ", el("code", { text: info.annotate }), " measures attributes and actions and words captions to search in."];
}

function failed(error) {
  if (grid.total) {
    toast(error.message, "error");
    return;
  }
  byId("grid").hidden = true;
  byId("message").hidden = false;
  const action = error.status === 400 && filter.entries().length
    ? ["Clear the filter", () => location.assign(location.pathname)]
    : ["Try again", () => location.reload()];
  byId("message").replaceChildren(notice("This cannot be shown", error.message, { error: true, action }));
}

async function copy(part, name) {
  try {
    const text = (await getJson("/api/command", new URLSearchParams(filter.toString())))[part];
    if (await clipboard(text)) toast(`Copied: ${text.split("\n")[0]}${text.includes("\n") ? " …" : ""}`);
    else showText(name, text);
  } catch (error) {
    toast(error.message, "error");
  }
}

async function clipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // no permission, or not a secure address: the text is shown instead
  }
}

function showText(name, text) {
  const dialog = el(
    "dialog", { "aria-label": name }, el("h2", { text: `The ${name}` }), el("pre", { class: "code", text }),
    el("div", { class: "row" }, el("button", { text: "Close", on: { click: () => dialog.close() } })),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  getSelection().selectAllChildren(dialog.querySelector("pre"));
}

function rememberedScroll() {
  const [query, top] = JSON.parse(sessionStorage.getItem(SCROLL_KEY) ?? "[null, 0]");
  return query === filter.toString() ? top : 0;
}

// The review page: one clip after another, a verdict by one key, sent while the next clip is already looked at.

import { getJson, mediaUrl } from "./api.js";
import { el, notice, toast, typing } from "./dom.js";
import { helpDialog } from "./help.js";
import { Outbox } from "./outbox.js";
import { Player } from "./player.js";
import { makeForm } from "./review_form.js";
import { drawPanels } from "./review_panels.js";

const PANELS_EVERY_MS = 10000;
const PANELS_SOON_MS = 1500;
const RETRY_MS = 1000;
const KEYS = [
  [["space"], "play or pause"],
  [[",", "."], "one frame back or on"],
  [["←", "→"], "previous or next clip"],
  [["a", "r", "s"], "accept, reject, skip"],
  [["↑", "↓"], "attribute above or below"],
  [["1", "…", "9"], "choose that value (two digits where there are more)"],
  [["0"], "cannot be told; for an action: wrong, and 1 right"],
  [["i"], "new action at the playhead"],
  [["[", "]"], "the action starts, ends at the frame shown"],
  [["Enter"], "show the action"],
  [["n"], "another attribute"],
  [["e"], "edit the caption; Esc leaves it"],
  [["Ctrl", "Z"], "undo the last verdict"],
  [["d"], "disagreements, and back"],
  [["?"], "this help"],
];
const byId = (id) => document.getElementById(id);

const state = {
  annotator: localStorage.getItem("facevid.annotator") ?? "",
  task: new URLSearchParams(location.search).get("task") ?? "attributes",
  adjudicating: false,
  offered: null, // the answer of /api/review/tasks
  item: null,
  form: null,
  ahead: null, // a promise of the next item, fetched while this one is looked at
  trail: [], // clips seen, for the arrows
  seen: new Map(), // clip -> its item as it was last answered
  place: -1,
  done: [], // verdicts given in this page, for undo
  since: 0,
  turn: 0, // so that an answer that comes late does not replace what is shown
};

const player = new Player(byId("video"), {
  onFrame: (frame) => {
    byId("clock").textContent = state.item ? `${frame + 1} / ${state.item.frames}` : "";
    byId("clock").dataset.frame = frame;
    state.form?.frame?.(frame);
  },
  onState: () => (byId("play").textContent = player.playing ? "Pause" : "Play"),
  onError: (message) => trouble(message),
});
const outbox = new Outbox({
  onChange: showSaved,
  onSent: () => refreshSoon(),
  onRefused: (_body, message) => toast(`Not saved: ${message}`, "error"),
});

async function start() {
  byId("help").addEventListener("click", helpDialog(KEYS));
  const offered = await waitFor(() => getJson("/api/review/tasks"));
  state.offered = offered;
  if (!offered.tasks.includes(state.task)) [state.task] = offered.tasks;
  byId("tasks").replaceChildren(...offered.tasks.map((task) => el(
    "button", { text: task, data: { task }, on: { click: () => changeTask(task) } },
  )));
  if (!state.annotator) await askName();
  byId("annotator").textContent = state.annotator;
  outbox.flush();
  await changeTask(state.task);
  setInterval(refreshPanels, PANELS_EVERY_MS);
}

function askName() {
  return new Promise((resolve) => {
    const field = el("input", { type: "text", name: "annotator", maxlength: 80, required: true, value: state.annotator });
    const dialog = el(
      "dialog", { id: "who", "aria-label": "Your name" },
      el("h2", { text: "Who is looking?" }),
      el("p", { class: "muted", text: "Your name is stored with each verdict, in this dataset only." }),
      el("form", {
        method: "dialog",
        on: { submit: () => {
          state.annotator = field.value.trim();
          localStorage.setItem("facevid.annotator", state.annotator);
          byId("annotator").textContent = state.annotator;
        } },
      }, field, " ", el("button", { class: "primary", text: "Begin" })),
    );
    dialog.addEventListener("cancel", (event) => !state.annotator && event.preventDefault());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

async function changeTask(task) {
  Object.assign(state, { task, ahead: null, trail: [], seen: new Map(), place: -1, done: [] });
  for (const button of byId("tasks").children) {
    button.setAttribute("aria-pressed", String(button.dataset.task === task));
  }
  byId("disputes").setAttribute("aria-pressed", String(state.adjudicating));
  history.replaceState(null, "", `/review?${new URLSearchParams({ task })}`);
  await Promise.all([onward(), refreshPanels()]);
}

/** Fetch the next item of the queue: nobody else's, none of those whose verdicts are still on their way. */
async function fetchNext() {
  const query = new URLSearchParams({ task: state.task, annotator: state.annotator });
  if (state.adjudicating) return (await getJson("/api/review/adjudicate", query)).item;
  if (state.item) query.set("after", state.item.clip_id);
  const inHand = new Set(outbox.waiting().filter((w) => w.body.task === state.task).map((w) => w.body.clip_id));
  if (state.item) inHand.add(state.item.clip_id);
  for (const clipId of inHand) if (clipId) query.append("without", clipId);
  return (await getJson("/api/review/next", query)).item;
}

async function onward() {
  if (state.place < state.trail.length - 1) return revisit(state.place + 1);
  const turn = ++state.turn;
  const item = await waitFor(() => {
    const ahead = state.ahead ?? fetchNext();
    state.ahead = null;
    return ahead;
  });
  if (turn !== state.turn) return undefined;
  if (item) {
    state.trail.push(item.clip_id);
    state.place = state.trail.length - 1;
  }
  return show(item);
}

async function revisit(place) {
  if (place < 0 || place >= state.trail.length) return;
  const turn = ++state.turn;
  const query = { task: state.task, annotator: state.annotator, clip_id: state.trail[place] };
  const item = await waitFor(() => getJson("/api/review/item", query).then(({ item: fresh }) => fresh, (error) => {
    const seen = state.seen.get(query.clip_id);
    if (error.status !== 0 || !seen) throw error;
    return seen; // the server is away: what was seen of the clip will do
  }));
  if (turn !== state.turn) return;
  state.place = place;
  show(item);
}

function show(item) {
  state.item = item;
  if (item) state.seen.set(item.clip_id, item);
  state.since = performance.now();
  trouble(null);
  for (const name of ["accept", "reject", "skip"]) {
    byId(name).disabled = !item;
    byId(name).classList.toggle("said", item?.mine?.verdict === name);
  }
  if (!item) {
    state.form = null;
    player.video.removeAttribute("src");
    player.video.load();
    byId("form").replaceChildren(notice(
      state.adjudicating ? "No disagreements" : "Nothing left for you",
      state.adjudicating
        ? "Where two annotators differ, the clip comes here for a third."
        : "Every clip of this task has its answers, or others look at them now.",
      { action: ["Look again", onward] },
    ));
    return;
  }
  player.load(mediaUrl(item.clip_id), item.fps, item.frames);
  player.toggle()?.catch?.(() => {}); // a browser that refuses to start by itself waits for the space key
  state.form = makeForm(state.task, item, state.offered, byId("form"), {
    seek: (seconds) => player.seek(Math.floor(seconds * item.fps)),
    frame: () => player.frame,
  });
  byId("form").dataset.clip = item.clip_id;
  if (!state.adjudicating) fetchAhead();
}

/** Have the next item, and the beginning of its video, before it is asked for. */
function fetchAhead() {
  if (state.place < state.trail.length - 1) return;
  const ahead = fetchNext();
  state.ahead = ahead;
  ahead.then(
    (item) => {
      if (item) el("video", { preload: "auto", muted: true }).src = mediaUrl(item.clip_id);
      if (!item && state.ahead === ahead) state.ahead = null; // something may be there by the time it is needed
    },
    () => state.ahead === ahead && (state.ahead = null), // asked for again when it is needed
  );
}

function say(verdict) {
  const { item, form } = state;
  if (!item) return;
  const missing = form.missing(verdict);
  if (missing) {
    toast(missing, "error");
    return;
  }
  const body = {
    task: state.task, clip_id: item.clip_id, annotator: state.annotator, verdict, said: form.said(verdict),
    seconds: Math.round(performance.now() - state.since) / 1000, client_id: newId(),
    role: state.adjudicating ? "adjudicate" : "annotate",
  };
  outbox.add("/api/review/verdict", body);
  state.done.push({ client_id: body.client_id, clip_id: item.clip_id, place: state.place });
  toast(`${{ accept: "Accepted", reject: "Rejected", skip: "Skipped" }[verdict]}.`);
  if (state.adjudicating) afterSent(onward);
  else onward();
}

function undo() {
  const last = state.done.pop();
  outbox.add("/api/review/undo", {
    task: state.task, annotator: state.annotator, client_id: newId(), ...(last ? { undoes: last.client_id } : {}),
  });
  toast("Taken back.");
  if (last && state.trail[last.place] === last.clip_id) afterSent(() => revisit(last.place));
}

/** Do something once nothing waits to be sent, since it asks the server about what was said. */
async function afterSent(then) {
  await waitFor(async () => {
    if (outbox.waiting().length) throw new Error("Waiting until your verdicts are saved.");
  }, 50);
  then();
}

/** Ask until there is an answer, saying meanwhile why nothing moves. */
async function waitFor(ask, every = RETRY_MS) {
  for (let tries = 0; ; tries++) {
    try {
      const answer = await ask();
      trouble(null);
      return answer;
    } catch (error) {
      if (error.status >= 400 && error.status < 500) {
        trouble(error.message);
        throw error;
      }
      if (tries * every >= RETRY_MS || error.status === 0) trouble(`${error.message} Your verdicts are kept here and sent as soon as it answers.`);
      await new Promise((resolve) => setTimeout(resolve, every));
    }
  }
}

function trouble(message) {
  byId("trouble").hidden = !message;
  byId("trouble").textContent = message ?? "";
}

function showSaved(waiting, error) {
  const node = byId("saved");
  node.textContent = waiting ? `${waiting} to be saved${error ? ", the server is away" : "…"}` : "All saved";
  node.classList.toggle("waiting", waiting > 0 && Boolean(error));
  node.dataset.waiting = waiting;
}

let soon = null;
function refreshSoon() {
  soon ??= setTimeout(() => {
    soon = null;
    refreshPanels();
  }, PANELS_SOON_MS);
}

async function refreshPanels() {
  try {
    await drawPanels(state.task, state.annotator);
  } catch (error) {
    if (error.status !== 0) toast(error.message, "error"); // a server that is away is told of elsewhere
  }
}

function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  // On plain HTTP from another machine browsers keep randomUUID back.
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

function toggleDisputes() {
  state.adjudicating = !state.adjudicating;
  state.item = null;
  changeTask(state.task);
}

const ACTIONS = {
  " ": () => player.toggle(), ",": () => player.step(-1), ".": () => player.step(1),
  ArrowLeft: () => revisit(state.place - 1), ArrowRight: () => onward(),
  a: () => say("accept"), r: () => say("reject"), s: () => say("skip"), d: toggleDisputes,
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target === document.querySelector(".caption-text")) event.target.blur();
  if (typing(event) && !event.target.readOnly) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
    event.preventDefault();
    undo();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const act = ACTIONS[event.key];
  if (act) act();
  if (act || state.form?.key(event)) event.preventDefault();
});
for (const name of ["accept", "reject", "skip"]) byId(name).addEventListener("click", () => say(name));
byId("undo").addEventListener("click", undo);
byId("play").addEventListener("click", () => player.toggle());
byId("step-back").addEventListener("click", () => player.step(-1));
byId("step-on").addEventListener("click", () => player.step(1));
byId("disputes").addEventListener("click", toggleDisputes);
byId("annotator").addEventListener("click", async () => {
  await askName();
  changeTask(state.task);
});

start().catch((error) => trouble(error.message));

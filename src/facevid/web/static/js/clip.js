// The clip page: player with overlay, timeline, and what is known of the clip.

import { clipApi, clipHref, getFloats, getJson, mediaUrl } from "./api.js";
import { duration, el, notice, number, toast, typing, words } from "./dom.js";
import { Filter } from "./filter.js";
import { helpDialog } from "./help.js";
import { Overlay } from "./overlay.js";
import { Player } from "./player.js";
import { attributesOf, captionsOf, inOrder } from "./statements.js";
import { Timeline } from "./timeline.js";

const byId = (id) => document.getElementById(id);
const clipId = decodeURIComponent(location.pathname.split("/").pop());
const filter = new Filter(location.search);

const openHelp = helpDialog([
  [["space"], "play or pause"],
  [[",", "."], "one frame back, one frame on"],
  [["[", "]"], "slower, faster"],
  [["l"], "loop"],
  [["m", "b"], "mesh, box"],
  [["Home", "End"], "first, last frame"],
  [["←", "→"], "previous, next clip of the filter"],
  [["Esc"], "back to the grid"],
  [["?"], "this list"],
]);

const overlay = new Overlay(byId("overlay"));
let timeline = null;
const player = new Player(byId("video"), { onFrame: showFrame, onState: showState, onError: showTrouble });
// For tests: the frame on the screen, and what the overlay last drew.
window.facevid = {
  frame: () => player.frame,
  get drawn() {
    return overlay.drawn;
  },
};
start();

async function start() {
  byId("title").textContent = clipId;
  byId("help").addEventListener("click", openHelp);
  byId("back").href = `/${filter.toString() && `?${filter}`}`;
  let clip;
  let info;
  try {
    [clip, info] = await Promise.all([getJson(clipApi(clipId), new URLSearchParams(filter.toString())), getJson("/api/info")]);
  } catch (error) {
    byId("message").hidden = false;
    byId("message").replaceChildren(
      notice("This clip cannot be shown", error.message, { error: true, action: ["Back to the grid", goBack] }),
    );
    return;
  }
  byId("content").hidden = false;
  document.title = `${clipId} · facevid`;
  neighbours(clip);
  const shown = actionsShown(clip.annotations);
  byId("captions").replaceChildren(...captionsOf(clip.annotations));
  byId("attributes").replaceChildren(...attributesOf(clip.annotations, info.all_attributes));
  byId("scores").replaceChildren(el("h2", { text: "Scores" }), facts(info.scores.map(({ name }) => [words(name), clip[name]])));
  byId("provenance").replaceChildren(el("h2", { text: "Provenance" }), facts(provenance(clip)));
  player.load(mediaUrl(clipId), clip.fps, clip.frames);
  player.loop = false;
  controls();
  await details(clip, shown);
}

async function details(clip, actions) {
  try {
    const [points, curves] = await Promise.all([getFloats(clipApi(clipId, "points")), getJson(clipApi(clipId, "curves"))]);
    overlay.load({ points, boxes: curves.box, width: clip.width ?? 512, height: clip.height ?? 512 });
    timeline = new Timeline(byId("timeline"), {
      curves, actions, seconds: clip.frames / clip.fps,
      onSeek: (frame) => {
        player.pause();
        player.seek(frame);
      },
    });
    showFrame(player.frame);
  } catch (error) {
    byId("timeline").replaceChildren(el("div", { class: "muted", text: error.message }));
    if (error.name !== "ApiError") throw error;
  }
}

function controls() {
  const buttons = {
    play: () => player.toggle(),
    "step-back": () => player.step(-1),
    "step-on": () => player.step(1),
    speed: () => (player.speed >= 2 ? player.changeSpeed(-9) : player.changeSpeed(1)),
    loop: toggleLoop,
    mesh: () => toggleOverlay("mesh"),
    box: () => toggleOverlay("box"),
  };
  for (const [id, press] of Object.entries(buttons)) byId(id).addEventListener("click", press);
  // A click leaves the keyboard where it was, so that space goes on meaning play; Tab still reaches every button.
  document.querySelector(".controls").addEventListener("mousedown", (event) => event.preventDefault());
  const keys = {
    " ": buttons.play, ",": buttons["step-back"], ".": buttons["step-on"], l: buttons.loop, m: buttons.mesh, b: buttons.box,
    "[": () => player.changeSpeed(-1), "]": () => player.changeSpeed(1),
    Home: () => player.seek(0), End: () => player.seek(player.frames - 1),
    ArrowLeft: () => follow("previous"), ArrowRight: () => follow("next"), Escape: goBack,
  };
  document.addEventListener("keydown", (event) => {
    if (typing(event) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    // Space on a focused button presses that button.
    if (event.key === " " && event.target.closest("button, a")) return;
    const act = keys[event.key];
    if (!act || event.defaultPrevented) return;
    event.preventDefault();
    act();
  });
}

function showFrame(frame) {
  overlay.draw(frame);
  timeline?.show(frame);
  const seconds = (frame / player.fps).toFixed(2);
  byId("clock").textContent = `frame ${frame} / ${player.frames - 1} · ${seconds} s`;
}

function showState() {
  byId("play").textContent = player.playing ? "Pause" : "Play";
  byId("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
  byId("speed").textContent = `${player.speed}×`;
}

function showTrouble(message) {
  byId("trouble").hidden = false;
  byId("trouble").textContent = message;
}

function toggleLoop() {
  player.loop = !player.loop;
  byId("loop").setAttribute("aria-pressed", String(player.loop));
}

function toggleOverlay(what) {
  byId(what).setAttribute("aria-pressed", String(overlay.toggle(what)));
}

function neighbours(clip) {
  for (const side of ["previous", "next"]) {
    if (!clip[side]) continue;
    byId(side).href = clipHref(clip[side], filter.toString());
    byId(side).hidden = false;
  }
}

function follow(side) {
  if (byId(side).hidden) toast(side === "next" ? "This is the last clip of the filter." : "This is the first clip of the filter.");
  else location.assign(byId(side).href);
}

function goBack() {
  location.assign(byId("back").href);
}

/** The actions of the first source that gives any, as the dataset shows them. */
function actionsShown(annotations) {
  const actions = inOrder(annotations.filter((a) => a.kind === "action"));
  const source = actions[0]?.by.split(":")[0];
  return actions.filter((a) => a.by.split(":")[0] === source).sort((a, b) => a.start_s - b.start_s);
}

function provenance(clip) {
  const source = clip.source ?? {};
  return [
    ["person", clip.identity ?? "unknown"],
    ["source", clip.source_name],
    ["from", `${clip.start_s.toFixed(2)} – ${clip.end_s.toFixed(2)} s (${duration(clip.end_s - clip.start_s)})`],
    ["clip", `${clip.width ?? "?"} × ${clip.height ?? "?"}, ${clip.frames} frames, ${number(clip.fps)} fps`],
    ["crop", clip.crop_x0 === undefined ? null : `${clip.crop_x0}, ${clip.crop_y0} – ${clip.crop_x1}, ${clip.crop_y1} px of the source`],
    ["source video", source.width && `${source.width} × ${source.height}, ${source.video_codec ?? ""} ${number(source.fps)} fps`],
    ["licence", source.licence ?? "not stated"],
    ["consent", source.consent ?? "not stated"],
    ["collected by", source.collected_by],
    ["language", source.language],
    ["address", source.url],
    ["source SHA-256", source.sha256],
    ["split", clip.split],
    ["shard", clip.shard],
  ].filter(([, value]) => value);
}

function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", {}, ...known.flatMap(([name, value]) => [
    el("dt", { text: name }), el("dd", { text: typeof value === "number" ? number(value) : String(value) }),
  ]));
}

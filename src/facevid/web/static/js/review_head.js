// The line above every form of the review: which clip, whose, and what is special about it.

import { el } from "./dom.js";

/** item: a clip as /api/review/next gives it. */
export function clipHead(item) {
  return el(
    "div", { class: "clip-head" },
    el("span", { class: "mono", text: item.clip_id }),
    item.identity && el("span", { class: "badge", text: item.identity }),
    item.twice && el("span", { class: "badge", text: "two annotators", title: "One of the share seen by two" }),
    item.mine && el("span", { class: "badge annotator", text: `you said: ${item.mine.verdict}` }),
    item.about && el("span", { class: "badge model", text: "disagreement" }),
  );
}

// The tiles of the explore page: a clip with its thumbnail, a rejected stretch as a row, and the preview on hover.

import { clipHref, mediaUrl, thumbUrl } from "./api.js";
import { el, number, words } from "./dom.js";
import { thumbnail } from "./thumbnails.js";

const TILE_PX = 196;
const TEXT_PX = 48;
const ROW_PX = 38;
const THUMB_PX = 256;
const PREVIEW_MS = 140;

/** Tiles as wide as fit, at least TILE_PX, with text below a square picture. */
export function clipLayout(width) {
  const columns = Math.max(1, Math.floor(width / TILE_PX));
  const side = Math.floor(width / columns);
  return { columns, width: side, height: side + TEXT_PX };
}

/** One stretch a line. */
export function stretchLayout(width) {
  return { columns: 1, width, height: ROW_PX };
}

/** A clip's tile; `filter` goes into its link, so that its page knows the neighbours. */
export function clipTile(row, filter) {
  if (!row) return el("div", { class: "tile waiting" }, el("div", { class: "thumb" }), el("div", { class: "line" }));
  const caption = row.caption || row.source_name;
  const picture = thumbnail(thumbUrl(row.clip_id, THUMB_PX));
  return el(
    "div", { class: "tile" },
    el(
      "a", { href: clipHref(row.clip_id, filter), data: { clip: row.clip_id }, "aria-label": `${caption}, ${number(row.seconds)} seconds` },
      el("div", { class: "thumb" }, picture, el("span", { class: "length", text: `${row.seconds.toFixed(1)} s` })),
      el("div", { class: row.caption ? "line" : "line muted", text: caption, title: caption }),
      el("div", { class: "sub muted", text: [row.identity ?? "unknown person", place(row)].join(" · ") }),
    ),
  );
}

function place({ caption, source_name, start_s, end_s }) {
  return caption ? source_name : `${start_s.toFixed(1)} – ${end_s.toFixed(1)} s`;
}

/** A rejected stretch: where, why, and how far from the threshold. */
export function stretchTile(row) {
  if (!row) return el("div", { class: "stretch waiting" });
  const why = row.reason === "duplicate" && row.duplicate_of
    ? el("a", { href: clipHref(row.duplicate_of), text: "the clip kept" })
    : el("span", { text: row.score ? `${words(row.score)} ${number(row.value)}` : "" });
  const limit = row.threshold === null || row.threshold === undefined ? "" : `threshold ${number(row.threshold)}`;
  return el(
    "div", { class: "stretch" },
    el("span", { class: "badge reason", text: words(row.reason) }),
    el("span", { class: "source", text: row.source_name, title: row.source_name }),
    el("span", { class: "number", text: `${row.start_s.toFixed(2)} – ${row.end_s.toFixed(2)} s` }),
    el("span", { class: "number", text: `${(row.end_s - row.start_s).toFixed(1)} s` }),
    why,
    el("span", { class: "muted", text: limit }),
  );
}

/** One muted video that moves to the tile under the pointer (or the keyboard) and plays there. */
export class Preview {
  constructor(container) {
    this.video = el("video", { class: "preview", loop: true, playsinline: true, "aria-hidden": "true" });
    this.video.muted = true;
    this.video.addEventListener("playing", () => this.video.classList.add("on"));
    container.addEventListener("pointerover", (event) => this._enter(event.target.closest?.("a[data-clip]")));
    container.addEventListener("pointerleave", () => this._enter(null));
    container.addEventListener("focusin", (event) => this._enter(event.target.closest?.("a[data-clip]")));
    container.addEventListener("scroll", () => this._moved(), { passive: true });
  }

  _enter(link) {
    if (link === this._link) return;
    this._stop();
    this._link = link;
    if (!link) return;
    this._timer = setTimeout(() => {
      link.querySelector(".thumb")?.append(this.video);
      this.video.src = mediaUrl(link.dataset.clip);
      // Refused or overtaken: the thumbnail simply stays.
      this.video.play().catch(() => this.video.classList.remove("on"));
    }, PREVIEW_MS);
  }

  _moved() {
    if (this._link && !this._link.isConnected) this._enter(null);
  }

  _stop() {
    clearTimeout(this._timer);
    this.video.classList.remove("on");
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.remove();
  }
}

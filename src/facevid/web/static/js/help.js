// The dialog that lists the keys of a page, opened with "?".

import { el, typing } from "./dom.js";

/** keys: [[keys, what they do]] with keys a list such as ["←", "→"]. Returns a function that opens the dialog. */
export function helpDialog(keys) {
  const dialog = el(
    "dialog", { "aria-labelledby": "help-title" },
    el("h2", { id: "help-title", text: "Keys" }),
    el("dl", { class: "keys" }, ...keys.flatMap(([names, what]) => [
      el("dt", {}, ...names.map((name) => el("kbd", { text: name }))), el("dd", { text: what }),
    ])),
    el("div", { class: "row" }, el("button", { text: "Close", on: { click: () => dialog.close() } })),
  );
  document.body.append(dialog);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "?" || typing(event)) return;
    event.preventDefault();
    if (!dialog.open) dialog.showModal();
  });
  return () => dialog.showModal();
}

// Loads thumbnails few at a time: a browser keeps six connections to a server, and lists and counts must not wait.

import { el } from "./dom.js";

const AT_ONCE = 4;
const waiting = [];
const loading = new Set();
let planned = false;

/** An <img> that loads once it is on the page and its turn has come; scrolled away before, it never asks. */
export function thumbnail(url) {
  const image = el("img", { alt: "", decoding: "async" });
  image.addEventListener("load", () => done(image));
  image.addEventListener("error", () => {
    done(image);
    image.replaceWith(el("span", { class: "no-picture", text: "no picture" }));
  });
  waiting.push([image, url]);
  plan();
  return image;
}

function done(image) {
  loading.delete(image);
  plan();
}

function plan() {
  if (planned) return;
  planned = true;
  requestAnimationFrame(next);
}

function next() {
  planned = false;
  for (const image of loading) {
    if (image.isConnected) continue;
    image.removeAttribute("src"); // ends the request
    loading.delete(image);
  }
  while (loading.size < AT_ONCE && waiting.length) {
    const [image, url] = waiting.shift();
    if (!image.isConnected) continue;
    loading.add(image);
    image.src = url;
  }
}

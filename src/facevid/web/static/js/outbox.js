// Verdicts on their way: kept in the browser until the server has them, sent in order, again and again if need be.

import { ApiError, sendJson } from "./api.js";

const WAITING = "facevid.outbox.";
const REFUSED = "facevid.refused.";
const LONGEST_WAIT = 4000;

/**
 * `add(path, body)` returns at once. Every body carries a client_id, so that sending it twice stores it once; that is
 * why any tab may send what another one left behind. `onChange(waiting, error)` tells how many wait;
 * `onSent(path, body, answer)` what arrived; `onRefused(body, message)` what the server will never take: it stays in
 * the browser under another name, so that even then nothing said is lost.
 */
export class Outbox {
  constructor({ onChange = () => {}, onSent = () => {}, onRefused = () => {} } = {}) {
    this._onChange = onChange;
    this._onSent = onSent;
    this._onRefused = onRefused;
    this._busy = false;
    this._wait = 250;
    this._timer = null;
    addEventListener("online", () => this.flush());
    addEventListener("storage", () => this._onChange(this.waiting().length, null));
  }

  add(path, body) {
    const order = Math.max(Date.now(), (this.waiting().at(-1)?.order ?? 0) + 1);
    localStorage.setItem(WAITING + body.client_id, JSON.stringify({ path, body, order }));
    this._onChange(this.waiting().length, null);
    this.flush();
  }

  /** What waits, in the order it was said. */
  waiting() {
    const entries = [];
    for (let k = 0; k < localStorage.length; k++) {
      const key = localStorage.key(k);
      if (key.startsWith(WAITING)) entries.push(JSON.parse(localStorage.getItem(key)));
    }
    return entries.sort((a, b) => a.order - b.order);
  }

  async flush() {
    if (this._busy) return;
    this._busy = true;
    clearTimeout(this._timer);
    let trouble = null;
    for (let entry = this.waiting()[0]; entry && !trouble; entry = this.waiting()[0]) {
      trouble = await this._send(entry);
    }
    this._busy = false;
    this._onChange(this.waiting().length, trouble);
    if (trouble) {
      this._timer = setTimeout(() => this.flush(), this._wait);
      this._wait = Math.min(LONGEST_WAIT, this._wait * 2);
    } else {
      this._wait = 250;
    }
  }

  async _send({ path, body, order }) {
    const key = WAITING + body.client_id;
    try {
      const answer = await sendJson("POST", path, body, { keepalive: true });
      localStorage.removeItem(key);
      this._onSent(path, body, answer);
    } catch (error) {
      if (!(error instanceof ApiError) || !isFinal(error.status)) return error;
      localStorage.setItem(REFUSED + body.client_id, JSON.stringify({ path, body, order, message: error.message }));
      localStorage.removeItem(key);
      this._onRefused(body, error.message);
    }
    return null;
  }
}

/** Whether the same message would be refused again; not so where the server is away or the token is missing. */
function isFinal(status) {
  return status >= 400 && status < 500 && ![401, 403, 408, 425, 429].includes(status);
}

// A grid of any length of which only the visible tiles exist: rows are fetched by page while the reader scrolls.

const PAGE = 60;
const PAGES_KEPT = 40;
const SPARE_ROWS = 2;
const SETTLE_MS = 60;
// Browsers stop at 16 to 33 million pixels; a taller list is scrolled in proportion.
const TALLEST_PX = 12_000_000;

/**
 * fetchPage(offset, limit, signal) -> {total, rows}; tile(row, index) -> element, with row null while it is fetched;
 * layout(width) -> {columns, width, height} of a tile with its gap. onTotal(total) and onError(error) report.
 */
export class Grid {
  constructor(scroller, { fetchPage, tile, layout, onTotal, onError }) {
    this.scroller = scroller;
    this.total = 0;
    this.columns = 1;
    this._options = { fetchPage, tile, layout, onTotal, onError };
    this._space = document.createElement("div");
    this._space.className = "space";
    this._space.setAttribute("role", "list");
    scroller.append(this._space);
    this._pages = new Map();
    this._waiting = new Map();
    this._tiles = new Map();
    this._settle = 0;
    this._stale = true;
    this._drawn = 0;
    scroller.addEventListener("scroll", () => this._scrolled(), { passive: true });
    scroller.addEventListener("keydown", (event) => this._key(event));
    new ResizeObserver(() => this._resize()).observe(scroller);
  }

  /** Forget everything and show anew, from the top or from a former scroll position. */
  async reset(scrollTop = 0, options = {}) {
    for (const controller of this._waiting.values()) controller.abort();
    this._waiting.clear();
    clearTimeout(this._settle);
    this._stale = true;
    this._space.classList.add("stale");
    const first = await this._fetch(0);
    if (!first) return;
    this._stale = false;
    Object.assign(this._options, options);
    this._pages = new Map([[0, first.rows]]);
    this.total = first.total;
    this._space.replaceChildren();
    this._tiles.clear();
    this._space.classList.remove("stale");
    this._measure();
    this.scroller.scrollTop = scrollTop;
    this._options.onTotal(first.total);
    this._draw();
  }

  row(index) {
    return this._pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** Bring a tile into view and give it the keyboard. */
  focus(index) {
    const wanted = Math.max(0, Math.min(this.total - 1, index));
    const row = Math.floor(wanted / this.columns);
    const top = this._virtualTop();
    const view = this.scroller.clientHeight;
    let target = top;
    if (row * this._height < top) target = row * this._height;
    else if ((row + 1) * this._height > top + view) target = (row + 1) * this._height - view;
    if (target !== top) this.scroller.scrollTop = target / this._ratio();
    this._draw();
    this._tiles.get(wanted)?.node.querySelector("a, button")?.focus({ preventScroll: true });
  }

  _measure() {
    const { columns, width, height } = this._options.layout(this._space.clientWidth);
    this.columns = columns;
    this._width = width;
    this._height = height;
    this._tall = Math.ceil(this.total / columns) * height;
    this._space.style.height = `${Math.min(this._tall, TALLEST_PX)}px`;
  }

  _ratio() {
    const view = this.scroller.clientHeight;
    return this._tall > TALLEST_PX ? (this._tall - view) / (TALLEST_PX - view) : 1;
  }

  _virtualTop() {
    return this.scroller.scrollTop * this._ratio();
  }

  _resize() {
    if (!this.total || this._stale) return;
    const index = Math.floor(this._virtualTop() / this._height) * this.columns;
    this._measure();
    this._space.replaceChildren();
    this._tiles.clear();
    this.scroller.scrollTop = (Math.floor(index / this.columns) * this._height) / this._ratio();
    this._draw();
  }

  _scrolled() {
    cancelAnimationFrame(this._frame);
    this._frame = requestAnimationFrame(() => this._draw());
  }

  _draw() {
    // What is seen stays, dimmed, until the first page of what comes next is here.
    if (this._stale) return;
    const top = this._virtualTop();
    const first = Math.max(0, Math.floor(top / this._height) - SPARE_ROWS) * this.columns;
    const rows = Math.ceil(this.scroller.clientHeight / this._height) + 2 * SPARE_ROWS + 1;
    const last = Math.min(this.total, first + rows * this.columns);
    const shift = this.scroller.scrollTop - top;
    for (const [index, tile] of this._tiles) {
      const focused = tile.node.contains(document.activeElement);
      if ((index < first || index >= last) && !focused) this._drop(index);
      else this._place(tile.node, index, shift);
    }
    for (let index = first; index < last; index++) this._fill(index, shift);
    // A fast scroll passes pages that nobody looks at: they are asked for once it slows down.
    clearTimeout(this._settle);
    const fast = Math.abs(top - this._drawn) > this.scroller.clientHeight;
    this._drawn = top;
    if (fast) this._settle = setTimeout(() => this._need(first, last), SETTLE_MS);
    else this._need(first, last);
  }

  _fill(index, shift) {
    const row = this.row(index) ?? null;
    const old = this._tiles.get(index);
    if (old && (old.row || !row)) return;
    const node = this._options.tile(row, index);
    node.dataset.index = index;
    node.setAttribute("role", "listitem");
    node.setAttribute("aria-setsize", this.total);
    node.setAttribute("aria-posinset", index + 1);
    node.style.width = `${this._width}px`;
    node.style.height = `${this._height}px`;
    this._place(node, index, shift);
    if (old) old.node.replaceWith(node);
    else this._space.append(node);
    this._tiles.set(index, { node, row });
  }

  _place(node, index, shift) {
    const x = (index % this.columns) * this._width;
    const y = Math.floor(index / this.columns) * this._height + shift;
    node.style.transform = `translate(${x}px, ${y}px)`;
  }

  _drop(index) {
    this._tiles.get(index).node.remove();
    this._tiles.delete(index);
  }

  async _need(first, last) {
    const wanted = new Set();
    for (let page = Math.floor(first / PAGE); page * PAGE < last; page++) wanted.add(page);
    for (const [page, controller] of this._waiting) {
      if (wanted.has(page)) continue;
      controller.abort();
      this._waiting.delete(page);
    }
    const missing = [...wanted].filter((page) => !this._pages.has(page) && !this._waiting.has(page));
    await Promise.all(missing.map(async (page) => {
      const answer = await this._fetch(page);
      if (!answer) return;
      this._pages.set(page, answer.rows);
      for (const old of this._pages.keys()) {
        if (this._pages.size <= PAGES_KEPT) break;
        if (old !== page && !wanted.has(old)) this._pages.delete(old);
      }
      this._draw();
    }));
  }

  /** One page, or null if it is no longer wanted or could not be had (which is reported). */
  async _fetch(page) {
    const controller = new AbortController();
    this._waiting.set(page, controller);
    try {
      return await this._options.fetchPage(page * PAGE, PAGE, controller.signal);
    } catch (error) {
      if (error.name !== "AbortError") this._options.onError(error);
      return null;
    } finally {
      if (this._waiting.get(page) === controller) this._waiting.delete(page);
    }
  }

  _key(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns };
    const tile = event.target.closest("[data-index]");
    if (!tile || event.ctrlKey || event.metaKey || event.altKey) return;
    const index = Number(tile.dataset.index);
    if (event.key in steps) this.focus(index + steps[event.key]);
    else if (event.key === "Home") this.focus(0);
    else if (event.key === "End") this.focus(this.total - 1);
    else return;
    event.preventDefault();
  }
}

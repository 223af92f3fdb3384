// The filter: what the address of the page says, read, changed and written back.

const ORDER = ["sort", "desc"];
// File names may hold commas, so each has a parameter of its own.
const REPEATED = new Set(["source"]);

/** Fires "change" after each change. Names are those of the server: q, a.NAME, s.NAME, action, identity, ... */
export class Filter extends EventTarget {
  constructor(search = "") {
    super();
    this._params = new URLSearchParams();
    this.read(search);
  }

  /** Take over an address without firing, as when the reader goes back. */
  read(search) {
    this._params = new URLSearchParams(search);
    this._params.delete("token");
  }

  toString() {
    return readable(this._params);
  }

  /** What is filtered, without the order. */
  get conditions() {
    const params = new URLSearchParams(this._params);
    for (const name of ORDER) params.delete(name);
    return readable(params);
  }

  get table() {
    return this._params.get("table") === "rejected" ? "rejected" : "clips";
  }

  get(name) {
    return this._params.get(name) ?? "";
  }

  set(name, value) {
    if (value === "" || value === null) this._params.delete(name);
    else this._params.set(name, value);
    this._changed();
  }

  /** The other table; of the conditions only the sources hold for both. */
  show(table) {
    for (const name of [...this._params.keys()]) if (name !== "source") this._params.delete(name);
    if (table === "rejected") this._params.set("table", table);
    this._changed();
  }

  values(name) {
    if (REPEATED.has(name)) return this._params.getAll(name);
    return this.get(name) ? this.get(name).split(",") : [];
  }

  /** Add a value to those wanted of a field, or take it away. */
  toggle(name, value) {
    const now = this.values(name);
    const wanted = now.includes(value) ? now.filter((v) => v !== value) : [...now, value];
    this._params.delete(name);
    if (REPEATED.has(name)) for (const one of wanted) this._params.append(name, one);
    else if (wanted.length) this._params.set(name, wanted.join(","));
    this._changed();
  }

  /** [low, high] of a score, null where a side is open. */
  range(name) {
    const [low = "", high = ""] = this.get(name).split("..");
    return [low === "" ? null : Number(low), high === "" ? null : Number(high)];
  }

  setRange(name, low, high) {
    const open = low === null && high === null;
    this.set(name, open ? "" : `${low === null ? "" : short(low)}..${high === null ? "" : short(high)}`);
  }

  order(field, descending) {
    if (field) this._params.set("sort", field);
    else this._params.delete("sort");
    if (descending) this._params.set("desc", "1");
    else this._params.delete("desc");
    this._changed();
  }

  clear() {
    for (const name of [...this._params.keys()]) if (!ORDER.includes(name) && name !== "table") this._params.delete(name);
    this._changed();
  }

  /** [name, values joined for reading] of each condition. */
  entries() {
    const names = new Set(this._params.keys());
    for (const name of [...ORDER, "table"]) names.delete(name);
    return [...names].map((name) => [name, this._params.getAll(name).join(",")]);
  }

  _changed() {
    this.dispatchEvent(new Event("change"));
  }
}

// Commas and dots read better unescaped, and are allowed in a query.
function readable(params) {
  return params.toString().replaceAll("%2C", ",");
}

function short(value) {
  return String(Number(value.toPrecision(6)));
}

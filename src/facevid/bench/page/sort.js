"use strict";
// A click on a heading sorts its table, best first; a second click turns it round. Rows without a value stay last.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, k) => {
    const button = head.querySelector("button");
    button.addEventListener("click", () => {
      const other = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      for (const one of heads) one.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", other);
      const sign = other === "ascending" ? 1 : -1;
      const key = (row) => row.cells[k].dataset.v;
      const number = head.dataset.kind === "number";
      const compare = (a, b) => (number ? Number(a) - Number(b) : a.localeCompare(b));
      const rows = [...body.rows].sort((a, b) => {
        if (key(a) === "" || key(b) === "") return (key(a) === "") - (key(b) === "");
        return sign * compare(key(a), key(b));
      });
      body.append(...rows);
    });
  });
}

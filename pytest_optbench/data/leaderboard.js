"use strict";
// The page is complete without this: it only hides, shows and orders what is there.
for (const board of document.querySelectorAll("section[data-board]")) {
  const choice = board.querySelector("select");
  const rankings = [...board.querySelectorAll("[data-category]")];
  const show = () => rankings.forEach((one) => { one.hidden = one.dataset.category !== choice.value; });
  choice.addEventListener("change", show);
  show();
}
for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;

const filter = document.getElementById("filter");
const told = document.getElementById("told");
filter.addEventListener("input", () => {
  const wanted = filter.value.trim().toLowerCase();
  for (const row of document.querySelectorAll("[data-name]")) {
    row.hidden = !row.dataset.name.includes(wanted);
  }
  told.textContent = wanted ? "showing names with “" + wanted + "”" : "";
});

for (const table of document.querySelectorAll("table[data-sortable]")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const now = heading.getAttribute("aria-sort");
      const down = now ? now === "ascending" : heading.dataset.first === "descending";
      const up = down ? -1 : 1;
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", up === 1 ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows];
      const key = (row) => row.cells[column].dataset.value;
      rows.sort((one, other) => {
        const [a, b] = [key(one), key(other)];
        if (a === "" || b === "") return (a === "") - (b === "");  // what is not known comes last either way
        const [x, y] = [Number(a), Number(b)];
        return up * (Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y);
      });
      table.tBodies[0].append(...rows);
    });
  });
}

const open = () => {
  const found = document.getElementById(location.hash.slice(1));
  if (found instanceof HTMLDetailsElement) found.open = true;
};
window.addEventListener("hashchange", open);
open();

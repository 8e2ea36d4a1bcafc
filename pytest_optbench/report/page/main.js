// Main: the state of the page is its address; what people do changes that, and a change of it is shown.

const EMPTY = { q: "", sort: "", dir: "", page: 1, case: "", file: "", ...Object.fromEntries(FILTERS.map(({ key }) => [key, ""])) };

let state = { ...EMPTY };
let rows = [];
let opener = null;
let shownCase = null;

function addressOf(next) {
  const told = new URLSearchParams();
  for (const key of Object.keys(EMPTY)) if (next[key] && next[key] !== EMPTY[key]) told.set(key, String(next[key]));
  return `#${told}`;
}

function stateOf(address) {
  const told = new URLSearchParams(address.replace(/^#/, ""));
  const found = { ...EMPTY };
  for (const key of Object.keys(EMPTY)) if (told.has(key)) found[key] = told.get(key);
  found.page = Math.max(1, Number.parseInt(found.page, 10) || 1);
  if (!HEADERS.some((header) => header.key === found.sort)) found.sort = "";
  return found;
}

function caseState(row) {
  return { case: nameOf(row), file: several ? textOf("source", row) : "" };
}

let places = null;

/** The row of the case that the address names; null for none. */
function rowOf({ case: name, file }) {
  if (!name) return null;
  if (!places) {
    places = new Map();
    for (let row = count - 1; row >= 0; row -= 1) {
      places.set(nameOf(row), row);
      if (several) places.set(`${nameOf(row)}\n${textOf("source", row)}`, row);
    }
  }
  return places.get(file ? `${name}\n${file}` : name) ?? places.get(name) ?? null;
}

function change(part) {
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.key : null;
  state = { ...state, ...part };
  history.replaceState(null, "", addressOf(state));
  show();
  if (focused) byId("head").querySelector(`[data-key="${focused}"]`).focus();
}

function sortBy(key) {
  const header = HEADERS.find((one) => one.key === key);
  const first = header.key === "speedup" || header.key === "reached" ? "desc" : "asc";
  const second = first === "asc" ? "desc" : "asc";
  if (state.sort !== key) change({ sort: key, dir: first, page: 1 });
  else if (state.dir === first) change({ dir: second, page: 1 });
  else change({ sort: "", dir: "", page: 1 });
}

function show() {
  const row = rowOf(state);
  byId("overview").hidden = row !== null;
  byId("case").hidden = row === null;
  if (row === null) {
    rows = selected(state);
    showHead(state, sortBy);
    showRows(rows, state);
    for (const { key } of FILTERS) if (byId(`filter-${key}`)) byId(`filter-${key}`).value = state[key];
    if (document.activeElement !== byId("q")) byId("q").value = state.q;
    if (state.case) byId("status").textContent += ` There is no case ${state.case.slice(0, 80)} here.`;
    return;
  }
  if (!rows.length) rows = selected(state);
  showCase(row);
  redrawn.forEach((paint) => paint());
  const place = rows.indexOf(row);
  for (const [id, at] of [["before", place - 1], ["after", place + 1]]) {
    byId(id).disabled = place < 0 || at < 0 || at >= rows.length;
    byId(id).addEventListener("click", () => open(rows[at]));
  }
  byId("close").addEventListener("click", () => { location.hash = addressOf({ ...state, case: "", file: "" }); });
}

function open(row) {
  location.hash = addressOf({ ...state, ...caseState(row) });
}

/** After the address has changed: show it, and put the focus where the reader now is. */
function follow() {
  const before = shownCase;
  state = stateOf(location.hash);
  show();
  shownCase = rowOf(state);
  document.title = shownCase === null ? title : `${nameOf(shownCase)}: ${title}`;
  if (shownCase !== null && shownCase !== before) {
    byId("case-heading").focus();
    window.scrollTo(0, 0);
  } else if (shownCase === null && before !== null) {
    const wanted = addressOf({ ...state, ...caseState(before) });
    const link = [...byId("body").querySelectorAll("a")].find((one) => one.getAttribute("href") === wanted);
    (link || byId("main")).focus();
  }
}

function makeFilters() {
  for (const { key, title: name } of FILTERS) {
    const words = choices(key);
    if (words.length < 2 && !(key === "tag" && words.length)) continue;
    if (words.length > MOST_CHOICES) continue; // the text field finds them, too
    const select = make("select", { id: `filter-${key}` }, make("option", { value: "" }, "all"), words.map((word) => {
      const option = make("option", null, word.length > 60 ? `${word.slice(0, 59)}…` : word);
      option.value = word;
      return option;
    }));
    select.addEventListener("change", () => change({ [key]: select.value, page: 1 }));
    byId("selects").append(make("div", { class: "field" }, make("label", { for: `filter-${key}` }, name), select));
  }
  let waiting = null;
  byId("q").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => change({ q: byId("q").value, page: 1 }), 120);
  });
  byId("clear").addEventListener("click", () => {
    byId("q").value = "";
    change({ ...EMPTY, sort: state.sort, dir: state.dir });
  });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("back").addEventListener("click", () => turn(-1));
  byId("forward").addEventListener("click", () => turn(1));
}

function turn(by) {
  change({ page: state.page + by });
  byId("scroll").focus({ preventScroll: true });
  byId("scroll").scrollIntoView({ block: "start" });
}

const THEMES = ["automatic", "light", "dark"];

function setTheme(theme) {
  if (theme === "automatic") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  byId("theme").textContent = `Theme: ${theme}`;
}

function makeTheme() {
  let theme = "automatic";
  try { theme = THEMES.find((one) => one === localStorage.getItem("optbench-theme")) || theme; } catch { /* a file may have no storage */ }
  setTheme(theme);
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    setTheme(theme);
    try { localStorage.setItem("optbench-theme", theme); } catch { /* then it lasts as long as the page */ }
  });
}

const title = document.title;
byId("note").textContent = data.note;
byId("note").hidden = !data.note;
byId("made").textContent = data.command ? `Made by: ${data.command}` : "Made by optbench from a runs table.";
byId("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address is for what is shown
  (byId("case").hidden ? byId("main") : byId("case-heading")).focus();
});
makeTheme();
makeFilters();
window.addEventListener("hashchange", follow);
window.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !byId("case").hidden) byId("close").click();
});
let resizing = null;
window.addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => redrawn.forEach((paint) => paint()), 150);
});
window.addEventListener("beforeprint", () => redrawn.forEach((paint) => paint()));
state = stateOf(location.hash);
show();
shownCase = rowOf(state);
if (shownCase !== null) document.title = `${nameOf(shownCase)}: ${title}`;
document.documentElement.dataset.ready = "";

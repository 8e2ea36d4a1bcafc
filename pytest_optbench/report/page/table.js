// The table: filters, order and pages of the cases, which are kept in the address behind the `#`.

const ROWS = 200;
const MOST_CHOICES = 2000;
const several = new Set(columns.source).size > 1;

const HEADERS = [
  { key: "recipe", title: "Recipe" },
  { key: "task", title: "Task" },
  { key: "source", title: "File", rare: true, absent: !several },
  { key: "verdict", title: "Verdict" },
  { key: "outcome", title: "Outcome", rare: true },
  { key: "tier", title: "Tier", rare: true },
  { key: "reached", title: "Reached", number: true, rare: true },
  { key: "steps", title: "Steps", number: true },
  { key: "speedup", title: "Speed-up", number: true, rare: true },
  { key: "change", title: "Change", rare: true },
  { key: "ratio", title: "Ratio", number: true, rare: true },
  { key: "p", title: "p", number: true, rare: true },
].filter((header) => !header.absent && !(["ratio", "p"].includes(header.key) && columns[header.key].every((value) => value === null)));

const FILTERS = [
  { key: "outcome", title: "Outcome" },
  { key: "verdict", title: "Verdict" },
  { key: "change", title: "Change" },
  { key: "tier", title: "Tier" },
  { key: "regime", title: "Regime" },
  { key: "level", title: "Level" },
  { key: "recipe", title: "Recipe" },
  { key: "tag", title: "Tag" },
  ...(several ? [{ key: "source", title: "File" }] : []),
];

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const ranks = (names) => {
  const order = names.map((_, k) => k).sort((a, b) => collator.compare(names[a], names[b]) || a - b);
  const found = new Int32Array(names.length);
  order.forEach((place, rank) => { found[place] = rank; });
  return found;
};
const textRanks = ranks(texts);
const taskRanks = ranks(tasks.map(taskName));
const lowTexts = texts.map((text) => text.toLowerCase());
const lowTasks = tasks.map((task) => taskName(task).toLowerCase());

/** What a row is sorted by in a column: a number, or null where there is none. */
function sortable(key) {
  const column = columns[key];
  if (key === "task") return (row) => taskRanks[column[row]];
  if (key === "reached") return (row) => column[row] / columns.seeds[row];
  if (["steps", "speedup", "ratio", "p"].includes(key)) return (row) => (column[row] === "inf" ? Infinity : column[row]);
  return (row) => textRanks[column[row]];
}

function choices(key) {
  if (key === "tag") return [...new Set(tasks.flatMap((task) => task.tags))].sort(collator.compare);
  return [...new Set(columns[key])].sort((a, b) => textRanks[a] - textRanks[b]).map((place) => texts[place]);
}

/** The rows that the filters leave, in order. */
function selected(state) {
  const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
  const goodTexts = words.map((word) => lowTexts.map((text) => text.includes(word)));
  const goodTasks = words.map((word) => lowTasks.map((text) => text.includes(word)));
  const tests = [];
  words.forEach((_, k) => tests.push((row) => goodTexts[k][columns.recipe[row]] || goodTasks[k][columns.task[row]]));
  for (const { key } of FILTERS) {
    if (!state[key]) continue;
    if (key === "tag") {
      const tagged = tasks.map((task) => task.tags.includes(state.tag));
      tests.push((row) => tagged[columns.task[row]]);
    } else {
      const wanted = texts.indexOf(state[key]);
      tests.push((row) => columns[key][row] === wanted);
    }
  }
  const rows = [];
  for (let row = 0; row < count; row += 1) if (tests.every((test) => test(row))) rows.push(row);
  if (state.sort) {
    const value = sortable(state.sort);
    const sign = state.dir === "desc" ? -1 : 1;
    const keys = new Map(rows.map((row) => [row, value(row)]));
    rows.sort((a, b) => {
      const [x, y] = [keys.get(a), keys.get(b)];
      if (x === y) return a - b;
      if (x === null) return 1; // what has no value is last, either way
      if (y === null) return -1;
      return sign * (x - y);
    });
  }
  return rows;
}

function cell(header, row, state) {
  const rare = header.rare ? " rare" : "";
  const value = columns[header.key][row];
  if (header.key === "task") {
    const name = taskName(taskOf(row));
    const link = make("a", { href: addressOf({ ...state, ...caseState(row) }), "aria-label": `${name}, by ${textOf("recipe", row)}` }, name);
    return make("th", { scope: "row", class: "name" }, link);
  }
  if (header.number) return make("td", { class: `number${rare}` }, figureOf(header.key, row));
  const word = unlessNone(texts[value]);
  return make("td", { class: `${header.key === "recipe" || header.key === "source" ? "name" : ""}${rare}` }, ["verdict", "outcome", "change"].includes(header.key) ? toned(word) : word);
}

function figureOf(key, row) {
  const value = columns[key][row];
  if (key === "reached") return `${value}/${columns.seeds[row]}`;
  if (value === null) return key === "steps" ? "–" : "";
  if (key === "steps") return spelled(value, 6);
  return key === "p" ? spelled(value, 2) : `${spelled(value, 3)}×`;
}

function showHead(state, sortBy) {
  byId("head").replaceChildren(...HEADERS.map((header) => {
    const sorted = state.sort === header.key ? (state.dir === "desc" ? "descending" : "ascending") : "none";
    const button = make("button", { type: "button", "data-key": header.key }, header.title);
    button.addEventListener("click", () => sortBy(header.key));
    return make("th", { scope: "col", "aria-sort": sorted, class: `${header.number ? "number" : ""}${header.rare ? " rare" : ""}` }, button);
  }));
}

function showRows(rows, state) {
  const pages = Math.max(1, Math.ceil(rows.length / ROWS));
  const page = Math.min(Math.max(1, state.page), pages);
  const shown = rows.slice((page - 1) * ROWS, page * ROWS);
  byId("body").replaceChildren(...shown.map((row) => make("tr", null, HEADERS.map((header) => cell(header, row, state)))));
  const from = rows.length ? (page - 1) * ROWS + 1 : 0;
  const part = pages > 1 ? ` Rows ${whole(from)} to ${whole(from + shown.length - 1)} are shown.` : "";
  const all = rows.length === count ? plural(count, "case") : `${whole(rows.length)} of ${plural(count, "case")}`;
  byId("status").textContent = `${all}.${part}`;
  byId("pager").hidden = pages === 1;
  byId("page").textContent = `Page ${page} of ${pages}`;
  byId("back").disabled = page === 1;
  byId("forward").disabled = page === pages;
}

// Values: the data of the page, and how numbers and elements are made of it. Data becomes text, never markup.

const byId = (id) => document.getElementById(id);
const read = (id) => JSON.parse(byId(id).textContent);
const data = read("index");
const { texts, tasks, environments, columns } = data;
const count = columns.task.length;

/** An element; children are elements or texts. Attributes are ours, never of the data, but for labels. */
function make(name, attributes, ...children) {
  const node = document.createElement(name);
  return fill(node, attributes, children);
}

function draw(name, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  return fill(node, attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A number for a person: so many digits, with the power of ten where it is far from 1. */
function spelled(value, digits = 4) {
  if (value === "inf") return "∞";
  if (!isNumber(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return value.toExponential(Math.max(digits - 2, 1)).replace("e+", "e").replace("-", "−").replace("e-", "e−");
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

const whole = (value) => value.toLocaleString("en");
const plural = (number, noun) => `${whole(number)} ${noun}${number === 1 ? "" : "s"}`;

const textOf = (column, row) => texts[columns[column][row]];
const taskOf = (row) => tasks[columns.task[row]];
const taskName = (task) => `${texts[task.name]}@${task.version}`;
const nameOf = (row) => `${textOf("recipe", row)} on ${taskName(taskOf(row))}`;

const parsed = new Map();

/** What is known of a case beside its row in the table. */
function detailOf(row) {
  const number = Math.floor(row / data.chunk);
  if (!parsed.has(number)) {
    if (parsed.size > 8) parsed.clear();
    parsed.set(number, read(`details-${number}`));
  }
  return parsed.get(number)[row % data.chunk];
}

const TONES = {
  solved: "good", passed: "good", reached: "good", faster: "good",
  failed: "bad", crashed: "bad", timeout: "bad", diverged: "bad", slower: "bad", missed: "warn", xfailed: "warn", changed: "warn", incomparable: "warn",
};
const SIGNS = { failed: "✗ ", passed: "✓ " };
const toned = (word) => make("span", { class: Object.hasOwn(TONES, word) ? TONES[word] : null }, `${Object.hasOwn(SIGNS, word) ? SIGNS[word] : ""}${word}`);
const unlessNone = (word) => (word === "none" ? "" : word);

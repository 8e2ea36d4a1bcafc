// Figures: a chart with its caption, its legend and its numbers.

/** Redraws what is shown when the width changes. */
const redrawn = [];

function figure(drawing, caption, legend = [], numbers = null) {
  const place = make("div", null);
  const paint = () => place.replaceChildren(drawing(Math.max(260, Math.min(place.clientWidth || 600, 760))));
  redrawn.push(paint);
  return make("figure", null, place, legend.length ? legendOf(legend) : null, make("figcaption", null, caption), numbers);
}

function legendOf(entries) {
  return make("ul", { class: "legend" }, entries.map(([kind, text]) => {
    const sample = draw("svg", { width: 28, height: 12, "aria-hidden": "true" });
    sample.append(kind === "band"
      ? draw("rect", { class: "band", x: 0, y: 1, width: 28, height: 10 })
      : draw("line", { class: kind, x1: 0, x2: 28, y1: 6, y2: 6 }));
    return make("li", null, sample, text);
  }));
}

/** A table of numbers, made when it is opened. */
function numbersOf(title, heads, rows) {
  const folded = make("details", null, make("summary", null, title));
  folded.addEventListener("toggle", () => {
    if (folded.open && !folded.querySelector("table")) folded.append(scrolled(title, tableOf(heads, rows())));
  });
  return folded;
}

function scrolled(label, table) {
  return make("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" }, table);
}

function tableOf(heads, rows, kind = "small") {
  const numeric = heads.map((_, k) => k > 0 && rows.every((row) => typeof row[k] !== "string" || /^[−–∞\d.e×/%]*$/.test(row[k])));
  return make("table", { class: kind },
    make("thead", null, make("tr", null, heads.map((head, k) => make("th", { scope: "col", class: numeric[k] ? "number" : null }, head)))),
    make("tbody", null, rows.map((row) => make("tr", null, row.map((value, k) => (k === 0
      ? make("th", { scope: "row" }, value)
      : make("td", { class: numeric[k] ? "number" : "loose" }, value)))))));
}

/** Curve of a case: band, seeds, and the first seed of tuned AdamW. */
function curveFigure(row, detail, par) {
  const task = taskOf(row);
  const seeds = detail.seeds ? detail.seeds.curves.filter((curve) => curve[0].length) : [];
  const lines = [
    ...seeds.map((points) => ({ points, kind: "seed" })),
    ...(par && par.curve && par.curve.length ? [{ points: par.curve, kind: "theirs" }] : []),
  ];
  const legend = [
    ["mine", "median over seeds"],
    ["band", "quartiles"],
    ...(seeds.length ? [["seed", "single seeds"]] : []),
    ...(lines.some((line) => line.kind === "theirs") ? [["theirs", `tuned ${par.recipe}, its first seed`]] : []),
    ["aim", "target and budget"],
  ];
  const [steps, low, middle, high] = detail.curve;
  const label = `Evaluation of ${nameOf(row)} over steps: the median goes from ${spelled(middle[0])} to ${spelled(middle[middle.length - 1])}; the target is ${spelled(detail.target)}`;
  return figure(
    (width) => lineChart(width, HEIGHT, { band: detail.curve, lines, over: detail.optimum ?? null, target: detail.target ?? null, budget: task.budget, title: "evaluation", label }),
    `Runs end soon after the target is reached; from there on a seed counts with its last value.${columns.outcome[row] === texts.indexOf("diverged") || high.includes(null) ? " What diverges leaves the figure at its upper edge." : ""}`,
    legend,
    numbersOf("Numbers of this figure", ["Step", "Lower quartile", "Median", "Upper quartile"],
      () => steps.map((step, k) => [whole(step), spelled(low[k]), spelled(middle[k]), spelled(high[k])])),
  );
}

/** Steps to the target of every seed beside those of tuned AdamW. */
function seedsFigure(row, detail, par) {
  const groups = [
    { name: textOf("recipe", row), steps: detail.seeds.steps, kind: "dot" },
    ...(par ? [{ name: `tuned ${par.recipe} (reference)`, steps: par.each, kind: "other" }] : []),
  ].map((group) => ({ ...group, name: group.name.length > 36 ? `${group.name.slice(0, 35)}…` : group.name }));
  const { seed, outcome, steps, initial, best, unhealthy } = detail.seeds;
  const told = unhealthy.some(Boolean);
  return figure(
    (width) => stripChart(width, groups, taskOf(row).budget),
    "A mark for each seed.",
    [],
    numbersOf("Every seed", ["Seed", "Outcome", "Steps", "First value", "Best value", ...(told ? ["First out of range"] : [])],
      () => seed.map((one, k) => [String(one), toned(outcome[k]), spelled(steps[k], 6), spelled(initial[k]), spelled(best[k]), ...(told ? [unhealthy[k]] : [])])),
  );
}

function diagnosticFigure(name, band) {
  const label = `${name} over steps: the median goes from ${spelled(band[2][0])} to ${spelled(band[2][band[2].length - 1])}`;
  return figure((width) => lineChart(width, 200, { band, title: name, label }), "", [],
    numbersOf(`Numbers of ${name}`, ["Step", "Lower quartile", "Median", "Upper quartile"],
      () => band[0].map((step, k) => [whole(step), ...[1, 2, 3].map((column) => spelled(band[column][k]))])));
}

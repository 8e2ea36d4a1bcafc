// A case: its own part of the page.

const MEASURED = {
  step_ms: ["optimizer.step()", " ms"], gradient_ms: ["one gradient in a plain loop", " ms"], state_bytes_per_param: ["state per parameter", " bytes"],
  peak_bytes: ["peak memory", " MB"], evaluations: ["gradients per step", ""],
};

function part(title, content, kind = null) {
  return make("section", { class: kind }, make("h3", null, title), content);
}

function facts(pairs) {
  return make("dl", null, pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined).map(([name, value]) => make("div", null, make("dt", null, name), make("dd", null, value))));
}

function tile(name, value, small = "") {
  return make("li", null, make("span", null, name), make("b", null, value), small ? make("small", null, small) : null);
}

function tilesOf(row, detail, par) {
  const seeds = columns.seeds[row];
  const steps = columns.steps[row];
  const { ratio_low: low, ratio_high: high } = detail.comparison || {};
  return make("ul", { class: "tiles" }, [
    tile("Outcome", toned(textOf("outcome", row)), unlessNone(textOf("level", row))),
    tile("Reached the target", `${columns.reached[row]} of ${plural(seeds, "seed")}`),
    tile("Median steps", steps === null ? "missed" : spelled(steps, 6), `budget ${whole(taskOf(row).budget)}`),
    columns.speedup[row] === null ? null : tile("Speed-up", `${spelled(columns.speedup[row], 3)}×`, `over tuned ${par ? par.recipe : "AdamW"}, ${par ? `${spelled(par.steps, 6)} steps` : ""}`),
    textOf("change", row) === "none" ? null : tile("Against the baseline", toned(textOf("change", row)), columns.ratio[row] === null ? "" : `ratio ${spelled(columns.ratio[row], 3)}${low === undefined ? "" : ` [${spelled(low, 3)}, ${spelled(high, 3)}]`}, p ${spelled(columns.p[row], 2)}`),
    textOf("verdict", row) === "none" ? null : tile("Verdict", toned(textOf("verdict", row))),
  ].filter(Boolean));
}

function referencesPart(row) {
  const own = columns.steps[row];
  const rows = taskOf(row).references.map((one) => [
    one.recipe, `${one.reached}/${one.seeds}`, one.steps === null ? "–" : spelled(one.steps, 6),
    isNumber(own) && isNumber(one.steps) && own > 0 ? `${spelled(one.steps / own, 3)}×` : "–", one.hyperparameters, one.steps ?? Infinity,
  ]).sort((a, b) => a[5] - b[5]).map((one) => one.slice(0, 5));
  return part("Beside the references", [
    scrolled("References on this task", tableOf(["Reference", "Reached", "Steps", "Speed-up over it", "Tuned to"], rows)),
    make("p", { class: "soft" }, "All are tuned for this task, and have the same target and budget. Speed-ups are of steps, not of time."),
  ]);
}

function comparisonPart(row, detail) {
  const { p_value: p, ratio, ratio_low: low, ratio_high: high } = detail.comparison;
  const told = ratio === undefined ? "" : `${spelled(ratio, 4)}${low === undefined ? "" : `, with 95 % certainty from ${spelled(low, 4)} to ${spelled(high, 4)}`}`;
  return part("Against the baseline", facts([["Change", toned(textOf("change", row))], ["Steps now over steps before", told], ["p-value", p === undefined ? "" : spelled(p, 3)]]));
}

function environmentPart(row, detail) {
  const { optimizer: _, optimizer_version: __, ...others } = environments[columns.environment[row]];
  const measured = Object.entries(detail.medians || {}).map(([name, value]) => {
    const [title, unit] = Object.hasOwn(MEASURED, name) ? MEASURED[name] : [spoken(name), ""];
    return [title, `${spelled(name === "peak_bytes" ? value / 1e6 : value, 3)}${unit}`];
  });
  return part("Environment and cost", facts([...measured, ...Object.entries(others).map(([name, value]) => [spoken(name), value]), ["file", several ? textOf("source", row) : ""]]), "full spread");
}

const COMMAND = "pytest --optbench --optbench-layer=tasks";

function reproducePart(row, detail) {
  const { optimizer, optimizer_version: version } = environments[columns.environment[row]];
  const name = texts[taskOf(row).name];
  const end = /^[a-z][a-z0-9_]*$/.test(name) ? `--optbench-tasks=${name} --optbench-seeds=${columns.seeds[row]}` : "";
  const project = end && `${COMMAND} ${end}`;
  const anywhere = end && detail.option && `${COMMAND} --optbench-optimizer=${detail.option} ${end}`;
  return part("How to make it again", [
    project ? [make("p", null, "In the project that declares the recipe:"), make("pre", null, project)] : make("p", null, "The names of this case cannot be given in a command."),
    anywhere ? [make("p", null, "Wherever its class can be imported (a scheduler of the recipe is not in the table, and not in this command):"), make("pre", null, anywhere)] : [],
    facts([["Optimizer", [optimizer, version].filter(Boolean).join(", version ")], ["Hyperparameters", detail.hyperparameters || "those of the class"], ["of these tuned", detail.tuned || ""]]),
  ].flat(), "full");
}

function showCase(row) {
  redrawn.length = 0;
  const detail = detailOf(row);
  const task = taskOf(row);
  const par = task.references.find((one) => one.curve !== undefined);
  const about = [textOf("tier", row), `regime ${textOf("regime", row)}`, ...task.tags].filter((word) => word !== "none").join(" · ");
  const parts = [
    detail.curve ? part("Evaluation over steps", curveFigure(row, detail, par)) : null,
    detail.seeds ? part("Seeds", seedsFigure(row, detail, par)) : null,
    detail.examples ? part(Array.isArray(detail.examples.trajectory) ? "Trajectory" : "Outputs of the first seed", examplesOf(detail.examples)) : null,
    detail.metrics ? part("Figures of merit", metricsOf(detail.metrics)) : null,
    task.references.length ? referencesPart(row) : null,
    detail.comparison ? comparisonPart(row, detail) : null,
    detail.diagnostics ? part("Health", [
      (detail.unhealthy || []).map((text) => make("p", { class: "warn" }, `${text}.`)),
      make("div", { class: "smalls" }, Object.entries(detail.diagnostics).map(([name, band]) => diagnosticFigure(spoken(name), band))),
    ].flat(), "full") : null,
    environmentPart(row, detail),
    reproducePart(row, detail),
  ];
  byId("case").replaceChildren(
    make("div", { class: "moves" },
      make("button", { type: "button", id: "close" }, "All cases"),
      make("button", { type: "button", id: "before" }, "Previous case"),
      make("button", { type: "button", id: "after" }, "Next case")),
    make("h2", { id: "case-heading", tabindex: "-1", class: "case-head" }, nameOf(row)),
    make("p", { class: "soft" }, about),
    tilesOf(row, detail, par),
    make("div", { class: "parts" }, parts.filter(Boolean)),
  );
}

// Charts: lines on two axes, drawn when they are looked at, with a table of the same numbers for those who hear the page.

const HEIGHT = 320;
const SPACE = { left: 58, right: 14, top: 12, bottom: 40 };
const DECADES = 9; // the most that an axis spans: below is what rounding leaves

/** A scale from values to places, with its ticks. `log` is of a positive range. */
function scale(low, high, from, to, log) {
  const [a, b] = log ? [Math.log10(low), Math.log10(high)] : [low, high];
  const width = b - a || 1;
  const at = (value) => from + ((log ? Math.log10(Math.max(value, Number.MIN_VALUE)) : value) - a) / width * (to - from);
  return { at, low, high, ticks: log ? logTicks(a, b) : linearTicks(low, high) };
}

function linearTicks(low, high) {
  const rough = (high - low || 1) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((one) => one * power >= rough) * power;
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step && found.length < 12; k += 1) found.push(k * step);
  return found;
}

function logTicks(a, b) {
  const marks = b - a > 2 ? [1] : b - a > 0.8 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  const stride = Math.max(1, Math.ceil((b - a) / 6));
  const found = [];
  for (let power = Math.floor(a); power <= Math.ceil(b); power += 1) {
    if (marks.length === 1 && power % stride) continue;
    for (const mark of marks) {
      const value = mark * 10 ** power;
      if (Math.log10(value) >= a - 1e-9 && Math.log10(value) <= b + 1e-9) found.push(value);
    }
  }
  return found;
}

function canvasOf(width, height, label) {
  return draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
}

function axes(svg, x, y, width, height, titles) {
  const bottom = height - SPACE.bottom;
  const spelledTick = (value) => spelled(value, 3);
  for (const tick of y.ticks) {
    svg.append(draw("line", { class: "grid", x1: SPACE.left, x2: width - SPACE.right, y1: y.at(tick), y2: y.at(tick) }));
    svg.append(draw("text", { x: SPACE.left - 6, y: y.at(tick) + 4, "text-anchor": "end" }, spelledTick(tick)));
  }
  let free = -Infinity;
  for (const tick of x.ticks) {
    const place = x.at(tick);
    const text = x.spelled ? x.spelled(tick) : spelledTick(tick);
    const half = 3.5 * text.length + 4;
    svg.append(draw("line", { class: "axis", x1: place, x2: place, y1: bottom, y2: bottom + 4 }));
    if (place - half < free) continue;
    free = place + half;
    svg.append(draw("text", { x: Math.min(place, width - half), y: bottom + 17, "text-anchor": "middle" }, text));
  }
  svg.append(draw("line", { class: "axis", x1: SPACE.left, x2: width - SPACE.right, y1: bottom, y2: bottom }));
  svg.append(draw("text", { x: (SPACE.left + width - SPACE.right) / 2, y: height - 6, "text-anchor": "middle" }, titles.x));
  svg.append(draw("text", { class: "strong", x: 4, y: SPACE.top - 1, "text-anchor": "start" }, titles.y));
}

/** A path through points; a point without a number lifts the pen. */
function pathOf(points) {
  let pen = "M";
  let text = "";
  for (const [x, y] of points) {
    if (Number.isFinite(x) && Number.isFinite(y)) {
      text += `${pen}${x.toFixed(1)},${y.toFixed(1)}`;
      pen = "L";
    } else pen = "M";
  }
  return text;
}

/** Steps on a scale of logarithms on which 0 has a place, left of the first step. */
function stepScale(last, from, to) {
  const inner = scale(1, Math.max(last + 1, 2), from, to, true);
  const ticks = [0, ...logTicks(0, Math.log10(Math.max(last, 2))).filter((tick) => Number.isInteger(tick) && tick <= last)];
  return { at: (step) => inner.at(step + 1), ticks, spelled: (step) => spelled(step, 6) };
}

/** Finite values within reach of the first ones: what diverges leaves the picture at its upper edge. */
function rangeOf(values, must) {
  const good = values.filter(isNumber);
  const ceiling = must.length ? 30 * Math.max(...must.map(Math.abs)) : Infinity;
  const kept = [...good.filter((value) => value <= ceiling), ...must];
  return [Math.min(...kept), Math.max(...kept)];
}

/**
 * Lines over steps. `band` is [steps, low, median, high], `lines` are {points: [steps, values], kind};
 * `over` is what values are measured from, where that is known; `target` and `budget` are marked where given.
 */
function lineChart(width, height, { band, lines = [], over = null, target = null, budget = null, title, label, logY = true }) {
  const floor = over ?? 0;
  const less = (values) => values.map((value) => (value === null ? null : value - floor));
  const shifted = lines.map((line) => ({ ...line, steps: line.points[0], values: less(line.points[1]) }));
  const [steps, low, middle, high] = band ? [band[0], ...band.slice(1).map(less)] : [[], [], [], []];
  const goal = target === null ? null : target - floor;
  const all = [...low, ...middle, ...high, ...shifted.flatMap((line) => line.values)];
  const first = [middle[0], ...shifted.map((line) => line.values[0])].filter(isNumber);
  const must = [...first, ...(goal === null ? [] : [goal])];
  let [least, most] = rangeOf(all, must);
  const positive = [...all, ...must].filter((value) => isNumber(value) && value > 0);
  const log = logY && positive.length > 0 && (over !== null || least > 0);
  if (log) {
    least = Math.max(Math.min(...positive), Math.max(most, Number.MIN_VALUE) / 10 ** DECADES);
    if (goal > 0) least = Math.min(least, goal);
    [least, most] = [least / 1.2, Math.max(most, least * 2) * 1.2];
  } else {
    const margin = 0.05 * (most - least) || Math.abs(most) || 1;
    [least, most] = [least - margin, most + margin];
  }
  const y = scale(least, most, height - SPACE.bottom, SPACE.top + 8, log);
  const inside = (value) => (value === null ? y.at(most) : y.at(Math.min(Math.max(value, least), most)));
  const last = Math.max(1, ...steps, ...shifted.flatMap((line) => line.steps), budget ?? 0);
  const x = stepScale(last, SPACE.left + 6, width - SPACE.right);
  const svg = canvasOf(width, height, label);
  axes(svg, x, y, width, height, { x: "steps", y: `${title}${over ? ` − optimum ${spelled(over)}` : ""}${log ? "" : ", linear"}` });
  if (band) {
    const upper = steps.map((step, k) => [x.at(step), inside(high[k])]);
    const lower = steps.map((step, k) => [x.at(step), inside(low[k])]).reverse();
    svg.append(draw("path", { class: "band", d: `${pathOf([...upper, ...lower])}Z` }));
  }
  for (const line of shifted) {
    const points = line.steps.map((step, k) => [x.at(step), line.values[k] === null ? NaN : inside(line.values[k])]);
    svg.append(draw("path", { class: line.kind, d: pathOf(points) }));
  }
  if (band && steps.length === 1 && isNumber(middle[0])) svg.append(draw("circle", { class: "dot", cx: x.at(steps[0]), cy: inside(middle[0]), r: 4 }));
  if (band) svg.append(draw("path", { class: "mine", d: pathOf(steps.map((step, k) => [x.at(step), middle[k] === null ? NaN : inside(middle[k])])) }));
  if (goal !== null && goal >= least && goal <= most) {
    svg.append(draw("line", { class: "aim", x1: SPACE.left, x2: width - SPACE.right, y1: y.at(goal), y2: y.at(goal) }));
    svg.append(draw("text", { class: "aim halo", x: SPACE.left + 10, y: y.at(goal) - 5 }, `target ${spelled(target)}`));
  }
  if (budget !== null) {
    svg.append(draw("line", { class: "aim", x1: x.at(budget), x2: x.at(budget), y1: SPACE.top + 8, y2: height - SPACE.bottom }));
    svg.append(draw("text", { class: "aim halo", x: x.at(budget) - 5, y: SPACE.top + 20, "text-anchor": "end" }, `budget ${whole(budget)}`));
  }
  return svg;
}

/** Steps to the target of every seed, a row of marks for each group; those that missed stand behind the budget. */
function stripChart(width, groups, budget) {
  const row = 42;
  const height = SPACE.bottom + 14 + row * groups.length;
  const reached = groups.flatMap((group) => group.steps.filter(isNumber));
  const end = Math.max(budget, ...reached);
  const left = 12;
  const inner = scale(Math.max(1, Math.min(...reached, end / 4) / 1.5), end, left, width - 90, true);
  const bottom = height - SPACE.bottom;
  const label = groups.map((group) => `${group.name}: ${group.steps.filter(isNumber).length} of ${group.steps.length} seeds reached the target`).join("; ");
  const svg = canvasOf(width, height, label);
  for (const tick of inner.ticks) {
    svg.append(draw("line", { class: "grid", x1: inner.at(tick), x2: inner.at(tick), y1: 4, y2: bottom }));
    svg.append(draw("text", { x: inner.at(tick), y: bottom + 16, "text-anchor": "middle" }, spelled(tick, 6)));
  }
  svg.append(draw("line", { class: "aim", x1: inner.at(end), x2: inner.at(end), y1: 4, y2: bottom }));
  svg.append(draw("text", { x: width - 44, y: bottom + 16, "text-anchor": "middle" }, "missed"));
  svg.append(draw("text", { x: left, y: height - 6 }, "steps to the target"));
  groups.forEach((group, k) => {
    const y = 30 + k * row;
    let missed = 0;
    svg.append(draw("text", { class: "strong halo", x: left, y: y - 13 }, group.name));
    group.steps.forEach((steps, seed) => {
      const wobble = ((seed * 7) % 5 - 2) * 1.6;
      if (isNumber(steps)) svg.append(draw("circle", { class: group.kind, cx: inner.at(Math.max(steps, inner.low)), cy: y + 3 + wobble, r: 3.5 }));
      else missed += 1;
    });
    if (missed) {
      svg.append(draw("path", { class: "cross", d: `M${width - 66},${y - 1}l8,8m0,-8l-8,8` }));
      svg.append(draw("text", { class: "strong", x: width - 52, y: y + 7 }, `× ${missed}`));
    }
  });
  return svg;
}

/** The way through a plane, from a circle to a square. */
function wayChart(width, points) {
  const height = Math.min(width, 400);
  const good = points.filter((point) => isNumber(point[1]) && isNumber(point[2]));
  const [[x0, x1], [y0, y1]] = [1, 2].map((k) => {
    const values = good.map((point) => point[k]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const margin = 0.08 * (high - low) || 1;
    return [low - margin, high + margin];
  });
  const x = scale(x0, x1, SPACE.left, width - SPACE.right, false);
  const y = scale(y0, y1, height - SPACE.bottom, SPACE.top + 8, false);
  const [start, end] = [good[0], good[good.length - 1]];
  const at = (point) => [x.at(point[1]), y.at(point[2])];
  const svg = canvasOf(width, height, `The way of the first seed from ${spelled(start[1])}, ${spelled(start[2])} to ${spelled(end[1])}, ${spelled(end[2])} after ${plural(end[0], "step")}`);
  axes(svg, x, y, width, height, { x: "first parameter", y: "second parameter" });
  svg.append(draw("path", { class: "mine", d: pathOf(good.map(at)) }));
  good.forEach((point) => svg.append(draw("circle", { class: "dot", cx: at(point)[0], cy: at(point)[1], r: 2.5 })));
  const [sx, sy] = at(start);
  const [ex, ey] = at(end);
  svg.append(draw("circle", { class: "theirs", cx: sx, cy: sy, r: 7 }));
  svg.append(draw("rect", { class: "bar", x: ex - 5, y: ey - 5, width: 10, height: 10 }));
  const beside = (place) => (place > width - 130 ? { x: place - 12, "text-anchor": "end" } : { x: place + 12 });
  const apart = Math.hypot(sx - ex, sy - ey) < 24 ? 16 : 0;
  svg.append(draw("text", { class: "strong halo", ...beside(sx), y: sy + 4 - apart }, "start"));
  svg.append(draw("text", { class: "strong halo", ...beside(ex), y: ey + 4 + apart }, `step ${whole(end[0])}`));
  return svg;
}

/** A cloud of points in a plane. */
function cloudChart(width, xs, ys) {
  const size = Math.min(width, 340);
  const range = (values) => {
    const [low, high] = rangeOf(values, []);
    const margin = 0.05 * (high - low) || 1;
    return [low - margin, high + margin];
  };
  const x = scale(...range(xs), SPACE.left, size - SPACE.right, false);
  const y = scale(...range(ys), size - SPACE.bottom, SPACE.top + 8, false);
  const svg = canvasOf(size, size, `${plural(xs.length, "point")} in a plane`);
  axes(svg, x, y, size, size, { x: "first coordinate", y: "second coordinate" });
  xs.forEach((one, k) => {
    if (isNumber(one) && isNumber(ys[k])) svg.append(draw("circle", { class: "dot", cx: x.at(one), cy: y.at(ys[k]), r: 2.5 }));
  });
  return svg;
}

// Examples: outputs of the first seed, shown by their shape: a trajectory, images, sequences, points, numbers.

const MOST_ITEMS = 400;
const MOST_ROWS = 64;

/** Lengths of nested lists, as [2, 8, 8]; null where they are ragged or hold something else than numbers. */
function shapeOf(value) {
  if (!Array.isArray(value)) return value === null || isNumber(value) ? [] : null;
  const shapes = value.map(shapeOf);
  if (!value.length || shapes.some((shape) => shape === null || String(shape) !== String(shapes[0]))) return null;
  return [value.length, ...shapes[0]];
}

const areWhole = (value) => (Array.isArray(value) ? value.every(areWhole) : Number.isInteger(value));
const spoken = (name) => name.replaceAll("_", " ");

function examplesOf(examples) {
  if (typeof examples === "string") return [make("p", null, `The example outputs are ${examples}.`)];
  const entries = Object.entries(examples).filter(([name]) => name !== "trajectory").map(([name, value]) => ({ name, value, shape: shapeOf(value) }));
  const shown = [];
  if (Array.isArray(examples.trajectory) && examples.trajectory.length > 1) shown.push(trajectory(examples.trajectory));
  const take = (test) => entries.filter((entry) => entry.shape && test(entry)).map((entry) => { entries.splice(entries.indexOf(entry), 1); return entry; });
  const images = take(({ shape }) => shape.length === 3 && Math.min(shape[1], shape[2]) > 2 && Math.max(shape[1], shape[2]) <= 64 && shape[0] <= 16);
  if (images.length) shown.push(imagesOf(images));
  const sequences = take(({ value, shape }) => shape.length === 2 && areWhole(value) && shape[0] <= MOST_ROWS && shape[1] <= 128);
  if (sequences.length) shown.push(...sequencesOf(sequences));
  for (const cloud of take(({ shape }) => shape.length === 2 && shape[0] === 2 && shape[1] > 4)) {
    shown.push(figure((width) => cloudChart(width, ...cloud.value), spoken(cloud.name), [],
      numbersOf(`Numbers of ${spoken(cloud.name)}`, ["Point", "First", "Second"], () => cloud.value[0].slice(0, MOST_ITEMS).map((one, k) => [String(k), spelled(one), spelled(cloud.value[1][k])]))));
  }
  const lists = take(({ shape }) => shape.length === 1);
  if (lists.length) shown.push(...listsOf(lists));
  for (const matrix of take(({ shape }) => shape.length === 2 && shape[0] <= MOST_ROWS && shape[1] <= MOST_ROWS)) {
    const heads = ["", ...matrix.value[0].map((_, k) => String(k))];
    shown.push(make("h4", null, spoken(matrix.name)), scrolled(spoken(matrix.name), tableOf(heads, matrix.value.map((row, k) => [String(k), ...row.map((one) => spelled(one, 3))]))));
  }
  for (const rest of entries) shown.push(make("h4", null, spoken(rest.name)), make("pre", null, JSON.stringify(rest.value).slice(0, 2000)));
  return shown;
}

function trajectory(points) {
  return figure((width) => wayChart(width, points), "The way of the first seed through the two parameters; a dot for each recorded step, the circle is the start, the square the end.",
    [], numbersOf("Numbers of this way", ["Step", "First parameter", "Second parameter"], () => points.map(([step, x, y]) => [whole(step), spelled(x), spelled(y)])));
}

/** Images in rows: the same image of every group in one column, so that an output stands below its input. */
function imagesOf(groups) {
  const most = Math.max(...groups.map((group) => group.value.length));
  const grid = make("div", { class: "images" });
  grid.style.gridTemplateColumns = `auto repeat(${most}, minmax(2.5rem, 6rem))`;
  for (const group of groups) {
    const flat = group.value.flat(2).filter(isNumber);
    const [low, high] = [Math.min(...flat), Math.max(...flat)];
    grid.append(make("span", null, spoken(group.name)));
    for (let k = 0; k < most; k += 1) grid.append(group.value[k] ? imageOf(group.value[k], low, high, `${spoken(group.name)}, image ${k + 1}`) : make("span", null));
  }
  return make("figure", null, grid, make("figcaption", null, "Black is the least, white the greatest value of a row."));
}

function imageOf(pixels, low, high, label) {
  const [height, width] = [pixels.length, pixels[0].length];
  const canvas = make("canvas", { width, height, role: "img", "aria-label": label });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  pixels.flat().forEach((value, k) => {
    const grey = isNumber(value) ? Math.round((value - low) / (high - low || 1) * 255) : 0;
    image.data.set([grey, grey, grey, 255], 4 * k);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Sequences below each other; where the last two rows of a sequence differ, the last but one is marked. */
function sequencesOf(groups) {
  const alike = groups.every((group) => String(group.shape) === String(groups[0].shape));
  if (!alike) return groups.flatMap((group) => sequencesOf([group]));
  const [number, length] = groups[0].shape;
  const blocks = [];
  let [same, all] = [0, 0];
  for (let k = 0; k < number; k += 1) {
    const rows = groups.map((group, g) => {
      const compared = groups.length > 1 && g === groups.length - 2 ? groups[g + 1].value[k] : null;
      const compareLast = groups.length === 2 && g === 1 ? groups[0].value[k] : null;
      const other = groups.length === 2 ? compareLast : compared;
      return make("tr", null, make("th", { scope: "row" }, spoken(group.name)), group.value[k].map((token, at) => {
        const off = other !== null && other[at] !== token;
        if (other !== null) [same, all] = [same + (off ? 0 : 1), all + 1];
        return make("td", { class: off ? "off" : null }, String(token), off ? make("span", { class: "hidden" }, " differs") : null);
      }));
    });
    blocks.push(make("table", { class: "tokens", "aria-label": `Sequence ${k + 1} of ${number}, ${length} long` }, make("tbody", null, rows)));
  }
  const last = groups.map((group) => spoken(group.name)).slice(-2);
  const caption = all ? `${whole(same)} of ${whole(all)} agree between ${last.join(" and ")}; the others are underlined.` : "";
  return [make("figure", null, scrolled("Sequences", make("div", null, blocks)), make("figcaption", null, caption))];
}

/** Lists of one length as columns of a table; long ones as a strip of marks. */
function listsOf(groups) {
  const short = groups.filter((group) => group.value.length <= 40);
  const shown = groups.filter((group) => group.value.length > 40).map((group) => figure((width) => cloudChart(width, group.value.map((_, k) => k), group.value), `${spoken(group.name)}, in the order of their numbers`));
  const lengths = [...new Set(short.map((group) => group.value.length))];
  for (const length of lengths) {
    const some = short.filter((group) => group.value.length === length);
    const label = some.map((group) => spoken(group.name)).join(", ");
    shown.push(scrolled(label, tableOf(["", ...some.map((group) => spoken(group.name))], some[0].value.map((_, k) => [String(k), ...some.map((group) => spelled(group.value[k]))]))));
  }
  return shown;
}

/** Figures of merit: those of classes, as recall_0, recall_1, as bars; the others as a list. */
function metricsOf(metrics) {
  const slices = new Map();
  const single = [];
  for (const [name, value] of Object.entries(metrics)) {
    const found = /^(.+)_(\d+)$/.exec(name);
    if (found) slices.set(found[1], [...(slices.get(found[1]) || []), [found[2], value]]);
    else single.push([spoken(name), value]);
  }
  const shown = single.length ? [facts(single.map(([name, value]) => [name, spelled(value)]))] : [];
  for (const [name, bars] of slices) shown.push(barsOf(name, bars));
  return shown;
}

function barsOf(name, bars) {
  const sorted = [...bars].sort((a, b) => Number(a[0]) - Number(b[0]));
  const least = sorted.reduce((a, b) => ((b[1] ?? Infinity) < (a[1] ?? Infinity) ? b : a));
  return figure((width) => {
    const row = 22;
    const most = Math.max(1, ...sorted.map(([, value]) => value ?? 0));
    const svg = canvasOf(width, row * sorted.length + 4, `${spoken(name)} by class: ${sorted.map(([k, value]) => `${k}: ${spelled(value, 3)}`).join(", ")}`);
    sorted.forEach(([k, value], place) => {
      const y = place * row + 3;
      svg.append(draw("text", { x: 24, y: y + 13, "text-anchor": "end" }, k));
      svg.append(draw("rect", { class: "bar", x: 32, y, width: Math.max(0, (width - 100) * (value ?? 0) / most), height: row - 6 }));
      svg.append(draw("text", { class: "strong", x: 40 + (width - 100) * Math.max(0, value ?? 0) / most, y: y + 13 }, spelled(value, 3)));
    });
    return svg;
  }, `${spoken(name)} by class, the median over seeds; least in class ${least[0]}.`);
}

// Views of one step under its plan. `step` is what src/report/step_view.cpp writes: lists by kernel, tensor and move.

// TensorFlow's name of the function that is every step says nothing.
const nameOf = (step, index) => step.names[index].replace(/^StatefulPartitionedCall\//, "");
const kernelName = (step, k) => `kernel ${k}: ${nameOf(step, step.kernels.name[k])} (${step.types[step.kernels.type[k]]})`;
const tensorName = (step, t) => nameOf(step, step.tensors.name[t]);

// Which kernel runs, or ran last, at a time in seconds.
const kernelAt = (step, seconds) => Math.max(0, upperBound(step.kernels.start, seconds) - 1);

// The largest living tensors during kernel k.
function largestAt(step, k, count) {
  const { first, last, bytes } = step.tensors, found = [];
  for (let t = 0; t < bytes.length; ++t) {
    if (first[t] > k || last[t] < k) continue;
    if (found.length === count && bytes[found[count - 1]] >= bytes[t]) continue;
    found.push(t);
    found.sort((a, b) => bytes[b] - bytes[a]);
    found.length = Math.min(found.length, count);
  }
  return found;
}

// Of a tensor's bytes, those in fast memory when kernel k begins.
function fastBytesAt(step, t, k) {
  let fast = step.tensors.fast[t];
  const { tensor, to_fast, due, bytes } = step.moves;
  for (const move of step.movesOf[t] ?? []) {
    if (tensor[move] === t && due[move] <= k) fast += to_fast[move] ? bytes[move] : -bytes[move];
  }
  return Math.max(0, Math.min(step.tensors.bytes[t], fast));
}

// Layers on top of each other over the kernels' times: no more than one column for each pixel.
function drawBands(context, x, y, step, layers) {
  const { start, end } = step.kernels, [from, to] = x.domain();
  const first = kernelAt(step, from), last = Math.min(start.length - 1, kernelAt(step, to));
  const below = new Float64Array(last - first + 1);
  for (const [values, colour] of layers) {
    context.fillStyle = colourOf(colour);
    let column = -1, most = 0, least = Infinity, width = 0;
    const flush = () => {
      if (column >= 0) context.fillRect(column, y(most), width, y(least) - y(most));
    };
    for (let k = first; k <= last; ++k) {
      const left = Math.floor(x(start[k])), right = x(k + 1 < start.length ? start[k + 1] : end[k]);
      const top = below[k - first] + values[k];
      if (left !== column) {
        flush();
        [column, most, least, width] = [left, top, below[k - first], Math.max(1, right - left)];
      } else {
        most = Math.max(most, top);
        least = Math.min(least, below[k - first]);
        width = Math.max(width, right - left);
      }
      below[k - first] = top;
    }
    flush();
  }
}

function memoryView(step) {
  const { start, end } = step.kernels;
  const most = d3.max(step.fast, (fast, k) => fast + step.slow[k]);
  const text = (seconds) => {
    const k = kernelAt(step, seconds);
    const largest = largestAt(step, k, 4).map((t) => {
      const bytes = step.tensors.bytes[t], fast = fastBytesAt(step, t, k);
      const where = fast >= bytes ? "fast" : fast <= 0 ? "slow" : `${formatShare(fast / bytes)} fast`;
      return `  ${tensorName(step, t)}: ${formatBytes(bytes)}, ${where}`;
    });
    return [
      `${formatSeconds(seconds)}, ${kernelName(step, k)}`, `fast ${formatBytes(step.fast[k])}, slow ${formatBytes(step.slow[k])}`,
      "largest:", ...largest,
    ].join("\n");
  };
  const plot = makePlot({
    x: [0, end[end.length - 1]], y: [0, 1.05 * most], labelX: "time in the step", labelY: "bytes of living tensors",
    formatX: formatSeconds, formatY: formatBytes, stops: start, limit: { value: step.limit, text: `the plan's limit ${formatBytes(step.limit)}` },
    draw: (context, x, y) => drawBands(context, x, y, step, [[step.fast, "fast"], [step.slow, "slow"]]), at: text,
  }, "Memory over the step");
  return [makeLegend([["in fast memory, or on the way", "fast"], ["in the slow tier", "slow"]]), plot];
}

const KINDS = [["others", "kernel"], ["weights and optimizer state", "in"], ["micro tensors", "slow"]];

function packingView(step) {
  const { first, last, bytes, address, kind } = step.tensors;
  const top = d3.max(bytes, (size, t) => address[t] + size);
  const at = (k, where) => {
    const inside = [];
    for (let t = 0; t < bytes.length; ++t) {
      if (first[t] > k || last[t] + 1 <= k || address[t] === null) continue;
      if (where === null || (address[t] <= where && where < address[t] + bytes[t])) inside.push(t);
    }
    if (inside.length === 0) return null;
    if (where === null) {
      const all = d3.sum(inside, (t) => bytes[t]);
      return `${kernelName(step, Math.floor(k))}\n${inside.length} tensors, ${formatBytes(all)}`;
    }
    const t = inside.reduce((a, b) => (bytes[a] >= bytes[b] ? a : b));
    return `${tensorName(step, t)}\n${formatBytes(bytes[t])} at ${formatBytes(address[t])}\nkernels ${first[t]} to ${last[t]}`;
  };
  const draw = (context, x, y) => {
    const [from, to] = x.domain();
    KINDS.forEach(([, colour], which) => {
      context.fillStyle = colourOf(colour);
      for (let t = 0; t < bytes.length; ++t) {
        if (kind[t] !== which || address[t] === null || last[t] + 1 < from || first[t] > to) continue;
        const left = x(first[t]), tall = y(address[t]) - y(address[t] + bytes[t]);
        const wide = x(last[t] + 1) - left, gap = tall > 4 && wide > 4 ? 1 : 0;
        context.fillRect(left, y(address[t] + bytes[t]), Math.max(1, wide - gap), Math.max(1, tall - gap));
      }
    });
  };
  const plot = makePlot({
    x: [0, step.kernels.start.length], y: [0, top], labelX: "kernel", labelY: "address in the arena", formatX: (k) => d3.format("d")(Math.floor(k)),
    formatY: formatBytes, height: 420, draw, at,
  }, "Where tensors lie");
  return [makeLegend(KINDS), plot];
}

const ROWS = [["kernels", "kernel"], ["stalls", "stall"], ["copies in", "in"], ["copies out", "out"]];

function ganttView(step) {
  const { start, end } = step.kernels, moves = step.moves;
  const stalls = [];
  let before = 0;
  for (let k = 0; k < start.length; ++k) {
    if (start[k] - before > 1e-7) stalls.push([before, start[k], k]);
    before = end[k];
  }
  const copies = [true, false].map((inwards) =>
    d3.range(moves.start.length).filter((m) => Boolean(moves.to_fast[m]) === inwards && moves.finish[m] > moves.begin[m])
      .sort((a, b) => moves.begin[a] - moves.begin[b]));
  const bars = [
    d3.range(start.length).map((k) => [start[k], end[k], k]), stalls, ...copies.map((list) => list.map((m) => [moves.begin[m], moves.finish[m], m])),
  ];
  const starts = bars.map((list) => list.map(([from]) => from));
  const say = [
    ([from, to, k]) => `${kernelName(step, k)}\n${formatSeconds(to - from)}`,
    ([from, to, k]) => `stands still for ${formatSeconds(to - from)} before\n${kernelName(step, k)}`,
    ...["in", "out"].map((way) => ([from, to, m]) =>
      `${way}: ${tensorName(step, moves.tensor[m])}\n${formatBytes(moves.bytes[m])} in ${formatSeconds(to - from)}, due before kernel ${moves.due[m]}`),
  ];
  const barAt = (row, seconds) => {
    const bar = bars[row][upperBound(starts[row], seconds) - 1];
    return bar && seconds <= bar[1] ? say[row](bar) : null;
  };
  const draw = (context, x, y) => {
    const [from, to] = x.domain(), tall = 0.7 * (y(0) - y(1));
    ROWS.forEach(([, colour], row) => {
      context.fillStyle = colourOf(colour);
      const top = y(ROWS.length - row) + 0.15 * (y(0) - y(1));
      let reached = -1;
      for (let i = Math.max(0, upperBound(starts[row], from) - 1); i < bars[row].length && bars[row][i][0] <= to; ++i) {
        const left = x(bars[row][i][0]), right = x(bars[row][i][1]);
        if (right < reached) continue;  // nothing of it would be seen
        const gap = right - left > 4 ? 1 : 0;
        context.fillRect(left, top, Math.max(0.7, right - left - gap), tall);
        reached = Math.max(reached, Math.ceil(right));
      }
    });
  };
  const plot = makePlot({
    x: [0, step.seconds], y: [0, ROWS.length], labelX: "time in the step", formatX: formatSeconds, height: 240, mostZoom: 50000, stops: start,
    ticksY: ROWS.map(([text], row) => [ROWS.length - row - 0.5, text]), draw,
    at: (seconds, where) => {
      if (where !== null) return barAt(ROWS.length - 1 - Math.floor(where), seconds);
      return ROWS.map((_, row) => barAt(row, seconds)).filter(isThere).join("\n") || null;
    },
  }, "Kernels, copies and stalls");
  return [makeLegend(ROWS), plot];
}

function waitsView(step) {
  if (step.waits.length === 0) return [make("p", {}, "No kernel waits in this plan.")];
  const longest = step.waits[0].seconds;
  const rows = step.waits.map((wait) => [
    { number: formatSeconds(wait.seconds) }, makeBar(wait.seconds / longest, "stall"), kernelName(step, wait.kernel),
    isThere(wait.tensor) ? tensorName(step, wait.tensor) : "", wait.remedy,
  ]);
  return [makeTable([{ number: "wait" }, "", "kernel", "tensor", "what would remove it"], rows)];
}

// Tensors by size and lifetime, in cells; the lighter, the more bytes are passed over.
function heatView(step) {
  const { bytes, first, last, uses } = step.tensors, cells = new Map();
  const column = (t) => Math.floor(2 * Math.log2(1 + last[t] - first[t])), row = (t) => Math.floor(Math.log2(Math.max(1, bytes[t])));
  for (let t = 0; t < bytes.length; ++t) {
    const key = `${column(t)} ${row(t)}`;
    if (!cells.has(key)) cells.set(key, { column: column(t), row: row(t), tensors: [], traffic: 0 });
    const cell = cells.get(key);
    cell.tensors.push(t);
    cell.traffic += bytes[t] * uses[t];
  }
  const all = [...cells.values()], traffic = d3.max(all, (cell) => cell.traffic) || 1;
  const columns = d3.max(all, (cell) => cell.column) + 1, low = d3.min(all, (cell) => cell.row), high = d3.max(all, (cell) => cell.row) + 1;
  const colour = d3.scaleSequential(d3.interpolateViridis).domain([0, 1]);
  const shade = (cell) => colour(Math.sqrt(cell.traffic / traffic));
  const kernels = (value) => d3.format("~s")(Math.max(1, Math.round(2 ** (value / 2))));
  const plot = makePlot({
    x: [0, columns], y: [low, high], labelX: "lifetime in kernels", labelY: "size", formatX: kernels, formatY: (value) => formatBytes(2 ** value), height: 380,
    mostZoom: 8, stops: d3.range(columns).map((value) => value + 0.5),
    draw: (context, x, y) => all.forEach((cell) => {
      context.fillStyle = shade(cell);
      context.fillRect(x(cell.column), y(cell.row + 1), x(cell.column + 1) - x(cell.column) - 1, y(cell.row) - y(cell.row + 1) - 1);
    }),
    at: (x, y) => {
      const here = all.filter((cell) => cell.column === Math.floor(x) && (y === null || cell.row === Math.floor(y)));
      if (here.length === 0) return null;
      const tensors = here.flatMap((cell) => cell.tensors).sort((a, b) => bytes[b] * uses[b] - bytes[a] * uses[a]);
      const shown = tensors.slice(0, 4).map((t) => `  ${tensorName(step, t)}: ${formatBytes(bytes[t])}, ${uses[t]} passes`);
      return [`${tensors.length} tensors, ${formatBytes(d3.sum(here, (cell) => cell.traffic))} passed over`, ...shown].join("\n");
    },
  }, "Tensors by size and lifetime");
  const bar = make("span", { style: `display: inline-block; width: 8rem; height: 0.8rem; margin: 0 0.4rem; background: linear-gradient(90deg, ${d3.range(0, 1.01, 0.125).map(colour).join(", ")})` });
  return [make("p", { class: "note" }, "bytes passed over: none", bar, formatBytes(traffic)), plot];
}

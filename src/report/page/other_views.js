// Views of what was measured, compared and configured.

function headlineView(cards) {
  return [make("div", { class: "cards" }, cards.map((card) =>
    make("div", { class: "card" }, make("span", {}, card.name), make("b", {}, card.value), make("span", {}, card.note))))];
}

// What was predicted for a step beside what the last steps took.
function measuredView(measured) {
  const rows = measured.rows.map((row) => [row.name, { number: row.predicted ?? "" }, { number: row.measured ?? "" }]);
  const parts = [makeTable(["a step", { number: "predicted" }, { number: "measured" }], rows)];
  const seconds = measured.step_seconds;
  if (seconds.length > 1) {
    parts.push(makePlot({
      x: [0, seconds.length], y: [0, 1.15 * Math.max(d3.max(seconds), measured.predicted_seconds ?? 0)], labelX: "training step", labelY: "seconds",
      formatX: d3.format("d"), formatY: formatSeconds, height: 240, mostZoom: 50, stops: d3.range(seconds.length).map((i) => i + 0.5),
      limit: isThere(measured.predicted_seconds) ? { value: measured.predicted_seconds, text: `predicted ${formatSeconds(measured.predicted_seconds)}` } : undefined,
      draw: (context, x, y, width, height) => seconds.forEach((value, i) => {
        context.fillStyle = colourOf("kernel");
        context.fillRect(x(i), y(value), Math.max(1, x(i + 1) - x(i) - 1), height - y(value));
      }),
      at: (i) => (seconds[Math.floor(i)] === undefined ? null : `step ${Math.floor(i)}: ${formatSeconds(seconds[Math.floor(i)])}`),
    }, "Steps as measured"));
  }
  if (measured.waits.length > 0) {
    parts.push(make("h3", {}, "Kernels that waited in the run"), makeTable(["kernel", { number: "waits in the run" }, { number: "all of them" }],
      measured.waits.map((wait) => [wait.kernel, { number: String(wait.waits) }, { number: formatSeconds(wait.seconds) }])));
  }
  return parts;
}

// Performance by policy, a group for each graph and limit.
function comparisonView(rows) {
  const groups = d3.nest().key((row) => `${row.graph}, ${row.fast}`).entries(rows);
  const parts = [];
  for (const { key, values } of groups) {
    const most = Math.max(1, d3.max(values, (row) => row.performance ?? 0), d3.max(values, (row) => row.bound ?? 0));
    const body = values.map((row) => [
      row.policy, isThere(row.performance) ? { number: row.performance.toFixed(3) } : row.error ?? "",
      makeBar((row.performance ?? 0) / most, "fast"), { number: isThere(row.bound) ? row.bound.toFixed(3) : "" },
    ]);
    parts.push(make("h3", {}, `${key}, on ${values[0].machine}`), makeTable(["policy", { number: "performance" }, "", { number: "bound" }], body));
  }
  return parts;
}

const LINE_COLOURS = ["fast", "slow", "in", "out", "stall", "kernel"];
const withColours = (lines) => lines.map((line, i) => ({ ...line, colour: LINE_COLOURS[i % LINE_COLOURS.length] }));
const nearestOf = (items, placeOf, wanted) => items.reduce((a, b) => (Math.abs(placeOf(a) - wanted) <= Math.abs(placeOf(b) - wanted) ? a : b));

// Performance over fast memory, a line for each policy and machine.
function capacityView(graphs) {
  const parts = [];
  for (const graph of graphs) {
    const lines = withColours(graph.lines);
    const most = d3.max(lines, (line) => d3.max(line.points, ([bytes]) => bytes));
    parts.push(make("h3", {}, graph.name), makeLegend(lines.map((line) => [line.name, line.colour])), makePlot({
      x: [0, 1.02 * most], y: [0, 1.05], labelX: "fast memory", labelY: "performance", formatX: formatBytes, formatY: d3.format(".0%"), height: 320, mostZoom: 50,
      stops: [...new Set(lines.flatMap((line) => line.points.map(([bytes]) => bytes)))].sort(d3.ascending),
      limit: isThere(graph.target) ? { value: graph.target, text: `target ${formatShare(graph.target)}` } : undefined,
      draw: (context, x, y) => lines.forEach((line) => {
        [context.strokeStyle, context.fillStyle, context.lineWidth] = [colourOf(line.colour), colourOf(line.colour), 2];
        context.beginPath();
        line.points.forEach(([bytes, performance], i) => context[i === 0 ? "moveTo" : "lineTo"](x(bytes), y(performance)));
        context.stroke();
        line.points.forEach(([bytes, performance]) => context.fillRect(x(bytes) - 3, y(performance) - 3, 6, 6));
      }),
      at: (bytes) => lines.map((line) => {
        const nearest = nearestOf(line.points, (point) => point[0], bytes);
        return `${line.name}: ${nearest[1].toFixed(3)} at ${formatBytes(nearest[0])}`;
      }).join("\n"),
    }, `Performance over fast memory, ${graph.name}`));
  }
  return parts;
}

// An evaluation's tables and figures, ours beside what was published: bars, or lines where `what` is a number.
function reproductionView(figures) {
  const shown = (value) => ({ number: isThere(value) ? Number(value.toPrecision(4)).toString() : "" });
  return figures.flatMap((figure) => {
    const { rows } = figure, withNotes = rows.some((row) => row.note);
    const parts = [make("h3", {}, figure.title), make("p", { class: "note" }, [`${figure.kind}; ${figure.unit}`, ...figure.notes].join(". "))];
    if (figure.chart === "lines") return [...parts, linesOfFigure(figure)];
    const most = d3.max(rows, (row) => Math.max(row.ours ?? 0, row.published ?? 0)) || 1;
    return [...parts, makeTable(
      [figure.axis, "", { number: "ours" }, { number: "published" }, ...(figure.chart === "bars" ? [""] : []), ...(withNotes ? ["note"] : [])],
      rows.map((row) => [
        row.what, row.series, shown(row.ours), shown(row.published),
        ...(figure.chart === "bars" ? [makeBar(Math.max(0, row.ours ?? 0) / most, "fast", row.published / most)] : []), ...(withNotes ? [row.note] : []),
      ]))];
  });
}

function linesOfFigure(figure) {
  const points = figure.rows.map((row) => ({ ...row, x: Number(row.what) }));
  const lines = withColours(d3.nest().key((row) => row.series).entries(points).map(({ key, values }) => ({ name: key, values })));
  const extent = d3.extent(points, (row) => row.x), most = d3.max(points, (row) => Math.max(row.ours ?? 0, row.published ?? 0));
  const path = (context, x, y, values, field, dash) => {
    context.setLineDash(dash);
    context.beginPath();
    values.filter((row) => isThere(row[field])).forEach((row, i) => context[i === 0 ? "moveTo" : "lineTo"](x(row.x), y(row[field])));
    context.stroke();
  };
  return make("div", {}, makeLegend(lines.map((line) => [line.name, line.colour])), makePlot({
    x: extent[0] === extent[1] ? [extent[0] - 1, extent[1] + 1] : extent, y: [0, 1.05 * (most || 1)], labelX: figure.axis, labelY: figure.unit,
    formatX: d3.format("~g"), formatY: d3.format("~g"), height: 300, mostZoom: 50, stops: [...new Set(points.map((row) => row.x))].sort(d3.ascending),
    draw: (context, x, y) => lines.forEach((line) => {
      [context.strokeStyle, context.lineWidth] = [colourOf(line.colour), 2];
      path(context, x, y, line.values, "ours", []);
      path(context, x, y, line.values, "published", [5, 4]);
      context.setLineDash([]);
    }),
    at: (value) => lines.map((line) => {
      const nearest = nearestOf(line.values, (row) => row.x, value);
      const published = isThere(nearest.published) ? `, published ${nearest.published.toPrecision(4)}` : "";
      return `${line.name} at ${nearest.what}: ${isThere(nearest.ours) ? nearest.ours.toPrecision(4) : "none"}${published}`;
    }).join("\n"),
  }, figure.title));
}

function configurationView(fields) {
  return [makeTable(["what", "value"], fields)];
}

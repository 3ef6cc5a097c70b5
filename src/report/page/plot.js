// Axes around a canvas that can be zoomed, dragged, hovered over, and read with the keyboard.
//
//     view.x, view.y       [least, most] of the axes, in the data's units; y upwards
//     view.formatX, formatY, labelX, labelY
//     view.draw(context, x, y, width, height)   d3 scales of what is seen
//     view.at(x, y)        text of what lies there, or null
//     view.stops           rising x values that the arrow keys go to; none: fiftieths of what is seen
//     view.limit           {value, text}: a dashed line
//     view.ticksY          [[value, text], ...] in place of numbers
const MARGIN = { left: 74, right: 12, top: 14, bottom: 40 };

function makePlot(view, name) {
  const height = view.height ?? 320;
  const box = make("div", {
    class: "plot", tabindex: "0", role: "application", style: `height: ${height}px`,
    "aria-label": `${name}. Arrow keys move the cursor, plus and minus zoom, 0 shows all.`,
  });
  const canvas = make("canvas"), tip = make("div", { class: "tip", hidden: "" });
  const svg = d3.create("svg");
  box.append(canvas, svg.node(), tip);
  const axisX = svg.append("g"), axisY = svg.append("g"), limit = svg.append("g"), cursor = svg.append("line").attr("class", "cursor");
  const labelX = svg.append("text").attr("text-anchor", "end"), labelY = svg.append("text");
  let width = 0, inner = 0, tall = height - MARGIN.top - MARGIN.bottom, transform = d3.zoomIdentity, at = null;
  let x = d3.scaleLinear().domain(view.x), y = d3.scaleLinear().domain(view.y), seen = x;

  const withTicks = (axis, scale, format, count) =>
    (format === formatBytes ? axis.tickValues(ticksOfBytes(scale, count)) : axis.ticks(count)).tickFormat(format);

  function drawAxes() {
    axisX.attr("transform", `translate(${MARGIN.left},${MARGIN.top + tall})`)
      .call(withTicks(d3.axisBottom(seen), seen, view.formatX, Math.max(2, inner / 110)));
    const scale = d3.axisLeft(y);
    if (view.ticksY) scale.tickValues(view.ticksY.map(([value]) => value)).tickFormat((_, i) => view.ticksY[i][1]);
    else withTicks(scale, y, view.formatY, 6);
    axisY.attr("transform", `translate(${MARGIN.left},${MARGIN.top})`).call(scale);
    labelX.attr("x", MARGIN.left + inner).attr("y", height - 4).text(view.labelX);
    labelY.attr("x", 0).attr("y", 10).text(view.labelY ?? "");
    limit.selectAll("*").remove();
    if (!view.limit) return;
    const level = MARGIN.top + y(view.limit.value);
    limit.append("line").attr("class", "limit").attr("x1", MARGIN.left).attr("x2", MARGIN.left + inner).attr("y1", level).attr("y2", level);
    limit.append("text").attr("class", "limit").attr("x", MARGIN.left + 6).attr("y", level - 5).text(view.limit.text);
  }

  function draw() {
    if (inner <= 0) return;
    seen = transform.rescaleX(x);
    const context = canvas.getContext("2d"), ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, inner, tall);
    view.draw(context, seen, y, inner, tall);
    drawAxes();
    if (at !== null) showCursor();
  }

  function showCursor() {
    const place = MARGIN.left + seen(at);
    const visible = place >= MARGIN.left && place <= MARGIN.left + inner;
    cursor.attr("x1", place).attr("x2", place).attr("y1", MARGIN.top).attr("y2", MARGIN.top + tall)
      .style("visibility", visible ? "visible" : "hidden");
  }

  function say(text, left, top) {
    tip.hidden = text === null;
    if (text === null) return;
    tip.textContent = text;
    tip.style.left = `${Math.max(0, Math.min(left + 14, width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${top + 14}px`;
  }

  let waiting = false;
  canvas.addEventListener("pointermove", (event) => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      at = null;
      cursor.style("visibility", "hidden");
      const [left, top] = [event.offsetX, event.offsetY];
      say(view.at(seen.invert(left), y.invert(top)), left + MARGIN.left, top + MARGIN.top);
    });
  });
  canvas.addEventListener("pointerleave", () => say(null));

  const zoom = d3.zoom().scaleExtent([1, view.mostZoom ?? 2000]).on("zoom", () => {
    transform = d3.event.transform;
    draw();
  });
  // The page scrolls; with a key, a pinch or a drag the plot zooms and moves.
  zoom.filter(() => d3.event.type !== "wheel" || d3.event.ctrlKey || d3.event.shiftKey || d3.event.metaKey);
  const onCanvas = d3.select(canvas).call(zoom);
  const zoomBy = (factor) => onCanvas.call(zoom.scaleBy, factor, at === null ? undefined : [seen(at), 0]);

  function step(direction) {
    const [from, to] = seen.domain();
    if (at === null || at < from || at > to) at = direction > 0 ? from : to;
    if (view.stops) {
      const next = upperBound(view.stops, at) + (direction > 0 ? 0 : -2);
      at = view.stops[Math.max(0, Math.min(view.stops.length - 1, next))];
    } else {
      at = Math.max(view.x[0], Math.min(view.x[1], at + direction * (to - from) / 50));
    }
    if (at < from || at > to) onCanvas.call(zoom.translateTo, x(at), 0);
    showCursor();
    const text = view.at(at, null) ?? view.formatX(at);
    say(text, MARGIN.left + seen(at), MARGIN.top);
    document.getElementById("told").textContent = text;
  }

  box.addEventListener("keydown", (event) => {
    const actions = {
      ArrowRight: () => step(1), ArrowLeft: () => step(-1), "+": () => zoomBy(1.6), "=": () => zoomBy(1.6), "-": () => zoomBy(1 / 1.6),
      0: () => onCanvas.call(zoom.transform, d3.zoomIdentity), Escape: () => say(null),
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  });
  box.addEventListener("blur", () => say(null));

  new ResizeObserver(() => {
    if (box.clientWidth === width) return;
    width = box.clientWidth;
    inner = width - MARGIN.left - MARGIN.right;
    svg.attr("width", width).attr("height", height);
    const ratio = window.devicePixelRatio || 1;
    canvas.width = inner * ratio;
    canvas.height = tall * ratio;
    Object.assign(canvas.style, { left: `${MARGIN.left}px`, top: `${MARGIN.top}px`, width: `${inner}px`, height: `${tall}px` });
    x.range([0, inner]);
    y.range([tall, 0]);
    zoom.extent([[0, 0], [inner, tall]]).translateExtent([[0, 0], [inner, tall]]);
    draw();
  }).observe(box);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  const buttons = make("p", {},
    [["Zoom in", () => zoomBy(2)], ["Zoom out", () => zoomBy(0.5)], ["Show all", () => onCanvas.call(zoom.transform, d3.zoomIdentity)]].map(
      ([text, action]) => {
        const button = make("button", { type: "button" }, text);
        button.addEventListener("click", action);
        return button;
      }));
  return make("figure", {}, box, buttons);
}

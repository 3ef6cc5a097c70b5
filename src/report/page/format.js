// Numbers and elements as people read them.
const formatBytes = (bytes) => {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; Math.abs(bytes) >= 1024 && unit < units.length - 1; ++unit) bytes /= 1024;
  return `${unit === 0 ? Math.round(bytes) : bytes.toPrecision(3)} ${units[unit]}`;
};
// Round numbers of the unit that most of the axis is in.
function ticksOfBytes(scale, count) {
  const [least, most] = scale.domain();
  const unit = 1024 ** Math.max(0, Math.floor(Math.log2(Math.max(1, most)) / 10));
  return d3.ticks(least / unit, most / unit, count).map((value) => value * unit);
}
const formatSeconds = (seconds) => {
  if (Math.abs(seconds) >= 1) return `${seconds.toPrecision(4)} s`;
  return Math.abs(seconds) >= 1e-3 ? `${(seconds * 1e3).toPrecision(3)} ms` : `${(seconds * 1e6).toPrecision(3)} µs`;
};
const formatShare = (share) => `${(100 * share).toFixed(1)} %`;
const isThere = (value) => value !== null && value !== undefined;

// An element with attributes and children: text, elements, or lists of them.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat());
  return element;
}

// Rows of cells; a cell is text, or {number: text}, which is set to the right, or an element.
function makeTable(head, rows) {
  const cell = (tag, content) => {
    const isNumber = isThere(content) && isThere(content.number);
    return make(tag, isNumber ? { class: "number" } : {}, isNumber ? content.number : content);
  };
  const line = (tag, cells) => make("tr", {}, cells.map((content) => cell(tag, content)));
  return make("div", { class: "scroll" },
    make("table", {}, make("thead", {}, line("th", head)), make("tbody", {}, rows.map((row) => line("td", row)))));
}

// A bar of a share of the longest one; `mark`, if there is one: where another would end.
const makeBar = (share, colour, mark) => make("div", { class: "bar" }, make("i", { style: `width: ${100 * share}%; background: var(--${colour})` }),
  mark > 0 ? make("b", { style: `left: ${100 * mark}%` }) : "");

function makeLegend(entries) {
  return make("div", { class: "legend" },
    entries.map(([name, colour]) => make("span", {}, make("i", { style: `background: var(--${colour})` }), name)));
}

const colourOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// The first index whose value is above `wanted`, in a rising list.
function upperBound(values, wanted) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] > wanted) high = middle; else low = middle + 1;
  }
  return low;
}

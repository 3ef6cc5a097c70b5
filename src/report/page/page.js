// Puts the views that the data has on the page, in order.
const data = JSON.parse(document.getElementById("data").textContent);

if (data.step) {
  const { moves } = data.step;
  data.step.movesOf = {};
  moves.tensor.forEach((t, m) => (data.step.movesOf[t] = data.step.movesOf[t] ?? []).push(m));
}

// [name, what to read in it, the data that it needs, how it is made]
const VIEWS = [
  ["Headline", "", data.headline, headlineView],
  ["Memory over the step", "What lives during each kernel of one planned step, by where its bytes are. The dashed line is what the plan may use: in a run, the fast limit less what half-filled chunks and copies on their way need. Hover, or focus the picture and use the arrow keys: the kernel and the largest tensors are named.", data.step, memoryView],
  ["Kernels, copies and stalls", "One step as it is planned: kernels in their order, copies beside them, and the gaps in which kernels stand still. Zoom with the buttons, a pinch, plus and minus, or Ctrl and the wheel.", data.step, ganttView],
  ["Longest waits", "Where the planned step waits, for which tensor, and what would remove it.", data.step, waitsView],
  ["Where tensors lie", "Each rectangle is a tensor: from its first kernel to its last, from its first byte in the arena to its last. White between them is memory that nothing uses.", data.step, packingView],
  ["Tensors by size and lifetime", "Large tensors that live long and are rarely used are those worth keeping in the slow tier: above, to the right, dark.", data.step, heatView],
  ["Predicted and measured", "What the plan says of a step, and the run's median. More bytes than planned come by touches that it did not foresee: of kernels whose operands fill fast memory, of chunks that tensors share.", data.measured, measuredView],
  ["Policies compared", "Share of the speed with everything in fast memory; the bound is what no plan can pass.", data.comparison, comparisonView],
  ["Memory to buy", "What each amount of fast memory gives.", data.capacity, capacityView],
  ["The paper's evaluation", "Ours beside what was published, where it was. In bars the mark is the published number; in lines the dashes are.", data.figures, reproductionView],
  ["Configuration", "", data.configuration, configurationView],
];

document.getElementById("title").textContent = data.title;
document.getElementById("subtitle").append(make("span", { class: "kind" }, data.kind), ` ${data.subtitle}`);
for (const [name, note, part, view] of VIEWS) {
  if (!part || part.length === 0) continue;
  const id = name.toLowerCase().replace(/[^a-z]+/g, "-");
  const heading = make("h2", { id: `${id}-heading` }, name);
  document.getElementById("views").append(make("section", { id, "aria-labelledby": heading.id }, heading, note ? make("p", { class: "note" }, note) : "", view(part)));
  document.getElementById("contents").append(make("a", { href: `#${id}` }, name));
}

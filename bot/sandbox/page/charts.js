// data_visualization blocks as inline SVG: bar, line, area, pie.

import { h, s } from "./dom.js";

const WIDTH = 620;
const HEIGHT = 248;
const EDGE = { top: 12, right: 10, bottom: 44, left: 52 };
const COLOURS = ["#1d79c4", "#2eb67d", "#e8a723", "#e01e5a", "#7c3f9d", "#36b5d8", "#8a6d3b", "#5b6b7a", "#d2691e", "#3f8f5f", "#b3477a", "#4a5aa8"];

/** Render one chart block. */
export function renderChart(block) {
  const chart = block.chart ?? {};
  const drawing = chart.type === "pie" ? pie(chart) : plot(chart);
  return h(
    "figure",
    { class: "b-chart", "data-testid": "chart", "data-kind": chart.type },
    h("figcaption", {}, block.title ?? ""),
    drawing.picture,
    drawing.legend,
  );
}

function plot(chart) {
  const categories = chart.axis_config?.categories ?? [];
  const series = chart.series ?? [];
  const values = series.flatMap((one) => one.data.map((point) => point.value));
  const scale = ticks(Math.min(0, ...values), Math.max(0, ...values));
  const x_of = (index) => EDGE.left + ((index + 0.5) * plotWidth()) / Math.max(1, categories.length);
  const y_of = (value) => EDGE.top + plotHeight() * (1 - (value - scale.low) / (scale.high - scale.low));
  const draw = { bar: bars, area: areas, line: lines }[chart.type] ?? bars;
  const picture = s(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": spoken(series) },
    grid(scale, y_of),
    axis(categories, x_of),
    draw(series, categories, x_of, y_of),
    named(chart.axis_config),
  );
  return { picture, legend: series.length > 1 ? legend(series.map((one, index) => [one.name, COLOURS[index % COLOURS.length]])) : null };
}

function bars(series, categories, x_of, y_of) {
  const slot = plotWidth() / Math.max(1, categories.length);
  const width = Math.min(44, (slot * 0.68) / Math.max(1, series.length));
  const zero = y_of(0);
  return series.flatMap((one, index) =>
    points(one, categories).map(([value, at]) => {
      const left = x_of(at) - (width * series.length) / 2 + index * width;
      const top = Math.min(y_of(value), zero);
      const height = Math.max(1, Math.abs(y_of(value) - zero));
      const gap = series.length > 1 ? 1 : 0;
      return s(
        "path",
        { d: roundedBar(left + gap, top, width - 2 * gap, height, value < 0), fill: COLOURS[index % COLOURS.length], class: "chart-bar" },
        s("title", {}, `${one.name}, ${categories[at]}: ${numberText(value)}`),
      );
    }),
  );
}

function roundedBar(x, y, width, height, below) {
  const r = Math.min(3, width / 2, height);
  if (below) return `M${x} ${y}h${width}v${height - r}q0 ${r} ${-r} ${r}h${2 * r - width}q${-r} 0 ${-r} ${-r}z`;
  return `M${x} ${y + height}v${r - height}q0 ${-r} ${r} ${-r}h${width - 2 * r}q${r} 0 ${r} ${r}v${height - r}z`;
}

function lines(series, categories, x_of, y_of) {
  return series.flatMap((one, index) => {
    const colour = COLOURS[index % COLOURS.length];
    const spots = points(one, categories).map(([value, at]) => [x_of(at), y_of(value), value, at]);
    return [
      s("path", { d: `M${spots.map(([x, y]) => `${x} ${y}`).join("L")}`, fill: "none", stroke: colour, "stroke-width": 2.2, "stroke-linejoin": "round", "stroke-linecap": "round" }),
      ...spots.map(([x, y, value, at]) => s("circle", { cx: x, cy: y, r: 3.2, fill: colour, class: "chart-spot" }, s("title", {}, `${one.name}, ${categories[at]}: ${numberText(value)}`))),
    ];
  });
}

function areas(series, categories, x_of, y_of) {
  return [
    ...series.map((one, index) => {
      const spots = points(one, categories).map(([value, at]) => [x_of(at), y_of(value)]);
      if (!spots.length) return null;
      const line = spots.map(([x, y]) => `${x} ${y}`).join("L");
      return s("path", { d: `M${spots[0][0]} ${y_of(0)}L${line}L${spots.at(-1)[0]} ${y_of(0)}Z`, fill: COLOURS[index % COLOURS.length], opacity: 0.2 });
    }),
    ...lines(series, categories, x_of, y_of),
  ];
}

function pie(chart) {
  const segments = chart.segments ?? [];
  const total = segments.reduce((sum, segment) => sum + segment.value, 0) || 1;
  let from = 0;
  const slices = segments.map((segment, index) => {
    const share = segment.value / total;
    const slice = s(
      "path",
      { d: ring(from, from + share), fill: COLOURS[index % COLOURS.length], class: "chart-slice" },
      s("title", {}, `${segment.label}: ${numberText(segment.value)} (${Math.round(share * 100)} %)`),
    );
    from += share;
    return slice;
  });
  const picture = s("svg", { viewBox: "0 0 200 200", class: "chart chart-pie", role: "img", "aria-label": segments.map((one) => `${one.label} ${numberText(one.value)}`).join(", ") }, slices);
  const rows = segments.map((segment, index) => [`${segment.label}  ${numberText(segment.value)} · ${Math.round((segment.value / total) * 100)} %`, COLOURS[index % COLOURS.length]]);
  return { picture, legend: legend(rows) };
}

function ring(from, to) {
  const end = to - from >= 0.9999 ? from + 0.9999 : to;
  const spot = (turn, radius) => `${100 + radius * Math.sin(turn * 2 * Math.PI)} ${100 - radius * Math.cos(turn * 2 * Math.PI)}`;
  const large = end - from > 0.5 ? 1 : 0;
  return `M${spot(from, 92)}A92 92 0 ${large} 1 ${spot(end, 92)}L${spot(end, 54)}A54 54 0 ${large} 0 ${spot(from, 54)}Z`;
}

function grid(scale, y_of) {
  return scale.marks.flatMap((mark) => [
    s("line", { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y_of(mark), y2: y_of(mark), class: mark === 0 ? "chart-zero" : "chart-grid" }),
    s("text", { x: EDGE.left - 8, y: y_of(mark) + 4, "text-anchor": "end", class: "chart-label" }, numberText(mark)),
  ]);
}

// Labels that would run into each other are thinned out; the last one always stays.
function axis(categories, x_of) {
  const longest = Math.max(1, ...categories.map((name) => name.length));
  const room = plotWidth() / Math.max(1, categories.length);
  const every = Math.max(1, Math.ceil((longest * 6.2 + 8) / room));
  return categories.map((name, index) =>
    (categories.length - 1 - index) % every === 0 ? s("text", { x: x_of(index), y: HEIGHT - EDGE.bottom + 18, "text-anchor": "middle", class: "chart-label" }, name) : null,
  );
}

function named(config) {
  return [
    config?.x_label ? s("text", { x: EDGE.left + plotWidth() / 2, y: HEIGHT - 6, "text-anchor": "middle", class: "chart-name" }, config.x_label) : null,
    config?.y_label ? s("text", { x: 12, y: EDGE.top + plotHeight() / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${EDGE.top + plotHeight() / 2})`, class: "chart-name" }, config.y_label) : null,
  ];
}

function legend(rows) {
  return h("div", { class: "chart-legend" }, rows.map(([name, colour]) => h("span", { class: "chart-key" }, h("span", { class: "chart-dot", style: { background: colour } }), name)));
}

function points(series, categories) {
  const by_label = new Map(series.data.map((point) => [point.label, point.value]));
  return categories.map((name, index) => [by_label.get(name) ?? series.data[index]?.value ?? 0, index]);
}

function ticks(low, high) {
  const span = high - low || 1;
  const rough = span / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const first = Math.floor(low / step) * step;
  const last = Math.ceil((high || step) / step) * step;
  const marks = [];
  for (let mark = first; mark <= last + step / 1000; mark += step) marks.push(Math.abs(mark) < step / 1000 ? 0 : mark);
  return { low: first, high: last, marks };
}

function numberText(value) {
  return new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 }).format(value);
}

function spoken(series) {
  return series.map((one) => `${one.name}: ${one.data.map((point) => `${point.label} ${numberText(point.value)}`).join(", ")}`).join("; ");
}

function plotWidth() {
  return WIDTH - EDGE.left - EDGE.right;
}

function plotHeight() {
  return HEIGHT - EDGE.top - EDGE.bottom;
}

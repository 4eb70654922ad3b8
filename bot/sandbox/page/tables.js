// table and data_table blocks; a data_table pages and sorts on the reader's side, as Slack's does.

import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { renderRichText } from "./richtext.js";

const PAGE_SIZE = 5;

/** Render a table; the first row is its header. */
export function renderTable(block) {
  const [header = [], ...rows] = block.rows ?? [];
  const live = block.type === "data_table";
  const state = { page: 0, column: null, down: false };
  const page_size = live ? (block.page_size ?? PAGE_SIZE) : rows.length;
  const body = h("tbody");
  const pager = h("div", { class: "table-pager" });
  const heads = header.map((cell, column) =>
    h(
      "th",
      { scope: "col", class: align(block, column, rows) },
      live
        ? h("button", { class: "table-sort", type: "button", onclick: () => sortBy(column) }, content(cell), h("span", { class: "table-arrow", "aria-hidden": "true" }))
        : content(cell),
    ),
  );
  const node = h(
    "figure",
    { class: "b-table", "data-testid": "table" },
    block.caption ? h("figcaption", {}, block.caption) : null,
    h("div", { class: "table-scroll", tabindex: "0", role: "group", "aria-label": block.caption ?? "Table" }, h("table", {}, h("thead", {}, h("tr", {}, heads)), body)),
    live ? pager : null,
  );
  draw();
  return node;

  function sortBy(column) {
    state.down = state.column === column ? !state.down : false;
    state.column = column;
    state.page = 0;
    draw();
  }

  function draw() {
    const sorted = state.column === null ? rows : [...rows].sort((one, other) => compare(one[state.column], other[state.column]) * (state.down ? -1 : 1));
    const pages = Math.max(1, Math.ceil(sorted.length / page_size));
    const first = state.page * page_size;
    fill(body, sorted.slice(first, first + page_size).map((row) => h("tr", {}, row.map((cell, column) => h("td", { class: align(block, column, rows) }, content(cell))))));
    heads.forEach((head, column) => head.setAttribute("aria-sort", state.column === column ? (state.down ? "descending" : "ascending") : "none"));
    if (pages === 1) fill(pager);
    else {
      fill(
        pager,
        h("span", {}, `${first + 1}–${Math.min(first + page_size, sorted.length)} of ${sorted.length}`),
        turn("back", "Previous page", state.page > 0, -1),
        turn("forward", "Next page", state.page < pages - 1, 1),
      );
    }
  }

  function turn(name, label, enabled, step) {
    return h("button", { class: "icon-button", type: "button", "aria-label": label, disabled: !enabled, onclick: () => { state.page += step; draw(); } }, icon(name, 16));
  }
}

function content(cell) {
  if (cell?.type === "rich_text") return renderRichText(cell);
  return cell?.text ?? String(cell?.value ?? "");
}

function align(block, column, rows) {
  const stated = block.column_settings?.[column]?.align;
  if (stated) return `to-${stated}`;
  return rows.length && rows.every((row) => row[column]?.type === "raw_number") ? "to-right" : "to-left";
}

function compare(one, other) {
  if (one?.type === "raw_number" && other?.type === "raw_number") return one.value - other.value;
  return String(one?.text ?? "").localeCompare(String(other?.text ?? ""), "en", { numeric: true });
}

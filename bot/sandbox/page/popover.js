// Menus that open under a control: the lists of selects, overflow menus and what the composer suggests.

import { fill, h } from "./dom.js";
import { icon } from "./icons.js";

let open = null;

/**
 * Open a list under a control. Items are `{label, text, value, description, mark, section, danger, selected}`;
 * `onPick(item)` is called once and the list closes, or stays open when it returns "stay".
 */
export function openMenu(anchor, { items, onPick, searchable = false, label = "Options", align = "left", empty = "No results" }) {
  const again = open?.anchor === anchor;
  closeMenu();
  if (again) return;
  const menu = new Menu(anchor, { items, onPick, searchable, label, align, empty });
  open = menu;
  menu.show();
}

/** Close whatever list is open. Tells whether there was one. */
export function closeMenu({ refocus = false } = {}) {
  if (!open) return false;
  const { anchor } = open;
  open.remove();
  open = null;
  if (refocus) anchor.focus();
  return true;
}

class Menu {
  constructor(anchor, options) {
    Object.assign(this, options);
    this.anchor = anchor;
    this.at = -1;
    this.list = h("div", { class: "menu-list", role: "listbox", "aria-label": this.label });
    this.search = this.searchable
      ? h("input", { class: "menu-search", type: "text", placeholder: "Search", "aria-label": "Search", autocomplete: "off", oninput: () => this.draw() })
      : null;
    this.node = h("div", { class: "menu", tabindex: "-1", "data-testid": "menu", onkeydown: (event) => this.key(event) }, this.search, this.list);
    this.outside = (event) => {
      if (!this.node.contains(event.target) && !this.anchor.contains(event.target)) closeMenu();
    };
    this.moved = (event) => {
      if (!this.node.contains(event.target)) closeMenu();
    };
  }

  show() {
    document.body.append(this.node);
    this.draw();
    this.place();
    this.anchor.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", this.outside, true);
    window.addEventListener("resize", this.moved);
    document.addEventListener("scroll", this.moved, true);
    (this.search ?? this.node).focus({ preventScroll: true });
  }

  remove() {
    this.node.remove();
    this.anchor.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", this.outside, true);
    window.removeEventListener("resize", this.moved);
    document.removeEventListener("scroll", this.moved, true);
  }

  shown() {
    const wanted = (this.search?.value ?? "").trim().toLowerCase();
    return this.items.filter((item) => !wanted || (item.text ?? "").toLowerCase().includes(wanted));
  }

  draw() {
    const rows = [];
    let section = null;
    const items = this.shown();
    items.forEach((item, index) => {
      if (item.section && item.section !== section) rows.push(h("div", { class: "menu-section" }, item.section));
      section = item.section ?? null;
      rows.push(this.row(item, index));
    });
    fill(this.list, rows.length ? rows : h("div", { class: "menu-empty" }, this.empty));
    const selected = items.findIndex((item) => item.selected);
    this.mark(selected === -1 && this.search ? 0 : selected, false);
  }

  row(item, index) {
    return h(
      "div",
      {
        class: `menu-item${item.danger ? " menu-danger" : ""}`, role: "option", "aria-selected": item.selected ? "true" : "false",
        "data-value": item.value, "data-testid": "option",
        onclick: () => this.pick(item), onpointermove: () => this.mark(index, false),
      },
      item.mark ?? null,
      h("span", { class: "menu-words" }, h("span", { class: "menu-label" }, item.label ?? item.text), item.description ? h("span", { class: "menu-description" }, item.description) : null),
      item.selected ? icon("check", 16) : null,
    );
  }

  mark(index, scroll = true) {
    const rows = [...this.list.querySelectorAll(".menu-item")];
    rows.forEach((row, at) => row.classList.toggle("menu-on", at === index));
    this.at = index;
    if (scroll) rows[index]?.scrollIntoView({ block: "nearest" });
  }

  key(event) {
    const items = this.shown();
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (moves[event.key]) {
      event.preventDefault();
      this.mark((this.at + moves[event.key] + items.length) % Math.max(1, items.length));
    } else if (event.key === "Enter" || (event.key === " " && !this.search)) {
      event.preventDefault();
      if (items[this.at]) this.pick(items[this.at]);
    } else if (event.key === "Escape") {
      event.stopPropagation();
      closeMenu({ refocus: true });
    } else if (event.key === "Tab") {
      closeMenu({ refocus: true });
    }
  }

  pick(item) {
    if (this.onPick(item) === "stay") this.draw();
    else closeMenu({ refocus: true });
  }

  place() {
    const box = this.anchor.getBoundingClientRect();
    const size = this.node.getBoundingClientRect();
    const width = Math.max(size.width, Math.min(box.width, 420));
    const below = window.innerHeight - box.bottom - 12;
    const up = below < size.height && box.top > below;
    const left = this.align === "right" ? box.right - width : box.left;
    Object.assign(this.node.style, {
      minWidth: `${width}px`,
      left: `${Math.max(8, Math.min(left, window.innerWidth - width - 8))}px`,
      maxHeight: `${Math.max(120, (up ? box.top : below) - 4)}px`,
      ...(up ? { bottom: `${window.innerHeight - box.top + 4}px` } : { top: `${box.bottom + 4}px` }),
    });
  }
}

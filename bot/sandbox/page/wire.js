// The wire view: a drawer with the requests and answers behind what is on the screen.

import { api } from "./api.js";
import { trapTab, toast } from "./dialogs.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";

const LIMIT = 200;
let drawer = null;

/** Open the drawer on everything that mentions `ref`, or on the whole wire when there is none. */
export function openWire({ ref = null, title = "Everything" } = {}) {
  drawer ??= new Drawer();
  drawer.open(ref, title);
}

/** Take in that something went over the wire, when the drawer is open. */
export function wireMoved() {
  drawer?.moved();
}

class Drawer {
  constructor() {
    this.list = h("div", { class: "wire-list" });
    this.heading = h("h2", {});
    this.count = h("span", { class: "wire-count" });
    this.opened = new Set();
    this.node = h(
      "aside",
      { class: "wire", role: "dialog", "aria-label": "Wire view", "data-testid": "wire", hidden: true, onkeydown: (event) => this.key(event) },
      h(
        "header",
        { class: "wire-head" },
        icon("wire", 18),
        this.heading,
        this.count,
        h("a", { class: "wire-link", href: "/sandbox/log.jsonl", target: "_blank", rel: "noopener" }, "log.jsonl"),
        h("button", { class: "icon-button", type: "button", "aria-label": "Close wire view", "data-testid": "wire-close", onclick: () => this.close() }, icon("close", 18)),
      ),
      h("p", { class: "wire-about" }, "Requests between the bot and the two stand-ins, exactly as sent. Newest first."),
      this.list,
    );
    document.body.append(this.node);
  }

  open(ref, title) {
    this.before = document.activeElement;
    this.ref = ref;
    this.opened.clear();
    this.first = true;
    this.signature = null;
    fill(this.heading, `Wire · ${title}`);
    this.node.hidden = false;
    this.node.querySelector("[data-testid='wire-close']").focus();
    this.load();
  }

  close() {
    this.node.hidden = true;
    if (this.before?.isConnected) this.before.focus();
  }

  moved() {
    if (this.node.hidden) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), 250);
  }

  key(event) {
    event.stopPropagation();
    if (event.key === "Escape") this.close();
    else trapTab(event, this.node);
  }

  async load() {
    let entries;
    try {
      entries = (await api.wire({ ref: this.ref, limit: LIMIT })).entries ?? [];
    } catch (refusal) {
      fill(this.list, h("div", { class: "wire-empty" }, refusal.message));
      return;
    }
    entries = [...entries].sort((one, other) => other.id - one.id).slice(0, LIMIT);
    const signature = entries.map((entry) => entry.id).join();
    if (signature === this.signature) return;
    this.signature = signature;
    if (this.first && entries.length && this.ref) this.opened.add(entries.at(-1).id);
    this.first = false;
    fill(this.count, `${entries.length} ${entries.length === 1 ? "request" : "requests"}`);
    fill(this.list, entries.length ? entries.map((entry) => this.entry(entry)) : h("div", { class: "wire-empty" }, "Nothing on the wire mentions this yet."));
  }

  entry(entry) {
    const body = h("div", { class: "wire-body" });
    const node = h(
      "details",
      {
        class: "wire-entry", "data-testid": "wire-entry", open: this.opened.has(entry.id),
        ontoggle: () => {
          if (node.open) this.opened.add(entry.id);
          else this.opened.delete(entry.id);
          if (node.open && !body.childNodes.length) fill(body, detail(entry));
        },
      },
      h(
        "summary",
        {},
        h("span", { class: `wire-method wire-${String(entry.method).toLowerCase()}` }, entry.method),
        h("span", { class: "wire-path" }, h("span", { class: "wire-host" }, entry.host), entry.path),
        h("span", { class: `wire-status ${Number(entry.status) < 400 && entry.answer?.ok !== false ? "wire-good" : "wire-bad"}` }, entry.status ?? "–"),
      ),
      body,
    );
    if (node.open) fill(body, detail(entry));
    return node;
  }
}

function detail(entry) {
  return [
    h("dl", { class: "wire-facts" }, h("dt", {}, "time"), h("dd", {}, entry.time), entry.idempotency_key ? [h("dt", {}, "idempotency key"), h("dd", { class: "wire-key" }, entry.idempotency_key)] : null),
    json("Sent", entry.body),
    json(`Answer ${entry.status ?? ""}`, entry.answer),
  ];
}

function json(label, value) {
  const text = JSON.stringify(unpacked(value), null, 2) ?? "nothing";
  return h(
    "section",
    { class: "wire-json" },
    h(
      "header",
      {},
      h("span", {}, label),
      h("button", { class: "icon-button", type: "button", "aria-label": `Copy ${label}`, title: "Copy", onclick: () => copy(text) }, icon("copy", 14)),
    ),
    h("pre", { tabindex: "0" }, coloured(text)),
  );
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.", { mark: "check" });
  } catch {
    toast("The browser did not allow copying.", { mark: "warning", kind: "trouble" });
  }
}

// Forms carry blocks as JSON inside a string; unpacked, they can be read.
function unpacked(value, depth = 0) {
  if (typeof value === "string" && depth < 3 && /^[[{]/.test(value.trim())) {
    try {
      return unpacked(JSON.parse(value), depth + 1);
    } catch {
      return value;
    }
  }
  if (Array.isArray(value)) return value.map((one) => unpacked(one, depth));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, unpacked(one, depth)]));
  return value;
}

function coloured(text) {
  return text.split(/("(?:\\.|[^"\\])*"(?:\s*:)?|\b-?\d+(?:\.\d+)?\b|\btrue\b|\bfalse\b|\bnull\b)/).map((piece, index) => {
    if (index % 2 === 0) return piece;
    const kind = piece.endsWith(":") ? "key" : piece.startsWith('"') ? "text" : "value";
    return h("span", { class: `json-${kind}` }, piece);
  });
}

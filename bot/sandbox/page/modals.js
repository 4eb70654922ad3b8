// Modals: the stack of at most three, what people typed into them, their errors.

import { api, Refusal } from "./api.js";
import { renderBlocks } from "./blocks.js";
import { closeButton, trapTab } from "./dialogs.js";
import { fill, h, oneAtATime } from "./dom.js";
import { appMark, icon } from "./icons.js";
import { textNodes } from "./mrkdwn.js";
import { closeMenu } from "./popover.js";
import { press } from "./press.js";
import { session } from "./session.js";
import { openWire } from "./wire.js";

const TROUBLE = "We had some trouble connecting. Try again?";
const NUMBER = /^-?\d+(\.\d+)?$/;

/** Shows whatever modal is on top for the person who looks. */
export class Modals {
  constructor() {
    this.stack = [];
    this.typed = new Map();
    this.errors = {};
    this.trouble = null;
    this.sending = false;
    this.veil = null;
    this.refresh = oneAtATime(() => this.fetch());
  }

  async fetch() {
    const as = session.me.id;
    let answer;
    try {
      answer = await api.modals(as);
    } catch {
      return;
    }
    if (as !== session.me.id) return;
    const stack = answer?.views ?? [];
    const signature = JSON.stringify(stack);
    if (signature === this.signature) return;
    if (stack.at(-1)?.id !== this.stack.at(-1)?.id) this.clean();
    this.signature = signature;
    this.stack = stack;
    for (const id of this.typed.keys()) if (!stack.some((view) => view.id === id)) this.typed.delete(id);
    this.draw();
  }

  clean() {
    this.errors = {};
    this.trouble = null;
    this.sending = false;
  }

  /** Forget everything, when somebody else begins to look. */
  reset() {
    this.clean();
    this.stack = [];
    this.signature = undefined;
    this.typed.clear();
    this.draw();
  }

  get top() {
    return this.stack.at(-1) ?? null;
  }

  draw() {
    const view = this.top;
    if (!view) {
      this.veil?.remove();
      if (this.veil && this.before?.isConnected) this.before.focus({ preventScroll: true });
      this.veil = null;
      return;
    }
    const fresh = !this.veil;
    if (fresh) {
      closeMenu();
      this.before = document.activeElement;
      this.veil = h("div", { class: "veil", onkeydown: (event) => this.key(event) });
      (document.querySelector("[data-modal-host]") ?? document.body).append(this.veil);
    }
    const kept = this.keepPlace(view);
    fill(this.veil, this.dialog(view));
    this.restorePlace(kept, fresh);
  }

  dialog(view) {
    const values = this.valuesOf(view);
    const surface = {
      kind: "modal",
      errors: this.errors,
      all: () => view.blocks,
      recall: (block_id, action_id, initial) => (values.has(`${block_id}.${action_id}`) ? values.get(`${block_id}.${action_id}`) : initial),
      remember: (block_id, action_id, value) => values.set(`${block_id}.${action_id}`, value),
      press: (element, block_id, chosen, node) => press({ view_id: view.id, surface: "modal", values: Object.fromEntries(values) }, element, block_id, chosen, node),
    };
    const body = h("div", { class: "modal-body" }, this.trouble ? h("div", { class: "modal-trouble", role: "alert", "data-testid": "modal-trouble" }, icon("warning", 16), this.trouble) : null, h("div", { class: "blocks" }, renderBlocks(view.blocks, surface)));
    return h(
      "form",
      {
        class: "modal", role: "dialog", "aria-modal": "true", "aria-label": view.title?.text ?? "Dialog", "data-testid": "modal", "data-view-id": view.id, "data-callback-id": view.callback_id, novalidate: true,
        onsubmit: (event) => {
          event.preventDefault();
          this.submit(view);
        },
      },
      this.head(view),
      body,
      view.submit || view.close ? this.foot(view) : null,
      h(
        "button",
        { class: "wire-chip", type: "button", "data-testid": "wire-open", "aria-label": "Wire view of this modal", onclick: () => openWire({ ref: view.id, title: view.title?.text ?? "Modal" }) },
        icon("wire", 14), "Wire",
      ),
    );
  }

  head(view) {
    return h(
      "header",
      { class: "modal-head" },
      this.stack.length > 1 ? h("button", { class: "icon-button", type: "button", "aria-label": "Back", "data-testid": "modal-back", onclick: () => this.close(view) }, icon("back", 20)) : null,
      appMark(28),
      h("h2", {}, textNodes(view.title)),
      closeButton(() => this.close(view, this.stack.length > 1), "", "modal-close"),
    );
  }

  foot(view) {
    return h(
      "footer",
      { class: "modal-foot" },
      h("button", { class: "btn", type: "button", "data-testid": "modal-cancel", onclick: () => this.close(view) }, view.close ? textNodes(view.close) : "Cancel"),
      view.submit
        ? h("button", { class: `btn btn-primary${this.sending ? " btn-busy" : ""}`, type: "submit", "data-testid": "modal-submit", "aria-busy": this.sending ? "true" : null }, textNodes(view.submit))
        : null,
    );
  }

  async submit(view) {
    if (this.sending) return;
    this.errors = checked(view, this.valuesOf(view));
    this.trouble = null;
    if (Object.keys(this.errors).length) {
      this.draw();
      return;
    }
    this.sending = true;
    this.draw();
    let left = null;
    try {
      const answer = await api.submit({ as: session.me.id, view_id: view.id, values: Object.fromEntries(this.valuesOf(view)) });
      if (answer?.errors && Object.keys(answer.errors).length) left = { errors: answer.errors };
      else if (answer?.ok === false) left = { trouble: TROUBLE };
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      left = refusal.body?.errors ? { errors: refusal.body.errors } : { trouble: TROUBLE };
    }
    await this.refresh();
    this.sending = false;
    if (this.top?.id === view.id && left) {
      this.errors = left.errors ?? {};
      this.trouble = left.trouble ?? null;
    }
    this.draw();
    if (left) this.veil?.querySelector(".b-error, .modal-trouble")?.scrollIntoView({ block: "center" });
  }

  // The cross closes the whole stack, "back" and Cancel only what is on top.
  async close(view, all = false) {
    try {
      await api.close(session.me.id, all ? this.stack[0].id : view.id);
    } catch {
      // A view that is gone already is closed all the same.
    }
    await this.refresh();
  }

  key(event) {
    event.stopPropagation();
    if (event.key === "Escape" && this.top) this.close(this.top);
    else trapTab(event, this.veil);
  }

  valuesOf(view) {
    if (!this.typed.has(view.id)) this.typed.set(view.id, new Map());
    return this.typed.get(view.id);
  }

  // An update of the same view must not take the cursor from under the writer.
  keepPlace(view) {
    const old = this.veil.querySelector(".modal");
    if (!old || old.dataset.viewId !== view.id) return null;
    const node = document.activeElement;
    return { scroll: old.querySelector(".modal-body").scrollTop, action: node?.dataset?.actionId, value: node?.value, testid: node?.dataset?.testid, caret: caretOf(node) };
  }

  restorePlace(kept, fresh) {
    const modal = this.veil.querySelector(".modal");
    if (!kept) {
      if (fresh) modal.classList.add("modal-fresh");
      const first = modal.querySelector(".modal-body :is(input:checked, input:not([type='radio']), textarea)") ?? modal.querySelector("[data-testid='modal-submit']") ?? modal.querySelector("[data-testid='modal-close']");
      first?.focus({ preventScroll: true });
      return;
    }
    modal.querySelector(".modal-body").scrollTop = kept.scroll;
    const same = [...modal.querySelectorAll(kept.action ? "[data-action-id]" : "[data-testid]")].filter((node) => (kept.action ? node.dataset.actionId === kept.action : node.dataset.testid === kept.testid));
    const node = same.find((one) => one.value === kept.value && one.matches("input, textarea, button")) ?? same[0];
    node?.focus({ preventScroll: true });
    if (kept.caret !== null && node?.setSelectionRange) node.setSelectionRange(kept.caret, kept.caret);
  }
}

function caretOf(node) {
  return node?.matches?.("textarea, input[type='text']") ? node.selectionStart : null;
}

// Slack's client looks only at bounds; whether the words make sense is for the app to say.
function checked(view, values) {
  const errors = {};
  for (const block of view.blocks ?? []) {
    if (block.type !== "input" || block.element?.type !== "number_input") continue;
    const { element } = block;
    const key = `${block.block_id}.${element.action_id}`;
    const text = String((values.has(key) ? values.get(key) : element.initial_value) ?? "").trim();
    if (!NUMBER.test(text)) continue;
    if (!element.is_decimal_allowed && text.includes(".")) errors[block.block_id] = "Enter a whole number.";
    else if (element.min_value !== undefined && Number(text) < Number(element.min_value)) errors[block.block_id] = `Enter ${element.min_value} or more.`;
    else if (element.max_value !== undefined && Number(text) > Number(element.max_value)) errors[block.block_id] = `Enter ${element.max_value} or less.`;
  }
  return errors;
}

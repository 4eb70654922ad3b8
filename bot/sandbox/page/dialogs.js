// What lies over everything: confirm dialogs, pictures at full size, short notes that go away by themselves.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { textNodes } from "./mrkdwn.js";

const TOAST_MS = 4200;

/** Ask as Slack asks for a `confirm` object; resolves to true or false. */
export function askConfirm(confirm) {
  return new Promise((answer) => {
    const style = confirm.style === "danger" ? "btn btn-danger-filled" : "btn btn-primary";
    const close = overlay(
      (end) =>
        h(
          "div",
          { class: "modal modal-small", role: "alertdialog", "aria-modal": "true", "aria-label": "Confirm", "data-testid": "confirm" },
          h("header", { class: "modal-head" }, h("h2", {}, textNodes(confirm.title)), closeButton(() => end(false))),
          h("div", { class: "modal-body confirm-text" }, textNodes(confirm.text)),
          h(
            "footer",
            { class: "modal-foot" },
            h("button", { class: "btn", type: "button", "data-testid": "confirm-cancel", onclick: () => end(false) }, textNodes(confirm.deny ?? plainText("Cancel"))),
            h("button", { class: style, type: "button", "data-testid": "confirm-ok", "data-first": "", onclick: () => end(true) }, textNodes(confirm.confirm ?? plainText("OK"))),
          ),
        ),
      (value) => {
        close();
        answer(value === true);
      },
    );
  });
}

/** Show a picture at full size. */
export function showPicture(url, alt) {
  const close = overlay(
    (end) => h("figure", { class: "lightbox", role: "dialog", "aria-modal": "true", "aria-label": alt }, h("img", { src: url, alt }), h("figcaption", {}, alt), closeButton(() => end(), "lightbox-close")),
    () => close(),
  );
}

/** Say something in passing. */
export function toast(words, { mark = null, kind = "plain" } = {}) {
  let shelf = document.querySelector(".toasts");
  if (!shelf) {
    shelf = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
    document.body.append(shelf);
  }
  const note = h("div", { class: `toast toast-${kind}`, "data-testid": "toast" }, mark ? icon(mark, 16) : null, h("span", {}, words));
  shelf.append(note);
  setTimeout(() => {
    note.classList.add("toast-gone");
    setTimeout(() => note.remove(), 300);
  }, TOAST_MS);
}

/** Keep Tab inside a dialog. */
export function trapTab(event, node) {
  if (event.key !== "Tab") return;
  const stops = [...node.querySelectorAll("a[href], button:not([disabled]), input:not([disabled]), textarea, select, [tabindex='0']")].filter((stop) => stop.offsetParent !== null);
  if (!stops.length) return;
  const first = stops[0];
  const last = stops[stops.length - 1];
  if (event.shiftKey && (document.activeElement === first || !node.contains(document.activeElement))) {
    event.preventDefault();
    last.focus();
  } else if (!event.shiftKey && document.activeElement === last) {
    event.preventDefault();
    first.focus();
  }
}

/** The cross in a dialog's corner. */
export function closeButton(onclick, extra = "", testid = null) {
  return h("button", { class: `icon-button modal-x ${extra}`, type: "button", "aria-label": "Close", "data-testid": testid, onclick }, icon("close", 20));
}

function overlay(make, end) {
  const before = document.activeElement;
  const content = make(end);
  const veil = h(
    "div",
    {
      class: "veil veil-top",
      onpointerdown: (event) => {
        if (event.target === veil) end();
      },
      onkeydown: (event) => {
        event.stopPropagation();
        if (event.key === "Escape") end();
        else trapTab(event, content);
      },
    },
    content,
  );
  // Over the Slack window only: the clock and the dialler beside it stay within reach.
  (document.querySelector("[data-modal-host]") ?? document.body).append(veil);
  (content.querySelector("[data-first]") ?? content.querySelector("button"))?.focus();
  return () => {
    veil.remove();
    if (before?.isConnected) before.focus();
  };
}

function plainText(text) {
  return { type: "plain_text", text };
}

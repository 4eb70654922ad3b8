// The hosted payment page: what a payer sees behind a Checkout page or a payment link.

import { call } from "./api.js";
import { trapTab } from "./dialogs.js";
import { fill, h, s } from "./dom.js";
import { icon } from "./icons.js";
import { openWire } from "./wire.js";

const TEST_CARDS = [
  ["4242 4242 4242 4242", "Succeeds"], ["5555 5555 5555 4444", "Mastercard"], ["4000 0027 6000 3184", "Asks to confirm"],
  ["4000 0000 0000 9995", "Not enough money"], ["4000 0000 0000 9987", "Lost card"], ["4000 0000 0000 0341", "Declines later"],
];
const PAY_WAIT_MS = 60_000;

class Checkout {
  constructor(path) {
    const [, kind, id] = /\/stripe\/(checkout|pay)\/([^/#?]+)/.exec(path) ?? [];
    this.api = `/sandbox/api/${kind === "pay" ? "link" : "checkout"}/${id}`;
    this.id = id;
    this.busy = false;
  }

  async begin() {
    try {
      this.page = await call("GET", this.api);
    } catch (refusal) {
      this.ended("There is no such page", refusal.status === 404 ? "The address may be incomplete. Ask for a new link." : refusal.message);
      return;
    }
    this.setup = this.page.mode === "setup";
    document.title = `${this.setup ? "Save a card" : `Pay ${this.page.amount_text}`} · sandbox`;
    if (this.page.state === "open") this.draw();
    else this.closed(this.page);
    document.documentElement.dataset.ready = "true";
  }

  draw() {
    this.number = field({ testid: "card-number", label: "Card number", placeholder: "1234 1234 1234 1234", inputmode: "numeric", autocomplete: "cc-number", format: grouped, onChange: () => this.showBrand() });
    this.expiry = field({ testid: "card-exp", label: "Expiration", placeholder: "MM / YY", inputmode: "numeric", autocomplete: "cc-exp", format: expiry });
    this.code = field({ testid: "card-cvc", label: "CVC", placeholder: "CVC", inputmode: "numeric", autocomplete: "cc-csc", format: (text) => text.replace(/\D/g, "").slice(0, 4) });
    this.name = field({ testid: "card-name", label: "Cardholder name", placeholder: "Full name on card", autocomplete: "cc-name" });
    this.brand = h("span", { class: "brands" });
    this.error = h("div", { class: "pay-error", role: "alert", "data-testid": "pay-error", hidden: true });
    this.words = h("span", {}, this.label);
    this.button = h("button", { class: "pay", type: "submit", "data-testid": "pay" }, this.words, h("span", { class: "pay-lock" }, lock()));
    const form = h(
      "form",
      {
        class: "pay-form", novalidate: true,
        onsubmit: (event) => {
          event.preventDefault();
          this.pay();
        },
      },
      h("h2", {}, this.setup ? "Card details" : "Pay with card"),
      h("div", { class: "pay-label" }, "Card information"),
      h("div", { class: "pay-group" }, h("div", { class: "pay-number" }, this.number, this.brand), h("div", { class: "pay-pair" }, this.expiry, this.code)),
      h("div", { class: "pay-label" }, "Cardholder name"),
      h("div", { class: "pay-group" }, this.name),
      this.page.save_card ? h("p", { class: "pay-consent", "data-testid": "consent" }, `By ${this.setup ? "saving" : "paying with"} this card, you allow ${this.page.merchant} to charge it for future payments in accordance with their terms.`) : null,
      this.error,
      this.button,
    );
    this.show(form, this.testCards());
    this.showBrand();
    this.number.focus();
  }

  get label() {
    return this.setup ? "Save card" : `Pay ${this.page.amount_text}`;
  }

  show(...right) {
    const { page } = this;
    fill(
      document.body,
      h("div", { class: "ribbon" }, h("strong", {}, "Sandbox"), "no real money, no real cards"),
      h(
        "div",
        { class: "checkout" },
        h(
          "section",
          { class: "what", "aria-label": "What is paid" },
          h("div", { class: "merchant" }, h("span", { class: "merchant-mark", "aria-hidden": "true" }, mark()), h("span", {}, page.merchant)),
          h("div", { class: "what-label" }, this.setup ? "Save a card with" : `Pay ${page.merchant}`),
          h("h1", { class: "what-amount", "data-testid": "amount" }, this.setup ? page.merchant : page.amount_text),
          this.setup
            ? h("p", { class: "what-note" }, "Nothing is charged now. The card can be used for later payments.")
            : h("div", { class: "what-line" }, h("span", {}, page.description || "Payment"), h("span", {}, page.amount_text)),
          page.custom_text ? h("p", { class: "what-note" }, typeof page.custom_text === "string" ? page.custom_text : (page.custom_text.submit?.message ?? "")) : null,
        ),
        h("section", { class: "how", "aria-label": this.setup ? "Card" : "Payment" }, right),
      ),
      h("footer", { class: "foot" }, h("span", {}, "A stand-in that behaves like Stripe's hosted page"), h("button", { class: "foot-wire", type: "button", "data-testid": "wire-open", onclick: () => openWire({ ref: page.wire ?? page.id ?? this.id, title: this.setup ? "This card" : "This payment" }) }, icon("wire", 14), "Wire")),
    );
  }

  testCards() {
    return h(
      "div",
      { class: "test-cards" },
      h("div", { class: "test-title" }, "Test cards"),
      h(
        "div",
        { class: "test-row" },
        TEST_CARDS.map(([number, does]) =>
          h("button", { class: "test-card", type: "button", "data-testid": `test-card-${number.slice(-4)}`, title: number, onclick: () => this.take(number) }, h("span", { class: "test-number" }, `•• ${number.slice(-4)}`), h("span", { class: "test-does" }, does)),
        ),
      ),
    );
  }

  take(number) {
    this.number.value = number;
    this.expiry.value = "12 / 34";
    this.code.value = "123";
    if (!this.name.value) this.name.value = "Fiona Braun";
    this.showBrand();
    this.say(null);
    this.button.focus();
  }

  showBrand() {
    const digits = this.number.value;
    const known = /^4/.test(digits) ? ["visa"] : /^5[1-5]/.test(digits) ? ["mastercard"] : /^3[47]/.test(digits) ? ["amex"] : digits ? [] : ["visa", "mastercard", "amex"];
    fill(this.brand, known.map(brandMark));
  }

  async pay(authenticate = undefined) {
    if (this.busy) return;
    const missing = this.missing();
    if (missing) {
      this.say(missing.words);
      missing.node.focus();
      return;
    }
    this.working(true);
    this.say(null);
    let answer;
    try {
      answer = await call(
        "POST", `${this.api}/pay`,
        { card: this.number.value, exp: this.expiry.value.replace(/\s/g, ""), cvc: this.code.value, name: this.name.value, ...(authenticate === undefined ? {} : { authenticate }) },
        { wait_ms: PAY_WAIT_MS },
      );
    } catch (refusal) {
      answer = refusal.body?.error?.message ? refusal.body : { ok: false, error: { message: refusal.message } };
    }
    this.working(false);
    if (answer.needs_authentication) this.authenticate();
    else if (answer.ok) this.done({ ...this.page, ...answer });
    else if (["expired", "inactive", "complete"].includes(answer.state)) this.closed({ ...this.page, ...answer, inactive_message: answer.error?.message ?? this.page.inactive_message });
    else this.say(answer.error?.message ?? "Something went wrong. Nothing was charged.");
  }

  missing() {
    if (this.number.value.replace(/\D/g, "").length < 13) return { node: this.number, words: "Your card number is incomplete." };
    if (!/^\d\d? ?\/ ?\d\d(\d\d)?$/.test(this.expiry.value)) return { node: this.expiry, words: "Your card's expiration date is incomplete." };
    if (this.code.value.length < 3) return { node: this.code, words: "Your card's security code is incomplete." };
    return null;
  }

  working(on) {
    this.busy = on;
    this.button.disabled = on;
    this.button.classList.toggle("pay-busy", on);
    fill(this.words, on ? "Processing…" : this.label);
  }

  say(words) {
    this.error.hidden = !words;
    fill(this.error, words ? [icon("warning", 16), h("span", {}, words)] : null);
  }

  // The bank's own window, which Stripe opens over the page.
  authenticate() {
    const last4 = this.number.value.replace(/\D/g, "").slice(-4);
    const choose = (passed) => {
      veil.remove();
      this.button.focus();
      this.pay(passed);
    };
    const box = h(
      "div",
      { class: "bank", role: "dialog", "aria-modal": "true", "aria-label": "The bank wants to know it is you" },
      h("div", { class: "bank-head" }, h("span", {}, "Sandbox Bank"), h("span", { class: "bank-scheme" }, "3-D Secure")),
      h("h2", {}, this.setup ? "Confirm this card" : `Confirm ${this.page.amount_text}`),
      h("p", {}, this.setup ? `${this.page.merchant} wants to save the card ending in ${last4} for later payments.` : `${this.page.merchant} asks for ${this.page.amount_text} from the card ending in ${last4}.`),
      h("button", { class: "pay bank-yes", type: "button", "data-testid": "auth-complete", onclick: () => choose(true) }, "Complete authentication"),
      h("button", { class: "bank-no", type: "button", "data-testid": "auth-fail", onclick: () => choose(false) }, "Fail authentication"),
    );
    const veil = h("div", { class: "bank-veil", onkeydown: (event) => trapTab(event, box) }, box);
    document.body.append(veil);
    box.querySelector("button").focus();
  }

  done(page) {
    this.show(
      h(
        "div",
        { class: "done", "data-testid": "pay-done", role: "status" },
        h("span", { class: "done-mark" }, icon("check", 34)),
        h("h2", {}, this.setup ? "Card saved" : "Payment successful"),
        h("p", {}, this.setup ? `${page.merchant} can use it for later payments. You can close this page.` : `${page.amount_text} was paid to ${page.merchant}. You can close this page.`),
        h(
          "div",
          { class: "done-links" },
          page.receipt_url ? h("a", { href: page.receipt_url, target: "_blank", rel: "noopener", "data-testid": "receipt" }, "View receipt", icon("external", 14)) : null,
          page.redirect ? h("a", { href: page.redirect, "data-testid": "continue" }, `Return to ${page.merchant}`) : null,
        ),
      ),
    );
  }

  closed(page) {
    const paid = page.state === "complete";
    const heading = paid ? (this.setup ? "This card has been saved" : "This has been paid") : page.state === "expired" ? "This page has expired" : "This link is no longer active";
    const words = paid ? "Nothing more to do here." : page.inactive_message || (page.state === "expired" ? "Nothing was charged. Ask for a new page." : "Nothing was charged. Ask whoever sent it for a new one.");
    this.show(
      h(
        "div",
        { class: "done done-closed", "data-testid": `pay-${page.state}`, role: "status" },
        h("span", { class: `done-mark${paid ? "" : " done-mark-grey"}` }, icon(paid ? "check" : page.state === "expired" ? "clock" : "close", 32)),
        h("h2", {}, heading),
        h("p", {}, words),
        paid && page.receipt_url ? h("div", { class: "done-links" }, h("a", { href: page.receipt_url, target: "_blank", rel: "noopener", "data-testid": "receipt" }, "View receipt", icon("external", 14))) : null,
      ),
    );
  }

  ended(heading, words) {
    fill(document.body, h("div", { class: "ribbon" }, h("strong", {}, "Sandbox"), "no real money, no real cards"), h("div", { class: "done done-alone", role: "alert", "data-testid": "pay-missing" }, h("span", { class: "done-mark done-mark-grey" }, icon("close", 32)), h("h2", {}, heading), h("p", {}, words)));
    document.documentElement.dataset.ready = "true";
  }
}

function field({ testid, label, placeholder, inputmode = null, autocomplete, format = (text) => text, onChange = () => {} }) {
  const node = h("input", {
    class: "pay-field", type: "text", "data-testid": testid, "aria-label": label, placeholder, inputmode, autocomplete,
    oninput: (event) => {
      // While somebody deletes, the text is left alone: regrouping would put back what they remove.
      if (!event.inputType?.startsWith("delete")) node.value = format(node.value);
      onChange();
    },
  });
  return node;
}

function grouped(text) {
  const digits = text.replace(/\D/g, "").slice(0, 19);
  return digits.replace(/(.{4})(?=.)/g, "$1 ");
}

function expiry(text) {
  const digits = text.replace(/\D/g, "").slice(0, 4);
  const padded = /^[2-9]$/.test(digits) ? `0${digits}` : digits;
  return padded.length < 2 ? padded : `${padded.slice(0, 2)} / ${padded.slice(2)}`;
}

function brandMark(name) {
  const frame = (...inside) => s("svg", { width: 30, height: 20, viewBox: "0 0 30 20", role: "img", "aria-label": name }, s("rect", { width: 30, height: 20, rx: 3, fill: name === "visa" ? "#1a3f8b" : name === "amex" ? "#2a6fc9" : "#22252b" }), ...inside);
  if (name === "mastercard") return frame(s("circle", { cx: 12, cy: 10, r: 6, fill: "#e23c32" }), s("circle", { cx: 18, cy: 10, r: 6, fill: "#f2a33a", opacity: 0.9 }));
  return frame(s("text", { x: 15, y: 13.5, "text-anchor": "middle", fill: "#fff", "font-size": name === "visa" ? 9.5 : 7.5, "font-weight": 900, "font-style": name === "visa" ? "italic" : "normal" }, name === "visa" ? "VISA" : "AMEX"));
}

function lock() {
  return s("svg", { width: 14, height: 16, viewBox: "0 0 14 16", fill: "currentColor", "aria-hidden": "true" }, s("path", { d: "M3 7V4.5a4 4 0 0 1 8 0V7h.5A1.5 1.5 0 0 1 13 8.5v5a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 1 13.5v-5A1.5 1.5 0 0 1 2.5 7zm1.8 0h4.4V4.5a2.2 2.2 0 0 0-4.4 0z" }));
}

function mark() {
  return s("svg", { width: 20, height: 20, viewBox: "0 0 36 36" }, s("rect", { x: 4, y: 6, width: 28, height: 4, rx: 2, fill: "currentColor" }), s("rect", { x: 4, y: 14, width: 18, height: 4, rx: 2, fill: "currentColor", opacity: 0.5 }), s("rect", { x: 4, y: 22, width: 28, height: 9, rx: 3, fill: "#e01e5a" }));
}

new Checkout(location.pathname).begin();

// The dialler's panel: it speaks to the product's own HTTP API, with a real key, as any platform would.

import { call, Refusal } from "./api.js";
import { timeText } from "./dates.js";
import { fill, h, oneAtATime, throttled } from "./dom.js";
import { icon } from "./icons.js";
import { session } from "./session.js";
import { postThousand } from "./thousand.js";

const KINDS = [["outbound_call", "Outbound call", "Outbound"], ["inbound_call", "Inbound call", "Inbound"], ["ai_task", "AI task", "AI tasks"]];
const REASONS = {
  not_connected: "no money yet", insufficient_available: "too little available", empty: "stopped at zero", grace_used: "grace is used up",
  overdraft_ceiling: "overdraft ceiling reached", allowed: "may start", free_of_charge: "may start, costs nothing",
};
// Under a lamp there is room for one short line.
const UNDER_A_LAMP = {
  insufficient_available: "too little left", empty: "at zero", grace_used: "grace is over", overdraft_ceiling: "at the ceiling",
  allowed: "may start", free_of_charge: "free",
};
const POLL_MS = 4000;

/** The panel that asks, holds and posts. */
export class Platform {
  constructor() {
    this.calls = new Map();
    this.serial = 0;
    this.kind = h("select", { class: "desk-field", "data-testid": "kind", "aria-label": "Kind" }, KINDS.map(([value, label]) => h("option", { value }, label)));
    this.amount = h("input", { class: "desk-field", "data-testid": "amount", "aria-label": "Amount or estimate", inputmode: "decimal", value: "0.42", autocomplete: "off" });
    this.lights = h("div", { class: "lights" });
    this.balance = h("div", { class: "meter" });
    this.running = h("div", { class: "calls" });
    this.result = h("div", { class: "result", "data-testid": "platform-result", "aria-live": "polite" }, h("span", { class: "result-idle" }, "Answers of the API appear here."));
    this.buttons = {
      ask: this.button("ask", "Ask", "May this start?", () => this.ask()),
      start: this.button("start-call", "Start call", "Ask, and hold the estimate", () => this.start()),
      post: this.button("post-usage", "Post usage", "This happened", () => this.post()),
      thousand: this.button("post-1000", "Post 1,000 calls", "Ask and post, a thousand times", () => this.thousand()),
    };
    this.node = h(
      "section",
      { class: "panel panel-platform", "aria-label": "Platform", "data-panel": "platform" },
      h("header", { class: "panel-head" }, icon("phone", 16), h("h2", {}, "Dialler"), h("span", { class: "panel-sub" }, "your platform, over HTTP")),
      h("div", { class: "display" }, this.balance, this.lights),
      h("div", { class: "desk-row" }, h("label", { class: "desk-label" }, "Kind", this.kind), h("label", { class: "desk-label desk-amount" }, "Amount", h("span", { class: "desk-money" }, h("span", { "aria-hidden": "true" }, "$"), this.amount))),
      h("div", { class: "desk-buttons" }, Object.values(this.buttons)),
      this.running,
      this.result,
    );
    this.refresh = oneAtATime(() => this.fetch());
    this.soon = throttled(400, () => this.refresh());
    setInterval(() => document.hidden || this.refresh(), POLL_MS);
    this.draw(null);
  }

  button(testid, label, title, action) {
    return h("button", { class: "desk-button", type: "button", "data-testid": testid, title, onclick: action }, label);
  }

  async fetch() {
    try {
      this.draw(await this.api("GET", "/v1/wallet"));
    } catch (refusal) {
      if (refusal.status === 0) this.draw(null);
    }
  }

  api(method, path, body) {
    return call(method, path, body, { headers: session.api_key ? { Authorization: `Bearer ${session.api_key}` } : {}, wait_ms: 30_000 });
  }

  /** Take a wallet as the API gives it, whole or the short form inside an answer. */
  draw(wallet) {
    if (wallet) this.wallet = { ...this.wallet, ...wallet };
    const known = this.wallet;
    const negative = String(known?.balance ?? "").startsWith("-");
    fill(
      this.balance,
      h("span", { class: `meter-balance${negative ? " meter-below" : ""}`, "data-testid": "platform-balance" }, known ? money(known.balance) : "–"),
      h("span", { class: `meter-standing standing-${known?.standing ?? "unknown"}`, "data-testid": "standing" }, (known?.standing ?? "no answer").replace("_", " ")),
      h("span", { class: "meter-available" }, known && Number(known.held ?? 0) > 0 ? `${money(known.held)} held · ${money(known.available)} available` : "nothing is held"),
    );
    fill(this.lights, KINDS.map(([kind, , name]) => this.light(kind, name, known?.permits?.[kind])));
  }

  light(kind, name, permit) {
    const state = permit === undefined ? "unknown" : permit.allowed ? "on" : "off";
    const grace_ends_at = permit?.allowed && this.wallet?.standing === "grace" ? this.wallet.grace_ends_at : null;
    const reason = !permit ? "unknown" : grace_ends_at ? `until ${timeText(new Date(grace_ends_at), session.deskZone)}` : (UNDER_A_LAMP[permit.reason] ?? reasonText(permit.reason));
    return h(
      "div",
      { class: `light light-${state}`, "data-testid": `light-${kind}`, "data-allowed": permit === undefined ? null : String(permit.allowed), title: permit?.valid_until ? `Valid until ${permit.valid_until}` : null },
      h("span", { class: "light-lamp", "aria-hidden": "true" }),
      h("span", { class: "light-name" }, name),
      h("span", { class: "light-reason" }, reason),
    );
  }

  async ask() {
    const answer = await this.send("POST", "/v1/authorizations", { id: this.id("ask"), kind: this.kind.value, estimate: this.amount.value.trim() }, (said) => sentenceOf(said, this.amount.value));
    if (answer?.hold) await this.quietly("POST", `/v1/holds/${answer.hold.id}/release`, {});
  }

  async start() {
    const kind = this.kind.value;
    const answer = await this.send("POST", "/v1/authorizations", { id: this.id("call"), kind, estimate: this.amount.value.trim() }, (said) => sentenceOf(said, this.amount.value));
    if (!answer?.allowed) return;
    this.calls.set(answer.id, { id: answer.id, kind, hold: answer.hold, estimate: this.amount.value.trim() });
    this.drawCalls();
  }

  async end(running) {
    this.calls.delete(running.id);
    this.drawCalls();
    const amount = this.amount.value.trim() || running.estimate;
    if (running.hold) await this.send("POST", `/v1/holds/${running.hold.id}/capture`, { amount }, () => `Ended: ${money(amount)} charged.`);
    else await this.send("POST", "/v1/usage", { id: running.id, kind: running.kind, amount }, (said) => usageSentence(said));
  }

  async post() {
    await this.send("POST", "/v1/usage", { id: this.id("use"), kind: this.kind.value, amount: this.amount.value.trim() }, usageSentence);
  }

  async thousand() {
    this.working(true);
    try {
      await postThousand({
        kind: this.kind.value, amount: this.amount.value.trim(), ask: (method, path, body) => this.api(method, path, body), prefix: this.id("batch"),
        show: ({ asked, allowed, refused, wallet, finished, ms }) => {
          if (wallet) this.draw(wallet);
          this.say(
            finished ? (refused ? "warn" : "good") : "busy",
            h("strong", { "data-testid": finished ? "thousand-done" : null }, `${allowed.toLocaleString("en-US")} allowed, ${refused.toLocaleString("en-US")} refused`),
            h("span", { class: "result-meta" }, finished ? `1,000 asked, ${allowed.toLocaleString("en-US")} posted · ${(ms / 1000).toFixed(1)} s` : `${asked.toLocaleString("en-US")} of 1,000 asked`),
            h("span", { class: "result-track" }, h("span", { class: "track-on", style: { width: `${allowed / 10}%` } }), h("span", { class: "track-off", style: { width: `${refused / 10}%` } })),
          );
        },
      });
    } catch (refusal) {
      this.refused(refusal);
    } finally {
      this.working(false);
      this.refresh();
    }
  }

  async send(method, path, body, sentence) {
    const began = performance.now();
    try {
      const answer = await this.api(method, path, body);
      const ms = Math.round(performance.now() - began);
      const bad = answer?.allowed === false || answer?.results?.some((one) => one.status === "rejected");
      this.say(bad ? "bad" : "good", h("strong", {}, sentence(answer)), h("span", { class: "result-meta" }, `${method} ${path} · 200 · ${ms} ms`), exchange(body, answer));
      if (answer?.wallet) this.draw(answer.wallet);
      this.soon();
      return answer;
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      this.refused(refusal, body, `${method} ${path}`);
      return null;
    }
  }

  async quietly(method, path, body) {
    try {
      await this.api(method, path, body);
    } catch {
      // A hold that was not released ends by itself.
    }
    this.soon();
  }

  refused(refusal, body = null, where = "") {
    this.say("bad", h("strong", {}, refusal.message), h("span", { class: "result-meta" }, `${where} · ${refusal.status || "no answer"}`), refusal.body ? exchange(body, refusal.body) : null);
  }

  say(mood, ...content) {
    this.result.className = `result result-${mood}`;
    const open = this.result.querySelector("details")?.open ?? false;
    fill(this.result, content);
    const details = this.result.querySelector("details");
    if (details) details.open = open;
  }

  drawCalls() {
    fill(
      this.running,
      [...this.calls.values()].map((one) =>
        h(
          "div",
          { class: "call" },
          h("span", { class: "call-lamp", "aria-hidden": "true" }),
          h("span", { class: "call-name" }, `${one.kind.replace("_", " ")} · ${one.hold ? `${money(one.hold.amount)} held` : "no hold"}`),
          h("button", { class: "desk-button desk-small", type: "button", "data-testid": "end-call", onclick: () => this.end(one) }, "End call"),
        ),
      ),
    );
  }

  id(prefix) {
    this.serial += 1;
    return `${prefix}-${Date.now().toString(36)}-${this.serial}`;
  }

  working(on) {
    for (const button of Object.values(this.buttons)) button.disabled = on;
  }
}

function sentenceOf(answer, estimate) {
  if (answer.allowed) return `Allowed. ${answer.hold ? `${money(answer.hold.amount ?? estimate)} was set aside.` : "Nothing needed to be set aside."}`;
  return `Refused: ${reasonText(answer.reason)}.`;
}

function reasonText(reason) {
  return REASONS[reason] ?? String(reason).replaceAll("_", " ");
}

function usageSentence(answer) {
  const [first] = answer.results ?? [];
  if (first?.status === "rejected") return `Rejected: ${first.error?.message ?? first.error ?? "no reason given"}`;
  return `${first?.status === "duplicate" ? "Known already" : "Accepted"}. Balance ${money(answer.wallet?.balance)}.`;
}

function exchange(sent, answer) {
  return h("details", { class: "exchange" }, h("summary", {}, "JSON"), sent ? h("pre", {}, JSON.stringify(sent, null, 2)) : null, h("pre", {}, JSON.stringify(answer, null, 2)));
}

/** Write an amount that the API gave as text; its digits are kept as they are. */
export function money(amount) {
  const text = String(amount?.amount ?? amount ?? "");
  const parts = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (!parts) return text || "–";
  const cents = (parts[3] ?? "").replace(/0+$/, "").padEnd(2, "0");
  return `${parts[1] ? "−" : ""}$${Number(parts[2]).toLocaleString("en-US")}.${cents}`;
}

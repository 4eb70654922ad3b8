// The app's Home tab, centred, redrawn when the app publishes it again.

import { api } from "./api.js";
import { plainSurface, renderBlocks } from "./blocks.js";
import { h, fill, oneAtATime } from "./dom.js";
import { appMark, icon } from "./icons.js";
import { press } from "./press.js";
import { session } from "./session.js";
import { openWire } from "./wire.js";

/** The Home tab of whoever looks. */
export class AppHome {
  constructor() {
    this.view = undefined;
    this.page = h("div", { class: "home-page", "data-testid": "home" });
    this.node = h("div", { class: "home-scroll", tabindex: "0", role: "region", "aria-label": `${session.app.name} Home` }, this.page);
    this.refresh = oneAtATime(() => this.take(() => api.home(session.me.id)));
  }

  /** Open the tab: the app is told and may publish before this resolves. */
  async open() {
    if (this.view === undefined) fill(this.page, h("div", { class: "home-wait" }, h("span", { class: "spinner" })));
    await this.take(() => api.openHome(session.me.id));
  }

  async take(ask) {
    const as = session.me.id;
    let answer = null;
    try {
      answer = await ask();
    } catch (refusal) {
      if (this.view === undefined) fill(this.page, h("div", { class: "home-empty" }, refusal.message));
      return;
    }
    if (as !== session.me.id) return;
    const view = answer?.view ?? null;
    const signature = JSON.stringify(view);
    if (signature === this.signature) return;
    this.signature = signature;
    this.view = view;
    this.draw();
  }

  draw() {
    if (this.view === undefined) return;
    if (this.view === null) {
      fill(this.page, h("div", { class: "home-empty" }, appMark(48), h("p", {}, "This is a work in progress: the app has not published a Home tab for you yet.")));
      return;
    }
    const focused = document.activeElement?.dataset?.actionId;
    const scroll = this.node.scrollTop;
    const view = this.view;
    const place = { view_id: view.id, surface: "home" };
    const surface = plainSurface("home", (element, block_id, chosen, node) => press(place, element, block_id, chosen, node), () => view.blocks);
    fill(this.page, this.wireButton(view), h("div", { class: "blocks" }, renderBlocks(view.blocks, surface)));
    this.node.scrollTop = scroll;
    if (focused) [...this.page.querySelectorAll("[data-action-id]")].find((node) => node.dataset.actionId === focused)?.focus({ preventScroll: true });
  }

  wireButton(view) {
    return h(
      "button",
      { class: "icon-button wire-button home-wire", type: "button", "data-testid": "wire-open", "aria-label": "Wire view of Home", title: "Wire view: the requests behind this Home", onclick: () => openWire({ ref: view.id, title: "Home" }) },
      icon("wire", 16),
    );
  }
}

/** What Slack shows on the About tab. */
export function aboutPage() {
  const commands = session.app.commands ?? [{ command: "/wallet", description: "Show the wallet, top up, or change automatic payments" }];
  return h(
    "div",
    { class: "home-scroll", tabindex: "0" },
    h(
      "div",
      { class: "home-page about" },
      h("div", { class: "about-head" }, appMark(64), h("div", {}, h("h2", {}, session.app.name), h("p", {}, session.app.description ?? "The company wallet in Slack: balance, usage, top-ups and low-balance alerts."))),
      h("h3", {}, "Commands"),
      commands.map((one) => h("div", { class: "about-row" }, h("code", { class: "mrk-code" }, one.command), h("span", {}, one.description))),
      (session.app.shortcuts ?? []).length ? [h("h3", {}, "Shortcuts"), session.app.shortcuts.map((one) => h("div", { class: "about-row" }, icon("bolt", 16), h("span", {}, one.name)))] : null,
    ),
  );
}

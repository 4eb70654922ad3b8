// The aubergine column: workspace, channels, direct messages, the app.

import { api } from "./api.js";
import { fill, h, oneAtATime } from "./dom.js";
import { appMark, avatar, icon } from "./icons.js";
import { session } from "./session.js";

/** The sidebar; `onGo(place)` goes to `{kind: "channel" | "dm" | "app", id}`. */
export class Sidebar {
  constructor(onGo) {
    this.onGo = onGo;
    this.here = null;
    this.held = { channels: [], dms: [] };
    this.body = h("div", { class: "side-body" });
    this.node = h("nav", { class: "side", "aria-label": "Channels and direct messages" }, h("div", { class: "side-head" }, h("span", { class: "side-workspace" }, session.boot.workspace?.name ?? "Workspace")), this.body);
    this.refresh = oneAtATime(() => this.fetch());
  }

  async fetch() {
    const as = session.me.id;
    let held;
    try {
      held = await api.sidebar(as);
    } catch {
      return;
    }
    if (as !== session.me.id) return;
    this.held = { channels: held.channels ?? [], dms: held.dms ?? [] };
    for (const channel of this.held.channels) if (!session.channels.has(channel.id)) session.channels.set(channel.id, channel);
    this.draw();
  }

  /** Mark where the reader is. */
  mark(place) {
    this.here = place;
    this.draw();
  }

  /** Find the direct message with the app. */
  get appDm() {
    return this.held.dms.find((dm) => dm.is_app) ?? null;
  }

  draw() {
    const people = this.held.dms.filter((dm) => !dm.is_app);
    const app = this.appDm;
    const focused = document.activeElement?.closest?.(".side-row")?.dataset.testid;
    fill(
      this.body,
      this.section("Channels", this.held.channels.map((one) => this.row({ place: { kind: "channel", id: one.id }, name: one.name, unread: one.unread, mark: icon(one.is_shared || one.shared || one.is_ext_shared ? "people" : "hash", 16), testid: `channel-${one.name}` }))),
      people.length
        ? this.section("Direct messages", people.map((one) => this.row({ place: { kind: "dm", id: one.id }, name: one.name, unread: one.unread, mark: avatar(session.person(one.user), 20), testid: `dm-${one.name}` })))
        : null,
      app ? this.section("Apps", [this.row({ place: { kind: "app", id: app.id }, name: session.app.name, unread: app.unread, mark: appMark(20), testid: "dm-app" })]) : null,
    );
    if (focused) this.body.querySelector(`[data-testid="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  section(title, rows) {
    return h("section", { class: "side-section" }, h("h2", {}, title), rows);
  }

  row({ place, name, unread, mark, testid }) {
    const active = this.here?.kind === place.kind && (place.kind === "app" || this.here.id === place.id);
    return h(
      "button",
      {
        class: `side-row${active ? " side-active" : ""}${unread && !active ? " side-unread" : ""}`, type: "button", "data-testid": testid, "aria-current": active ? "page" : null,
        onclick: () => this.onGo(place),
      },
      mark,
      h("span", { class: "side-name" }, name),
      unread && !active ? h("span", { class: "badge", "aria-label": `${unread} unread` }, unread) : null,
    );
  }
}

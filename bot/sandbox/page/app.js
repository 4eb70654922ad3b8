// Puts the page together: who looks, where they are, and what to fetch when something changes.

import { api, listen } from "./api.js";
import { AppHome, aboutPage } from "./apphome.js";
import { ClockPanel } from "./clock.js";
import { Conversation } from "./conversation.js";
import { fill, h, throttled } from "./dom.js";
import { appMark, avatar, icon } from "./icons.js";
import { Modals } from "./modals.js";
import { Platform } from "./platform.js";
import { openUrl } from "./press.js";
import { session } from "./session.js";
import { Sidebar } from "./sidebar.js";
import { Story } from "./story.js";
import { besideLink, Switcher } from "./switcher.js";
import { openWire, wireMoved } from "./wire.js";

const TABS = [["slack", "Slack", "chat"], ["platform", "Dialler", "phone"], ["clock", "Clock", "clock"], ["story", "Story", "book"]];
const APP_TABS = [["home", "Home"], ["messages", "Messages"], ["about", "About"]];

class Page {
  constructor() {
    this.sidebar = new Sidebar((place) => this.go(place));
    this.switcher = new Switcher((person) => this.become(person));
    this.modals = new Modals();
    this.platform = new Platform();
    this.clock = new ClockPanel(() => this.everything({ redraw: true }));
    this.story = new Story((show) => this.show(show));
    this.main = h("div", { class: "pane-main" });
    this.threadHost = h("div", { class: "thread-host", hidden: true });
    this.soon = {
      messages: throttled(150, () => this.conversation?.refresh()),
      sidebar: throttled(300, () => this.sidebar.refresh()),
      home: throttled(250, () => this.home?.refresh()),
      clock: throttled(250, () => this.readClock()),
    };
    this.drawFrame();
  }

  drawFrame() {
    this.top = h("div", { class: "top-tools" });
    this.window = h(
      "div",
      { class: "window", "data-testid": "slack", "data-modal-host": "" },
      h("div", { class: "window-bar" }, h("button", { class: "icon-button window-menu", type: "button", "aria-label": "Channels", onclick: () => this.window.classList.toggle("side-open") }, icon("menu", 20)), h("span", { class: "window-title" }, session.boot.workspace?.name ?? "Slack"), (this.self = h("span", { class: "window-self" }))),
      h("div", { class: "window-body" }, this.sidebar.node, h("button", { class: "side-shade", type: "button", tabindex: "-1", "aria-label": "Close channels", onclick: () => this.window.classList.remove("side-open") }), h("main", { class: "pane" }, this.main, this.threadHost)),
    );
    this.desk = h("div", { class: "desk" }, this.platform.node, this.clock.node);
    this.tabs = h("nav", { class: "tabs", "aria-label": "Panels" }, TABS.map(([name, label, mark]) => h("button", { type: "button", "data-tab": name, "data-testid": `tab-${name}`, onclick: () => this.tab(name) }, icon(mark, 18), h("span", {}, label))));
    fill(
      document.body,
      h(
        "header",
        { class: "top" },
        h("div", { class: "brand" }, h("span", { class: "brand-mark", "aria-hidden": "true" }, h("i", {}), h("i", {}), h("i", {})), h("div", {}, h("h1", {}, "Redbar sandbox"), h("p", {}, h("span", { class: "brand-long" }, "Stand-ins for Slack and Stripe. "), "No real money."))),
        this.switcher.node,
        this.top,
      ),
      h("div", { class: "stage" }, this.window, this.desk),
      this.story.node,
      this.tabs,
    );
    this.tab("slack");
    this.drawTop();
  }

  drawTop() {
    fill(
      this.top,
      besideLink(),
      h("button", { class: "top-button", type: "button", "data-testid": "wire-all", title: "Everything that went over the wire", onclick: () => openWire({}) }, icon("wire", 16), h("span", { class: "top-words" }, "Wire")),
      h("button", { class: "top-button top-theme", type: "button", "aria-label": "Light or dark", title: "Light or dark", "data-testid": "theme", onclick: () => window.flipTheme() }, icon("moon", 16), icon("sun", 16)),
    );
    fill(this.self, avatar(session.me, 24), h("span", { class: "presence", title: "Active" }));
  }

  async begin() {
    this.switcher.draw();
    this.switcher.refresh();
    await this.sidebar.refresh();
    await this.go(this.placeFromHash() ?? this.firstPlace());
    this.modals.refresh();
    this.platform.refresh();
    this.story.refresh();
    listen((news) => this.hear(news));
    window.addEventListener("hashchange", () => {
      const place = this.placeFromHash();
      if (place && hashOf(place) !== hashOf(this.place)) this.go(place);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.window.classList.remove("side-open");
    });
  }

  /** Look through somebody else's eyes, in the same window. */
  async become(person) {
    if (person.id === session.me.id) return;
    this.conversation?.leave();
    this.conversation = null;
    session.become(person.id);
    this.home = null;
    this.modals.reset();
    history.replaceState(null, "", `?${new URLSearchParams({ ...Object.fromEntries(new URLSearchParams(location.search)), as: person.handle })}${location.hash}`);
    this.switcher.draw();
    this.switcher.refresh();
    this.drawTop();
    await this.sidebar.refresh();
    await this.go(this.reachable(this.place) ? this.place : this.firstPlace());
    this.modals.refresh();
    this.clock.tick();
  }

  firstPlace() {
    const { channels } = this.sidebar.held;
    const calls = channels.find((channel) => channel.name === "calls") ?? channels[0];
    return calls ? { kind: "channel", id: calls.id } : { kind: "app", tab: "home" };
  }

  reachable(place) {
    if (!place) return false;
    if (place.kind === "app") return this.sidebar.appDm !== null;
    const known = place.kind === "channel" ? this.sidebar.held.channels : this.sidebar.held.dms;
    return known.some((one) => one.id === place.id);
  }

  /** Go to a channel, a direct message, or a tab of the app. */
  async go(wanted) {
    this.conversation?.leave();
    this.conversation = null;
    const unread = this.sidebar.appDm?.unread ?? 0;
    const place = wanted.kind === "app" ? { kind: "app", tab: wanted.tab ?? (unread ? "messages" : (this.lastTab ?? "home")) } : wanted;
    this.place = place;
    this.window.classList.remove("side-open");
    this.sidebar.mark(place);
    if (hashOf(place) !== location.hash) history.replaceState(null, "", `${location.search}${hashOf(place)}`);
    if (place.kind === "app") await this.goApp(place.tab);
    else await this.goConversation(place);
  }

  async goConversation(place) {
    const channel = place.kind === "channel" ? session.channel(place.id) : null;
    const dm = this.sidebar.held.dms.find((one) => one.id === place.id);
    const title = channel ? `#${channel.name}` : (dm?.name ?? "Direct message");
    const head = channel
      ? [h("h2", {}, icon("hash", 18), channel.name), channel.topic || channel.purpose ? h("span", { class: "pane-sub" }, channel.topic || channel.purpose) : null]
      : [h("h2", {}, avatar(session.person(dm?.user), 24), title)];
    await this.openConversation(place.id, title, h("header", { class: "pane-head" }, head), channel ? channelIntro(channel) : null);
  }

  async goApp(tab) {
    this.lastTab = tab;
    const head = h(
      "header",
      { class: "pane-head pane-app" },
      h("h2", {}, appMark(24), session.app.name),
      h("div", { class: "app-tabs", role: "tablist", "aria-label": session.app.name }, APP_TABS.map(([name, label]) => h("button", { type: "button", role: "tab", "aria-selected": name === tab ? "true" : "false", class: name === tab ? "app-tab app-tab-on" : "app-tab", "data-testid": `${name}-tab`, onclick: () => this.go({ kind: "app", tab: name }) }, label))),
    );
    if (tab === "messages") {
      await this.openConversation("dm", session.app.name, head, appIntro());
      return;
    }
    this.threadHost.hidden = true;
    if (tab === "about") {
      fill(this.main, head, aboutPage());
      return;
    }
    this.home ??= new AppHome();
    fill(this.main, head, this.home.node);
    await this.home.open();
  }

  async openConversation(key, title, head, intro) {
    const conversation = new Conversation({ key, title, intro, threadHost: this.threadHost, onRead: () => this.sidebar.refresh() });
    this.conversation = conversation;
    fill(this.main, head, conversation.node);
    conversation.composer.changed();
    await conversation.refresh();
    conversation.list.scrollToEnd();
    if (!matchMedia("(max-width: 700px)").matches) conversation.composer.focus();
  }

  /** Take in one piece of news and fetch only what it is about. */
  hear(news) {
    // Six weeks bring thousands of news; the panels show how far they are, and the window looks when they are over.
    if (this.clock.living) return;
    wireMoved();
    switch (news.topic) {
      case "message":
        if (!news.channel || news.channel === this.conversation?.channel || (this.conversation && !this.conversation.channel)) this.soon.messages();
        this.soon.sidebar();
        this.switcher.refresh();
        break;
      case "home":
        if (this.isMine(news.user) && this.place?.kind === "app" && this.place.tab === "home") this.soon.home();
        break;
      case "modal":
        if (this.isMine(news.user)) this.modals.refresh();
        break;
      case "clock":
        this.soon.clock();
        break;
      case "six_weeks":
        this.clock.showProgress(news);
        break;
      case "story":
        this.story.refresh();
        break;
      case "still_here": case "wire":
        break;
      case "tick": case "reload":
        this.everything();
        break;
      default:
        break;
    }
    if (news.topic !== "still_here") this.platform.soon();
  }

  isMine(user) {
    return !user || user === session.me.id;
  }

  async readClock() {
    try {
      session.takeClock(await api.clock());
    } catch {
      return;
    }
    this.clock.tick();
    this.conversation?.draw({ redraw: true });
    if (this.place?.kind === "app" && this.place.tab === "home") this.home?.refresh();
  }

  async everything({ redraw = false } = {}) {
    this.sidebar.refresh();
    this.switcher.refresh();
    this.modals.refresh();
    this.platform.soon();
    if (this.place?.kind === "app" && this.place.tab === "home") this.home?.refresh();
    await this.conversation?.refresh();
    if (redraw) this.conversation?.draw({ redraw: true });
  }

  /** Go where a step of the story can be seen: "home", "messages", "#calls", an id, or an address. */
  async show({ as, where }) {
    this.soon.clock();
    const person = [...session.people.values()].find((one) => one.id === as || one.handle === as);
    if (person && person.id !== session.me.id) await this.become(person);
    if (!where) return;
    this.tab("slack");
    const name = String(where).replace(/^#/, "");
    const channel = this.sidebar.held.channels.find((one) => one.id === where || one.name === name);
    if (/^https?:/.test(where)) openUrl(where);
    else if (["home", "messages", "about"].includes(where)) await this.go({ kind: "app", tab: where });
    else if (where === "dm") await this.go({ kind: "app", tab: "messages" });
    else if (channel) await this.go({ kind: "channel", id: channel.id });
    else await this.everything();
  }

  tab(name) {
    document.body.dataset.tab = name;
    for (const button of this.tabs.children) button.setAttribute("aria-current", button.dataset.tab === name ? "page" : "false");
  }

  placeFromHash() {
    const [, kind, id] = /^#\/(channel|dm|app)\/([\w-]+)$/.exec(location.hash) ?? [];
    if (!kind) return null;
    const place = kind === "app" ? { kind, tab: id } : { kind, id };
    return this.reachable(place) ? place : null;
  }
}

function hashOf(place) {
  if (!place) return "";
  return `#/${place.kind}/${place.kind === "app" ? place.tab : place.id}`;
}

function channelIntro(channel) {
  return h("div", { class: "intro" }, h("div", { class: "intro-mark" }, icon("hash", 28)), h("h3", {}, `This is the very beginning of #${channel.name}`), h("p", {}, channel.purpose ? `${channel.purpose}. ` : null, "Type ", h("code", { class: "mrk-code" }, "/wallet"), " to see the wallet."));
}

function appIntro() {
  return h("div", { class: "intro" }, appMark(48), h("h3", {}, session.app.name), h("p", {}, "Messages between you and the app. Try ", h("code", { class: "mrk-code" }, "/wallet"), "."));
}

async function start() {
  let boot;
  try {
    boot = await api.bootstrap();
  } catch (refusal) {
    fill(document.body, h("div", { class: "no-start", role: "alert" }, h("h1", {}, "The sandbox does not answer"), h("p", {}, refusal.message), h("button", { class: "btn", type: "button", onclick: () => location.reload() }, "Try again")));
    return;
  }
  session.begin(boot, new URLSearchParams(location.search).get("as"));
  const page = new Page();
  await page.begin();
  document.documentElement.dataset.ready = "true";
}

start();

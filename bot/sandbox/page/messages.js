// A list of messages: grouped, keyed by ts, and redrawn only where something changed.

import { api } from "./api.js";
import { plainSurface, renderAttachment, renderBlocks } from "./blocks.js";
import { agoText, dayText, fullText, sameDay, timeText } from "./dates.js";
import { showPicture } from "./dialogs.js";
import { h, sizeText } from "./dom.js";
import { appMark, avatar, icon } from "./icons.js";
import { mrkdwn } from "./mrkdwn.js";
import { press } from "./press.js";
import { session } from "./session.js";
import { openWire } from "./wire.js";

const GROUP_SECONDS = 300;
const ANSWER_MS = 5000;

/** One scrolling list; `onThread(ts)` opens a thread, and is absent inside a thread. */
export class MessageList {
  constructor({ label, onThread = null, intro = null, inThread = false }) {
    this.onThread = onThread;
    this.inThread = inThread;
    this.intro = intro;
    this.shown = new Map();
    this.pinned = true;
    this.pressed_ms = -Infinity;
    this.content = h("div", { class: "log-content" });
    this.node = h("div", { class: "log", role: "log", "aria-label": label, tabindex: "0", onscroll: () => this.notePinned() }, this.content);
    // Pictures and charts gain their height after the first layout; whoever reads the end stays at the end.
    this.observer = new ResizeObserver(() => this.keepEnd());
    this.observer.observe(this.content);
    this.observer.observe(this.node);
  }

  /** Show these messages of a channel, in order. `replies` maps a thread's ts to its replies. */
  show(channel, messages, replies = new Map(), { redraw = false } = {}) {
    const next = new Map();
    const nodes = this.intro ? [this.intro] : [];
    let before = null;
    for (const message of messages) {
      const line = this.lineBefore(message, before, messages);
      if (line) {
        nodes.push(line);
        before = null;
      }
      const grouped = before !== null && goesOn(before, message);
      const thread = replies.get(message.ts) ?? [];
      const signature = JSON.stringify([message, grouped, thread.length, thread.at(-1)?.ts]);
      const old = this.shown.get(message.ts);
      const node = old && old.signature === signature && !redraw ? old.node : this.draw(channel, message, grouped, thread);
      next.set(message.ts, { signature, node });
      nodes.push(node);
      before = message;
    }
    if (this.answersPress(messages.at(-1))) this.pinned = true;
    this.shown = next;
    this.place(nodes);
    this.keepEnd();
  }

  scrollToEnd() {
    this.pinned = true;
    this.keepEnd();
  }

  keepEnd() {
    if (this.pinned) this.node.scrollTop = this.node.scrollHeight;
  }

  notePinned() {
    this.pinned = this.node.scrollHeight - this.node.scrollTop - this.node.clientHeight < 60;
  }

  // Whoever presses a button far up reads the answer, which stands at the end.
  answersPress(last) {
    return Boolean(last?.ephemeral) && !this.shown.has(last.ts) && performance.now() - this.pressed_ms < ANSWER_MS;
  }

  // Moves only what is not already in its place, so that unchanged nodes keep focus and scroll.
  place(nodes) {
    const wanted = new Set(nodes);
    for (const node of [...this.content.childNodes]) if (!wanted.has(node)) node.remove();
    let at = this.content.firstChild;
    for (const node of nodes) {
      if (node === at) at = at.nextSibling;
      else this.content.insertBefore(node, at);
    }
  }

  lineBefore(message, before, messages) {
    if (this.inThread) return before && before === messages[0] ? repliesLine(messages.length - 1) : null;
    if (before && sameDay(when(before), when(message), session.zone)) return null;
    return h("div", { class: "day-line" }, h("span", {}, dayText(when(message), session.now(), session.zone)));
  }

  draw(channel, message, grouped, thread) {
    const at = when(message);
    const writer = writerOf(message);
    const time = h("time", { class: "message-time", datetime: at.toISOString(), title: fullText(at, session.zone) }, timeText(at, session.zone));
    const head = grouped
      ? null
      : h("div", { class: "message-head" }, h("span", { class: "message-name" }, writer.name), writer.tag ? h("span", { class: "app-tag" }, writer.tag) : null, time);
    return h(
      "article",
      {
        class: `message${grouped ? " message-grouped" : ""}${message.ephemeral ? " message-ephemeral" : ""}`, "data-testid": "message", "data-ts": message.ts,
        "data-ephemeral": message.ephemeral ? "true" : null, "data-thread-ts": message.thread_ts, "data-user": message.user,
        "aria-label": `${writer.name}, ${timeText(at, session.zone)}`,
      },
      message.ephemeral ? h("div", { class: "only-you" }, icon("eye", 14), "Only visible to you") : null,
      h("div", { class: "message-gutter" }, grouped ? time : writer.picture),
      h("div", { class: "message-body" }, head, this.broadcast(message), this.body(channel, message), this.threadFoot(message, thread)),
      this.tools(channel, message),
    );
  }

  body(channel, message) {
    const all = () => [...(message.blocks ?? []), ...(message.attachments ?? []).flatMap((one) => one.blocks ?? [])];
    const place = { channel, ts: message.ts };
    const surface = plainSurface("message", (element, block_id, chosen, node) => {
      this.pressed_ms = performance.now();
      return press(place, element, block_id, chosen, node);
    }, all);
    const blocks = message.blocks?.length ? message.blocks : null;
    const edited = message.edited ? h("span", { class: "edited" }, "(edited)") : null;
    return [
      blocks ? h("div", { class: "blocks" }, renderBlocks(blocks, surface), edited) : message.text ? h("div", { class: "b-text" }, mrkdwn(message.text), edited ? [" ", edited] : null) : null,
      (message.attachments ?? []).map((one) => renderAttachment(one, surface)),
      (message.files ?? []).map(fileCard),
    ];
  }

  // A reply that was also sent to the conversation says so, and leads to its thread.
  broadcast(message) {
    if (!this.onThread || message.subtype !== "thread_broadcast") return null;
    return h("div", { class: "replied" }, "replied to a thread: ", h("button", { type: "button", onclick: () => this.onThread(message.thread_ts) }, "open it"));
  }

  threadFoot(message, thread) {
    if (!this.onThread || !thread.length) return null;
    const writers = [...new Set(thread.map((reply) => reply.user ?? reply.bot))].slice(0, 3);
    return h(
      "button",
      { class: "thread-foot", type: "button", "data-testid": "thread-open", onclick: () => this.onThread(message.ts) },
      writers.map((id) => (session.isApp(id) || !session.person(id) ? appMark(20) : avatar(session.person(id), 20))),
      h("span", { class: "thread-count" }, `${thread.length} ${thread.length === 1 ? "reply" : "replies"}`),
      h("span", { class: "thread-last" }, `Last reply ${agoText(when(thread.at(-1)), session.now())}`),
    );
  }

  tools(channel, message) {
    return h(
      "div",
      { class: "message-tools" },
      this.onThread && !message.ephemeral ? h("button", { class: "icon-button", type: "button", "aria-label": "Reply in thread", title: "Reply in thread", onclick: () => this.onThread(message.ts) }, icon("reply", 16)) : null,
      h(
        "button",
        {
          class: "icon-button wire-button", type: "button", "data-testid": "wire-open", "aria-label": "Wire view of this message", title: "Wire view: the requests behind this message",
          onclick: () => openWire({ ref: message.ts, title: "This message" }),
        },
        icon("wire", 16),
      ),
    );
  }
}

function repliesLine(count) {
  return h("div", { class: "replies-line" }, `${count} ${count === 1 ? "reply" : "replies"}`);
}

/** The instant of a message. */
export function when(message) {
  return new Date(Number(message.ts) * 1000);
}

function goesOn(before, message) {
  return (
    !message.ephemeral && !before.ephemeral && message.subtype !== "thread_broadcast" && writerKey(before) === writerKey(message) && Number(message.ts) - Number(before.ts) < GROUP_SECONDS
  );
}

function writerKey(message) {
  return message.user ?? message.bot ?? "app";
}

function writerOf(message) {
  if (message.slackbot) return { name: "Slackbot", tag: null, picture: h("span", { class: "avatar avatar-slackbot", "aria-hidden": "true" }, icon("bolt", 20)) };
  const person = session.person(message.user);
  if (message.bot || !person || person.is_app) return { name: session.app.name, tag: "APP", picture: appMark(36) };
  return { name: person.real_name ?? person.handle, tag: null, picture: avatar(person, 36) };
}

function fileCard(file) {
  const url = api.fileUrl(file.id);
  const name = file.title || file.name || file.id;
  if (/^image\//.test(file.mimetype ?? "")) {
    return h("button", { class: "picture-button file-picture", type: "button", "aria-label": `Open picture: ${name}`, onclick: () => showPicture(url, name) }, h("img", { class: "b-picture", src: url, alt: file.alt_txt ?? name }));
  }
  const kind = (file.filetype ?? (file.name ?? "").split(".").pop() ?? "file").toUpperCase();
  return h(
    "a",
    { class: "file-card", href: url, download: file.name ?? name, "data-testid": "file" },
    h("span", { class: `file-mark file-${kind.toLowerCase()}` }, icon("file", 20)),
    h("span", { class: "file-words" }, h("span", { class: "file-name" }, name), h("span", { class: "file-kind" }, [kind, sizeText(file.size)].filter(Boolean).join(" · "))),
    icon("download", 18),
  );
}

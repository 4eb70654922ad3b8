// A channel or a direct message: its list, its composer, and the thread beside it.

import { api } from "./api.js";
import { Composer } from "./composer.js";
import { toast } from "./dialogs.js";
import { h, oneAtATime } from "./dom.js";
import { icon } from "./icons.js";
import { MessageList } from "./messages.js";
import { session } from "./session.js";

const drafts = new Map();
const local = new Map();

/** What the middle of the window shows for one conversation; `key` is a channel id or "dm". */
export class Conversation {
  constructor({ key, title, intro, onRead, threadHost }) {
    this.key = key;
    this.title = title;
    this.channel = key === "dm" ? null : key;
    this.messages = [];
    this.onRead = onRead;
    this.threadHost = threadHost;
    this.thread = null;
    this.list = new MessageList({ label: `Messages in ${title}`, onThread: (ts) => this.openThread(ts), intro });
    this.composer = new Composer({ placeholder: `Message ${title}`, onSend: (text) => this.send(text), onShortcut: (id) => this.shortcut(id) });
    this.composer.value = drafts.get(this.draftKey) ?? "";
    this.node = h("div", { class: "conversation" }, this.list.node, h("div", { class: "composer-place" }, this.composer.node));
    this.refresh = oneAtATime(() => this.fetch());
  }

  get draftKey() {
    return `${session.me.id} ${this.key}`;
  }

  /** Leave: keep what was half written, close the thread. */
  leave() {
    drafts.set(this.draftKey, this.composer.value);
    this.closeThread();
  }

  async fetch() {
    const as = session.me.id;
    let answer;
    try {
      answer = await api.messages(as, this.key);
    } catch (refusal) {
      toast(refusal.message, { mark: "warning", kind: "trouble" });
      return;
    }
    if (as !== session.me.id) return;
    this.channel = (typeof answer.channel === "object" ? answer.channel?.id : answer.channel) ?? this.channel;
    this.messages = answer.messages ?? [];
    this.draw();
    this.onRead?.(this);
  }

  draw(options = {}) {
    const replies = new Map();
    const roots = [];
    for (const message of this.messages) {
      if (!isReply(message) || message.subtype === "thread_broadcast") roots.push(message);
      if (isReply(message)) replies.set(message.thread_ts, [...(replies.get(message.thread_ts) ?? []), message]);
    }
    const own = (local.get(this.draftKey) ?? []).filter((message) => !message.thread_ts);
    const all = [...roots, ...own].sort((one, other) => Number(one.ts) - Number(other.ts));
    this.list.show(this.channel, all, replies, options);
    this.thread?.draw(options);
  }

  async send(text, thread_ts = null) {
    const as = session.me.id;
    const channel = this.channel ?? this.key;
    this.list.scrollToEnd();
    try {
      if (text.startsWith("/") && !thread_ts) await this.command(as, channel, text);
      else await api.say(as, channel, text, thread_ts);
    } catch (refusal) {
      toast(refusal.message, { mark: "warning", kind: "trouble" });
      return false;
    } finally {
      await this.refresh();
    }
    return true;
  }

  async command(as, channel, text) {
    const answer = await api.command(as, channel, text);
    if (answer?.ok !== false) return;
    const name = text.split(/\s/)[0];
    this.slackbot(answer.error === "unknown_command" ? `${name} is not a valid command.` : `${name} failed with the error "${answer.error ?? "dispatch_failed"}"`);
  }

  async shortcut(callback_id) {
    try {
      await api.shortcut(session.me.id, callback_id);
    } catch (refusal) {
      toast(refusal.message, { mark: "warning", kind: "trouble" });
    }
  }

  // What Slack itself says about a command is seen by this reader only and kept nowhere.
  slackbot(text) {
    const last = this.messages.at(-1);
    const at = Math.max(+session.now() / 1000, Number(last?.ts ?? 0) + 0.001);
    local.set(this.draftKey, [...(local.get(this.draftKey) ?? []), { ts: at.toFixed(6), text, slackbot: true, ephemeral: true }]);
    this.draw();
  }

  openThread(ts) {
    this.closeThread();
    this.thread = new Thread(this, ts);
    this.threadHost.replaceChildren(this.thread.node);
    this.threadHost.hidden = false;
    this.thread.draw();
    this.thread.composer.focus();
  }

  closeThread() {
    this.thread = null;
    this.threadHost.replaceChildren();
    this.threadHost.hidden = true;
  }
}

class Thread {
  constructor(conversation, ts) {
    this.conversation = conversation;
    this.ts = ts;
    this.list = new MessageList({ label: "Thread", inThread: true });
    this.composer = new Composer({ placeholder: "Reply…", onSend: (text) => conversation.send(text, ts), testid: "thread-composer" });
    this.node = h(
      "aside",
      {
        class: "thread", "aria-label": "Thread", "data-testid": "thread",
        onkeydown: (event) => {
          if (event.key === "Escape") conversation.closeThread();
        },
      },
      h(
        "header",
        { class: "pane-head" },
        h("h2", {}, "Thread", h("span", { class: "pane-sub" }, conversation.title)),
        h("button", { class: "icon-button", type: "button", "aria-label": "Close thread", "data-testid": "thread-close", onclick: () => conversation.closeThread() }, icon("close", 18)),
      ),
      this.list.node,
      h("div", { class: "composer-place" }, this.composer.node),
    );
  }

  draw(options = {}) {
    const { messages, channel } = this.conversation;
    const own = messages.filter((message) => message.ts === this.ts || (isReply(message) && message.thread_ts === this.ts));
    this.list.show(channel, own, new Map(), options);
  }
}

function isReply(message) {
  return Boolean(message.thread_ts) && message.thread_ts !== message.ts;
}

// Where a person writes: messages, commands with their hint, mentions.

import { fill, h } from "./dom.js";
import { avatar, appMark, icon } from "./icons.js";
import { openMenu } from "./popover.js";
import { session } from "./session.js";

const DEFAULT_COMMANDS = [
  { command: "/wallet", description: "Show the wallet, top up, or change automatic payments", usage_hint: "[topup 100 | ask @person 160 | history | auto | help]" },
];
const WORDS_AFTER = {
  "/wallet": [
    ["topup ", "[amount]", "Add balance"], ["ask ", "@person [amount] [note]", "Ask someone to pay"], ["card", "", "Connect a card"], ["auto", "[off]", "Automatic payments"],
    ["usage", "[YYYY-MM]", "The month so far"], ["history", "[kind] [YYYY-MM]", "Every transaction"], ["alerts", "", "Who hears what"], ["people", "", "Who may do what"], ["help", "", "Everything it knows"],
  ],
};
const WRAPS = [["*", "Bold", "B", "bold"], ["_", "Italic", "I", "italic"], ["~", "Strikethrough", "S", "strike"], ["`", "Code", null, "code"]];

/** One composer; `onSend(text)` resolves to false when the text should be kept. */
export class Composer {
  constructor({ placeholder, onSend, onShortcut = null, testid = "composer" }) {
    this.onSend = onSend;
    this.onShortcut = onShortcut;
    this.at = -1;
    this.options = [];
    this.input = h("textarea", {
      class: "composer-input", rows: 1, placeholder, "aria-label": placeholder, "data-testid": testid, autocomplete: "off", spellcheck: "false",
      oninput: () => this.changed(), onkeydown: (event) => this.key(event), onblur: () => setTimeout(() => document.activeElement === this.input || this.suggest([]), 120),
    });
    this.list = h("div", { class: "suggestions", role: "listbox", "aria-label": "Suggestions", hidden: true });
    this.sendButton = h("button", { class: "composer-send", type: "button", "aria-label": "Send", disabled: true, "data-testid": `${testid}-send`, onclick: () => this.send() }, icon("send", 16));
    this.node = h(
      "div",
      { class: "composer" },
      this.list,
      h("div", { class: "composer-format", role: "toolbar", "aria-label": "Formatting" }, WRAPS.map((wrap) => this.wrapButton(wrap))),
      this.input,
      h(
        "div",
        { class: "composer-foot" },
        this.shortcutButton(),
        h("button", { class: "icon-button", type: "button", "aria-label": "Commands", title: "Commands", onclick: () => this.begin("/") }, icon("slash", 18)),
        h("button", { class: "icon-button", type: "button", "aria-label": "Mention someone", title: "Mention someone", onclick: () => this.insert("@") }, icon("at", 18)),
        h("span", { class: "composer-space" }),
        this.sendButton,
      ),
    );
  }

  get value() {
    return this.input.value;
  }

  set value(text) {
    this.input.value = text;
    this.changed();
  }

  focus() {
    this.input.focus({ preventScroll: true });
  }

  async send() {
    const text = this.value.trim();
    if (!text) return;
    this.value = "";
    this.suggest([]);
    if ((await this.onSend(encoded(text))) === false && !this.value) this.value = text;
  }

  changed() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, 220)}px`;
    this.sendButton.disabled = !this.value.trim();
    if (document.activeElement === this.input) this.suggest(suggestions(this.value, this.input.selectionStart));
  }

  key(event) {
    const open = this.options.length > 0;
    if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.mark((this.at + step + this.options.length) % this.options.length);
    } else if (open && event.key === "Escape") {
      event.stopPropagation();
      this.suggest([]);
    } else if (open && event.key === "Tab" && !event.shiftKey) {
      event.preventDefault();
      this.take(this.options[Math.max(0, this.at)]);
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      if (open && this.at >= 0) this.take(this.options[this.at]);
      else this.send();
    }
  }

  suggest(options) {
    this.options = options;
    this.list.hidden = !options.length;
    fill(
      this.list,
      options.map((option, index) =>
        h(
          "div",
          {
            class: "suggestion", role: "option", "data-testid": "suggestion",
            onpointerdown: (event) => {
              event.preventDefault();
              this.take(option);
            },
            onpointermove: () => this.mark(index),
          },
          option.mark(),
          h("span", { class: "suggestion-words" }, h("strong", {}, option.title), option.hint ? h("span", { class: "suggestion-hint" }, ` ${option.hint}`) : null, option.description ? h("span", { class: "suggestion-about" }, option.description) : null),
        ),
      ),
    );
    this.mark(options.findIndex((option) => option.first));
  }

  mark(index) {
    this.at = index;
    [...this.list.children].forEach((row, at) => {
      row.classList.toggle("suggestion-on", at === index);
      row.setAttribute("aria-selected", at === index ? "true" : "false");
    });
    this.list.children[index]?.scrollIntoView({ block: "nearest" });
  }

  take(option) {
    const from = option.from;
    const caret = this.input.selectionStart;
    this.value = this.value.slice(0, from) + option.insert + this.value.slice(caret);
    const end = from + option.insert.length;
    this.input.setSelectionRange(end, end);
    this.changed();
  }

  begin(text) {
    this.focus();
    if (!this.value.startsWith(text)) this.value = text + this.value;
    this.input.setSelectionRange(text.length, text.length);
    this.changed();
  }

  insert(text) {
    this.focus();
    const caret = this.input.selectionStart;
    const space = caret > 0 && !/\s/.test(this.value[caret - 1]) ? " " : "";
    this.value = this.value.slice(0, caret) + space + text + this.value.slice(caret);
    this.input.setSelectionRange(caret + space.length + text.length, caret + space.length + text.length);
    this.changed();
  }

  wrapButton([mark, label, letter, shape]) {
    return h("button", { class: `icon-button format-${shape}`, type: "button", "aria-label": label, title: label, onclick: () => this.wrap(mark) }, letter ?? icon("code", 16));
  }

  wrap(mark) {
    const { selectionStart: from, selectionEnd: to } = this.input;
    this.value = `${this.value.slice(0, from)}${mark}${this.value.slice(from, to)}${mark}${this.value.slice(to)}`;
    this.focus();
    this.input.setSelectionRange(from + 1, to + 1);
  }

  shortcutButton() {
    const shortcuts = session.app.shortcuts ?? [];
    if (!this.onShortcut || !shortcuts.length) return null;
    const node = h(
      "button",
      {
        class: "icon-button composer-plus", type: "button", "aria-label": "Shortcuts", title: "Shortcuts", "data-testid": "shortcuts", "aria-haspopup": "listbox",
        onclick: () =>
          openMenu(node, {
            label: "Shortcuts",
            items: shortcuts.map((one) => ({ value: one.callback_id, text: one.name, description: one.description ?? session.app.name, mark: appMark(20) })),
            onPick: (item) => void this.onShortcut(item.value),
          }),
      },
      icon("plus", 18),
    );
    return node;
  }
}

function suggestions(text, caret) {
  const typed = text.slice(0, caret);
  if (/^\/\S*$/.test(typed)) return commandSuggestions(typed, text);
  const after = /^(\/\S+) (\S*)$/.exec(typed);
  if (after && WORDS_AFTER[after[1]]) return wordSuggestions(after);
  const handle = /(?:^|\s)@([\w.-]*)$/.exec(typed);
  return handle ? personSuggestions(handle[1], caret) : [];
}

function commandSuggestions(typed, text) {
  const commands = (session.app.commands ?? DEFAULT_COMMANDS).filter((one) => one.command.startsWith(typed));
  return commands.map((one, index) => ({
    title: one.command, hint: one.usage_hint, description: one.description, insert: `${one.command} `, from: 0, mark: () => appMark(28),
    // Enter completes what is half typed and sends what is whole.
    first: index === 0 && one.command !== text,
  }));
}

function wordSuggestions([, command, typed]) {
  return WORDS_AFTER[command]
    .filter(([word]) => word.startsWith(typed) && word.trim() !== typed)
    .map(([word, hint, about]) => ({ title: word.trim(), hint, description: about, insert: word, from: command.length + 1, mark: () => h("span", { class: "suggestion-mark" }, icon("slash", 16)), first: false }));
}

function personSuggestions(typed, caret) {
  const wanted = typed.toLowerCase();
  const people = [...session.people.values()].filter((person) => person.handle.startsWith(wanted) || person.real_name.toLowerCase().includes(wanted));
  if (people.some((person) => person.handle === wanted)) return [];
  return people.map((person, index) => ({
    title: person.real_name, hint: person.handle, description: null, insert: `@${person.handle} `, from: caret - typed.length - 1, mark: () => avatar(person, 24), first: index === 0 && wanted !== "",
  }));
}

// A mention travels by id, as from Slack's own composer; a command also carries the name.
function encoded(text) {
  const command = text.startsWith("/");
  return text.replace(/(^|\s)@([\w.-]*\w)/g, (whole, space, handle) => {
    const person = [...session.people.values()].find((one) => one.handle === handle.toLowerCase());
    if (!person) return whole;
    return command ? `${space}<@${person.id}|${person.handle}>` : `${space}<@${person.id}>`;
  });
}

// Through whose eyes the window looks. It stands outside the Slack window: Slack has no such thing.

import { api } from "./api.js";
import { debounced, fill, h } from "./dom.js";
import { avatar, icon } from "./icons.js";
import { session } from "./session.js";

const KINDS = { owner: "owner", admin: "admin", finance: "finance", member: "member", guest: "guest", outsider: "other company" };

/** The row of people; `onBecome(person)` changes eyes. Others' unread direct messages show as a badge. */
export class Switcher {
  constructor(onBecome) {
    this.onBecome = onBecome;
    this.unread = new Map();
    this.node = h("div", { class: "people", role: "group", "aria-label": "Look as" });
    this.refresh = debounced(600, () => this.fetch());
  }

  async fetch() {
    const others = [...session.people.values()].filter((person) => person.id !== session.me.id);
    await Promise.all(
      others.map(async (person) => {
        try {
          const { dms } = await api.sidebar(person.id);
          this.unread.set(person.id, (dms ?? []).reduce((sum, dm) => sum + (dm.unread ?? 0), 0));
        } catch {
          this.unread.delete(person.id);
        }
      }),
    );
    this.draw();
  }

  draw() {
    const focused = document.activeElement?.closest?.(".person")?.dataset.testid;
    fill(this.node, [...session.people.values()].map((person) => this.person(person)));
    if (focused) this.node.querySelector(`[data-testid="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  person(person) {
    const own = person.id === session.me.id;
    const unread = own ? 0 : (this.unread.get(person.id) ?? 0);
    return h(
      "button",
      {
        class: `person${own ? " person-on" : ""}`, type: "button", "data-testid": `person-${person.handle}`, "aria-pressed": own ? "true" : "false",
        title: `${person.real_name}, ${KINDS[person.kind] ?? person.kind}`, onclick: () => this.onBecome(person),
      },
      h("span", { class: "person-picture" }, avatar(person, 28), unread ? h("span", { class: "badge", "aria-label": `${unread} unread` }, unread) : null),
      h("span", { class: "person-words" }, h("span", { class: "person-name" }, person.real_name.split(" ")[0]), h("span", { class: "person-kind" }, KINDS[person.kind] ?? person.kind ?? "")),
    );
  }
}

/** A link that opens a second window as somebody else, to stand side by side. */
export function besideLink() {
  const other = [...session.people.values()].find((person) => person.kind === "finance" && person.id !== session.me.id) ?? [...session.people.values()].find((person) => person.id !== session.me.id);
  if (!other) return null;
  const url = `/?as=${encodeURIComponent(other.handle)}`;
  return h(
    "a",
    {
      class: "top-button", href: url, target: "_blank", rel: "noopener", "data-testid": "beside", title: `Open a second window as ${other.real_name}`,
      onclick: (event) => {
        event.preventDefault();
        const width = Math.max(720, Math.floor(screen.availWidth / 2));
        window.open(url, "_blank", `popup,width=${width},height=${screen.availHeight},left=${screen.availWidth - width},top=0`);
      },
    },
    icon("window", 16),
    h("span", { class: "top-words" }, `Side by side with ${other.handle}`),
  );
}

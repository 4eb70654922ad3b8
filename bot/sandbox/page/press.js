// What happens when somebody presses something: confirm, open the link, tell the app, show that it did not answer.

import { api, Refusal } from "./api.js";
import { askConfirm, toast } from "./dialogs.js";
import { icon } from "./icons.js";
import { h } from "./dom.js";
import { session } from "./session.js";

const SAFE_URL = /^(https?:|mailto:)/i;
const SLOW_MS = 350;

/**
 * Send one press. `place` says where the element stands (`channel` and `ts`, or `view_id`), `chosen` what was
 * picked. Resolves to true when the app acknowledged it.
 */
export async function press(place, element, block_id, chosen, node) {
  const body = { as: session.me.id, ...place, ...(block_id ? { block_id } : {}), action_id: element.action_id, ...chosen };
  if (element.confirm) {
    if (!(await askConfirm(element.confirm))) return false;
    body.confirm = true;
  }
  openUrl(element.url ?? chosen?.selected_option?.url);
  const settle = busy(node);
  try {
    const answer = await sent(body);
    if (answer === null) return false;
    if (answer?.ok === false) notAnswered(node, answer.error);
    return answer?.ok !== false;
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    notAnswered(node, refusal.message);
    return false;
  } finally {
    settle();
  }
}

/** Open an address in a new tab; other schemes are ignored. */
export function openUrl(url) {
  if (url && SAFE_URL.test(url)) window.open(url, "_blank", "noopener");
}

async function sent(body) {
  try {
    return await api.press(body);
  } catch (refusal) {
    if (refusal.status !== 409 || refusal.body?.error !== "confirm") throw refusal;
    if (!(await askConfirm(refusal.body.confirm ?? {}))) return null;
    return api.press({ ...body, confirm: true });
  }
}

function busy(node) {
  const button = node?.closest?.("button") ?? null;
  if (!button) return () => {};
  button.parentNode?.querySelector(":scope > .not-answered")?.remove();
  const timer = setTimeout(() => button.classList.add("btn-busy"), SLOW_MS);
  button.setAttribute("aria-busy", "true");
  return () => {
    clearTimeout(timer);
    button.classList.remove("btn-busy");
    button.removeAttribute("aria-busy");
  };
}

// Slack puts a small triangle beside an element whose app did not answer in three seconds.
function notAnswered(node, error) {
  const words = error === "operation_timeout" || !error ? "This app is not responding." : error;
  if (node?.isConnected) node.after(h("span", { class: "not-answered", title: words, "data-testid": "not-answered" }, icon("warning", 16, words)));
  toast(words, { mark: "warning", kind: "trouble" });
}

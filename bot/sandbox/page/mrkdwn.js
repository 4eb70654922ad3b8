// Slack's text: mrkdwn, plain_text and rich_text become nodes. Nothing is ever parsed as HTML.

import { dateToken, fullText } from "./dates.js";
import { h } from "./dom.js";
import { emojiText, plainEmoji, shortcode } from "./emoji.js";
import { session } from "./session.js";

const STYLES = { "*": "strong", _: "em", "~": "s" };
const BEFORE = /[\s([{"'“‘—–\-/|·,.:;!?*_~>•]/u;
const WORD = /[\p{L}\p{N}]/u;
const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">" };
// Ends before an escaped bracket, a bar, and the punctuation of the sentence around it.
const BARE_LINK = /^https?:\/\/(?:(?!&[lg]t;)[^\s<>|])*(?:(?!&[lg]t;)[^\s<>|.,;:!?)'"])/;
const SAFE_LINK = /^(https?:\/\/|mailto:|tel:)/i;

/** Render a text object or a bare mrkdwn string. */
export function textNodes(text) {
  if (text === null || text === undefined) return [];
  if (typeof text === "string") return mrkdwn(text);
  if (text.type === "plain_text") return plain(text.text ?? "", text.emoji !== false);
  return mrkdwn(text.text ?? "");
}

/** Render plain text: line breaks and, unless switched off, emoji. */
export function plain(text, emoji = true) {
  return text.split("\n").flatMap((line, index) => [
    ...(index ? [h("br")] : []),
    ...(emoji ? plainEmoji(decode(line)) : [document.createTextNode(line)]),
  ]);
}

/** Render mrkdwn: code blocks first, then quotes, then what stands in a line. */
export function mrkdwn(text) {
  return text.split(/```\n?([\s\S]+?)\n?```/).flatMap((piece, index) => {
    if (index % 2) return [h("pre", { class: "mrk-pre" }, decode(piece))];
    return quotes(piece);
  });
}

/** Give the bare words of mrkdwn, for labels, titles and sidebars. */
export function bareText(text) {
  const holder = h("span", {}, textNodes(text));
  for (const line of holder.querySelectorAll("br")) line.replaceWith(" ");
  return holder.textContent;
}

/** Make a link that is safe to click, or plain words when its scheme is not. */
export function link(url, label) {
  if (!SAFE_LINK.test(url)) return h("span", {}, label);
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer", class: "mrk-link" }, label);
}

/** Name a person in a sentence. */
export function mention(id, label = null) {
  const person = session.person(id);
  const name = person?.handle ?? label ?? id;
  const own = session.me && id === session.me.id;
  return h("span", { class: own ? "mention mention-own" : "mention", title: person?.real_name ?? null }, `@${name.replace(/^@/, "")}`);
}

function quotes(text) {
  const nodes = [];
  let quoted = [];
  let normal = [];
  const endNormal = () => {
    if (normal.length && normal.join("\n") !== "") nodes.push(...inline(normal.join("\n")));
    normal = [];
  };
  const endQuoted = () => {
    if (quoted.length) nodes.push(h("blockquote", { class: "mrk-quote" }, inline(quoted.join("\n"))));
    quoted = [];
  };
  for (const line of text.split("\n")) {
    const quote = /^(?:&gt;|>) ?(.*)$/.exec(line);
    if (quote) {
      endNormal();
      quoted.push(quote[1]);
    } else {
      endQuoted();
      normal.push(line);
    }
  }
  endQuoted();
  endNormal();
  return nodes;
}

function inline(text) {
  const nodes = [];
  let words = "";
  const flush = () => {
    if (words) nodes.push(...emojiText(words));
    words = "";
  };
  let at = 0;
  while (at < text.length) {
    const found = tokenAt(text, at);
    if (!found) {
      words += text[at];
      at += 1;
      continue;
    }
    if (typeof found.node === "string") words += found.node;
    else {
      flush();
      nodes.push(found.node);
    }
    at += found.length;
  }
  flush();
  return nodes;
}

function tokenAt(text, at) {
  const rest = () => text.slice(at);
  switch (text[at]) {
    case "\n": return { node: h("br"), length: 1 };
    case "&": return found(/^&(?:amp|lt|gt);/, rest(), ([whole]) => ENTITIES[whole]);
    case "<": return found(/^<([^<>\n]+)>/, rest(), ([, inside]) => entity(inside, at === 0 || text[at - 1] === "\n"));
    case "`": return found(/^`([^`\n]+)`/, rest(), ([, code]) => h("code", { class: "mrk-code" }, decode(code)));
    case ":": return found(/^:([a-z0-9_+-]+(?:::skin-tone-\d)?):/, rest(), ([, name]) => shortcode(name));
    case "h": return WORD.test(text[at - 1] ?? "") ? null : found(BARE_LINK, rest(), ([url]) => link(decode(url), decode(url)));
    case "*": case "_": case "~": return styled(text, at);
    default: return null;
  }
}

function found(pattern, text, make) {
  const match = pattern.exec(text);
  const node = match ? make(match) : null;
  return node === null ? null : { node, length: match[0].length };
}

function styled(text, at) {
  const mark = text[at];
  if (at > 0 && !BEFORE.test(text[at - 1])) return null;
  if (/\s/.test(text[at + 1] ?? " ")) return null;
  for (let end = text.indexOf(mark, at + 2); end !== -1; end = text.indexOf(mark, end + 1)) {
    const inner = text.slice(at + 1, end);
    if (inner.includes("\n")) return null;
    if (/\s/.test(text[end - 1]) || WORD.test(text[end + 1] ?? "")) continue;
    return { node: h(STYLES[mark], {}, inline(inner)), length: end - at + 1 };
  }
  return null;
}

function entity(inside, begins) {
  const bar = inside.indexOf("|");
  const target = bar === -1 ? inside : inside.slice(0, bar);
  const label = bar === -1 ? null : inside.slice(bar + 1);
  if (target.startsWith("@")) return mention(target.slice(1), label && decode(label));
  if (target.startsWith("#")) {
    const name = label || session.channel(target.slice(1))?.name || target.slice(1);
    return h("span", { class: "mention" }, `#${decode(name)}`);
  }
  if (target.startsWith("!")) return special(target.slice(1), label, begins);
  const words = label === null ? decode(target.replace(/^mailto:/, "")) : null;
  return link(decode(target), words ?? inline(label));
}

function special(target, label, begins) {
  if (target.startsWith("date^")) {
    const [, unix, format, url] = target.split("^");
    const at = new Date(Number(unix) * 1000);
    if (!Number.isFinite(+at)) return document.createTextNode(decode(label ?? ""));
    const words = dateToken(at, decode(format ?? ""), { zone: session.zone, now: session.now(), begins });
    return url ? link(decode(url), words) : h("time", { datetime: at.toISOString(), title: fullText(at, session.zone) }, words);
  }
  if (["here", "channel", "everyone"].includes(target)) return h("span", { class: "mention mention-own" }, `@${target}`);
  return h("span", { class: "mention" }, decode(label ?? target));
}

function decode(text) {
  return text.replace(/&(?:amp|lt|gt);/g, (whole) => ENTITIES[whole]);
}

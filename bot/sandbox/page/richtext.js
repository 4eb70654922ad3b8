// rich_text blocks, the structured form of formatted text.

import { fullText, dateToken } from "./dates.js";
import { h } from "./dom.js";
import { emojiText, shortcode } from "./emoji.js";
import { link, mention } from "./mrkdwn.js";
import { session } from "./session.js";

/** Render a rich_text block, also one that stands in a table cell. */
export function renderRichText(block) {
  return (block.elements ?? []).map(part);
}

function part(element) {
  switch (element.type) {
    case "rich_text_list":
      return h(
        element.style === "ordered" ? "ol" : "ul",
        { class: "rich-list", style: { marginLeft: `${(element.indent ?? 0) * 24}px` } },
        element.elements.map((item) => h("li", {}, leaves(item.elements))),
      );
    case "rich_text_quote":
      return h("blockquote", { class: "mrk-quote" }, leaves(element.elements));
    case "rich_text_preformatted":
      return h("pre", { class: "mrk-pre" }, leaves(element.elements));
    default:
      return h("div", { class: "rich-section" }, leaves(element.elements));
  }
}

function leaves(elements) {
  return (elements ?? []).flatMap(leaf);
}

function leaf(element) {
  const style = element.style ?? {};
  let nodes = words(element);
  if (style.code) nodes = [h("code", { class: "mrk-code" }, nodes)];
  if (style.strike) nodes = [h("s", {}, nodes)];
  if (style.italic) nodes = [h("em", {}, nodes)];
  if (style.bold) nodes = [h("strong", {}, nodes)];
  return nodes;
}

function words(element) {
  switch (element.type) {
    case "text": return lines(element.text ?? "");
    case "emoji": return [shortcode(element.name) ?? `:${element.name}:`];
    case "link": return [link(element.url, element.text ?? element.url)];
    case "user": return [mention(element.user_id)];
    case "channel": return [h("span", { class: "mention" }, `#${session.channel(element.channel_id)?.name ?? element.channel_id}`)];
    case "broadcast": return [h("span", { class: "mention mention-own" }, `@${element.range}`)];
    case "color": return [h("code", { class: "mrk-code" }, element.value)];
    case "date": {
      const at = new Date(element.timestamp * 1000);
      return [h("time", { datetime: at.toISOString(), title: fullText(at, session.zone) }, dateToken(at, element.format ?? "{date} at {time}", { zone: session.zone, now: session.now() }))];
    }
    default: return [];
  }
}

function lines(text) {
  return text.split("\n").flatMap((line, index) => [...(index ? [h("br")] : []), ...emojiText(line)]);
}

// Block Kit to nodes: the layout blocks, and the pictures among them that can be scanned.

import { api } from "./api.js";
import { renderChart } from "./charts.js";
import { showPicture, toast } from "./dialogs.js";
import { h } from "./dom.js";
import { renderElement } from "./elements.js";
import { icon } from "./icons.js";
import { bareText, link, mrkdwn, textNodes } from "./mrkdwn.js";
import { openUrl } from "./press.js";
import { renderRichText } from "./richtext.js";
import { renderTable } from "./tables.js";

/**
 * Render blocks on a surface: `{kind, press(element, block_id, chosen, node), recall(block_id, action_id, initial),
 * remember(block_id, action_id, value), errors, all()}`; `all()` gives every block that stands together, so that a
 * scanned picture finds its button.
 */
export function renderBlocks(blocks, surface) {
  return (blocks ?? []).map((block) => {
    const make = MAKERS[block.type] ?? unsupported;
    const node = make(block, surface);
    if (block.block_id) node.dataset.blockId = block.block_id;
    return node;
  });
}

/** A surface on which nothing is remembered: messages and Home show what the app last sent. */
export function plainSurface(kind, press, all) {
  return { kind, press, all, errors: {}, recall: (_block, _action, initial) => initial, remember: () => {} };
}

const MAKERS = {
  section,
  header: (block) => h("h3", { class: "b-header" }, textNodes(block.text)),
  divider: () => h("hr", { class: "b-divider" }),
  context,
  context_actions: (block, surface) => h("div", { class: "b-actions" }, (block.elements ?? []).map((one) => renderElement(one, block, surface))),
  actions: (block, surface) => h("div", { class: "b-actions" }, block.elements.map((one) => h("span", { class: "b-action" }, renderElement(one, block, surface)))),
  image,
  input,
  rich_text: (block) => h("div", { class: "b-rich" }, renderRichText(block)),
  data_visualization: (block) => renderChart(block),
  table: (block) => renderTable(block),
  data_table: (block) => renderTable(block),
  alert,
  markdown: (block) => h("div", { class: "b-section" }, mrkdwn(markdownAsMrkdwn(block.text ?? ""))),
  container,
};

function section(block, surface) {
  const words = block.text ? h("div", { class: "b-text" }, textNodes(block.text)) : null;
  const fields = block.fields?.length ? h("div", { class: "b-fields" }, block.fields.map((field) => h("div", { class: "b-field" }, textNodes(field)))) : null;
  const accessory = block.accessory
    ? h("div", { class: "b-accessory" }, block.accessory.type === "image" ? picture(block.accessory, surface, "b-thumb") : renderElement(block.accessory, block, surface))
    : null;
  return h("div", { class: `b-section${accessory ? " b-with-accessory" : ""}` }, h("div", { class: "b-main" }, words, fields), accessory);
}

function context(block) {
  return h(
    "div",
    { class: "b-context" },
    block.elements.map((one) => (one.type === "image" ? h("img", { class: "b-context-image", src: source(one), alt: one.alt_text ?? "" }) : h("span", {}, textNodes(one)))),
  );
}

function image(block, surface) {
  const title = block.title ? h("div", { class: "b-image-title" }, textNodes(block.title)) : null;
  return h("figure", { class: "b-image" }, title, picture(block, surface, "b-picture"));
}

// A picture of a QR code is "scanned" by a click: what it holds is the address of the link button beside it.
function picture(block, surface, shape) {
  const alt = block.alt_text ?? "";
  const img = h("img", { class: shape, src: source(block), alt, loading: "lazy", onerror: () => img.closest("button")?.classList.add("picture-missing") });
  const scan = /\bQR\b/.test(alt) ? linkIn(surface.all()) : null;
  if (!scan) return h("button", { class: "picture-button", type: "button", "aria-label": `Open picture: ${alt}`, onclick: () => showPicture(img.src, alt) }, img);
  return h(
    "button",
    {
      class: "picture-button qr", type: "button", "data-testid": "qr", "aria-label": `Scan: ${alt}`,
      onclick: () => {
        openUrl(scan);
        toast("Scanned. The page opens in a new tab.", { mark: "phone" });
      },
    },
    img,
    h("span", { class: "qr-hint" }, icon("phone", 14), "Click to scan"),
  );
}

function linkIn(blocks) {
  for (const block of blocks) {
    const elements = [...(block.elements ?? []), block.accessory].filter(Boolean);
    const found = elements.find((one) => one.type === "button" && one.url);
    if (found) return found.url;
    const nested = block.child_blocks ? linkIn(block.child_blocks) : null;
    if (nested) return nested;
  }
  return null;
}

function source(block) {
  const file = block.slack_file;
  if (file?.id) return api.fileUrl(file.id);
  return file?.url ?? block.image_url ?? "";
}

function input(block, surface) {
  const error = surface.errors[block.block_id];
  return h(
    "div",
    { class: `b-input${error ? " b-invalid" : ""}` },
    h("div", { class: "b-label" }, textNodes(block.label), block.optional ? h("span", { class: "b-optional" }, " (optional)") : null),
    renderElement(block.element, block, surface),
    error ? h("div", { class: "b-error", role: "alert", "data-testid": "field-error" }, icon("warning", 14), h("span", {}, error)) : null,
    block.hint ? h("div", { class: "b-hint" }, textNodes(block.hint)) : null,
  );
}

function alert(block) {
  return h("div", { class: `b-alert b-alert-${block.level ?? "default"}`, role: "note" }, h("span", {}, textNodes(block.text)));
}

function container(block, surface) {
  const title = block.title ?? block.rich_text_title;
  return h(
    "div",
    { class: "b-container" },
    title ? h("div", { class: "b-container-title" }, title.type === "rich_text" ? renderRichText(title) : textNodes(title)) : null,
    renderBlocks(block.child_blocks ?? [], surface),
  );
}

function unsupported(block) {
  return h("div", { class: "unsupported" }, `unsupported block: ${block.type}`);
}

function markdownAsMrkdwn(text) {
  return text
    .replace(/^#{1,6} +(.+)$/gm, "**$1**")
    .replace(/\*\*(.+?)\*\*/g, "*$1*")
    .replace(/\[([^\]]+)\]\((https?:[^)\s]+)\)/g, "<$2|$1>")
    .replace(/^[-*] /gm, "• ");
}

/** Render one attachment: a coloured bar and what stands beside it. */
export function renderAttachment(attachment, surface) {
  const named = { good: "#2eb67d", warning: "#ecb22e", danger: "#e01e5a" };
  const colour = named[attachment.color] ?? (/^#?[0-9a-f]{3,6}$/i.test(attachment.color ?? "") ? `#${attachment.color.replace("#", "")}` : null);
  const title = attachment.title ? (attachment.title_link ? link(attachment.title_link, attachment.title) : attachment.title) : null;
  const body = attachment.blocks?.length
    ? renderBlocks(attachment.blocks, surface)
    : [
        title ? h("div", { class: "b-text" }, h("strong", {}, title)) : null,
        attachment.text ? h("div", { class: "b-text" }, mrkdwn(attachment.text)) : null,
        attachment.fields?.length ? h("div", { class: "b-fields" }, attachment.fields.map((field) => h("div", { class: "b-field" }, h("strong", {}, field.title ?? ""), h("br"), mrkdwn(field.value ?? "")))) : null,
        attachment.footer ? h("div", { class: "b-context" }, attachment.footer) : null,
      ];
  return h(
    "div",
    { class: "attachment", "data-testid": "attachment", "data-color": attachment.color, "aria-label": attachment.fallback ? bareText(attachment.fallback) : null },
    h("span", { class: "attachment-bar", style: colour ? { background: colour } : {} }),
    h("div", { class: "attachment-body" }, body),
  );
}

// Interactive Block Kit elements: buttons, menus, pickers, inputs. What they send is decided in press.js.

import { h } from "./dom.js";
import { avatar, icon } from "./icons.js";
import { bareText, plain, textNodes } from "./mrkdwn.js";
import { openMenu } from "./popover.js";
import { session } from "./session.js";

let serial = 0;

/** Render one element of a block. `surface` offers `press`, `recall` and `remember`. */
export function renderElement(element, block, surface) {
  const make = MAKERS[element.type];
  if (!make) return h("span", { class: "unsupported" }, `unsupported element: ${element.type}`);
  return make(element, block, surface);
}

/** Give what an element holds before anybody touched it, in the simple form that a submission carries. */
function initialValue(element) {
  return (
    element.initial_value ?? element.initial_option?.value ?? element.initial_user ?? element.initial_conversation ?? element.initial_channel ??
    element.initial_date ?? element.initial_time ?? element.initial_options?.map((option) => option.value) ?? element.initial_users ?? element.initial_conversations ?? null
  );
}

const MAKERS = {
  button,
  overflow,
  static_select: select,
  external_select: select,
  users_select: select,
  conversations_select: select,
  channels_select: select,
  multi_static_select: select,
  multi_users_select: select,
  multi_conversations_select: select,
  multi_channels_select: select,
  radio_buttons: choices,
  checkboxes: choices,
  plain_text_input: typed,
  number_input: typed,
  email_text_input: typed,
  url_text_input: typed,
  datepicker: typed,
  timepicker: typed,
};

function button(element, block, surface) {
  const style = { primary: "btn btn-primary", danger: "btn btn-danger" }[element.style] ?? "btn";
  const node = h(
    "button",
    {
      class: style, type: "button", "data-action-id": element.action_id, "data-block-id": block.block_id, "data-value": element.value,
      "data-url": element.url, "aria-label": element.accessibility_label, title: element.accessibility_label,
      onclick: () => surface.press(element, block.block_id, element.value === undefined ? {} : { value: element.value }, node),
    },
    textNodes(element.text),
  );
  return node;
}

function overflow(element, block, surface) {
  const node = h(
    "button",
    {
      class: "btn btn-icon", type: "button", "aria-label": "More actions", "aria-haspopup": "listbox", "data-action-id": element.action_id, "data-block-id": block.block_id,
      onclick: () =>
        openMenu(node, {
          align: "right",
          items: element.options.map((option) => ({ option, value: option.value, label: textNodes(option.text), text: bareText(option.text?.text ?? "") })),
          onPick: ({ option }) => void surface.press(element, block.block_id, { selected_option: option }, node),
        }),
    },
    icon("dots", 18),
  );
  return node;
}

function select(element, block, surface) {
  const multi = element.type.startsWith("multi_");
  const items = selectItems(element);
  const start = [recalled(element, block, surface) ?? []].flat();
  const chosen = new Set(start);
  const words = h("span", { class: "select-words" });
  const node = h(
    "button",
    {
      class: "select", type: "button", "aria-haspopup": "listbox", "data-action-id": element.action_id, "data-block-id": block.block_id, "data-testid": "select",
      "aria-label": element.placeholder?.text ?? "Choose", onclick: show,
    },
    words,
    icon("chevron", 16),
  );
  draw();
  return node;

  function draw() {
    const picked = items.filter((item) => chosen.has(item.value));
    node.classList.toggle("select-empty", !picked.length);
    const parts = picked.map((item) => (multi ? h("span", { class: "token" }, item.nodes()) : item.nodes()));
    words.replaceChildren(...(parts.length ? parts.flat() : plain(element.placeholder?.text ?? (multi ? "Select options" : "Select an item"))));
  }

  function show() {
    openMenu(node, {
      searchable: items.length > 7 || element.type.includes("users") || element.type.includes("conversations"),
      label: element.placeholder?.text ?? "Options",
      items: items.map((item) => ({ ...item, label: item.nodes(), selected: chosen.has(item.value) })),
      onPick: (item) => {
        if (multi && chosen.has(item.value)) chosen.delete(item.value);
        else {
          if (!multi) chosen.clear();
          chosen.add(item.value);
        }
        draw();
        const values = [...chosen];
        changed(element, block, surface, multi ? values : values[0], pickedBody(element, items.filter((one) => chosen.has(one.value)), values), node);
      },
    });
  }
}

function selectItems(element) {
  if (element.type.includes("users")) {
    return [...session.people.values()].map((person) => ({
      value: person.id, text: `${person.real_name} ${person.handle}`, mark: avatar(person, 20), description: person.handle, nodes: () => [person.real_name],
    }));
  }
  if (element.type.includes("conversations") || element.type.includes("channels")) {
    return [...session.channels.values()].map((channel) => ({ value: channel.id, text: channel.name, nodes: () => [`# ${channel.name}`] }));
  }
  const groups = element.option_groups ?? [{ options: element.options ?? [] }];
  return groups.flatMap((group) =>
    group.options.map((option) => ({
      option, value: option.value, text: bareText(option.text?.text ?? ""), section: group.label ? bareText(group.label.text) : null,
      description: option.description ? bareText(option.description.text) : null, nodes: () => textNodes(option.text),
    })),
  );
}

function pickedBody(element, items, values) {
  const multi = element.type.startsWith("multi_");
  if (element.type.includes("users")) return multi ? { selected_users: values } : { selected_user: values[0] };
  if (element.type.includes("conversations")) return multi ? { selected_conversations: values } : { selected_conversation: values[0] };
  if (element.type.includes("channels")) return multi ? { selected_channels: values } : { selected_channel: values[0] };
  const options = items.map((item) => item.option);
  return multi ? { selected_options: options } : { selected_option: options[0] };
}

function choices(element, block, surface) {
  const several = element.type === "checkboxes";
  const current = new Set([recalled(element, block, surface) ?? []].flat());
  const name = `choice-${(serial += 1)}`;
  const node = h(
    "div",
    { class: "choices", role: several ? "group" : "radiogroup", "data-action-id": element.action_id, "data-block-id": block.block_id },
    element.options.map((option) => {
      const input = h("input", {
        type: several ? "checkbox" : "radio", name, value: option.value, checked: current.has(option.value), "data-action-id": element.action_id,
        onchange: () => {
          const values = new Set([...node.querySelectorAll("input:checked")].map((one) => one.value));
          const options = element.options.filter((one) => values.has(one.value));
          if (several) changed(element, block, surface, [...values], { selected_options: options }, node);
          else changed(element, block, surface, option.value, { selected_option: option }, node);
        },
      });
      return h(
        "label",
        { class: "choice" },
        input,
        h("span", { class: "choice-words" }, h("span", {}, textNodes(option.text)), option.description ? h("span", { class: "choice-description" }, textNodes(option.description)) : null),
      );
    }),
  );
  return node;
}

const INPUT_TYPES = { datepicker: "date", timepicker: "time", email_text_input: "email", url_text_input: "url" };

function typed(element, block, surface) {
  const picker = element.type === "datepicker" || element.type === "timepicker";
  const tag = element.multiline ? "textarea" : "input";
  const triggers = element.dispatch_action_config?.trigger_actions_on ?? ["on_enter_pressed"];
  const simple = () => (node.value === "" ? null : node.value);
  const body = () => (element.type === "datepicker" ? { selected_date: simple() } : element.type === "timepicker" ? { selected_time: simple() } : { value: node.value });
  const node = h(tag, {
    class: `field${picker ? " field-picker" : ""}${element.type === "number_input" ? " field-number" : ""}`,
    type: tag === "input" ? (INPUT_TYPES[element.type] ?? "text") : null,
    inputmode: element.type === "number_input" ? (element.is_decimal_allowed ? "decimal" : "numeric") : null,
    rows: tag === "textarea" ? 3 : null, maxlength: element.max_length, placeholder: element.placeholder?.text, autocomplete: "off",
    "data-action-id": element.action_id, "data-block-id": block.block_id, "aria-label": bareText(block.label?.text ?? element.placeholder?.text ?? "Value"),
    oninput: () => {
      surface.remember(block.block_id, element.action_id, simple());
      if (block.dispatch_action && triggers.includes("on_character_entered")) surface.press(element, block.block_id, body(), node);
    },
    onchange: () => {
      if (picker) changed(element, block, surface, simple(), body(), node);
    },
    onkeydown: (event) => {
      if (event.key === "Enter" && block.dispatch_action && triggers.includes("on_enter_pressed") && tag === "input") {
        event.preventDefault();
        surface.press(element, block.block_id, body(), node);
      }
    },
  });
  node.value = recalled(element, block, surface) ?? "";
  return node;
}

// An input block tells the app only on submit, unless it dispatches; everywhere else each change is a press.
function changed(element, block, surface, simple, body, node) {
  surface.remember(block.block_id, element.action_id, simple);
  if (block.type !== "input" || block.dispatch_action) surface.press(element, block.block_id, body, node);
}

function recalled(element, block, surface) {
  return surface.recall(block.block_id, element.action_id, initialValue(element));
}

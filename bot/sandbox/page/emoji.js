// Emoji: shortcodes to characters, and the few that carry meaning drawn as pictures so that every machine shows them.

import { h, s } from "./dom.js";

const SHORTCODES = {
  large_red_square: "🟥", red_square: "🟥", large_green_square: "🟩", large_yellow_square: "🟨", large_orange_square: "🟧",
  large_blue_square: "🟦", large_purple_square: "🟪", black_large_square: "⬛", white_large_square: "⬜",
  red_circle: "🔴", large_green_circle: "🟢", large_yellow_circle: "🟡", large_orange_circle: "🟠", large_blue_circle: "🔵",
  white_circle: "⚪", black_circle: "⚫", warning: "⚠️", white_check_mark: "✅", heavy_check_mark: "✔️", x: "❌",
  no_entry: "⛔", no_entry_sign: "🚫", octagonal_sign: "🛑", information_source: "ℹ️", exclamation: "❗", question: "❓",
  bulb: "💡", bell: "🔔", no_bell: "🔕", rotating_light: "🚨", zap: "⚡", fire: "🔥", hourglass: "⌛",
  hourglass_flowing_sand: "⏳", stopwatch: "⏱️", alarm_clock: "⏰", clock3: "🕒", calendar: "📅", date: "📅",
  spiral_calendar_pad: "🗓️", chart_with_upwards_trend: "📈", chart_with_downwards_trend: "📉", bar_chart: "📊",
  moneybag: "💰", money_with_wings: "💸", dollar: "💵", euro: "💶", credit_card: "💳", receipt: "🧾", bank: "🏦",
  link: "🔗", lock: "🔒", unlock: "🔓", key: "🔑", gear: "⚙️", wrench: "🔧", hammer: "🔨", mag: "🔍", pencil2: "✏️",
  memo: "📝", page_facing_up: "📄", clipboard: "📋", file_folder: "📁", inbox_tray: "📥", outbox_tray: "📤", email: "✉️",
  phone: "☎️", telephone_receiver: "📞", iphone: "📱", robot_face: "🤖", computer: "💻", speech_balloon: "💬",
  wave: "👋", thumbsup: "👍", "+1": "👍", thumbsdown: "👎", "-1": "👎", clap: "👏", pray: "🙏", raised_hands: "🙌",
  eyes: "👀", point_right: "👉", point_left: "👈", point_up: "☝️", point_down: "👇", ok_hand: "👌", muscle: "💪",
  smile: "😄", slightly_smiling_face: "🙂", grinning: "😀", joy: "😂", wink: "😉", blush: "😊", thinking_face: "🤔",
  sob: "😭", cry: "😢", scream: "😱", sweat_smile: "😅", sunglasses: "😎", neutral_face: "😐", confused: "😕",
  tada: "🎉", sparkles: "✨", star: "⭐", rocket: "🚀", heart: "❤️", trophy: "🏆", "100": "💯", coffee: "☕",
  arrow_right: "➡️", arrow_left: "⬅️", arrow_up: "⬆️", arrow_down: "⬇️", arrows_counterclockwise: "🔄", repeat: "🔁",
  small_red_triangle: "🔺", small_red_triangle_down: "🔻", small_blue_diamond: "🔹", small_orange_diamond: "🔸",
  heavy_plus_sign: "➕", heavy_minus_sign: "➖", double_vertical_bar: "⏸️", arrow_forward: "▶️", construction: "🚧",
  shield: "🛡️", package: "📦", globe_with_meridians: "🌐", busts_in_silhouette: "👥", bust_in_silhouette: "👤",
};

const SQUARES = { "🟥": "#dd2e44", "🟩": "#2fa36b", "🟨": "#f3c13a", "🟧": "#f08a24", "🟦": "#3d8fe0", "🟪": "#9a63c8", "⬛": "#31373d", "⬜": "#e6e7e8" };
const CIRCLES = { "🔴": "#dd2e44", "🟢": "#2fa36b", "🟡": "#f3c13a", "🟠": "#f08a24", "🔵": "#3d8fe0", "⚪": "#e6e7e8", "⚫": "#31373d" };

const DRAWINGS = {
  "⚠": () => [
    s("path", { d: "M11 2.6 20.4 19a1.2 1.2 0 0 1-1 1.8H2.6a1.2 1.2 0 0 1-1-1.8L11 2.6Z", fill: "#f3c13a" }),
    s("path", { d: "M11 8.5v5.5M11 17v.2", stroke: "#31373d", "stroke-width": 2.2, "stroke-linecap": "round" }),
  ],
  "✅": () => [box("#2fa36b"), s("path", { d: "m6 11.5 3.5 3.5L16 8", ...WHITE_LINE })],
  "✔": () => [s("path", { d: "m4 12 4.5 4.5L18 6", ...WHITE_LINE, stroke: "currentColor" })],
  "❌": () => [s("path", { d: "m5 5 12 12M17 5 5 17", ...WHITE_LINE, stroke: "#dd2e44", "stroke-width": 3.5 })],
  "⛔": () => [disc("#dd2e44"), s("path", { d: "M6 11h10", ...WHITE_LINE, "stroke-width": 3.5 })],
  "🛑": () => [
    s("path", { d: "M7.2 2h7.6L20 7.2v7.6L14.8 20H7.2L2 14.8V7.2z", fill: "#dd2e44" }),
    s("path", { d: "M7 11h8", ...WHITE_LINE, "stroke-width": 3 }),
  ],
  "ℹ": () => [box("#3d8fe0"), s("path", { d: "M11 10v5.5M11 6.5v.2", ...WHITE_LINE })],
  "💳": () => [
    s("rect", { x: 2, y: 5, width: 18, height: 13, rx: 2, fill: "#3d8fe0" }),
    s("rect", { x: 2, y: 8, width: 18, height: 3, fill: "#25496f" }),
    s("rect", { x: 4.5, y: 13.5, width: 6, height: 2, rx: 1, fill: "#fff" }),
  ],
  "🔔": () => [
    s("path", { d: "M11 2.5a6 6 0 0 1 6 6c0 4.5 1.5 6 2.5 7.5h-17C3.5 14.5 5 13 5 8.5a6 6 0 0 1 6-6Z", fill: "#f3c13a" }),
    s("circle", { cx: 11, cy: 18, r: 2, fill: "#d19a1e" }),
  ],
  "⏳": hourglass,
  "⌛": hourglass,
};

const WHITE_LINE = { fill: "none", stroke: "#fff", "stroke-width": 2.4, "stroke-linecap": "round", "stroke-linejoin": "round" };
const DRAWN = new RegExp(`(${[...Object.keys(SQUARES), ...Object.keys(CIRCLES), ...Object.keys(DRAWINGS)].join("|")})\\ufe0f?`, "gu");
// Pictographs only: digits, © and arrows that read as text stay text.
const PICTOGRAPH = /(?:\p{Emoji_Presentation}|\p{Extended_Pictographic}\ufe0f)(?:\p{Emoji_Modifier}|\u200d\p{Extended_Pictographic}\ufe0f?)*/gu;

/** Give the nodes of a plain string, its emoji as pictures. */
export function emojiText(text) {
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(DRAWN)) {
    if (found.index > at) nodes.push(...pictographs(text.slice(at, found.index)));
    nodes.push(drawn(found[1]));
    at = found.index + found[0].length;
  }
  if (at < text.length) nodes.push(...pictographs(text.slice(at)));
  return nodes;
}

/** Give the node of a shortcode, or null when it is not one we know. */
export function shortcode(name) {
  const character = SHORTCODES[name.replace(/::skin-tone-\d$/, "")];
  return character ? emojiText(character)[0] : null;
}

/** Turn the `:shortcodes:` of plain text into nodes. */
export function plainEmoji(text) {
  return text.split(/(:[a-z0-9_+-]+:)/).flatMap((piece, index) => {
    if (index % 2 === 0) return emojiText(piece);
    const node = shortcode(piece.slice(1, -1));
    return node ? [node] : emojiText(piece);
  });
}

function pictographs(text) {
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(PICTOGRAPH)) {
    if (found.index > at) nodes.push(document.createTextNode(text.slice(at, found.index)));
    nodes.push(h("span", { class: "emoji" }, found[0]));
    at = found.index + found[0].length;
  }
  if (at < text.length) nodes.push(document.createTextNode(text.slice(at)));
  return nodes;
}

function drawn(character) {
  const shapes = SQUARES[character] ? [box(SQUARES[character])] : CIRCLES[character] ? [disc(CIRCLES[character])] : DRAWINGS[character]();
  return s("svg", { class: "emoji-drawn", viewBox: "0 0 22 22", role: "img", "aria-label": character }, ...shapes);
}

function box(colour) {
  return s("rect", { x: 2, y: 2, width: 18, height: 18, rx: 3.5, fill: colour });
}

function disc(colour) {
  return s("circle", { cx: 11, cy: 11, r: 9, fill: colour });
}

function hourglass() {
  return [
    s("path", { d: "M5 2h12v2.5c0 3.5-3 5-4.5 6.5 1.5 1.5 4.5 3 4.5 6.5V20H5v-2.5c0-3.5 3-5 4.5-6.5C8 9.5 5 8 5 4.5z", fill: "#cfe6f7", stroke: "#8a5a2b", "stroke-width": 1.4 }),
    s("path", { d: "M8 18.5c0-2 1.5-3 3-4 1.5 1 3 2 3 4zM8.5 6h5L11 9z", fill: "#e8a33d" }),
  ];
}

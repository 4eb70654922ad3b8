// Every icon on the page, drawn here: no icon font, no other host.

import { h, s } from "./dom.js";

const STROKED = {
  hash: "M7.5 3 6 17M14 3l-1.5 14M3.5 7.5h14M2.5 12.5h14",
  chevron: "m5 8 5 5 5-5",
  back: "M12.5 4.5 7 10l5.5 5.5",
  forward: "M7.5 4.5 13 10l-5.5 5.5",
  close: "m5 5 10 10M15 5 5 15",
  check: "m4.5 10.5 3.8 3.8L15.5 6.5",
  plus: "M10 4v12M4 10h12",
  slash: "M12.5 3.5l-5 13",
  send: "M3.5 4 17 10 3.5 16l1.8-6zM5.3 10H11",
  eye: "M2 10s3-5 8-5 8 5 8 5-3 5-8 5-8-5-8-5ZM10 12.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4Z",
  reply: "M3.5 5.5A1.5 1.5 0 0 1 5 4h10a1.5 1.5 0 0 1 1.5 1.5v7A1.5 1.5 0 0 1 15 14H9l-3.5 3v-3H5a1.5 1.5 0 0 1-1.5-1.5z",
  wire: "M2.5 10h3l2-5.5 4 11 2.5-5.5h3.5",
  people: "M7.5 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2 16.5c.4-3 2.6-4.5 5.5-4.5s5.1 1.5 5.5 4.5M13 3.8a3 3 0 0 1 0 5.4M15 12.5c1.8.6 2.8 2 3 4",
  sun: "M10 13.2a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4ZM10 2v2M10 16v2M2 10h2M16 10h2M4.4 4.4l1.4 1.4M14.2 14.2l1.4 1.4M4.4 15.6l1.4-1.4M14.2 5.8l1.4-1.4",
  moon: "M16.5 11.8A6.8 6.8 0 0 1 8.2 3.5a6.8 6.8 0 1 0 8.3 8.3Z",
  menu: "M3.5 5.5h13M3.5 10h13M3.5 14.5h13",
  copy: "M7 7V4.5A1.5 1.5 0 0 1 8.5 3h7A1.5 1.5 0 0 1 17 4.5v7a1.5 1.5 0 0 1-1.5 1.5H13M4.5 7h7A1.5 1.5 0 0 1 13 8.5v7a1.5 1.5 0 0 1-1.5 1.5h-7A1.5 1.5 0 0 1 3 15.5v-7A1.5 1.5 0 0 1 4.5 7Z",
  external: "M8 4.5H5A1.5 1.5 0 0 0 3.5 6v9A1.5 1.5 0 0 0 5 16.5h9a1.5 1.5 0 0 0 1.5-1.5v-3M11.5 3.5h5v5M16.5 3.5 9 11",
  warning: "M10 3.2 18 16.8H2zM10 8v4M10 14.2v.4",
  phone: "M6.5 2.8 4 4c-.6 5.8 6.2 12.6 12 12l1.2-2.5-3.4-2.4-2 1.2c-1.6-.8-3.3-2.5-4.1-4.1l1.2-2z",
  bolt: "M11 2.5 4.5 11.5H10L9 17.5l6.5-9H10z",
  clock: "M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15ZM10 5.5V10l3 2",
  book: "M3 4.5c2.5-.8 5-.8 7 .8 2-1.6 4.5-1.6 7-.8v11c-2.5-.8-5-.8-7 .8-2-1.6-4.5-1.6-7-.8zM10 5.3v11",
  chat: "M3 5.5A1.5 1.5 0 0 1 4.5 4h11A1.5 1.5 0 0 1 17 5.5v7a1.5 1.5 0 0 1-1.5 1.5H9.5L6 17v-3H4.5A1.5 1.5 0 0 1 3 12.5z",
  calendar: "M4 5h12a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1ZM3 8.5h14M7 3v3M13 3v3",
  file: "M5.5 2.5H12l3.5 3.5v11a.5.5 0 0 1-.5.5h-9.5a.5.5 0 0 1-.5-.5v-14a.5.5 0 0 1 .5-.5ZM12 2.5V6h3.5",
  download: "M10 3v9.5M6 9l4 4 4-4M4 16.5h12",
  at: "M13 10a3 3 0 1 1-6 0 3 3 0 0 1 6 0Zm0 0v1.3c0 2.7 4 2.2 4-1.3a7 7 0 1 0-2.8 5.6",
  code: "m7 6-4.5 4L7 14M13 6l4.5 4L13 14",
  window: "M3 4.5h14v11H3zM10 4.5v11",
};

/** Give an icon as an inline picture; decorative unless a label is given. */
export function icon(name, size = 18, label = null) {
  if (name === "dots") return dots(size);
  return s(
    "svg",
    {
      class: `icon icon-${name}`, width: size, height: size, viewBox: "0 0 20 20", fill: "none", stroke: "currentColor",
      "stroke-width": 1.6, "stroke-linecap": "round", "stroke-linejoin": "round",
      "aria-hidden": label ? null : "true", role: label ? "img" : null, "aria-label": label,
    },
    s("path", { d: STROKED[name] }),
  );
}

/** The app's picture: lines of a statement, the last of them red. */
export function appMark(size = 36) {
  return h(
    "span",
    { class: "avatar avatar-app", style: { width: `${size}px`, height: `${size}px` }, "aria-hidden": "true" },
    s(
      "svg",
      { width: size, height: size, viewBox: "0 0 36 36" },
      s("rect", { width: 36, height: 36, fill: "#1f1a24" }),
      s("rect", { x: 8, y: 9, width: 20, height: 3, rx: 1.5, fill: "#fff", opacity: 0.92 }),
      s("rect", { x: 8, y: 15, width: 13, height: 3, rx: 1.5, fill: "#fff", opacity: 0.55 }),
      s("rect", { x: 8, y: 21.5, width: 20, height: 6, rx: 2, fill: "#e01e5a" }),
    ),
  );
}

/** A person's picture: initials on the person's colour. */
export function avatar(person, size = 36) {
  const initials = person?.initials ?? (person?.real_name ?? person?.handle ?? "?").slice(0, 1).toUpperCase();
  return h(
    "span",
    {
      class: "avatar", "aria-hidden": "true",
      style: {
        width: `${size}px`, height: `${size}px`, background: person?.color ?? "#616061",
        fontSize: `${Math.max(9, Math.round(size * 0.4))}px`,
      },
    },
    initials,
  );
}

function dots(size) {
  return s(
    "svg",
    { class: "icon", width: size, height: size, viewBox: "0 0 20 20", fill: "currentColor", "aria-hidden": "true" },
    ...[4.5, 10, 15.5].map((x) => s("circle", { cx: x, cy: 10, r: 1.6 })),
  );
}

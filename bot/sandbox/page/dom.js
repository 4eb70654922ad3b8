// Builds elements. Text always arrives as text nodes, so nothing that Slack content says can become markup.

const PROPERTIES = new Set(["value", "checked", "disabled", "indeterminate", "selected", "hidden", "tabIndex", "htmlFor"]);
const SVG = "http://www.w3.org/2000/svg";

/** Make an element: `h("p", {class: "note", onclick: f}, "text", child)`. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "dataset") Object.assign(node.dataset, present(value));
    else if (name === "style" && typeof value === "object") Object.assign(node.style, value);
    else if (name.startsWith("on") && typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (PROPERTIES.has(name)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...flat(children));
  return node;
}

/** Make an SVG element. */
export function s(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, String(value));
  }
  node.append(...flat(children));
  return node;
}

/** Replace everything inside a node. */
export function fill(node, ...children) {
  node.replaceChildren(...flat(children));
  return node;
}

/** Call the function once, after the calls have stopped for a while. */
export function debounced(wait_ms, action) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), wait_ms);
  };
}

/** Call at once, then at most once a gap; a call during the gap is made when it ends. `gap_ms` may be a function. */
export function throttled(gap_ms, action) {
  let resting = false;
  let wanted = false;
  const gap = () => (typeof gap_ms === "function" ? gap_ms() : gap_ms);
  return function run() {
    if (resting) {
      wanted = true;
      return;
    }
    resting = true;
    action();
    setTimeout(() => {
      resting = false;
      if (wanted) {
        wanted = false;
        run();
      }
    }, gap());
  };
}

/** Run one at a time: calls during a run lead to exactly one further run. */
export function oneAtATime(action) {
  let running = null;
  let again = false;
  return function run() {
    if (running) {
      again = true;
      return running;
    }
    running = (async () => {
      try {
        do {
          again = false;
          await action();
        } while (again);
      } finally {
        running = null;
      }
    })();
    return running;
  };
}

/** Write an amount of bytes as people do. */
export function sizeText(bytes) {
  if (!Number.isFinite(bytes)) return "";
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false && child !== "");
}

function present(dataset) {
  return Object.fromEntries(Object.entries(dataset).filter(([, value]) => value !== null && value !== undefined));
}

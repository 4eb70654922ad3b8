// Every request the page makes, and the live line on which the sandbox says that something changed.

const WAIT_MS = 12_000;
const POLL_MS = 2500;
const TOPICS = ["message", "home", "modal", "clock", "payment", "wallet", "story", "six_weeks", "sidebar", "wire"];

/** An answer that was not a success; `body` is what the server said. */
export class Refusal extends Error {
  constructor(status, body, path) {
    super(words(body) ?? (status ? `${path} answered ${status}` : `${path} could not be reached`));
    this.status = status;
    this.body = body;
  }
}

/** Make one request and give its JSON. Throws a Refusal otherwise. */
export async function call(method, path, body = undefined, { headers = {}, wait_ms = WAIT_MS } = {}) {
  const options = { method, headers: { Accept: "application/json", ...headers }, signal: AbortSignal.timeout(wait_ms) };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    throw new Refusal(0, { error: error.name === "TimeoutError" ? "The sandbox did not answer in time." : "The sandbox could not be reached." }, path);
  }
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    answer = { error: text.slice(0, 200) };
  }
  if (!response.ok) throw new Refusal(response.status, answer, path);
  return answer;
}

const at = (path, query) => `/sandbox/api/${path}?${new URLSearchParams(Object.entries(query).filter(([, value]) => value !== null && value !== undefined))}`;
const post = (path, body, options) => call("POST", `/sandbox/api/${path}`, body, options);

export const api = {
  bootstrap: () => call("GET", "/sandbox/api/bootstrap"),
  sidebar: (as) => call("GET", at("sidebar", { as })),
  messages: (as, channel) => call("GET", at("messages", { as, channel })),
  say: (as, channel, text, thread_ts) => post("say", { as, channel, text, ...(thread_ts ? { thread_ts } : {}) }),
  command: (as, channel, text) => post("command", { as, channel, text }),
  openHome: (as) => post("home", { as }),
  home: (as) => call("GET", at("home", { as })),
  press: (body) => post("press", body),
  modals: (as) => call("GET", at("modals", { as })),
  submit: (body) => post("submit", body),
  close: (as, view_id) => post("close", { as, ...(view_id ? { view_id } : {}) }),
  shortcut: (as, callback_id) => post("shortcut", { as, callback_id }),
  wire: (query) => call("GET", at("wire", query)),
  clock: () => call("GET", "/sandbox/api/clock"),
  skip: (minutes) => post("clock/skip", { minutes }, { wait_ms: 120_000 }),
  sixWeeks: () => post("six-weeks", {}, { wait_ms: 120_000 }),
  story: () => call("GET", "/sandbox/api/story"),
  playStory: (n) => post(`story/${n}`, {}, { wait_ms: 120_000 }),
  fileUrl: (id) => `/sandbox/api/files/${encodeURIComponent(id)}`,
};

/**
 * Listen to what changes. Calls `hear({topic, …})`; the topic "tick" means "look at everything again", which is
 * what a lost line comes down to: while it is down the page asks by itself.
 */
export function listen(hear) {
  let polling = 0;
  const poll = (on) => {
    if (on && !polling) polling = setInterval(() => hear({ topic: "tick" }), POLL_MS);
    if (!on && polling) {
      clearInterval(polling);
      polling = 0;
      hear({ topic: "tick" });
    }
  };
  const connect = () => {
    const source = new EventSource("/sandbox/api/live");
    const take = (event) => {
      const news = parsed(event.data);
      if (news) hear({ ...news, ...(news.payload ?? {}), topic: news.topic ?? (event.type === "message" ? (news.type ?? "message") : event.type) });
    };
    for (const topic of TOPICS) source.addEventListener(topic, take);
    source.onopen = () => poll(false);
    source.onerror = () => {
      poll(true);
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, POLL_MS);
    };
  };
  connect();
}

function parsed(text) {
  try {
    const news = JSON.parse(text);
    return news && typeof news === "object" ? news : null;
  } catch {
    return null;
  }
}

function words(body) {
  if (!body) return null;
  if (typeof body === "string") return body;
  const said = body.message ?? body.detail ?? body.error;
  return typeof said === "string" ? said : (said?.message ?? null);
}

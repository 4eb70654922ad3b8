// Times as the reader sees them: the reader's own zone, and the sandbox's clock for "today".

const DAY_MS = 86_400_000;
const PARTS = new Map();

/** Write a time of day, `14:31`. */
export function timeText(at, zone, seconds = false) {
  const { hour, minute, second } = parts(at, zone);
  return seconds ? `${hour}:${minute}:${second}` : `${hour}:${minute}`;
}

/** Name the day of a line between messages: Today, Yesterday, or the date in words. */
export function dayText(at, now, zone) {
  return near(at, now, zone, ["Today", "Yesterday", "Tomorrow"]) ?? worded(at, zone, { weekday: "long", month: "long", day: "numeric", ...otherYear(at, now, zone) });
}

/** Tell whether two instants fall on one day in a zone. */
export function sameDay(one, other, zone) {
  return dayKey(one, zone) === dayKey(other, zone);
}

/** Say how long ago something was. */
export function agoText(at, now) {
  const seconds = Math.round((now - at) / 1000);
  const ahead = seconds < 0;
  const size = Math.abs(seconds);
  const steps = [[60, 1, "second"], [3600, 60, "minute"], [86_400, 3600, "hour"], [604_800, 86_400, "day"], [2_592_000, 604_800, "week"], [31_536_000, 2_592_000, "month"], [Infinity, 31_536_000, "year"]];
  if (size < 5) return "just now";
  const [, unit, name] = steps.find(([below]) => size < below);
  const count = Math.floor(size / unit);
  const words = `${count} ${name}${count === 1 ? "" : "s"}`;
  return ahead ? `in ${words}` : `${words} ago`;
}

/** Fill the tokens of `<!date^…>` the way Slack's client does. */
export function dateToken(at, format, { zone, now, begins = false }) {
  const write = {
    date_num: () => dayKey(at, zone),
    date_slash: () => { const p = parts(at, zone); return `${p.month}/${p.day}/${p.year}`; },
    date: () => ordinal(at, zone, { month: "long" }, now),
    date_long: () => ordinal(at, zone, { weekday: "long", month: "long" }, now),
    date_short: () => worded(at, zone, { month: "short", day: "numeric", year: "numeric" }),
    time: () => timeText(at, zone),
    time_secs: () => timeText(at, zone, true),
    ago: () => agoText(at, now),
    day_divider_pretty: () => dayText(at, now, zone),
  };
  return format.replace(/\{([a-z_]+)\}/g, (whole, name, offset) => {
    const pretty = name.endsWith("_pretty") && write[name] === undefined;
    const base = pretty ? name.slice(0, -7) : name;
    if (!write[base]) return whole;
    if (!pretty) return write[base]();
    const word = near(at, now, zone, begins && offset === 0 ? ["Today", "Yesterday", "Tomorrow"] : ["today", "yesterday", "tomorrow"]);
    return word ?? write[base]();
  });
}

/** Write an instant in full, for a title that appears on hover. */
export function fullText(at, zone) {
  return `${worded(at, zone, { weekday: "long", day: "numeric", month: "long", year: "numeric" })} at ${timeText(at, zone, true)}`;
}

function near(at, now, zone, [today, yesterday, tomorrow]) {
  const key = dayKey(at, zone);
  if (key === dayKey(now, zone)) return today;
  if (key === dayKey(new Date(now - DAY_MS), zone)) return yesterday;
  return key === dayKey(new Date(+now + DAY_MS), zone) ? tomorrow : null;
}

function ordinal(at, zone, options, now) {
  const text = worded(at, zone, { ...options, day: "numeric" });
  const day = Number(parts(at, zone).day);
  const suffix = day % 100 >= 11 && day % 100 <= 13 ? "th" : (["th", "st", "nd", "rd"][day % 10] ?? "th");
  const year = otherYear(at, now, zone).year ? `, ${parts(at, zone).year}` : "";
  return `${text}${suffix}${year}`;
}

function otherYear(at, now, zone) {
  return parts(at, zone).year === parts(now, zone).year ? {} : { year: "numeric" };
}

function worded(at, zone, options) {
  return new Intl.DateTimeFormat("en-US", { timeZone: zone, ...options }).format(at);
}

function dayKey(at, zone) {
  const { year, month, day } = parts(at, zone);
  return `${year}-${month}-${day}`;
}

function parts(at, zone) {
  if (!PARTS.has(zone)) {
    const wanted = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" };
    PARTS.set(zone, new Intl.DateTimeFormat("en-US", { ...wanted, timeZone: zone, hourCycle: "h23" }));
  }
  return Object.fromEntries(PARTS.get(zone).formatToParts(at).map((part) => [part.type, part.value]));
}

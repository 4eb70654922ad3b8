// The sandbox's clock, and the button that lives six weeks.

import { api } from "./api.js";
import { timeText } from "./dates.js";
import { toast } from "./dialogs.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { session } from "./session.js";

const STEPS = [[1, "1 min", "skip-1m"], [15, "15 min", "skip-15m"], [60, "1 hour", "skip-1h"], [1440, "1 day", "skip-1d"], [10_080, "7 days", "skip-7d"]];
const POLL_MS = 1000;
const SIX_WEEKS_DAYS = 42;

/** The clock panel; `onSkip()` is called after time has moved. */
export class ClockPanel {
  constructor(onSkip) {
    this.onSkip = onSkip;
    this.living = false;
    this.time = h("span", { class: "clock-time", "data-testid": "clock-now" });
    this.day = h("span", { class: "clock-day" });
    this.offset = h("span", { class: "clock-offset", "data-testid": "clock-offset" });
    this.progress = h("div", { class: "progress", hidden: true, "data-testid": "six-weeks-progress" }, h("div", { class: "progress-bar" }), h("span", { class: "progress-words" }));
    this.sixWeeks = h("button", { class: "desk-button desk-wide", type: "button", "data-testid": "six-weeks", onclick: () => this.liveSixWeeks() }, icon("bolt", 16), "Live six weeks");
    this.buttons = STEPS.map(([minutes, label, testid]) => h("button", { class: "desk-button", type: "button", "data-testid": testid, "aria-label": `Skip ${label}`, onclick: () => this.skip(minutes, label) }, `+${label}`));
    this.node = h(
      "section",
      { class: "panel panel-clock", "aria-label": "Clock", "data-panel": "clock" },
      h("header", { class: "panel-head" }, icon("clock", 16), h("h2", {}, "Clock"), this.offset),
      h("div", { class: "display clock-face" }, this.time, this.day),
      h("div", { class: "clock-steps" }, this.buttons),
      h("p", { class: "panel-note" }, "Skipping runs every moment that was due, in order."),
      this.sixWeeks,
      this.progress,
    );
    this.tick();
    setInterval(() => this.tick(), 1000);
  }

  tick() {
    const now = session.now();
    fill(this.time, timeText(now, session.deskZone), h("span", { class: "clock-seconds" }, `:${String(now.getUTCSeconds()).padStart(2, "0")}`));
    this.time.setAttribute("data-now", now.toISOString());
    fill(this.day, new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "long", year: "numeric", timeZone: session.deskZone }).format(now));
    fill(this.offset, offsetText(session.clock.offset_seconds));
  }

  async skip(minutes, label) {
    this.working(true);
    try {
      session.takeClock(await api.skip(minutes));
      session.takeClock(await api.clock());
      this.onSkip();
    } catch (refusal) {
      toast(`${label} could not be skipped: ${refusal.message}`, { mark: "warning", kind: "trouble" });
    } finally {
      this.working(false);
      this.tick();
    }
  }

  async liveSixWeeks() {
    const began_seconds = session.clock.offset_seconds ?? 0;
    this.working(true);
    this.living = true;
    this.showProgress({ done: 0, total: SIX_WEEKS_DAYS, text: "Living six weeks…" });
    const watch = setInterval(() => this.watchDays(began_seconds), POLL_MS);
    try {
      const { posted, payments } = await api.sixWeeks();
      const calls = posted === undefined ? "Calls, payments and months" : `${Number(posted).toLocaleString("en-US")} calls and tasks, ${payments} payments`;
      this.showProgress({ finished: true, text: `Six weeks lived: ${calls}.` });
      session.takeClock(await api.clock());
      this.onSkip();
    } catch (refusal) {
      this.showProgress({ text: refusal.message, failed: true });
    } finally {
      clearInterval(watch);
      this.living = false;
      this.working(false);
      this.tick();
    }
  }

  // The clock itself tells how far it is: it moves on as the weeks are lived.
  async watchDays(began_seconds) {
    try {
      session.takeClock(await api.clock());
    } catch {
      return;
    }
    this.tick();
    const days = Math.floor((session.clock.offset_seconds - began_seconds) / 86_400);
    if (this.living) this.showProgress({ done: days, total: SIX_WEEKS_DAYS, text: `Day ${Math.min(days + 1, SIX_WEEKS_DAYS)} of ${SIX_WEEKS_DAYS}` });
  }

  /** Show how far the six weeks are: `{done, total, text}`. */
  showProgress({ done = null, total = null, text = null, finished = false, failed = false }) {
    const share = finished ? 1 : total ? Math.min(1, done / total) : null;
    this.progress.hidden = false;
    this.progress.classList.toggle("progress-open", share === null && !failed);
    this.progress.classList.toggle("progress-failed", failed);
    this.progress.firstChild.style.width = share === null ? "" : `${Math.round(share * 100)}%`;
    fill(this.progress.lastChild, text ?? (total ? `${done} of ${total}` : "Working…"));
  }

  working(on) {
    for (const button of [...this.buttons, this.sixWeeks]) button.disabled = on;
  }
}

function offsetText(seconds) {
  if (!seconds || Math.abs(seconds) < 30) return "real time";
  const minutes = Math.round(Math.abs(seconds) / 60);
  const days = Math.floor(minutes / 1440);
  const hours = Math.floor((minutes % 1440) / 60);
  const words = [days ? `${days} d` : null, hours ? `${hours} h` : null, !days && minutes % 60 ? `${minutes % 60} min` : null].filter(Boolean).join(" ");
  return `${words} ${seconds > 0 ? "ahead" : "behind"}`;
}

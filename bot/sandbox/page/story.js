// The tale in eight steps: a strip below the window; each step plays, and then the window goes where it can be seen.

import { api } from "./api.js";
import { toast } from "./dialogs.js";
import { fill, h, oneAtATime } from "./dom.js";
import { icon } from "./icons.js";
import { mrkdwn } from "./mrkdwn.js";

/** The story strip; `onShow({as, where})` goes to what a step is about. */
export class Story {
  constructor(onShow) {
    this.onShow = onShow;
    this.steps = [];
    this.said = null;
    this.playing = null;
    this.chips = h("ol", { class: "story-steps" });
    this.text = h("p", { class: "story-text", "aria-live": "polite", "data-testid": "story-text" });
    this.next = h("button", { class: "story-play", type: "button", "data-testid": "story-next", onclick: () => this.playNext() });
    this.node = h(
      "section",
      { class: "story", "aria-label": "Story", "data-panel": "story" },
      h("header", { class: "story-head" }, icon("book", 16), h("h2", {}, "Story")),
      this.chips,
      h("div", { class: "story-foot" }, this.text, this.next),
    );
    this.refresh = oneAtATime(() => this.fetch());
  }

  async fetch() {
    try {
      this.steps = (await api.story()).steps ?? [];
    } catch {
      this.steps = [];
    }
    this.node.hidden = !this.steps.length;
    this.draw();
  }

  get upcoming() {
    return this.steps.find((step) => !step.done) ?? null;
  }

  draw() {
    const upcoming = this.upcoming;
    fill(
      this.chips,
      this.steps.map((step) => {
        const state = this.playing === step.n ? "playing" : step.done ? "done" : step === upcoming ? "next" : "later";
        return h(
          "li",
          { class: `story-step story-${state}` },
          h(
            "button",
            { type: "button", "data-testid": `story-${step.n}`, "data-done": step.done ? "true" : "false", disabled: this.playing !== null, title: step.text, onclick: () => this.play(step) },
            h("span", { class: "story-number" }, state === "done" ? icon("check", 12, "done") : state === "playing" ? h("span", { class: "spinner spinner-small" }) : step.n),
            h("span", { class: "story-title" }, step.title),
          ),
        );
      }),
    );
    fill(this.text, this.said !== null ? mrkdwn(this.said) : (upcoming ? upcoming.text : "That was the whole tale. Everything in it can be done by hand as well."));
    fill(this.next, upcoming ? [icon("forward", 16), `Play step ${upcoming.n}`] : "Done");
    this.next.disabled = !upcoming || this.playing !== null;
  }

  playNext() {
    if (this.upcoming) this.play(this.upcoming);
  }

  async play(step) {
    this.playing = step.n;
    this.said = null;
    this.draw();
    try {
      const answer = await api.playStory(step.n);
      this.said = answer?.text ?? step.text;
      if (answer?.show) await this.onShow(answer.show);
    } catch (refusal) {
      toast(`Step ${step.n} stopped: ${refusal.message}`, { mark: "warning", kind: "trouble" });
    } finally {
      this.playing = null;
      await this.refresh();
      this.draw();
    }
  }
}

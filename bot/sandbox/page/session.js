// Who looks, from where, and at what time: the facts that every part of the page reads.

class Session {
  constructor() {
    this.boot = null;
    this.me = null;
    this.people = new Map();
    this.channels = new Map();
    this.clock = { at: new Date(), read_ms: performance.now() };
  }

  /** Take in what the server says at the start. */
  begin(boot, wanted) {
    this.boot = boot;
    for (const person of boot.people ?? []) this.people.set(person.id, person);
    for (const channel of boot.channels ?? []) this.channels.set(channel.id, channel);
    this.takeClock(boot.clock);
    this.become(wanted);
  }

  /** Look through somebody's eyes; the first person when nobody has that id or handle. */
  become(wanted) {
    const everyone = [...this.people.values()];
    this.me = everyone.find((person) => person.id === wanted || person.handle === wanted) ?? everyone[0];
    return this.me;
  }

  /** Find a person, the app included. */
  person(id) {
    if (this.isApp(id)) return { id, handle: this.app.name.toLowerCase(), real_name: this.app.name, is_app: true };
    return this.people.get(id) ?? null;
  }

  channel(id) {
    return this.channels.get(id) ?? null;
  }

  isApp(id) {
    return Boolean(id) && (id === this.app.bot_user || id === this.app.id || id === this.app.bot_id);
  }

  get app() {
    return this.boot?.app ?? { id: "", name: "Redbar", bot_user: "" };
  }

  /** The zone in which the reader reads times. */
  get zone() {
    return this.me?.tz ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  }

  /** The zone of what stands outside Slack: the workspace's, whoever looks. */
  get deskZone() {
    return this.people.values().next().value?.tz ?? this.zone;
  }

  /** Take the sandbox's time; it runs on from here by itself. */
  takeClock(clock) {
    if (!clock?.now) return;
    this.clock = { at: new Date(clock.now), read_ms: performance.now(), offset_seconds: clock.offset_seconds ?? this.clock.offset_seconds ?? 0 };
  }

  /** The sandbox's present instant. */
  now() {
    return new Date(+this.clock.at + (performance.now() - this.clock.read_ms));
  }

  get api_key() {
    return this.boot?.api_key ?? this.boot?.platform?.api_key ?? null;
  }
}

export const session = new Session();

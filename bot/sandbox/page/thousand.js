// A thousand calls as an honest dialler makes them: ask for each, post what was allowed to start.

const CALLS = 1000;
const WAVE = 50;
const LANES = 5;

/** Run a thousand calls of one kind and price; `show` hears the count after every wave. */
export async function postThousand({ kind, amount, ask, prefix, show }) {
  const began = performance.now();
  const tally = { asked: 0, allowed: 0, refused: 0, wallet: null };
  for (let from = 0; from < CALLS; from += WAVE) {
    const ids = Array.from({ length: WAVE }, (_, index) => `${prefix}-${from + index}`);
    const allowed = await wave(ids, async (id) => {
      const answer = await ask("POST", "/v1/authorizations", { id, kind, estimate: amount });
      tally.asked += 1;
      if (!answer.allowed) {
        tally.refused += 1;
        return null;
      }
      tally.allowed += 1;
      return { id: `${id}-used`, kind, amount, ...(answer.hold ? { hold: answer.hold.id } : {}) };
    });
    if (allowed.length) tally.wallet = (await ask("POST", "/v1/usage", allowed)).wallet ?? tally.wallet;
    show({ ...tally, finished: false, ms: performance.now() - began });
  }
  show({ ...tally, finished: true, ms: performance.now() - began });
  return tally;
}

// A browser opens few connections to one host, and the live line needs one of them.
async function wave(ids, one) {
  const waiting = [...ids];
  const done = [];
  const lane = async () => {
    while (waiting.length) {
      const item = await one(waiting.shift());
      if (item) done.push(item);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return done;
}

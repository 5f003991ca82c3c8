// What the scripts here share: steps with a name and a deadline, and an exit status that tells the Rust test the outcome.

/** Runs `body` and ends the process: status 0, or 1 with the step that failed and the reason on stderr. */
export async function run(body) {
  try {
    await body();
    process.exit(0);
  } catch (error) {
    console.error("FAILED", error);
    process.exit(1);
  }
}

/** Runs one step of a scenario; a failure or a missed deadline names it. */
export async function step(name, body, deadlineMs = 30_000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    const value = await Promise.race([body(), late]);
    console.log(`ok: ${name}`);
    return value;
  } catch (error) {
    throw new Error(name, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves with the arguments of the emitter's next `event`, or fails with that of a `failure` event that comes first. */
export function next(emitter, event, ...failures) {
  return new Promise((resolve, reject) => {
    const listeners = new Map();
    const listen = (name, settle) => {
      const listener = (...args) => {
        for (const [other, registered] of listeners) emitter.off(other, registered);
        settle(args);
      };
      listeners.set(name, listener);
      emitter.on(name, listener);
    };
    listen(event, resolve);
    for (const name of failures) {
      listen(name, ([reason]) => reject(new Error(`"${name}" instead of "${event}": ${reason?.message ?? reason}`)));
    }
  });
}

/** Keeps every `event` of the emitter from now on, so that none is missed between two waits. */
export class Inbox {
  #arrived = [];
  #waiting = [];

  constructor(emitter, event) {
    emitter.on(event, (value) => {
      const waiter = this.#waiting.shift();
      if (waiter) waiter(value);
      else this.#arrived.push(value);
    });
  }

  /** The oldest value not yet taken, or the next to come. */
  take() {
    if (this.#arrived.length > 0) return Promise.resolve(this.#arrived.shift());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** How many values nobody has taken. */
  get size() {
    return this.#arrived.length;
  }
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

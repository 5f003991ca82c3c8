// What the scripts that talk to the playground share.
import assert from "node:assert/strict";
import { Manager } from "socket.io-client";
import { next, pause, run, step } from "./lib.mjs";

const TRANSPORTS = {
  polling: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
};

const [, , address, mode] = process.argv;

export const url = address;
export const transports = TRANSPORTS[mode];
export const overPolling = mode === "polling";
export const upgrades = mode === "upgrade";

/** A manager of its own, so that no connection is shared by accident; it comes back quickly. */
export function manager(options) {
  const timing = { reconnectionDelay: 20, reconnectionDelayMax: 100, randomizationFactor: 0 };
  return new Manager(url, { transports, ...timing, ...options });
}

/** A client of a namespace that has joined, and upgraded if that is the mode. */
export async function join(namespace = "/", { auth, on, ...options } = {}) {
  const socket = (on ?? manager(options)).socket(namespace, { auth });
  const engine = socket.io.engine;
  if (!socket.connected) await next(socket, "connect", "connect_error");
  if (upgrades && socket.io.engine.transport.name !== "websocket") await next(engine, "upgrade");
  return socket;
}

/** The arguments of the next `event`. */
export const heard = (socket, event) => next(socket, event, "disconnect");

/** Fails if one of the events comes before a round trip to the server and `ms` are over. */
export async function hearsNothing(socket, events, ms = 30) {
  const heard = [];
  const listeners = events.map((event) => [event, (...args) => heard.push([event, ...args])]);
  for (const [event, listener] of listeners) socket.on(event, listener);
  await socket.emitWithAck("reply");
  await pause(ms);
  for (const [event, listener] of listeners) socket.off(event, listener);
  assert.deepEqual(heard, []);
}

/** Runs named cases one after the other, each with clients of its own. */
export async function runCases(cases) {
  await run(async () => {
    assert(url && transports, "usage: SCRIPT URL polling|websocket|upgrade");
    for (const [name, body] of Object.entries(cases)) {
      await step(name, body);
    }
  });
}

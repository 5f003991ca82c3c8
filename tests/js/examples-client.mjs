// usage: examples-client.mjs cbor-parser|hyper-echo|standalone URL polling|websocket|upgrade
//
// The official client against the small examples.
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import cbor from "./cbor-parser.mjs";
import { Inbox, next, run, step } from "./lib.mjs";

const CASES = { "cbor-parser": cborParser, "hyper-echo": hyperEcho, standalone };
const PARSERS = { "cbor-parser": cbor };
const TRANSPORTS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

const [name, url, mode] = process.argv.slice(2);

await run(async () => {
  assert(name in CASES && mode in TRANSPORTS, "usage: examples-client.mjs cbor-parser|hyper-echo|standalone URL polling|websocket|upgrade");
  const socket = io(url, { transports: TRANSPORTS[mode], reconnection: false, parser: PARSERS[name] });
  const welcomes = new Inbox(socket, "welcome");
  await step("connect", () => next(socket, "connect", "connect_error", "disconnect"));
  const { engine } = socket.io;
  if (mode === "upgrade" && engine.transport.name !== "websocket") await step("upgrade", () => next(engine, "upgrade"));
  assert.equal(engine.transport.name, mode === "upgrade" ? "websocket" : mode);
  await CASES[name](socket, welcomes);
  socket.close();
});

async function hyperEcho(socket) {
  const args = ["hello", { n: 1, list: [true, null, "水"] }, Buffer.from([1, 2, 3]), Buffer.alloc(70_000, 7)];
  await step("an event comes back with its arguments", async () => {
    const echo = next(socket, "echo");
    socket.emit("echo", ...args);
    assert.deepEqual(await echo, args);
  });
  await step("so does an event that is to be answered", () =>
    new Promise((resolve) => socket.emit("echo", ...args, (...answer) => resolve(answer))).then((answer) =>
      assert.deepEqual(answer, args),
    ),
  );
}

async function cborParser(socket) {
  const args = ["hello", { n: -1.5, list: [true, null, "水", 300, 2 ** 40], bytes: Buffer.from([1, 2]) }, [[]], Buffer.alloc(70_000, 7)];
  await step("an event comes back with its arguments", async () => {
    const echo = next(socket, "echo", "disconnect");
    socket.emit("echo", ...args);
    assert.deepEqual(withBuffers(await echo), args);
  });
  await step("binary is read as binary", async () => assert.equal(await socket.emitWithAck("size", new Uint8Array(7)), 7));
  await step("a broadcast arrives", async () => {
    const told = next(socket, "told", "disconnect");
    socket.emit("tell-all", "é");
    assert.deepEqual(await told, ["é"]);
  });
}

/** `cbor-x` gives plain byte arrays. */
function withBuffers(value) {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(withBuffers);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withBuffers(member)]));
}

async function standalone(socket, welcomes) {
  await step("the server greets", async () => assert.equal(await welcomes.take(), socket.id));
  await step("it answers", async () => assert.equal(await socket.emitWithAck("greet", "Ada"), "Hello, Ada!"));
}

// usage: examples-client.mjs hyper-echo|standalone URL polling|websocket|upgrade
//
// The official client against the small examples.
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import { Inbox, next, run, step } from "./lib.mjs";

const CASES = { "hyper-echo": hyperEcho, standalone };
const TRANSPORTS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

const [name, url, mode] = process.argv.slice(2);

await run(async () => {
  assert(name in CASES && mode in TRANSPORTS, "usage: examples-client.mjs hyper-echo|standalone URL polling|websocket|upgrade");
  const socket = io(url, { transports: TRANSPORTS[mode], reconnection: false });
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

async function standalone(socket, welcomes) {
  await step("the server greets", async () => assert.equal(await welcomes.take(), socket.id));
  await step("it answers", async () => assert.equal(await socket.emitWithAck("greet", "Ada"), "Hello, Ada!"));
}

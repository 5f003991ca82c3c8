// usage: legacy-clients.mjs URL 2|1
//
// What clients of Socket.IO 1 and 2 can do, which speak Engine.IO 3, on each transport: against a playground that lets them
// in. They know neither `auth` nor `onAny`, and have no `connect_error`: a refusal is an `error`.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { Inbox, next, run, step } from "./lib.mjs";

const CLIENTS = { 2: "socket.io-client-2", 1: "socket.io-client-1" };
const TRANSPORTS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

const [, , url, version] = process.argv;

/** Runs all scenarios on one transport. */
async function scenarios(io, mode) {
  const open = (path = "") =>
    io(url + path, { transports: TRANSPORTS[mode], forceNew: true, reconnection: false, timeout: 30_000 });

  /** A client of a namespace that has joined, on the transport that is meant. */
  async function join(path) {
    const socket = open(path);
    await next(socket, "connect", "error", "connect_error");
    const { engine } = socket.io;
    if (mode === "upgrade" && engine.transport.name === "polling") await next(engine, "upgrade", "close");
    assert.equal(engine.transport.name, TRANSPORTS[mode].at(-1));
    return socket;
  }

  async function echoes(...args) {
    const socket = await join();
    const back = next(socket, "echo", "disconnect");
    socket.emit("echo", ...args);
    assert.deepEqual(await back, args);
    socket.disconnect();
  }

  const cases = {
    "an event with text": () => echoes("水 é 😀 \u0000 \\ \"", "", 1, -2.5, true, null, [1, [2]], { a: { b: [] } }),
    "an event without arguments": () => echoes(),
    "an event with binary": () => echoes(Buffer.from([0, 1, 254, 255]), "between €😀", Buffer.alloc(70_000, 7)),
    "an event with nested binary": () => echoes({ a: [{ b: Buffer.from("deep") }], c: 1 }, [Buffer.from("in a list")]),
    "100 events in order": async () => {
      const socket = await join();
      const inbox = new Inbox(socket, "echo");
      const events = Array.from({ length: 100 }, (_, i) => (i % 3 === 0 ? Buffer.from(`event ${i}`) : `event € ${i}`));
      for (const event of events) socket.emit("echo", event);
      for (const event of events) assert.deepEqual(await inbox.take(), event);
      socket.disconnect();
    },
    "the server's ack": async () => {
      const socket = await join();
      assert.deepEqual(await ask(socket, "reply"), []);
      const sent = [1, "2", { three: [Buffer.from("3")] }];
      assert.deepEqual(await ask(socket, "reply", ...sent), sent);
      socket.disconnect();
    },
    "the client's ack": async () => {
      const socket = await join();
      socket.on("question", (...args) => args.pop()("got", args));
      const answered = next(socket, "answered", "disconnect");
      socket.emit("ask", "really", Buffer.from("b"));
      assert.deepEqual(await answered, [true, "got", ["really", Buffer.from("b")]]);
      socket.disconnect();
    },
    "ids that both sides compute from the session's": async () => {
      const [root, chat] = [await join(), await join("/chat")];
      assert.equal(root.id, root.io.engine.id);
      // The clients of Socket.IO 1 leave the namespace out.
      assert.equal(chat.id, version === "2" ? `/chat#${chat.io.engine.id}` : chat.io.engine.id);
      const told = next(root, "room", "disconnect");
      root.emit("to-room", root.id, "me");
      assert.deepEqual(await told, ["me"]);
      for (const socket of [root, chat]) socket.disconnect();
    },
    "a namespace with credentials in its query": async () => {
      const socket = open("/members?token=secret");
      assert.deepEqual(await next(socket, "welcome", "error", "connect_error"), ["secret"]);
      socket.disconnect();
    },
    "middleware refuses, with data": async () => {
      const socket = open("/members?token=wrong");
      const [error] = await next(socket, "error", "welcome");
      assert.deepEqual(error, { retry: false, hint: ["token"] });
      socket.disconnect();
    },
    "a namespace that does not exist": async () => {
      const socket = open("/nowhere");
      const [error] = await next(socket, "error", "connect");
      // The official server sends these clients an object here, where it sends them a text otherwise.
      assert.equal(error.message ?? error, "Invalid namespace");
      socket.disconnect();
    },
    "rooms and broadcasts": async () => {
      const sockets = await Promise.all([join(), join()]);
      const [ada, bob] = sockets;
      assert.deepEqual(await ask(ada, "join", "tea"), []);
      const heard = next(ada, "room", "disconnect");
      bob.emit("to-room", "tea", { milk: Buffer.from("m") });
      assert.deepEqual(await heard, [{ milk: Buffer.from("m") }]);
      const all = sockets.map((socket) => next(socket, "all", "disconnect"));
      ada.emit("to-all", 1, Buffer.from("2"));
      for (const arguments_ of await Promise.all(all)) assert.deepEqual(arguments_, [1, Buffer.from("2")]);
      for (const socket of sockets) socket.disconnect();
    },
    "a heartbeat, which the client begins": async () => {
      const socket = await join();
      await next(socket.io.engine, "pong", "close");
      assert.deepEqual(await ask(socket, "reply", "still there"), ["still there"]);
      socket.disconnect();
    },
    "the server ends a socket": async () => {
      const socket = await join();
      const left = next(socket, "disconnect");
      socket.emit("leave-me");
      assert.deepEqual(await left, ["io server disconnect"]);
    },
    "the client ends a socket": async () => {
      const socket = await join();
      const closed = next(socket.io.engine, "close");
      socket.disconnect();
      await closed;
    },
  };
  for (const [name, body] of Object.entries(cases)) await step(`${mode}: ${name}`, body);
}

/** The arguments of the server's answer. */
function ask(socket, event, ...args) {
  return new Promise((resolve) => socket.emit(event, ...args, (...answer) => resolve(answer)));
}

await run(async () => {
  assert(version in CLIENTS, "usage: legacy-clients.mjs URL 2|1");
  const require = createRequire(import.meta.url);
  const manifest = require(`${CLIENTS[version]}/package.json`);
  assert(manifest.version.startsWith(`${version}.`), `${CLIENTS[version]} is ${manifest.version}`);
  for (const mode of Object.keys(TRANSPORTS)) await scenarios(require(CLIENTS[version]), mode);
});

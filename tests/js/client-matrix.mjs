// usage: client-matrix.mjs URL 4.8|4.0|3.1 json|msgpack [recovery]
//
// What every client can do, for one version of the official client and one parser, on each transport. The playground at
// the URL speaks what the parser does. `tests/python/client_matrix.py` has the same scenarios in the same order. With
// `recovery`, it is what clients since 4.6 can do besides, at a playground that lets them come back.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import msgpackParser from "socket.io-msgpack-parser";
import { Inbox, next, run, step } from "./lib.mjs";

const CLIENTS = { 4.8: "socket.io-client", "4.0": "socket.io-client-4.0", 3.1: "socket.io-client-3.1" };
const PARSERS = { json: undefined, msgpack: msgpackParser };
const TRANSPORTS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] };

const [, , url, version, format, besides] = process.argv;

/** Runs all scenarios on one transport, or those of recovery. */
async function scenarios(Manager, mode) {
  const manager = () => new Manager(url, { transports: TRANSPORTS[mode], parser: PARSERS[format], reconnection: false });

  /** A client of a namespace that has joined, on the transport that is meant. */
  async function join(namespace = "/", { on = manager(), auth } = {}) {
    const socket = on.socket(namespace, { auth });
    await next(socket, "connect", "connect_error");
    await upgraded(on);
    return socket;
  }

  /** Waits for the transport that is meant. */
  async function upgraded({ engine }) {
    if (mode === "upgrade" && engine.transport.name === "polling") await next(engine, "upgrade", "close");
    assert.equal(engine.transport.name, TRANSPORTS[mode].at(-1));
  }

  /** Closes the connection beneath sockets, the first of which is in the root namespace, and waits until both ends know. */
  async function breakOff(...sockets) {
    const { io, id } = sockets[0];
    const gone = sockets.map((socket) => next(socket, "disconnect"));
    io.engine.close();
    await Promise.all(gone);
    await reasonOf(id);
  }

  /** Lets sockets of one connection join again. */
  async function comeBack(...sockets) {
    const joined = sockets.map((socket) => next(socket, "connect", "connect_error"));
    for (const socket of sockets) socket.connect();
    await Promise.all(joined);
    await upgraded(sockets[0].io);
  }

  /** The next reason for which the socket leaves, in its own words, and in the server's, which another client asks for. */
  async function leaves(socket, act) {
    const { id } = socket;
    const left = next(socket, "disconnect");
    act(socket);
    const [ours] = await left;
    return [ours, await reasonOf(id)];
  }

  /** The server's reason for which a socket of the root namespace has left, when it has. */
  async function reasonOf(id) {
    const witness = await join();
    let [reason] = await ask(witness, "reason-of", id);
    while (reason === null) [reason] = await ask(witness, "reason-of", id);
    witness.disconnect();
    return reason;
  }

  /** Sends the arguments as an event, which must come back as it was. */
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
    "an event with binary": () => echoes(Buffer.from([0, 1, 254, 255]), "between", Buffer.alloc(70_000, 7)),
    "an event with nested binary": () => echoes({ a: [{ b: Buffer.from("deep") }], c: 1 }, [Buffer.from("in a list")]),
    "nested binary of the server's own": async () => {
      const socket = await join();
      const sent = next(socket, "binary", "disconnect");
      socket.emit("send-binary");
      const [nested, empty] = await sent;
      assert.deepEqual(nested, { bytes: Buffer.from([1, 2, 3]), list: ["a", Buffer.from([4])] });
      assert.equal(empty.length, 0);
      socket.disconnect();
    },
    "100 events in order": async () => {
      const socket = await join();
      const inbox = new Inbox(socket, "echo");
      const events = Array.from({ length: 100 }, (_, i) => (i % 3 === 0 ? Buffer.from(`event ${i}`) : `event ${i}`));
      for (const event of events) socket.emit("echo", event);
      for (const event of events) assert.deepEqual(await inbox.take(), event);
      socket.disconnect();
    },

    "the server's ack": async () => {
      const socket = await join();
      assert.deepEqual(await ask(socket, "reply"), []);
      const sent = [1, "2", { three: [Buffer.from("3")] }];
      assert.deepEqual(await ask(socket, "reply", ...sent), sent);
      const many = Array.from({ length: 10 }, (_, i) => [i]);
      assert.deepEqual(await Promise.all(many.map(([i]) => ask(socket, "reply", i))), many);
      socket.disconnect();
    },
    "the client's ack": async () => {
      const socket = await join();
      socket.on("question", (...args) => args.pop()("got", args));
      for (const question of [["really", 7], [Buffer.from("b"), { nested: Buffer.from("c") }]]) {
        const answered = next(socket, "answered", "disconnect");
        socket.emit("ask", ...question);
        assert.deepEqual(await answered, [true, "got", question]);
      }
      socket.disconnect();
    },

    "namespaces on one connection": async () => {
      const on = manager();
      const [root, chat, news] = await Promise.all(["/", "/chat", "/news"].map((name) => join(name, { on })));
      assert.equal(new Set([root.id, chat.id, news.id]).size, 3);
      assert.deepEqual(await ask(chat, "where"), ["/chat"]);
      assert.deepEqual(await ask(news, "where"), ["/news"]);
      const seen = [root, chat, news].map(allEvents);
      news.emit("echo", Buffer.from("binary"), "in a namespace");
      chat.emit("echo", "for chat");
      // One connection keeps the order of all its namespaces, so that all echoes come before the last ack.
      await ask(root, "reply");
      assert.deepEqual(seen, [[], [["echo", "for chat"]], [["echo", Buffer.from("binary"), "in a namespace"]]]);
      chat.disconnect();
      assert.deepEqual(await ask(news, "where"), ["/news"]);
      for (const socket of [root, news]) socket.disconnect();
    },
    "rooms and broadcasts": async () => {
      const sockets = await Promise.all([join(), join(), join()]);
      const [ada, bob, eve] = sockets;
      const seen = sockets.map(allEvents);
      for (const socket of [ada, bob]) assert.deepEqual(await ask(socket, "join", "tea"), []);
      assert.deepEqual(await ask(ada, "rooms"), [["tea"]]);

      // What a socket sent has gone out when its next event is answered.
      const sends = (socket, ...event) => (socket.emit(...event), ask(socket, "reply"));
      await sends(eve, "to-room", "tea", { milk: Buffer.from("m") });
      await sends(ada, "to-others-in-room", "tea", "for bob");
      await sends(ada, "to-room", eve.id, "for eve");
      assert.deepEqual(await ask(bob, "leave", "tea"), []);
      await sends(bob, "to-room", "tea", "for ada");
      await sends(bob, "to-others", "all but bob");
      await sends(eve, "to-all", 1, Buffer.from("2"));

      // And what was meant for a socket comes before the next answer that it gets.
      for (const socket of sockets) await ask(socket, "reply");
      const milk = ["room", { milk: Buffer.from("m") }];
      const all = ["all", 1, Buffer.from("2")];
      assert.deepEqual(seen, [
        [milk, ["room", "for ada"], ["all", "all but bob"], all],
        [milk, ["room", "for bob"], all],
        [["room", "for eve"], ["all", "all but bob"], all],
      ]);
      for (const socket of sockets) socket.disconnect();
    },

    "middleware refuses, with data, and lets in": async () => {
      const socket = manager().socket("/members", { auth: { token: "wrong" } });
      const [error] = await next(socket, "connect_error", "connect");
      assert.equal(error.message, "not authorized");
      assert.deepEqual(error.data, { retry: false, hint: ["token"] });
      socket.disconnect();

      const on = manager();
      const welcome = next(on.socket("/members", { auth: { token: "secret" } }), "welcome", "connect_error");
      assert.deepEqual(await welcome, ["secret"]);
      on.socket("/members").disconnect();
    },
    "a namespace that does not exist": async () => {
      const socket = manager().socket("/nowhere");
      const [error] = await next(socket, "connect_error", "connect");
      assert.equal(error.message, "Invalid namespace");
      socket.disconnect();
    },

    "the server ends a socket": async () => {
      const reasons = await leaves(await join(), (socket) => socket.emit("leave-me"));
      assert.deepEqual(reasons, ["io server disconnect", "server namespace disconnect"]);
    },
    "the server ends a connection": async () => {
      const socket = await join();
      const closed = next(socket.io.engine, "close");
      const reasons = await leaves(socket, () => socket.emit("close-me"));
      assert.deepEqual(reasons, ["io server disconnect", "server namespace disconnect"]);
      await closed;
    },
    "the client ends a socket": async () => {
      const reasons = await leaves(await join(), (socket) => socket.disconnect());
      assert.deepEqual(reasons, ["io client disconnect", "client namespace disconnect"]);
    },
  };

  const casesOfRecovery = {
    "a client that comes back has its id, its rooms, and all that it missed": async () => {
      const [away, speaker] = [await join(), await join()];
      const { id } = away;
      assert.equal(away.recovered, false);
      const seen = allEvents(away);
      await ask(away, "join", "tea");
      await ask(speaker, "to-all-with-ack", "before");
      await ask(away, "reply");
      assert.deepEqual(withoutPositions(seen), [["all", "before"]]);
      for (let round = 0; round < 3; round += 1) {
        await breakOff(away);
        await ask(speaker, "to-all-with-ack", round, { nested: [Buffer.from([round])] }, "text");
        await ask(speaker, "to-all-with-ack");
        const sends = (...event) => (speaker.emit(...event), ask(speaker, "reply"));
        await sends("to-room", "tea", Buffer.from("for the room"));
        await sends("to-room", "coffee", "for others");
        await sends("to-room", id, "for it alone");
        await comeBack(away);
        assert.deepEqual([away.recovered, away.id], [true, id]);
        assert.deepEqual(await ask(away, "recovered"), [true]);
        assert.deepEqual(await ask(away, "rooms"), [["tea"]]);
        await sends("to-room", "tea", "after");
        await ask(away, "reply");
        assert.deepEqual(withoutPositions(seen), [
          ["all", round, { nested: [Buffer.from([round])] }, "text"],
          ["all"],
          ["room", Buffer.from("for the room")],
          ["room", "for it alone"],
          ["room", "after"],
        ]);
      }
      for (const socket of [speaker, away]) socket.disconnect();
    },
    "each namespace of a connection comes back": async () => {
      const on = manager();
      const sockets = [await join("/", { on }), await join("/chat", { on })];
      const ids = sockets.map((socket) => socket.id);
      for (const socket of sockets) {
        const back = next(socket, "echo");
        socket.emit("echo", 1);
        await back;
      }
      await breakOff(...sockets);
      await comeBack(...sockets);
      assert.deepEqual(sockets.map((socket) => [socket.recovered, socket.id]), ids.map((id) => [true, id]));
      for (const socket of sockets) socket.disconnect();
    },
    "who has left on purpose begins anew": async () => {
      const socket = await join();
      const { id } = socket;
      const back = next(socket, "echo");
      socket.emit("echo", 1);
      await back;
      socket.disconnect();
      await comeBack(socket);
      assert.equal(socket.recovered, false);
      assert.notEqual(socket.id, id);
      assert.deepEqual(await ask(socket, "recovered"), [false]);
      socket.disconnect();
    },
  };

  for (const [name, body] of Object.entries(besides ? casesOfRecovery : cases)) await step(`${mode}: ${name}`, body);
}

/** Takes out what has come, without the position that the server has put behind each event. */
function withoutPositions(seen) {
  return seen.splice(0).map((event) => {
    assert.equal(typeof event.at(-1), "string");
    return event.slice(0, -1);
  });
}

/** The arguments of the server's answer. Clients older than 4.6 have no `emitWithAck`. */
function ask(socket, event, ...args) {
  return new Promise((resolve) => socket.emit(event, ...args, (...answer) => resolve(answer)));
}

/** A list that every event of the socket is added to, with its arguments. */
function allEvents(socket) {
  const seen = [];
  socket.onAny((...event) => seen.push(event));
  return seen;
}

await run(async () => {
  const usage = "usage: client-matrix.mjs URL 4.8|4.0|3.1 json|msgpack [recovery]";
  assert(version in CLIENTS && format in PARSERS && [undefined, "recovery"].includes(besides), usage);
  const manifest = createRequire(import.meta.url)(`${CLIENTS[version]}/package.json`);
  assert(manifest.version.startsWith(`${version}.`), `${CLIENTS[version]} is ${manifest.version}`);
  const { Manager } = await import(CLIENTS[version]);
  for (const mode of Object.keys(TRANSPORTS)) await scenarios(Manager, mode);
});

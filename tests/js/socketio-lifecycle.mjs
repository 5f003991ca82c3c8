// usage: socketio-lifecycle.mjs URL polling|websocket|upgrade
//
// How connections of the official client to the playground begin, break and come back.
import assert from "node:assert/strict";
import { Inbox, next, pause } from "./lib.mjs";
import { heard, join, manager, overPolling, runCases, upgrades } from "./playground-client.mjs";

/** Asks as another client why that one has left, until the server knows. */
async function reasonOf(id) {
  const witness = await join();
  for (;;) {
    const reason = await witness.emitWithAck("reason-of", id);
    if (reason !== null) {
      witness.disconnect();
      return reason;
    }
    await pause(10);
  }
}

/** Joins, does what ends it, and compares the reasons that client and server give; returns the client and its last details. */
async function ends(act, ofClient, ofServer, options) {
  const socket = await join("/", options);
  const { id } = socket;
  const left = next(socket, "disconnect");
  act(socket);
  const [reason, details] = await left;
  assert.equal(reason, ofClient);
  assert.equal(await reasonOf(id), ofServer);
  return { socket, id, details };
}

/** The client is back by itself, or already, under another id. */
async function isBack({ socket, id }) {
  if (!socket.connected) await next(socket, "connect");
  assert.notEqual(socket.id, id);
  assert.equal(await socket.emitWithAck("reply", "back"), "back");
  socket.disconnect();
}

async function staysAway({ socket }) {
  await pause(100);
  assert.equal(socket.connected, false);
  assert.equal(socket.active, false);
}

await runCases({
  "the client leaves": async () => {
    await staysAway(await ends((socket) => socket.disconnect(), "io client disconnect", "client namespace disconnect"));
  },
  "the client leaves before it has upgraded": async () => {
    const socket = manager().socket("/");
    await next(socket, "connect", "connect_error");
    const { id } = socket;
    const closed = next(socket.io.engine, "close");
    socket.disconnect();
    await closed;
    assert.equal(await reasonOf(id), "client namespace disconnect");
  },
  "the server has it leave, on a connection that stays": async () => {
    const on = manager();
    const chat = await join("/chat", { on });
    const ended = await ends((socket) => socket.emit("leave-me"), "io server disconnect", "server namespace disconnect", { on });
    await staysAway(ended);
    assert.equal(await chat.emitWithAck("where"), "/chat");
    ended.socket.connect();
    await isBack(ended);
    chat.disconnect();
  },
  "the server breaks its connection": async () => {
    await isBack(await ends((socket) => socket.emit("break-me"), "transport close", "forced close"));
  },
  "the client closes its connection": async () => {
    await isBack(await ends((socket) => socket.io.engine.close(), "forced close", "transport close"));
  },
  "the line is cut": async () => {
    if (overPolling) return;
    await isBack(await ends((socket) => socket.io.engine.transport.ws.terminate(), "transport close", "transport close"));
  },
  "the client does not answer a ping": async () => {
    const mute = (socket) => {
      const { engine } = socket.io;
      const send = engine._sendPacket;
      engine._sendPacket = (type, ...rest) => type !== "pong" && send.call(engine, type, ...rest);
    };
    await isBack(await ends(mute, "transport close", "ping timeout"));
  },
  "the client sends what is no packet": async () => {
    await isBack(await ends((socket) => socket.io.engine.write("nonsense"), "transport close", "forced close"));
  },
  "the client gets what is no packet": async () => {
    const garbled = (socket) => socket.io.engine._onPacket({ type: "message", data: "nonsense" });
    await isBack(await ends(garbled, "parse error", "transport close"));
  },
  "events that together are over the limit are sent in several payloads": async () => {
    const socket = await join();
    const inbox = new Inbox(socket, "echo");
    const texts = ["a", "b", "c"].map((letter) => letter.repeat(900_000));
    for (const text of texts) socket.emit("echo", text);
    for (const text of texts) assert((await inbox.take()) === text, "another text came back");
    socket.disconnect();
  },

  "the connection breaks while it upgrades": async () => {
    for (let i = 0; i < 10; i++) {
      const socket = manager().socket("/");
      await next(socket, "connect", "connect_error");
      const { id } = socket;
      await pause(i);
      const left = next(socket, "disconnect");
      socket.emit("break-me");
      await left;
      await isBack({ socket, id });
      assert.equal(await reasonOf(id), "forced close");
    }
  },
  "no coming back when the option says so": async () => {
    const ended = await ends((socket) => socket.emit("break-me"), "transport close", "forced close", { reconnection: false });
    await pause(100);
    assert.equal(ended.socket.connected, false);
    ended.socket.connect();
    await isBack(ended);
  },
  "coming back again and again": async () => {
    const socket = await join();
    for (let i = 0; i < 3; i++) {
      const back = next(socket, "connect");
      socket.emit("break-me");
      await back;
      assert.equal(await socket.emitWithAck("reply", i), i);
    }
    socket.disconnect();
  },
  "by itself after a return by hand": async () => {
    const socket = await join();
    socket.disconnect().connect();
    await next(socket, "connect");
    const back = next(socket, "connect");
    socket.emit("break-me");
    await back;
    socket.disconnect();
  },
  "leaving and returning at once is one departure": async () => {
    const socket = await join();
    let departures = 0;
    socket.on("disconnect", () => departures++);
    socket.disconnect().connect();
    await next(socket, "connect");
    await socket.emitWithAck("reply");
    assert.equal(departures, 1);
    socket.disconnect();
  },
  "acks that nobody will give": async () => {
    const socket = await join();
    const plain = assert.rejects(socket.emitWithAck("no-reply"), /socket has been disconnected/);
    const timed = assert.rejects(socket.timeout(5_000).emitWithAck("no-reply"), /socket has been disconnected/);
    await socket.emitWithAck("reply");
    socket.disconnect();
    await plain;
    await timed;
  },
  "what is emitted while away is sent on return": async () => {
    const { socket } = await ends((socket) => socket.emit("leave-me"), "io server disconnect", "server namespace disconnect");
    const answer = socket.emitWithAck("reply", "kept");
    socket.connect();
    assert.equal(await answer, "kept");
    socket.disconnect();
  },
  "retries: in order, each until it is acknowledged": async () => {
    const socket = manager().socket("/", { retries: 3, ackTimeout: 2_000 });
    const sent = [];
    socket.onAnyOutgoing((event, n) => sent.push(n));
    const answers = await Promise.all([1, 2, 3].map((n) => socket.emitWithAck("reply", n)));
    assert.deepEqual(answers, [1, 2, 3]);
    assert.deepEqual(sent, [1, 2, 3]);
    socket.disconnect();
  },
  "retries: given up after the last": async () => {
    const socket = await join();
    socket._opts.retries = 3;
    socket._opts.ackTimeout = 30;
    let sent = 0;
    socket.onAnyOutgoing(() => sent++);
    await assert.rejects(socket.emitWithAck("no-reply"), /operation has timed out/);
    assert.equal(sent, 4);
    socket.disconnect();
  },
  "the heart beats": async () => {
    const socket = await join();
    const pings = new Inbox(socket.io, "ping");
    await pings.take();
    await pings.take();
    assert.equal(await socket.emitWithAck("reply", "alive"), "alive");
    socket.disconnect();
  },
  "events in order across the upgrade": async () => {
    const socket = manager().socket("/");
    const inbox = new Inbox(socket, "echo");
    await next(socket, "connect", "connect_error");
    let sent = 0;
    while (sent < 50 || (upgrades && socket.io.engine.transport.name !== "websocket")) {
      const event = sent % 4 === 0 ? Buffer.from([sent % 256]) : sent;
      socket.emit("echo", event);
      sent += 1;
      await pause(1);
    }
    for (let i = 0; i < sent; i++) assert.deepEqual(await inbox.take(), i % 4 === 0 ? Buffer.from([i % 256]) : i);
    socket.disconnect();
  },

  "a server that restarts": async () => {
    const [ada, bob] = await Promise.all([join(), join()]);
    const ids = [ada.id, bob.id];
    const left = Promise.all([next(ada, "disconnect"), next(bob, "disconnect")]);
    ada.emit("restart");
    const reasons = (await left).map(([reason]) => reason);
    // A client that was just between two polls finds nobody there any more.
    assert.ok(reasons.every((reason) => ["transport close", "transport error"].includes(reason)), reasons);
    const answer = ada.emitWithAck("reply", "sent while the server was away");
    assert.equal(await answer, "sent while the server was away");
    assert.notEqual(ada.id, ids[0]);
    if (!bob.connected) await next(bob, "connect");
    const told = heard(bob, "all");
    ada.emit("to-others", "hello again");
    assert.deepEqual(await told, ["hello again"]);
    ada.disconnect();
    bob.disconnect();
  },
});

// usage: socketio-msgpack.mjs URL polling|websocket|upgrade
//
// The official client with `socket.io-msgpack-parser` and the playground that speaks MessagePack.
import assert from "node:assert/strict";
import parser from "socket.io-msgpack-parser";
import { Inbox, next } from "./lib.mjs";
import { heard, join as joinAs, manager, runCases } from "./playground-client.mjs";

const join = (namespace, options) => joinAs(namespace, { parser, ...options });

/** Sends arguments and expects them back, as `expected` if that differs. */
async function echoes(args, expected = args, change = (value) => value) {
  const socket = await join();
  const back = heard(socket, "echo");
  socket.emit("echo", ...args);
  assert.deepEqual((await back).map(change), expected);
  socket.disconnect();
}

/** All that MessagePack has a length for is tried at either side of it. */
const LENGTHS = [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536];

await runCases({
  "an event without arguments": () => echoes([]),
  "an event with several arguments of all kinds": () =>
    echoes([1, -2.5, "text", "", true, false, null, [1, [2]], { a: { b: [] } }, 2 ** 53 - 1, -(2 ** 53)]),
  "numbers of all lengths": () => {
    const bounds = [5, 7, 8, 15, 16, 31, 32, 52].flatMap((bits) => [2 ** bits - 1, 2 ** bits, 2 ** bits + 1]);
    return echoes([0, 0.1, -1e-300, NaN, Infinity, ...bounds, ...bounds.map((number) => -number)]);
  },
  "strings of all lengths": () => echoes(LENGTHS.map((length) => "x".repeat(length))),
  "lists of all lengths": () => echoes(LENGTHS.map((length) => Array.from({ length }, (_, i) => i))),
  "objects of all lengths": () =>
    echoes(LENGTHS.map((length) => Object.fromEntries(Array.from({ length }, (_, i) => [`k${i}`, i])))),
  "text of all planes": () => echoes(["é e\u0301 水 😀 𝒳 \u0000 \u2028 \ud7ff \ufffd", { "ключ 😀": "значение" }]),
  "undefined is nothing": () => echoes([undefined, { gone: [undefined] }], [null, { gone: [null] }], nothingAsNull),
  "a Date arrives as its text": () => {
    const date = new Date("2020-02-29T12:34:56.789Z");
    const asJson = (value) => JSON.parse(JSON.stringify(value));
    return echoes([date, { date }], [date.toJSON(), { date: date.toJSON() }], asJson);
  },

  "binary of all lengths": () => echoes(LENGTHS.map((length) => Buffer.alloc(length, 7))),
  "binary and other arguments mixed": () => echoes([1, Buffer.from("a"), "text", Buffer.from("b"), null]),
  "nested binary": () => echoes([{ a: [{ b: Buffer.from("deep") }], c: Buffer.from("shallow") }, [Buffer.from("in a list")]]),
  "array buffers of one and of eight bytes": () =>
    echoes(
      [new Uint8Array([1]).buffer, new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer],
      [Buffer.from([1]), Buffer.from([1, 2, 3, 4, 5, 6, 7, 8])],
      (value) => Buffer.from(value),
    ),
  "more binary values than JSON could have attachments": () => echoes(Array.from({ length: 200 }, (_, i) => Buffer.from([i]))),
  "binary that the server makes": async () => {
    const socket = await join();
    const sent = heard(socket, "binary");
    socket.emit("send-binary");
    const [nested, empty] = await sent;
    assert.deepEqual(nested, { bytes: Buffer.from([1, 2, 3]), list: ["a", Buffer.from([4])] });
    assert.equal(empty.length, 0);
    socket.disconnect();
  },
  "300 events in order": async () => {
    const socket = await join();
    const inbox = new Inbox(socket, "echo");
    const events = Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? Buffer.from(`event ${i}`) : `event ${i}`));
    for (const event of events) socket.emit("echo", event);
    for (const event of events) assert.deepEqual(await inbox.take(), event);
    socket.disconnect();
  },

  "an ack with several arguments, binary among them": async () => {
    const socket = await join();
    const sent = [1, { b: [Buffer.from("c")] }, "2"];
    assert.deepEqual(await new Promise((resolve) => socket.emit("reply", ...sent, (...args) => resolve(args))), sent);
    assert.deepEqual(await new Promise((resolve) => socket.emit("reply", (...args) => resolve(args))), []);
    socket.disconnect();
  },
  "the server asks for an ack": async () => {
    const socket = await join();
    socket.on("question", (bytes, ack) => ack(bytes, { nested: [bytes] }));
    const answered = heard(socket, "answered");
    socket.emit("ask", Buffer.from("b"));
    assert.deepEqual(await answered, [true, Buffer.from("b"), { nested: [Buffer.from("b")] }]);
    socket.disconnect();
  },
  "the server gets no ack": async () => {
    const socket = await join();
    const unanswered = heard(socket, "unanswered");
    socket.emit("ask-in-vain");
    assert.deepEqual(await unanswered, ["operation has timed out"]);
    socket.disconnect();
  },

  "two namespaces on one connection, and their credentials": async () => {
    const on = manager({ parser });
    const [chat, news] = await Promise.all([join("/chat", { on, auth: { token: "é" } }), join("/news", { on })]);
    assert.equal(await chat.emitWithAck("where"), "/chat");
    const handshake = (socket) => new Promise((resolve) => socket.emit("handshake", "EIO", (...args) => resolve(args)));
    assert.deepEqual(await handshake(chat), ["4", { token: "é" }]);
    assert.deepEqual(await handshake(news), ["4", {}]);
    chat.disconnect();
    assert.equal(await news.emitWithAck("where"), "/news");
    news.disconnect();
  },
  "middleware lets in and refuses": async () => {
    const socket = manager({ parser }).socket("/members", { auth: { token: "wrong" } });
    const [error] = await next(socket, "connect_error", "connect");
    assert.equal(error.message, "not authorized");
    assert.deepEqual(error.data, { retry: false, hint: ["token"] });
    socket.auth = { token: "secret" };
    const welcome = next(socket, "welcome", "connect_error");
    socket.connect();
    assert.deepEqual(await welcome, ["secret"]);
    socket.disconnect();
  },
  "an unknown namespace is refused": async () => {
    const socket = manager({ parser }).socket("/nowhere");
    const [error] = await next(socket, "connect_error", "connect");
    assert.equal(error.message, "Invalid namespace");
    socket.disconnect();
  },
  "a broadcast reaches all, and a room those who joined": async () => {
    const sockets = await Promise.all([join(), join(), join()]);
    const everybody = Promise.all(sockets.map((socket) => heard(socket, "all")));
    sockets[0].emit("to-all", 1, Buffer.from("2"));
    assert.deepEqual(await everybody, Array(3).fill([1, Buffer.from("2")]));

    await sockets[1].emitWithAck("join", "tea");
    const told = heard(sockets[1], "room");
    sockets[2].emit("to-room", "tea", { milk: Buffer.from("m") });
    assert.deepEqual(await told, [{ milk: Buffer.from("m") }]);
    for (const socket of sockets) socket.disconnect();
  },
  "the server sends a client away": async () => {
    const socket = await join();
    const left = next(socket, "disconnect");
    socket.emit("leave-me");
    assert.equal((await left)[0], "io server disconnect");
  },
});

/** The official server sends `undefined` back as such. */
function nothingAsNull(value) {
  if (value === undefined || value === null) return null;
  if (Array.isArray(value)) return value.map(nothingAsNull);
  return typeof value === "object"
    ? Object.fromEntries(Object.entries(value).map(([key, member]) => [key, nothingAsNull(member)]))
    : value;
}

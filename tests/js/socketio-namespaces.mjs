// usage: socketio-namespaces.mjs URL polling|websocket|upgrade
//
// Namespaces, middleware, credentials and query between the official client and the playground.
import assert from "node:assert/strict";
import { io } from "socket.io-client";
import { next } from "./lib.mjs";
import { hearsNothing, heard, join, manager, runCases, transports, url } from "./playground-client.mjs";

/** The error with which a namespace refuses the socket. */
async function refusal(socket) {
  const [error] = await next(socket, "connect_error", "connect");
  return error;
}

/** What the server has got, of a client that `io(…)` makes: the value of a key of the query, and the credentials. */
async function handshakeOf(target, key, options) {
  const socket = io(`${url}${target}`, { transports, forceNew: true, ...options });
  await next(socket, "connect", "connect_error");
  const answer = await new Promise((resolve) => socket.emit("handshake", key, (...args) => resolve(args)));
  socket.disconnect();
  return answer;
}

await runCases({
  "ids: the socket's is not the connection's, and each namespace has its own": async () => {
    const on = manager();
    const [root, chat] = await Promise.all([join("/", { on }), join("/chat", { on })]);
    const ids = new Set([root.id, chat.id, on.engine.id]);
    assert.equal(ids.size, 3);
    assert.equal(root.id.length, 20);
    // A room of the server's id for the socket reaches this client: both know it by the same id.
    const told = heard(root, "room");
    root.emit("to-room", root.id, "me");
    assert.deepEqual(await told, ["me"]);
    root.disconnect();
    assert.equal(root.id, undefined);
    chat.disconnect();
  },
  "two namespaces on one connection": async () => {
    const on = manager();
    const [chat, news] = await Promise.all([join("/chat", { on }), join("/news", { on })]);
    assert.equal(await chat.emitWithAck("where"), "/chat");
    assert.equal(await news.emitWithAck("where"), "/news");
    const back = heard(news, "echo");
    news.emit("echo", Buffer.from("binary"), "in a namespace");
    assert.deepEqual(await back, [Buffer.from("binary"), "in a namespace"]);
    chat.disconnect();
    news.disconnect();
  },
  "two sockets of one namespace are two connections": async () => {
    const sockets = [1, 2].map(() => io(`${url}/chat`, { transports }));
    await Promise.all(sockets.map((socket) => next(socket, "connect", "connect_error")));
    const [first, second] = sockets;
    assert.notEqual(first.io, second.io);
    assert.notEqual(first.id, second.id);
    first.disconnect();
    assert.equal(await second.emitWithAck("where"), "/chat");
    second.disconnect();
  },
  "another namespace on an open connection": async () => {
    const on = manager();
    const root = await join("/", { on });
    const { engine } = on;
    const chat = await join("/chat", { on });
    assert.equal(on.engine, engine);
    assert.equal(await chat.emitWithAck("where"), "/chat");
    root.disconnect();
    chat.disconnect();
  },
  "another namespace after the connection was closed": async () => {
    const on = manager();
    const root = await join("/", { on });
    root.disconnect();
    const chat = await join("/chat", { on });
    assert.equal(await chat.emitWithAck("where"), "/chat");
    chat.disconnect();
  },
  "leaving one namespace keeps the other, leaving the last closes the connection": async () => {
    const on = manager();
    const [chat, news] = await Promise.all([join("/chat", { on }), join("/news", { on })]);
    const { engine } = on;
    chat.disconnect();
    assert.equal(await news.emitWithAck("where"), "/news");
    assert.equal(engine.readyState, "open");
    const closed = next(engine, "close");
    news.disconnect();
    await closed;
  },
  "joining one namespace while leaving another": async () => {
    const on = manager();
    const chat = await join("/chat", { on });
    const news = on.socket("/news");
    chat.disconnect();
    await next(news, "connect", "connect_error");
    assert.equal(await news.emitWithAck("where"), "/news");
    news.disconnect();
  },
  "leaving a namespace and coming back": async () => {
    const on = manager();
    const [root, chat] = await Promise.all([join("/", { on }), join("/chat", { on })]);
    const { id } = chat;
    for (let i = 0; i < 3; i++) {
      chat.disconnect().connect();
      await next(chat, "connect", "connect_error");
    }
    assert.notEqual(chat.id, id);
    assert.equal(await chat.emitWithAck("where"), "/chat");
    await hearsNothing(root, ["disconnect"]);
    root.disconnect();
    chat.disconnect();
  },

  "an unknown namespace is refused, and the others go on": async () => {
    const on = manager();
    const chat = await join("/chat", { on });
    const unknown = on.socket("/unknown");
    assert.equal((await refusal(unknown)).message, "Invalid namespace");
    assert.equal(unknown.active, false);
    assert.equal(await chat.emitWithAck("where"), "/chat");
    chat.disconnect();
  },
  "a refused client gets message and data, and does not come back by itself": async () => {
    const on = manager();
    const socket = on.socket("/members");
    const error = await refusal(socket);
    assert.equal(error.message, "not authorized");
    assert.deepEqual(error.data, { retry: false, hint: ["token"] });
    assert.equal(socket.connected, false);
    assert.equal(socket.active, false);
    socket.disconnect();
    on._close();
  },
  "a refused client may try again with other credentials": async () => {
    const on = manager();
    const root = await join("/", { on });
    const socket = on.socket("/members", { auth: { token: "wrong" } });
    await refusal(socket);
    socket.auth = { token: "secret" };
    const welcome = next(socket, "welcome", "connect_error");
    socket.connect();
    assert.deepEqual(await welcome, ["secret"]);
    root.disconnect();
    socket.disconnect();
  },

  "credentials as an object": async () => {
    assert.deepEqual(await handshakeOf("/", "token", { auth: { token: "a", n: [1] } }), [null, { token: "a", n: [1] }]);
  },
  "credentials from a function, in a namespace": async () => {
    const auth = (send) => setTimeout(send, 5, { token: "b" });
    assert.deepEqual(await handshakeOf("/chat", "token", { auth }), [null, { token: "b" }]);
  },
  "no credentials": async () => {
    assert.deepEqual(await handshakeOf("/", "token"), [null, {}]);
  },
  "a query as an object": async () => {
    assert.deepEqual(await handshakeOf("/", "key", { query: { key: "value" } }), ["value", {}]);
  },
  "a query in the address": async () => {
    assert.equal((await handshakeOf("/?b=c&d=e", "d"))[0], "e");
  },
  "a query as an object, in a namespace": async () => {
    assert.equal((await handshakeOf("/chat", "key", { query: { key: "value" } }))[0], "value");
  },
  "a query in the address of a namespace": async () => {
    assert.equal((await handshakeOf("/chat?b=c&d=e", "b"))[0], "c");
  },
  "a query that has to be encoded": async () => {
    assert.equal((await handshakeOf("/", "&a", { query: { "&a": "&=?a 水+" } }))[0], "&=?a 水+");
  },
});

// usage: socketio-events.mjs URL polling|websocket|upgrade
//
// Events, acks, binary and broadcasts between the official client and the playground.
import assert from "node:assert/strict";
import { Inbox, next } from "./lib.mjs";
import { hearsNothing, heard, join, manager, runCases } from "./playground-client.mjs";

/** Sends arguments and expects them back, as `expected` if that differs. */
async function echoes(args, expected = args) {
  const socket = await join();
  const back = heard(socket, "echo");
  socket.emit("echo", ...args);
  assert.deepEqual(await back, expected);
  socket.disconnect();
}

await runCases({
  "an event without arguments": () => echoes([]),
  "an event with several arguments of all kinds": () =>
    echoes([1, -2.5, "text", "", true, false, null, [1, [2]], { a: { b: [] } }, 2 ** 53, 1e300]),
  "text of all planes": () => echoes(["é e\u0301 水 😀 𝒳 \u0000 \u2028 \\ \" \r\n \ud7ff \ufffd", { "ключ 😀": "значение" }]),
  "a Date arrives as its text": () => {
    const date = new Date(0);
    return echoes([date, { date }], [date.toJSON(), { date: date.toJSON() }]);
  },
  "what JSON cannot say arrives as null": () => echoes([undefined, NaN, { gone: undefined }], [null, null, {}]),
  "a string that looks like a packet": () => echoes(["42[\"echo\"]", "2probe", "\u001e", "b64"]),

  "binary by itself": () => echoes([Buffer.from([0, 1, 254, 255])]),
  "empty binary": () => echoes([Buffer.alloc(0)]),
  "binary and other arguments mixed": () => echoes([1, Buffer.from("a"), "text", Buffer.from("b"), null]),
  "nested binary": () => echoes([{ a: [{ b: Buffer.from("deep") }], c: Buffer.from("shallow") }, [Buffer.from("in a list")]]),
  "typed arrays and array buffers": () =>
    echoes([new Uint8Array([1, 2, 3]), new Uint8Array([4, 5]).buffer], [Buffer.from([1, 2, 3]), Buffer.from([4, 5])]),
  "10 attachments": () => echoes(Array.from({ length: 10 }, (_, i) => Buffer.from([i]))),
  "an object that looks like a placeholder beside binary": () => echoes([{ num: 0, placeholder: true }, Buffer.from("x")]),
  "binary that the server makes": async () => {
    const socket = await join();
    const sent = heard(socket, "binary");
    socket.emit("send-binary");
    const [nested, empty] = await sent;
    assert.deepEqual(nested, { bytes: Buffer.from([1, 2, 3]), list: ["a", Buffer.from([4])] });
    assert.equal(empty.length, 0);
    socket.disconnect();
  },

  "binary as base64, on every transport": async () => {
    const socket = await join("/", { forceBase64: true });
    const back = heard(socket, "echo");
    socket.emit("echo", Buffer.from([0, 255]), { nested: Buffer.alloc(70_000, 3) });
    assert.deepEqual(await back, [Buffer.from([0, 255]), { nested: Buffer.alloc(70_000, 3) }]);
    assert.deepEqual(await socket.emitWithAck("reply", Buffer.from("ack")), Buffer.from("ack"));
    socket.disconnect();
  },

  "an event named false": async () => {
    const socket = await join();
    const answer = heard(socket, "false");
    socket.emit("false");
    assert.deepEqual(await answer, [false]);
    socket.disconnect();
  },
  "an event whose name is a number": async () => {
    const socket = await join();
    socket.emit(7, "no handler, no harm");
    await hearsNothing(socket, ["7"]);
    socket.disconnect();
  },
  "five texts in order": async () => {
    const socket = await join();
    const texts = ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"];
    const inbox = new Inbox(socket, "echo");
    for (const text of texts) socket.emit("echo", text);
    for (const text of texts) assert.equal(await inbox.take(), text);
    socket.disconnect();
  },
  "300 events with and without binary in order": async () => {
    const socket = await join();
    const inbox = new Inbox(socket, "echo");
    const events = Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? Buffer.from(`event ${i}`) : `event ${i}`));
    for (const event of events) socket.emit("echo", event);
    for (const event of events) assert.deepEqual(await inbox.take(), event);
    socket.disconnect();
  },
  "a large document and a large file, three times there and back": async () => {
    const socket = await join();
    const entry = (n) => ({ id: n, name: `entrée ${n}`, tags: ["水", null, true, n / 8 - 1], nested: { list: [[n], {}] } });
    const sent = [Array.from({ length: 5_000 }, (_, n) => entry(n)), Buffer.alloc(300_000, "file")];
    for (let values = sent, round = 0; round < 3; round++) {
      const back = heard(socket, "echo");
      socket.emit("echo", ...values);
      values = await back;
      assert.deepEqual(values, sent);
    }
    socket.disconnect();
  },
  "a payload of one megabyte": async () => {
    const text = "水".repeat(200_000) + "x".repeat(400_000);
    await echoes([text]);
    await echoes([Buffer.alloc(1_000_000, 7)]);
  },
  "events that are emitted before the connection stands come first": async () => {
    for (const namespace of ["/", "/chat"]) {
      const socket = manager().socket(namespace);
      const inbox = new Inbox(socket, "echo");
      for (let i = 0; i < 5; i++) socket.emit("echo", i);
      await next(socket, "connect", "connect_error");
      for (let i = 5; i < 10; i++) socket.emit("echo", i);
      for (let i = 0; i < 10; i++) assert.equal(await inbox.take(), i);
      socket.disconnect();
    }
  },
  "send and its event": async () => {
    const socket = await join();
    const back = heard(socket, "message");
    socket.send("a", 1);
    assert.deepEqual(await back, ["a", 1]);
    socket.disconnect();
  },

  "an ack with several arguments": async () => {
    const socket = await join();
    const answer = await new Promise((resolve) => socket.emit("reply", 1, "2", { three: [3] }, (...args) => resolve(args)));
    assert.deepEqual(answer, [1, "2", { three: [3] }]);
    assert.deepEqual(await new Promise((resolve) => socket.emit("reply", (...args) => resolve(args))), []);
    socket.disconnect();
  },
  "an ack with binary": async () => {
    const socket = await join();
    const sent = [Buffer.from("a"), { b: [Buffer.from("c")] }];
    const answer = await new Promise((resolve) => socket.emit("reply", ...sent, (...args) => resolve(args)));
    assert.deepEqual(answer, sent);
    socket.disconnect();
  },
  "an ack with a Date": async () => {
    const socket = await join();
    const date = new Date();
    assert.equal(await socket.emitWithAck("reply", date), date.toJSON());
    socket.disconnect();
  },
  "emitWithAck, also many at a time": async () => {
    const socket = await join();
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => socket.emitWithAck("reply", i)));
    assert.deepEqual(answers, Array.from({ length: 100 }, (_, i) => i));
    socket.disconnect();
  },
  "an ack in time, and none": async () => {
    const socket = await join();
    assert.equal(await socket.timeout(5_000).emitWithAck("reply", "in time"), "in time");
    await assert.rejects(socket.timeout(50).emitWithAck("no-reply"), /operation has timed out/);
    await assert.rejects(socket.timeout(50).emitWithAck("nobody listens to this"), /operation has timed out/);
    socket.disconnect();
  },
  "ackTimeout as an option": async () => {
    const socket = manager().socket("/", { ackTimeout: 50 });
    await next(socket, "connect", "connect_error");
    await assert.rejects(socket.emitWithAck("no-reply"), /operation has timed out/);
    socket.disconnect();
  },
  "an ack that comes too late is no second answer": async () => {
    const socket = await join();
    let calls = 0;
    const error = await new Promise((resolve) => socket.timeout(10).emit("reply-late", (error) => (calls++, resolve(error))));
    assert(error instanceof Error);
    await socket.emitWithAck("reply-late");
    assert.equal(calls, 1);
    socket.disconnect();
  },

  "the server asks for an ack": async () => {
    const socket = await join();
    socket.on("question", (...args) => args.pop()("got", args));
    const answered = heard(socket, "answered");
    socket.emit("ask", "really", 7);
    assert.deepEqual(await answered, [true, "got", ["really", 7]]);
    socket.disconnect();
  },
  "the server asks for an ack with binary": async () => {
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
  "the flag compress changes nothing": async () => {
    const socket = await join();
    const back = heard(socket, "echo");
    socket.compress(false).emit("echo", "plain");
    assert.deepEqual(await back, ["plain"]);
    socket.disconnect();
  },
  "catch-all listeners see every event": async () => {
    const socket = await join();
    const seen = new Promise((resolve) => socket.onAny((...args) => resolve(args)));
    socket.emit("echo", "one", 2);
    assert.deepEqual(await seen, ["echo", "one", 2]);
    socket.disconnect();
  },

  "a room has those who joined, until they leave": async () => {
    const [ada, bob, eve] = await Promise.all([join(), join(), join()]);
    await ada.emitWithAck("join", "tea");
    await bob.emitWithAck("join", "tea");
    assert.deepEqual(await ada.emitWithAck("rooms"), ["tea"]);

    const both = Promise.all([heard(ada, "room"), heard(bob, "room")]);
    ada.emit("to-room", "tea", { sugar: 1 });
    assert.deepEqual(await both, [[{ sugar: 1 }], [{ sugar: 1 }]]);

    const others = heard(bob, "room");
    const silence = hearsNothing(ada, ["room"]);
    ada.emit("to-others-in-room", "tea", Buffer.from("milk"));
    assert.deepEqual(await others, [Buffer.from("milk")]);
    await silence;
    await hearsNothing(eve, ["room"]);

    await bob.emitWithAck("leave", "tea");
    const only = heard(ada, "room");
    eve.emit("to-room", "tea", "from outside");
    assert.deepEqual(await only, ["from outside"]);
    await hearsNothing(bob, ["room"]);
    for (const socket of [ada, bob, eve]) socket.disconnect();
  },
  "a socket is a room of its own": async () => {
    const [ada, bob] = await Promise.all([join(), join()]);
    const told = heard(bob, "room");
    ada.emit("to-room", bob.id, "psst");
    assert.deepEqual(await told, ["psst"]);
    await hearsNothing(ada, ["room"]);
    for (const socket of [ada, bob]) socket.disconnect();
  },
  "a broadcast reaches all, or all but its sender": async () => {
    const sockets = await Promise.all([join(), join(), join()]);
    const everybody = Promise.all(sockets.map((socket) => heard(socket, "all")));
    sockets[0].emit("to-all", 1, Buffer.from("2"));
    assert.deepEqual(await everybody, Array(3).fill([1, Buffer.from("2")]));

    const [sender, ...others] = sockets;
    const reached = Promise.all(others.map((socket) => heard(socket, "all")));
    const silence = hearsNothing(sender, ["all"]);
    sender.emit("to-others", "without me");
    assert.deepEqual(await reached, Array(2).fill(["without me"]));
    await silence;
    for (const socket of sockets) socket.disconnect();
  },
  "broadcasts keep their order": async () => {
    const [ada, bob] = await Promise.all([join(), join()]);
    const inbox = new Inbox(bob, "all");
    for (let i = 0; i < 100; i++) ada.emit("to-all", i);
    for (let i = 0; i < 100; i++) assert.equal(await inbox.take(), i);
    for (const socket of [ada, bob]) socket.disconnect();
  },

  "a volatile event arrives at a client that is ready": async () => {
    const socket = await join();
    // Over polling the client is ready only while a request waits, which it may not just now.
    for (let attempt = 0; ; attempt++) {
      const arrived = heard(socket, "volatile").then(() => true);
      arrived.catch(() => {});
      socket.emit("send-volatile");
      await socket.emitWithAck("reply");
      if (await Promise.race([arrived, new Promise((resolve) => setTimeout(resolve, 50, false))])) break;
      assert(attempt < 20, "no volatile event has arrived");
    }
    socket.disconnect();
  },
  "a volatile event is dropped when others are on their way": async () => {
    const socket = await join();
    const seen = [];
    socket.onAny((event) => seen.push(event));
    const last = heard(socket, "last");
    socket.emit("send-volatile-when-busy");
    await last;
    await socket.emitWithAck("reply");
    assert.deepEqual(seen, ["first", "last"]);
    socket.disconnect();
  },
  "volatile events of the client are dropped before it is connected and sent afterwards": async () => {
    const socket = manager().socket("/");
    socket.volatile.emit("echo", "too early");
    const inbox = new Inbox(socket, "echo");
    await next(socket, "connect", "connect_error");
    for (let attempt = 0; inbox.size === 0; attempt++) {
      await socket.emitWithAck("reply");
      await new Promise((resolve) => setTimeout(resolve, 20));
      socket.volatile.emit("echo", "in time");
      assert(attempt < 50, "no volatile event has arrived");
    }
    assert.equal(await inbox.take(), "in time");
    socket.disconnect();
  },
});

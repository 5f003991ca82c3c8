// usage: socketio-differences.mjs URL polling|websocket|upgrade
//
// Where the official client fares better with this project's server than with the official one, on purpose.
import assert from "node:assert/strict";
import { next } from "./lib.mjs";
import { heard, join, manager, runCases, transports, url } from "./playground-client.mjs";

await runCases({
  // The official server closes the connection, with all its namespaces.
  "an event that crosses the server's goodbye harms nobody": async () => {
    const on = manager();
    const [root, chat] = await Promise.all([join("/", { on }), join("/chat", { on })]);
    const left = next(root, "disconnect");
    root.emit("leave-me");
    for (let i = 0; i < 20; i++) root.emit("echo", i, Buffer.from("late"));
    assert.equal((await left)[0], "io server disconnect");
    assert.equal(await chat.emitWithAck("where"), "/chat");
    chat.disconnect();
  },
  // The official server drops an event whose sender leaves in the same breath.
  "what is sent right before leaving arrives": async () => {
    const witness = await join();
    const told = heard(witness, "all");
    const socket = manager().socket("/");
    await next(socket, "connect");
    // With an upgrade ahead, the client puts its goodbye off until it is done.
    socket.emit("to-others", "goodbye", Buffer.from("forever"));
    socket.disconnect();
    assert.deepEqual(await told, ["goodbye", Buffer.from("forever")]);
    witness.disconnect();
  },
  // The official server runs the middleware twice, lets the client in twice and closes the connection.
  "connecting, leaving and connecting while middleware decides": async () => {
    const on = manager();
    const other = await join("/chat", { on });
    const socket = on.socket("/slow");
    socket.connect().disconnect().connect();
    await next(socket, "connect", "connect_error");
    assert.equal(await socket.emitWithAck("where"), "/slow");
    assert.equal(await other.emitWithAck("where"), "/chat");
    socket.disconnect();
    other.disconnect();
  },
  // The official server takes 10, and closes the connection at the eleventh.
  "a hundred attachments": async () => {
    const socket = await join();
    const attachments = Array.from({ length: 100 }, (_, i) => Buffer.from([i]));
    assert.equal(await socket.emitWithAck("count", ...attachments), 100);
    const left = next(socket, "disconnect");
    socket.emit("count", ...attachments, Buffer.from("one too many"));
    assert.equal((await left)[0], "transport close");
    socket.disconnect();
  },
  // The official server lets everybody in, or, with its option `cors`, leaves it to the browser, which asks for polling only.
  "a page of another origin is refused": async () => {
    const socket = manager({ extraHeaders: { origin: "https://evil.example" } }).socket("/");
    const [error] = await next(socket, "connect_error", "connect");
    if (transports.includes("polling")) assert.equal(error.description, 403);
    else assert.match(error.description.message, /403/);
    socket.disconnect();
  },
  "a page of the server's own origin is not": async () => {
    const socket = await join("/", { extraHeaders: { origin: url } });
    assert.equal(await socket.emitWithAck("reply", "welcome"), "welcome");
    socket.disconnect();
  },
});

// usage: socketio-limits.mjs URL polling|websocket|upgrade
//
// A client that sends more than the server takes learns why its connection ends. The answer is on its way while the client
// still sends, and must not be lost in that: so each case is tried many times.
import assert from "node:assert/strict";
import { next } from "./lib.mjs";
import { join, runCases } from "./playground-client.mjs";

const LIMIT = 2_000_000;

async function isTold(payload) {
  for (let i = 0; i < 20; i++) {
    const socket = await join("/", { reconnection: false });
    const overWebsocket = socket.io.engine.transport.name === "websocket";
    const left = next(socket, "disconnect");
    socket.emit("echo", payload);
    const [reason, { description, context }] = await left;
    if (overWebsocket) {
      assert.deepEqual([reason, context.code, context.reason], ["transport close", 1009, ""], `try ${i}`);
    } else {
      assert.deepEqual([reason, description, context.responseText], ["transport error", 413, ""], `try ${i}`);
    }
  }
}

await runCases({
  "text over the limit": () => isTold("x".repeat(LIMIT + 1)),
  "binary over the limit": () => isTold(Buffer.alloc(LIMIT + 1)),
});

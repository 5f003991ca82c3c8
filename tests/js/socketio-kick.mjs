// usage: socketio-kick.mjs URL polling|websocket|upgrade
//
// A client that the server sends away knows that, and stays away: had only its connection broken, it would come back.
import assert from "node:assert/strict";
import { next, pause } from "./lib.mjs";
import { join, manager, runCases } from "./playground-client.mjs";

await runCases({
  "all sockets of a closed connection": async () => {
    // What the client makes of it depends on what arrives together, so that once is not enough.
    for (let i = 0; i < 20; i++) {
      const on = manager();
      const [root, chat] = await Promise.all([join("/", { on }), join("/chat", { on })]);
      const left = Promise.all([next(root, "disconnect"), next(chat, "disconnect")]);
      const closed = next(on.engine, "close");
      root.emit("close-me");
      assert.deepEqual((await left).map(([reason]) => reason), Array(2).fill("io server disconnect"));
      await closed;
      await pause(50);
      assert.equal(root.active || chat.active, false);
    }
  },
});

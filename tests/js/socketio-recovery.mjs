// usage: socketio-recovery.mjs URL polling|websocket|upgrade
//
// The official client loses its connection and comes back, to a server with connection state recovery.
import assert from "node:assert/strict";
import { next, pause } from "./lib.mjs";
import { join, runCases } from "./playground-client.mjs";

/** A client that keeps what is said to all. */
async function listener() {
  const socket = await join();
  const said = [];
  socket.on("said", (...args) => said.push(args));
  return { socket, said };
}

/** Closes the connection beneath the client, which then comes back by itself. */
async function breakOff(socket) {
  const gone = next(socket, "disconnect");
  socket.io.engine.close();
  await gone;
}

/** Waits until the client is back, and upgraded if it was. */
async function comesBack(socket) {
  if (!socket.connected) await next(socket, "connect", "connect_error");
}

/** What has arrived once an event that is sent now has. */
async function heardSoFar(speaker, { said }) {
  await speaker.emitWithAck("say", "mark");
  for (let n = 0; n < 500 && said.at(-1)?.[0] !== "mark"; n += 1) await pause(10);
  assert.equal(said.pop()?.[0], "mark");
  // Stock clients leave the position to handlers, as the last argument.
  return said.splice(0).map((args) => args.slice(0, -1));
}

await runCases({
  "a client that comes back has its id, and has missed nothing": async () => {
    const speaker = await join();
    const away = await listener();
    const { id } = away.socket;
    assert.equal(away.socket.recovered, false);
    await speaker.emitWithAck("say", 1);
    assert.deepEqual(await heardSoFar(speaker, away), [[1]]);
    for (let round = 0; round < 3; round += 1) {
      const gone = breakOff(away.socket);
      await speaker.emitWithAck("say", "missed", round);
      await speaker.emitWithAck("say", Buffer.from([round]));
      await gone;
      await speaker.emitWithAck("say", { and: "this" }, [round]);
      await comesBack(away.socket);
      assert.deepEqual([away.socket.recovered, away.socket.id], [true, id]);
      assert.equal(await away.socket.emitWithAck("recovered"), true);
      assert.deepEqual(await heardSoFar(speaker, away), [
        ["missed", round],
        [Buffer.from([round])],
        [{ and: "this" }, [round]],
      ]);
    }
    speaker.disconnect();
    away.socket.disconnect();
  },

  "a client that got no event yet comes back too": async () => {
    const speaker = await join();
    const away = await listener();
    const { id } = away.socket;
    await breakOff(away.socket);
    await speaker.emitWithAck("say", "first");
    await comesBack(away.socket);
    assert.deepEqual([away.socket.recovered, away.socket.id], [true, id]);
    assert.deepEqual(await heardSoFar(speaker, away), [["first"]]);
    speaker.disconnect();
    away.socket.disconnect();
  },

  "a volatile event that ends in a text does not spoil it": async () => {
    const speaker = await join();
    const away = await listener();
    await speaker.emitWithAck("say", "kept");
    await heardSoFar(speaker, away);
    await speaker.emitWithAck("say-volatile", "hello");
    // It may be dropped; what counts is what follows.
    await heardSoFar(speaker, away);
    await breakOff(away.socket);
    await speaker.emitWithAck("say", "missed");
    await comesBack(away.socket);
    assert.equal(away.socket.recovered, true);
    assert.deepEqual(await heardSoFar(speaker, away), [["missed"]]);
    speaker.disconnect();
    away.socket.disconnect();
  },

  "who has left on purpose begins anew": async () => {
    const { socket } = await listener();
    const { id } = socket;
    socket.disconnect();
    socket.connect();
    await next(socket, "connect", "connect_error");
    assert.equal(socket.recovered, false);
    assert.notEqual(socket.id, id);
    socket.disconnect();
  },
});

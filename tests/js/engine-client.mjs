// usage: engine-client.mjs URL polling|websocket|upgrade
//
// The official Engine.IO client against an echo server (pingInterval 300 ms, pingTimeout 200 ms).
import assert from "node:assert/strict";
import { Socket } from "engine.io-client";
import { Inbox, next, pause, run, step } from "./lib.mjs";

const TRANSPORTS = {
  polling: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
};

const TEXTS = [
  "plain",
  "",
  "4 looks like a packet, b64 like an attachment",
  'quotes " and \\ and \u0000 and \r\n and \u2028',
  "中文、日本語、한국어, é as e\u0301",
  "outside the basic plane: 😀 𝒳 👩‍👩‍👧",
  "x".repeat(70_000),
  "水".repeat(30_000),
];

const BINARIES = [
  Buffer.from([0]),
  Buffer.from("4b2probe"),
  Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
  Buffer.alloc(125, 1),
  Buffer.alloc(126, 2),
  Buffer.alloc(65_536, 3),
];

const [url, mode] = process.argv.slice(2);
const upgrades = mode === "upgrade";

await run(async () => {
  assert(url && mode in TRANSPORTS, "usage: engine-client.mjs URL polling|websocket|upgrade");

  const socket = new Socket(url, { path: "/engine.io/", transports: TRANSPORTS[mode] });
  const inbox = new Inbox(socket, "message");
  const upgraded = upgrades ? next(socket, "upgrade", "upgradeError", "close") : undefined;

  await step("open", () => next(socket, "open", "error", "close"));
  socket.on("close", (reason, description) => console.log("closed:", reason, description ?? ""));

  if (upgrades) {
    await step("100 messages come back in order across the upgrade", async () => {
      let sent = 0;
      let done = false;
      const finished = upgraded.then(() => (done = true));
      // One message a turn keeps the pipe busy while the probe runs; the rest goes at once, right after it.
      while (!done && sent < 80) {
        socket.send(`message ${sent++}`);
        await pause(1);
      }
      await finished;
      while (sent < 100) socket.send(`message ${sent++}`);
      await expectInOrder(inbox, 100);
    });
    await step("it is a WebSocket now", async () => assert.equal(socket.transport.name, "websocket"));
  } else {
    await step("100 messages come back in order", async () => {
      for (let i = 0; i < 100; i++) socket.send(`message ${i}`);
      await expectInOrder(inbox, 100);
    });
  }

  for (const text of TEXTS) {
    await step(`text of ${text.length} UTF-16 units: ${JSON.stringify(text.slice(0, 20))}`, async () => {
      socket.send(text);
      // The client reports an empty message as `undefined`.
      assert.equal((await inbox.take()) ?? "", text);
    });
  }

  for (const bytes of BINARIES) {
    await step(`${bytes.length} bytes`, async () => {
      socket.send(bytes);
      const echo = await inbox.take();
      assert(Buffer.isBuffer(echo), `a ${typeof echo} came back, not a Buffer`);
      assert(echo.equals(bytes), `other bytes came back: ${echo.subarray(0, 16).toString("hex")}…`);
    });
  }

  await step("text and binary keep their order", async () => {
    for (const message of ["a", Buffer.from("b"), "c", Buffer.from("d")]) socket.send(message);
    const echoes = [await inbox.take(), await inbox.take(), await inbox.take(), await inbox.take()];
    assert.deepEqual(echoes, ["a", Buffer.from("b"), "c", Buffer.from("d")]);
  });

  await step("the session outlives several heartbeats", async () => {
    const pings = new Inbox(socket, "ping");
    for (let i = 0; i < 3; i++) await pings.take();
    await pause(300);
    assert.equal(socket.readyState, "open");
  });

  await step("nothing came that was not sent", async () => assert.equal(inbox.size, 0));

  const { id } = socket;
  await step("close", async () => {
    const closed = next(socket, "close");
    socket.close();
    assert.deepEqual((await closed)[0], "forced close");
  });

  await step("the server has forgotten the session", async () => {
    for (;;) {
      const answer = await fetch(`${url}/engine.io/?EIO=4&transport=polling&sid=${id}`);
      const body = await answer.text();
      // It may have overtaken the request that closes: then it is a second poll, whose refusal says nothing.
      if (answer.status === 400 && body !== "" && JSON.parse(body).code === 1) return;
      await pause(20);
    }
  });
});

async function expectInOrder(inbox, count) {
  for (let i = 0; i < count; i++) assert.equal(await inbox.take(), `message ${i}`);
}

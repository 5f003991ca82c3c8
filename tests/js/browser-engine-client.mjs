// usage: browser-engine-client.mjs URL polling|websocket|upgrade
//
// The official Engine.IO client in Chromium: the browser's own XMLHttpRequest, WebSocket and Blob, its Origin header, its cache.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { startBrowser } from "./browser.mjs";
import { run, step } from "./lib.mjs";

const TRANSPORTS = {
  polling: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
};

const [url, mode] = process.argv.slice(2);

await run(async () => {
  assert(url && mode in TRANSPORTS, "usage: browser-engine-client.mjs URL polling|websocket|upgrade");
  const browser = await step("start the browser", startBrowser);
  try {
    const page = await browser.newPage();
    page.on("console", (line) => console.log(`in the page: ${line.text()}`));
    // The server refuses this request, and its refusal is a page of its origin. A page that the test made up would not do:
    // Chromium lets only pages from this machine open a WebSocket to it.
    await step("open a page of the server's origin", () => page.goto(`${url}/engine.io/`));
    const client = createRequire(import.meta.url).resolve("engine.io-client/dist/engine.io.min.js");
    await page.addScriptTag({ content: readFileSync(client, "utf8") });
    const outcome = await step("talk", () => page.evaluate(talk, TRANSPORTS[mode]));
    assert.deepEqual(outcome, {
      transport: mode === "upgrade" ? "websocket" : mode,
      texts: ["plain", "水 and 😀", ...Array.from({ length: 50 }, (_, i) => `message ${i}`)],
      bytes: [[0, 1, 2, 253, 254, 255]],
      closed: "forced close",
    });
  } finally {
    await browser.close();
  }
});

/** Runs in the page. */
async function talk(transports) {
  const socket = eio({ path: "/engine.io/", transports });
  socket.binaryType = "arraybuffer";
  const next = (event) =>
    new Promise((resolve, reject) => {
      socket.once(event, resolve);
      socket.once("error", reject);
    });

  const texts = [];
  const bytes = [];
  const lastArrived = new Promise((resolve) => {
    socket.on("message", (message) => {
      if (typeof message === "string") texts.push(message);
      else bytes.push([...new Uint8Array(message)]);
      if (message === "message 49") resolve();
    });
  });

  const upgraded = transports.length > 1 ? next("upgrade") : Promise.resolve();
  await next("open");
  socket.send("plain");
  socket.send("水 and 😀");
  socket.send(new Uint8Array([0, 1, 2, 253, 254, 255]));
  for (let i = 0; i < 50; i++) socket.send(`message ${i}`);
  await upgraded;
  await lastArrived;

  const transport = socket.transport.name;
  const closed = next("close");
  socket.close();
  return { transport, texts, bytes, closed: await closed };
}

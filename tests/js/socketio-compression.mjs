// usage: socketio-compression.mjs URL polling
//
// A client whose HTTP requests are those of `fetch`, which takes compressed answers, as browsers do: it gets large answers
// compressed, short ones as they are, and does not notice.
import assert from "node:assert/strict";
import { Fetch } from "engine.io-client";
import { heard, join, runCases } from "./playground-client.mjs";

const THRESHOLD = 1024;

/** The answers to polls: their length in bytes, and their content coding. */
const answers = [];

const plainFetch = globalThis.fetch;
globalThis.fetch = async (url, options) => {
  const response = await plainFetch(url, options);
  if ((options.method ?? "GET") === "GET") {
    const length = Buffer.byteLength(await response.clone().text());
    answers.push({ length, coding: response.headers.get("content-encoding") });
  }
  return response;
};

/** Sends arguments, which must come back as they were, in an answer of at least `length` bytes if it were not compressed. */
async function echoes(length, ...args) {
  const socket = await join("/", { transports: [Fetch], upgrade: false, reconnection: false });
  const back = heard(socket, "echo");
  socket.emit("echo", ...args);
  assert.deepEqual(await back, args);
  socket.disconnect();
  const seen = answers.splice(0);
  assert(seen.some((answer) => answer.length >= length), `an answer of ${length} bytes`);
  for (const answer of seen) assert.equal(answer.coding, answer.length < THRESHOLD ? null : "gzip", `${answer.length} bytes`);
}

await runCases({
  "a short event": () => echoes(0, "short"),
  "a long text": () => echoes(10_000, "水 and words that come again; ".repeat(500)),
  "a very long text": () => echoes(900_000, "x".repeat(900_000)),
  "long binary": () => echoes(100_000, Buffer.alloc(100_000, "words"), "text"),
});

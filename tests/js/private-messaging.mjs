// usage: private-messaging.mjs URL
//
// The page of `examples/private-messaging` in Chromium: two people write to each other, also while one is cut off.
import assert from "node:assert/strict";
import { startBrowser } from "./browser.mjs";
import { pause, run, step } from "./lib.mjs";

const [url] = process.argv.slice(2);

async function enter(browser, name) {
  const page = await (await browser.createBrowserContext()).newPage();
  await page.goto(url);
  await page.type("#name", name);
  await page.keyboard.press("Enter");
  await page.waitForSelector("main:not([hidden])");
  return page;
}

/** Waits until the elements say this. */
async function shows(page, selector, expected) {
  let texts;
  for (let n = 0; n < 1_000; n += 1) {
    texts = await page.$$eval(selector, (all) => all.map((element) => element.textContent));
    if (JSON.stringify(texts) === JSON.stringify(expected)) return;
    await pause(10);
  }
  assert.deepEqual(texts, expected);
}

async function write(page, text) {
  await page.type("#text", text);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.getElementById("text").value === "");
}

await run(async () => {
  assert(url, "usage: private-messaging.mjs URL");
  const browser = await step("start the browser", startBrowser);
  try {
    const ada = await step("Ada enters", () => enter(browser, "Ada"));
    const bob = await step("Bob enters", () => enter(browser, "Bob"));
    await step("each sees the other", async () => {
      await shows(ada, "#people button", ["Bob"]);
      await shows(bob, "#people button", ["Ada"]);
    });
    await step("a message shows in both pages", async () => {
      await ada.click("#people button");
      await write(ada, "hello");
      await shows(ada, "#log li", ["to Bob: hello"]);
      await shows(bob, "#log li", ["Ada: hello"]);
    });
    await step("what is written while Bob is cut off is there when he is back", async () => {
      const id = await bob.evaluate(() => socket.id);
      // It stays away until told otherwise.
      await bob.evaluate(() => {
        socket.io.reconnection(false);
        socket.io.engine.close();
      });
      await shows(bob, "#state", ["Bob, connection lost"]);
      await shows(ada, "#people button", ["Bob (away)"]);
      await write(ada, "are you there?");
      await write(ada, "<b>hello?</b>");
      await bob.evaluate(() => {
        socket.io.reconnection(true);
        socket.connect();
      });
      await shows(bob, "#state", ["Bob, back again"]);
      await shows(bob, "#log li", ["Ada: hello", "Ada: are you there?", "Ada: <b>hello?</b>"]);
      assert.equal(await bob.evaluate(() => socket.id), id);
      await shows(ada, "#people button", ["Bob"]);
    });
    await step("another cannot take a name", async () => {
      const page = await (await browser.createBrowserContext()).newPage();
      await page.goto(url);
      const said = new Promise((resolve) => page.on("dialog", (dialog) => resolve(dialog.message()) ?? dialog.accept()));
      await page.type("#name", "Ada");
      await page.keyboard.press("Enter");
      assert.equal(await said, "this name is taken");
    });
  } finally {
    await browser.close();
  }
});

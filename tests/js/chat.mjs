// usage: chat.mjs talk|rooms|limits URL
//        chat.mjs restart PROGRAM
//
// The page of `examples/chat` in Chromium, as its users see it. `restart` starts the program itself, ends it without
// ceremony and starts it again on the same port.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { io } from "socket.io-client";
import { startBrowser } from "./browser.mjs";
import { pause, run, step } from "./lib.mjs";

const CASES = { talk, rooms, limits, restart };

const [name, target] = process.argv.slice(2);

await run(async () => {
  assert(name in CASES && target, "usage: chat.mjs talk|rooms|limits URL, or chat.mjs restart PROGRAM");
  await CASES[name]();
});

async function talk() {
  await withPages(target, async (ada, grace) => {
    await step("each sees who is online", async () => {
      await shows(ada, "#members", ["Ada (you)", "Grace"]);
      await shows(grace, "#members", ["Grace (you)", "Ada"]);
      await shows(ada, "#log", ["You have joined # lobby", "Grace has joined"]);
    });

    await step("a hint that one types shows in the other page, and goes by itself", async () => {
      await ada.type("#text", "Hello");
      await shows(grace, "#typing", ["Ada is typing…"]);
      await shows(ada, "#typing", []);
      await shows(grace, "#typing", []);
    });

    await step("a message shows in both pages, and ends the hint", async () => {
      await ada.type("#text", " Grace");
      await shows(grace, "#typing", ["Ada is typing…"]);
      await ada.keyboard.press("Enter");
      await shows(grace, "#typing", []);
      await shows(ada, ".message .text", ["Hello Grace"]);
      await shows(grace, ".message .text", ["Hello Grace"]);
      assert.match(await ada.$eval(".message time", (time) => time.textContent), /\d:\d\d/);
    });

    await step("markup is text", async () => {
      await say(grace, "<img src=x onerror=alert(1)><b>bold</b>");
      await shows(ada, ".message .text", ["Hello Grace", "<img src=x onerror=alert(1)><b>bold</b>"]);
      assert.equal(await ada.$("#log img, #log .text b"), null);
    });

    await step("a tab that is loaded again keeps its name", async () => {
      await grace.reload();
      await shows(grace, "#members", ["Grace (you)", "Ada"]);
      await shows(ada, "#members", ["Ada (you)", "Grace"]);
    });

    await step("a closed tab is gone", async () => {
      // In the middle of an upgrade it would have no request under way whose end tells the server.
      await grace.waitForNetworkIdle();
      await grace.close();
      await shows(ada, "#members", ["Ada (you)"]);
      await shows(ada, ".notice:last-child", ["Grace has left"]);
    });
  });
}

async function rooms() {
  await withPages(target, async (ada, grace) => {
    await step("one changes the room", async () => {
      await shows(ada, "#members", ["Ada (you)", "Grace"]);
      await ada.click('#rooms [data-room="rust"]');
      await shows(ada, "#room", ["# rust"]);
      await shows(ada, "#members", ["Ada (you)"]);
      await shows(grace, "#members", ["Grace (you)"]);
      await shows(grace, ".notice:last-child", ["Ada has left"]);
      for (const page of [ada, grace]) await shows(page, "#rooms button", ["# lobby1", "# rust1", "# music", "# random"]);
    });

    await step("neither hears what the other says", async () => {
      await say(ada, "rust only");
      await say(grace, "lobby only");
      await shows(ada, ".message .text", ["rust only"]);
      await shows(grace, ".message .text", ["lobby only"]);
    });

    await step("in one room again they do", async () => {
      await grace.click('#rooms [data-room="rust"]');
      await shows(grace, "#members", ["Grace (you)", "Ada"]);
      await shows(grace, ".message .text", []);
      await say(ada, "welcome");
      await shows(grace, ".message .text", ["welcome"]);
      await shows(ada, ".message .text", ["rust only", "welcome"]);
    });
  });
}

/** What the page would not send: the server says what is wrong with it. */
async function limits() {
  const socket = io(target);
  const ask = (...event) => step(JSON.stringify(event).slice(0, 60), () => socket.emitWithAck(...event));
  const joins = (name, room = "lobby") => ask("join", { name, room });

  assert.deepEqual(await ask("message", "too early"), { Err: "Join a room first." });
  assert.deepEqual(await joins(" \t"), { Err: "The name is empty." });
  assert.deepEqual(await joins("x".repeat(25)), { Err: "The name is longer than 24 characters." });
  assert.deepEqual(await joins("Ada", "kitchen"), { Err: "There is no such room." });
  assert.deepEqual(await joins(` ${"ä".repeat(24)} `), {
    Ok: { room: "lobby", members: [{ id: socket.id, name: "ä".repeat(24) }] },
  });
  assert.deepEqual(await ask("message", " \n "), { Err: "The message is empty." });
  assert.deepEqual(await ask("message", "x".repeat(1_001)), { Err: "The message is longer than 1000 characters." });
  assert.deepEqual(await ask("message", "😀".repeat(1_000)), { Ok: null });
  socket.close();
}

async function restart() {
  const { child, url } = await step("start the server", () => startServer(0));
  await withPages(url, async (ada, grace) => {
    await step("both are in a room", async () => {
      for (const page of [ada, grace]) await page.click('#rooms [data-room="music"]');
      for (const page of [ada, grace]) await shows(page, "#room", ["# music"]);
      await say(ada, "before");
      await shows(grace, ".message .text", ["before"]);
    });

    await step("the server dies, and both pages say so", async () => {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
      for (const page of [ada, grace]) {
        await until(page, "#connection", (texts) => /lost|reached/.test(texts[0]));
        await page.waitForSelector("#send:disabled");
      }
    });

    await step("it is back, and so are they, in their room and with their names", async () => {
      await ada.type("#text", "written meanwhile");
      await startServer(new URL(url).port);
      // Only then is what they show not of before.
      for (const page of [ada, grace]) await page.waitForSelector("#send:enabled");
      await shows(ada, "#members", ["Ada (you)", "Grace"]);
      await shows(grace, "#members", ["Grace (you)", "Ada"]);
      for (const page of [ada, grace]) await shows(page, "#room", ["# music"]);
      await until(grace, "#log .notice", (texts) => texts.includes("You are back"));
    });

    await step("messages flow again, below the earlier ones", async () => {
      await ada.keyboard.press("Enter");
      for (const page of [ada, grace]) await shows(page, ".message .text", ["before", "written meanwhile"]);
      await say(grace, "after");
      for (const page of [ada, grace]) await shows(page, ".message .text", ["before", "written meanwhile", "after"]);
    });

    await step("the notice goes", () => shows(ada, "#connection", []));
  });
}

/** Runs `body` with the pages of Ada and Grace, both in the lobby. */
async function withPages(url, body) {
  const browser = await step("start the browser", startBrowser);
  try {
    const ada = await step("Ada joins", () => join(browser, url, "Ada"));
    const grace = await step("Grace joins", () => join(browser, url, "Grace"));
    await body(ada, grace);
  } finally {
    await browser.close();
  }
}

async function join(browser, url, name) {
  // A window of its own: Chromium slows down what is behind another tab.
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.on("console", (line) => console.log(`in the page of ${name}: ${line.text()}`));
  page.on("pageerror", (error) => console.log(`error in the page of ${name}: ${error.message}`));
  await page.goto(url);
  await page.waitForSelector("#welcome[open]");
  await page.type("#name", name);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#send:enabled");
  return page;
}

async function say(page, text) {
  await page.type("#text", text);
  await page.keyboard.press("Enter");
}

/** Waits until the visible texts of what the selector finds, or of the list items in it, are these. */
function shows(page, selector, wanted) {
  return until(page, selector, (texts) => JSON.stringify(texts) === JSON.stringify(wanted), JSON.stringify(wanted));
}

async function until(page, selector, isRight, wanted = isRight) {
  const deadline = Date.now() + 9_000;
  for (;;) {
    const texts = await page.$$eval(selector, textsOf);
    if (isRight(texts)) return;
    assert(Date.now() < deadline, `${selector} shows ${JSON.stringify(texts)} instead of ${wanted}`);
    await pause(20);
  }
}

/** Runs in the page. An avatar's letter is decoration. */
function textsOf(found) {
  const items = found.flatMap((each) => (/^[OU]L$/.test(each.tagName) ? [...each.children] : [each]));
  const texts = items.filter((item) => item.checkVisibility()).map((item) => {
    const copy = item.cloneNode(true);
    for (const avatar of copy.querySelectorAll(".avatar")) avatar.remove();
    return copy.textContent;
  });
  return texts.filter((text) => text !== "");
}

/** Starts the chat on a port; it ends with this process at the latest. */
async function startServer(port) {
  const child = spawn(target, { env: { ...process.env, PORT: port }, stdio: ["ignore", "pipe", "inherit"] });
  process.on("exit", () => child.kill("SIGKILL"));
  const [line] = await once(createInterface(child.stdout), "line");
  return { child, url: line.replace("listening on ", "") };
}

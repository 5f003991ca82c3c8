// Starts Chromium, with a profile of its own that is gone with it.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import puppeteer from "puppeteer-core";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function startBrowser() {
  return puppeteer.launch({ executablePath: browserPath(), headless: true, args: FLAGS });
}

function browserPath() {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const places = process.env.PATH.split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
  const found = places.find((path) => existsSync(path));
  assert(found, "no chromium on the PATH: run `cargo xtask test`, which installs it");
  return found;
}

// The page of the chat: what arrives is shown, what the user does is sent.
import { io } from "/socket.io/socket.io.esm.min.js";

const MAX_LINES = 500;
const ANSWER_MS = 5_000;
const TYPING_SENT_EVERY_MS = 1_500;
const TYPING_SHOWN_FOR_MS = 3_000;

const at = (id) => document.getElementById(id);
const socket = io({ reconnectionDelayMax: 2_000 });

// A tab has a name and a room of its own, and still has them when it is loaded again.
let name = sessionStorage.getItem("name");
let room = null;
const members = new Map();
const typing = new Map();

// The connection: whatever happens to it, the user is told, and is back in the room afterwards.

socket.on("connect", () => {
  if (name) return join(name, room ?? sessionStorage.getItem("room") ?? "lobby");
  showConnection("");
  askForName();
});

socket.on("disconnect", (reason) => {
  setReady(false);
  showConnection("The connection is lost. Reconnecting…");
  // The client comes back by itself, unless the server has sent it away on purpose.
  if (reason === "io server disconnect") socket.connect();
});

socket.on("connect_error", () => showConnection("The server cannot be reached. Trying again…"));

function join(newName, newRoom) {
  const isBack = room === newRoom && !at("connection").hidden;
  // A callback, not a promise: what the server sends right after its answer must find this done.
  socket.timeout(ANSWER_MS).emit("join", { name: newName, room: newRoom }, (late, answer) => {
    const problem = late ? "The server did not answer." : answer.Err;
    if (problem) return name && !at("welcome").open ? showProblem(problem) : askForName(problem);
    entered(newName, answer.Ok, isBack);
  });
}

function entered(newName, joined, isBack) {
  name = newName;
  sessionStorage.setItem("name", name);
  sessionStorage.setItem("room", joined.room);
  if (room !== joined.room) at("log").replaceChildren();
  room = joined.room;
  at("room").textContent = `# ${room}`;
  at("welcome").close();
  members.clear();
  typing.forEach(clearTimeout);
  typing.clear();
  for (const member of joined.members) members.set(member.id, member.name);
  showMembers();
  showTyping();
  showMe();
  markRoom();
  showProblem("");
  showConnection(isBack ? "You are connected again." : "");
  showNotice(isBack ? "You are back" : `You have joined # ${room}`);
  setReady(true);
  // On a phone the keyboard would cover what there is to read.
  if (!isBack && matchMedia("(pointer: fine)").matches) at("text").focus();
}

// What arrives.

socket.on("rooms", (rooms) => {
  for (const { name, online } of rooms) {
    // A button stays the same: it may just be pressed.
    const count = (roomButton(name) ?? addRoom(name)).querySelector(".count");
    count.textContent = online || "";
    count.title = `${online} online`;
  }
  markRoom();
});

socket.on("joined", (member) => {
  members.set(member.id, member.name);
  showMembers();
  showNotice(`${member.name} has joined`);
});

socket.on("left", (member) => {
  members.delete(member.id);
  stopsTyping(member.id);
  showMembers();
  showNotice(`${member.name} has left`);
});

socket.on("message", (message) => {
  stopsTyping(message.id);
  showMessage(message);
});

socket.on("typing", ({ id }) => {
  clearTimeout(typing.get(id));
  typing.set(id, setTimeout(stopsTyping, TYPING_SHOWN_FOR_MS, id));
  showTyping();
});

function stopsTyping(id) {
  clearTimeout(typing.get(id));
  typing.delete(id);
  showTyping();
}

// What the user does.

at("introduction").addEventListener("submit", (event) => {
  event.preventDefault();
  join(at("name").value.trim(), room ?? "lobby");
});

// Without a name there is nowhere to go from the dialog.
at("welcome").addEventListener("cancel", (event) => name || event.preventDefault());

at("me").addEventListener("click", () => askForName());

at("rooms").addEventListener("click", (event) => {
  const wanted = event.target.closest("button")?.dataset.room;
  if (wanted && wanted !== room && name && socket.connected) join(name, wanted);
});

let typingSentAt = 0;

at("text").addEventListener("input", () => {
  showProblem("");
  const now = Date.now();
  if (at("text").value.trim() === "" || now - typingSentAt < TYPING_SENT_EVERY_MS) return;
  typingSentAt = now;
  socket.volatile.emit("typing");
});

at("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = at("text").value;
  if (text.trim() === "") return;
  at("text").value = "";
  typingSentAt = 0;
  const answer = await socket.timeout(ANSWER_MS).emitWithAck("message", text).catch(() => null);
  const problem = answer ? answer.Err : "The message may not have arrived: the server did not answer.";
  showProblem(problem ?? "");
  // What was refused can be corrected, unless something else has been written meanwhile.
  if (problem && at("text").value === "") at("text").value = text;
});

function askForName(problem = "") {
  at("name-problem").textContent = problem;
  if (at("welcome").open) return;
  at("name").value = name ?? "";
  at("welcome").showModal();
}

// What is shown. Text of others is only ever set as text, never as HTML.

function showMessage({ id, name, text, at: seconds }) {
  const isOwn = id === socket.id;
  const time = new Date(seconds * 1_000);
  const clock = time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const from = element("span", { className: "from" });
  from.append(element("b", {}, name), element("time", { dateTime: time.toISOString() }, clock));

  const line = element("li", { className: "message" });
  const last = at("log").lastElementChild;
  line.dataset.group = `${id} ${clock}`;
  line.classList.toggle("own", isOwn);
  line.classList.toggle("follows", last?.dataset.group === line.dataset.group);
  line.append(avatar(name), from, element("span", { className: "text" }, text));
  append(line, isOwn);
}

function showNotice(text) {
  append(element("li", { className: "notice" }, text));
}

/** Adds a line and, unless the user reads further up, scrolls to it. */
function append(line, always = false) {
  at("log").append(line);
  while (at("log").childElementCount > MAX_LINES) at("log").firstElementChild.remove();
  if (always || isAtEnd) scrollToEnd();
}

let isAtEnd = true;

at("log").addEventListener("scroll", () => {
  const { scrollHeight, scrollTop, clientHeight } = at("log");
  isAtEnd = scrollHeight - scrollTop - clientHeight < 80;
});

// A keyboard that comes up, or a notice, hides no message.
new ResizeObserver(() => isAtEnd && scrollToEnd()).observe(at("log"));

function scrollToEnd() {
  at("log").scrollTop = at("log").scrollHeight;
}

function showMembers() {
  const others = [...members].filter(([id]) => id !== socket.id).sort(([, a], [, b]) => a.localeCompare(b));
  const items = others.map(([, name]) => memberItem(name));
  if (members.has(socket.id)) items.unshift(memberItem(name, element("span", { className: "you" }, " (you)")));
  at("members").replaceChildren(...items);
  at("members-title").textContent = `Online (${members.size})`;
}

function memberItem(name, ...more) {
  const item = element("li");
  const text = element("span", {}, name);
  text.append(...more);
  item.append(avatar(name), text);
  return item;
}

function showTyping() {
  const names = [...typing.keys()].map((id) => members.get(id)).filter(Boolean);
  const [first, second] = names;
  if (names.length === 0) at("typing").textContent = "";
  else if (names.length === 1) at("typing").textContent = `${first} is typing…`;
  else if (names.length === 2) at("typing").textContent = `${first} and ${second} are typing…`;
  else at("typing").textContent = `${names.length} people are typing…`;
}

function showMe() {
  at("me").replaceChildren(avatar(name), element("span", { className: "name" }, name));
  at("me").setAttribute("aria-label", `Change your name, now ${name}`);
  at("me").hidden = false;
}

function roomButton(name) {
  return [...at("rooms").querySelectorAll("button")].find((button) => button.dataset.room === name);
}

function addRoom(name) {
  const button = element("button", { type: "button" }, `# ${name}`);
  button.dataset.room = name;
  button.append(element("span", { className: "count" }));
  const item = element("li");
  item.append(button);
  at("rooms").append(item);
  return button;
}

function markRoom() {
  for (const button of at("rooms").querySelectorAll("button")) {
    if (button.dataset.room === room) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

let connectionTimer;

/** What is to be said about the connection; that it is back does not stay. */
function showConnection(text) {
  clearTimeout(connectionTimer);
  const isBack = socket.connected;
  at("connection").textContent = text;
  at("connection").classList.toggle("back", isBack);
  at("connection").hidden = text === "";
  if (isBack && text !== "") connectionTimer = setTimeout(showConnection, 3_000, "");
}

function showProblem(text) {
  at("problem").textContent = text;
}

/** Without a connection one can still write, but not send. */
function setReady(isReady) {
  at("send").disabled = !isReady;
  if (isReady) at("text").disabled = false;
}

function avatar(name) {
  const circle = element("span", { className: "avatar", ariaHidden: "true" }, [...name][0].toUpperCase());
  let hue = 0;
  for (const character of name) hue = (hue * 31 + character.codePointAt(0)) % 360;
  circle.style.setProperty("--hue", hue);
  return circle;
}

function element(tag, properties = {}, text = "") {
  const made = Object.assign(document.createElement(tag), properties);
  made.textContent = text;
  return made;
}

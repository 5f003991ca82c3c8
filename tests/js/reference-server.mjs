// usage: PORT=0 reference-server.mjs MODE, which is engine-io, socket-io, playground, playground-eio3 or playground-msgpack; each but
// socket-io is there with `-lossy` behind its name, too, and the playgrounds with `-recovery`
//
// The official servers with the contracts of `examples/conformance`: they show that a script judges rightly before the
// script judges this project. The `lossy` ones forget every 50th message, which no script may overlook.
import { createServer } from "node:http";
import { Server as Engine } from "engine.io";
import { Server } from "socket.io";
import msgpackParser from "socket.io-msgpack-parser";
import { playground } from "./playground.mjs";

const OPTIONS = { pingInterval: 300, pingTimeout: 200, maxHttpBufferSize: 1_000_000, connectTimeout: 1_000 };

const MODES = {
  "engine-io": (http) => echo(http, Infinity),
  "engine-io-lossy": (http) => echo(http, 50),
  "socket-io": sendBack,
  playground: (http) => playground(http, Infinity),
  "playground-lossy": (http) => playground(http, 50),
  "playground-msgpack": (http) => playground(http, Infinity, { parser: msgpackParser }),
  "playground-msgpack-lossy": (http) => playground(http, 50, { parser: msgpackParser }),
  "playground-eio3": (http) => playground(http, Infinity, { allowEIO3: true }),
  "playground-eio3-lossy": (http) => playground(http, 50, { allowEIO3: true }),
  "playground-recovery": (http) => playground(http, Infinity, { connectionStateRecovery: {} }),
  "playground-msgpack-recovery": (http) => playground(http, Infinity, { parser: msgpackParser, connectionStateRecovery: {} }),
};

const [mode] = process.argv.slice(2);
if (!(mode in MODES)) {
  console.error(`usage: reference-server.mjs ${Object.keys(MODES).join("|")}`);
  process.exit(64);
}

const http = createServer();
MODES[mode](http);
http.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}`);
});

function echo(http, lost) {
  const engine = new Engine(OPTIONS);
  engine.attach(http, { path: "/engine.io" });
  engine.on("connection", (socket) => {
    let received = 0;
    socket.on("message", (message) => {
      received += 1;
      if (received % lost !== 0) socket.send(message);
    });
  });
}

function sendBack(http) {
  const io = new Server(http, OPTIONS);
  for (const name of ["/", "/custom"]) {
    io.of(name).on("connection", (socket) => {
      socket.emit("auth", socket.handshake.auth);
      socket.on("message", (...args) => socket.emit("message-back", ...args));
      socket.on("message-with-ack", (...args) => args.pop()(...args));
    });
  }
}

// usage: PORT=0 reference-server.mjs engine-io|engine-io-lossy
//
// The official Engine.IO server with the contract of `examples/conformance`: it shows that a script judges rightly before
// the script judges this project. `engine-io-lossy` forgets every 50th message, which no script may overlook.
import { createServer } from "node:http";
import { Server } from "engine.io";

const [mode] = process.argv.slice(2);
if (mode !== "engine-io" && mode !== "engine-io-lossy") {
  console.error("usage: reference-server.mjs engine-io|engine-io-lossy");
  process.exit(64);
}

const http = createServer();
const engine = new Server({ pingInterval: 300, pingTimeout: 200, maxHttpBufferSize: 1_000_000 });
engine.attach(http, { path: "/engine.io" });
engine.on("connection", (socket) => {
  let received = 0;
  socket.on("message", (message) => {
    received += 1;
    if (mode === "engine-io-lossy" && received % 50 === 0) return;
    socket.send(message);
  });
});

http.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}`);
});

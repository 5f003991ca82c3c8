// The official server with the contract of `examples/conformance/src/playground.rs`, handler by handler.
import { createServer } from "node:http";
import { Server } from "socket.io";

const OPTIONS = { pingInterval: 2_000, pingTimeout: 2_000, maxHttpBufferSize: 2_000_000 };

/** Serves on `http`, with `options` besides its own; forgets every `lost`th event that it should echo. */
export function playground(http, lost, options) {
  const reasons = new Map();
  const io = new Server(http, { ...OPTIONS, ...options });
  let echoed = 0;

  io.on("connection", (socket) => {
    // A client that comes back has the id that it had.
    reasons.delete(socket.id);
    socket.on("echo", (...args) => {
      echoed += 1;
      if (echoed % lost !== 0) socket.emit("echo", ...args);
    });
    socket.on("message", (...args) => socket.send(...args));
    socket.on("false", () => socket.emit("false", false));
    socket.on("send-binary", () => socket.emit("binary", { bytes: Buffer.from([1, 2, 3]), list: ["a", Buffer.from([4])] }, Buffer.alloc(0)));
    socket.on("reply", (...args) => args.pop()(...args));
    socket.on("reply-late", (...args) => setTimeout(() => args.pop()(...args), 100));
    socket.on("count", (...args) => args.pop()(args.length));
    socket.on("no-reply", () => {});
    socket.on("ask", (...args) => {
      socket.timeout(10_000).emit("question", ...args, (error, first, second) => socket.emit("answered", error === null, first, second));
    });
    socket.on("ask-in-vain", () => {
      socket.timeout(50).emit("question-in-vain", (error) => socket.emit("unanswered", error.message));
    });

    socket.on("join", (room, ack) => (socket.join(room), ack()));
    socket.on("leave", (room, ack) => (socket.leave(room), ack()));
    socket.on("rooms", (ack) => ack([...socket.rooms].filter((room) => room !== socket.id).sort()));
    socket.on("to-room", (room, value) => io.to(room).emit("room", value));
    socket.on("to-others-in-room", (room, value) => socket.to(room).emit("room", value));
    socket.on("to-all", (...args) => io.emit("all", ...args));
    socket.on("to-all-with-ack", (...args) => {
      const ack = args.pop();
      io.emit("all", ...args);
      ack();
    });
    socket.on("to-others", (...args) => socket.broadcast.emit("all", ...args));

    socket.on("send-volatile", () => socket.volatile.emit("volatile"));
    socket.on("send-volatile-when-busy", () => {
      socket.emit("first");
      socket.volatile.emit("volatile");
      socket.emit("last");
    });

    socket.on("recovered", (ack) => ack(socket.recovered));

    socket.on("handshake", (key, ack) => ack(socket.handshake.query[key] ?? null, socket.handshake.auth));
    socket.on("leave-me", () => socket.disconnect());
    socket.on("close-me", () => socket.disconnect(true));
    socket.on("break-me", () => socket.conn.close());
    socket.on("reason-of", (id, ack) => ack(reasons.get(id) ?? null));
    socket.on("restart", () => restart(io, http, lost, options));
    socket.on("disconnect", (reason) => reasons.set(socket.id, reason));
  });

  io.of("/slow").use((socket, next) => setTimeout(next, 100));
  for (const name of ["/chat", "/news", "/slow"]) {
    io.of(name).on("connection", (socket) => {
      socket.on("echo", (...args) => socket.emit("echo", ...args));
      socket.on("where", (ack) => ack(name));
      socket.on("handshake", (key, ack) => ack(socket.handshake.query[key] ?? null, socket.handshake.auth));
    });
  }

  const members = io.of("/members");
  members.use((socket, next) => {
    if (socket.handshake.auth.token === "secret") return next();
    next(Object.assign(new Error("not authorized"), { data: { retry: false, hint: ["token"] } }));
  });
  members.on("connection", (socket) => socket.emit("welcome", socket.handshake.auth.token));
}

async function restart(io, http, lost, options) {
  const { port } = http.address();
  await io.close();
  const successor = createServer();
  playground(successor, lost, options);
  successor.listen(port, "127.0.0.1");
}

//! The server under all cases: default settings, and the handlers of `benches/server`.

use socketio_server::engine::SharedFrame;
use socketio_server::{Data, Reply, Server, Socket, Value};
use tokio::runtime::{Builder, Runtime};

/// The room that all clients are in.
pub(crate) const ROOM: &str = "room";

/// The event of a broadcast.
pub(crate) const NEWS: &str = "bcast";

/// What a broadcast carries, and what a client hears of it.
pub(crate) fn news() -> (Value, SharedFrame) {
    let text = "n".repeat(64);
    let frame = SharedFrame::text(&format!(r#"2["{NEWS}","{text}"]"#));
    (Value::String(text), frame)
}

pub(crate) fn server() -> Server {
    let io = Server::builder().build().expect("these are the default settings");
    io.on_connect(async |socket: Socket| socket.join(ROOM));
    io.on("message", async |socket: Socket, Data(value): Data<Value>| socket.emit("message-back", value));
    io.on("message-with-ack", async |Data(value): Data<Value>| Reply(value));
    io
}

/// One thread: what runs when is then the same in every run.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime without I/O needs nothing")
}

/// How many bytes a frame has on a WebSocket.
pub(crate) fn websocket_len(frame: &SharedFrame) -> usize {
    frame.websocket().iter().map(|part| part.len()).sum()
}

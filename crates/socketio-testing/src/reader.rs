//! The client's end of a connection: the task that reads what the server sends.
//!
//! As with a WebSocket, a frame is read after the code that sent it has let others run. Until then the client is not
//! ready for a volatile event.

use std::future::poll_fn;
use std::sync::Arc;

use socketio_server::DisconnectReason;

use crate::failure::chain;
use crate::wire::Wire;

/// Reads until the connection is closed.
pub(crate) async fn run(wire: Arc<Wire>) {
    let mut decoder = wire.parser.decoder();
    let link = &wire.link;
    loop {
        let frame = poll_fn(|cx| {
            // First, so that nothing that happens from here on goes unnoticed.
            link.register(cx.waker());
            // The server may want more again, or be owed the news that it has closed the connection.
            wire.uplink.drive(link);
            link.poll_frame()
        });
        let Some(frame) = frame.await else { break };
        match decoder.decode(frame.to_message()) {
            Ok(None) => {}
            Ok(Some(packet)) => wire.handle(packet),
            Err(error) => {
                wire.report(&format!("what the server sent can't be read: {}", chain(&error)));
                wire.lose(DisconnectReason::ParseError, false);
            }
        }
    }
    // The end may have come after the last look.
    wire.uplink.drive(link);
    wire.leave_all(link.end().unwrap_or(DisconnectReason::TransportClose), false);
}

//! The WebSocket transport: one task per connection, which is its only reader and its only writer.

mod driver;
mod frames;
mod upgrade;
mod writer;

pub use self::upgrade::WebSocketUpgrade;
pub(crate) use self::upgrade::{Handshaken, Upgrading, is_websocket_request, open_packet};

//! Protocol revision 3, which clients before Socket.IO 3 speak.
//!
//! Packets are those of revision 4, written in another way: binary messages name their type too, and a payload states the
//! length of each packet instead of separating them. The heartbeat, in which here the client asks, is the server's affair.

mod packet;
mod payload;

pub(crate) use packet::MESSAGE;
pub use packet::{decode_binary, decode_text};
pub use payload::{BinaryPayloadDecoder, PayloadDecoder, PayloadEncoder, PayloadForm};

//! The format of the npm package `socket.io-msgpack-parser`: one binary frame per packet, which holds a MessagePack map
//! with the members `type`, `nsp`, `id` and `data`.
//!
//! As with JSON, a packet's structure is checked in one pass when it arrives, and its values are only built as the
//! types they are read as. Single values are taken apart here and not by a general reader: JavaScript's encoder has forms
//! of its own for `undefined`, dates and array buffers, which may stand wherever a value may.

mod decode;
mod encode;
mod read;
mod scan;
mod time;
mod token;
mod write;

pub(crate) use self::decode::decode_packet;
pub(crate) use self::encode::{list_to_packet, value_to_packet};
pub(crate) use self::read::MsgpackDeserializer;

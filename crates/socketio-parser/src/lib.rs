#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(clippy::indexing_slicing)]

mod args;
mod binary;
mod custom;
mod decoder;
mod encode;
mod error;
mod header;
mod json;
mod limits;
#[cfg(feature = "msgpack")]
mod msgpack;
mod packet;
mod parser;
#[cfg(test)]
mod testing;
mod value;

pub use args::{Args, Payload};
pub use binary::Binary;
pub use custom::{CustomDecoder, CustomPacket, CustomParser, CustomValue};
pub use decoder::{Decoder, Pending};
pub use encode::EncodedPacket;
pub use error::{ArgsError, DecodeError, EncodeError};
pub use header::Header;
pub use limits::Limits;
pub use packet::{Packet, PacketType, is_reserved_event};
pub use parser::{EventHeader, Parser, encode_ack_into, encode_into};
pub use value::Value;

#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::string_slice))]

mod base64;
mod error;
mod frame;
mod handshake;
mod limits;
mod message;
mod packet;
mod payload;
mod text;
pub mod v3;

pub use base64::Base64;
pub use error::{Base64Error, DecodeError, EncodeError, HandshakeError};
pub use frame::{SharedFrame, TextFrameBuf};
pub use handshake::Handshake;
pub use limits::Limits;
pub use message::Message;
pub use packet::{MessageRef, PROBE, Packet, PacketRef, PacketType};
pub use payload::{PayloadDecoder, PayloadEncoder};
pub use text::{Text, Utf8Error};

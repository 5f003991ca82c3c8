//! Under construction.

mod frame;
mod message;
mod text;

pub use frame::{SharedFrame, TextFrameBuf};
pub use message::Message;
pub use text::{Text, Utf8Error};

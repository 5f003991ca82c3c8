//! Payloads: several packets in one HTTP body, which is how long-polling carries them.

mod v4;

pub use v4::{PayloadDecoder, PayloadEncoder};

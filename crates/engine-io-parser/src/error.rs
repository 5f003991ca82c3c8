//! What can be wrong with received bytes, and with a packet to be sent.

/// Why received bytes are not a packet or a payload; the peer is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There is no packet where one must be: an empty text frame, an empty payload, or nothing between two separators.
    #[error("empty packet")]
    EmptyPacket,
    /// The first character is not a packet type.
    #[error("unknown packet type {found:?}")]
    UnknownType {
        /// The character in the type's place.
        found: char,
    },
    /// In a payload of revision 3, what stands before a packet is no length, or not that of a packet.
    #[error("invalid length of a packet in a payload")]
    InvalidLength,
    /// In a binary payload of revision 3, a text packet is not UTF-8.
    #[error("a text packet is not UTF-8")]
    InvalidUtf8,
    /// A packet, payload or handshake is longer than its limit in [`Limits`](crate::Limits).
    #[error("{size} bytes exceed the limit of {max}")]
    TooLarge {
        /// Length in bytes, as encoded.
        size: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A binary message in a text packet is not base64 in the standard alphabet.
    #[error("invalid base64 in a binary packet")]
    InvalidBase64(#[source] Base64Error),
    /// An open packet does not carry a handshake.
    #[error("invalid handshake")]
    InvalidHandshake(#[source] HandshakeError),
}

/// What is wrong with a base64 text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Base64Error(pub(crate) base64::DecodeError);

/// What is wrong with the JSON of a handshake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HandshakeError(Box<str>);

impl HandshakeError {
    pub(crate) fn new(reason: impl Into<Box<str>>) -> Self {
        Self(reason.into())
    }
}

/// Why a packet was not added to a payload; the payload is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The packet would make the payload longer than its budget; it belongs into the next one.
    #[error("payload of {size} bytes would exceed the budget of {max}")]
    PayloadFull {
        /// What the length of the payload would have become, in bytes.
        size: usize,
        /// The budget in bytes.
        max: usize,
    },
    /// The text contains U+001E, which separates the packets of a payload and cannot be escaped: the receiver would
    /// see two packets.
    #[error("text contains the payload separator U+001E at byte {at}")]
    SeparatorInText {
        /// Where it stands in the encoded packet, in bytes.
        at: usize,
    },
}

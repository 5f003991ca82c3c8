//! What can go wrong: by the peer's fault, by the caller's, or between a handler's types and what was sent.

use std::error::Error;

use crate::limits::MAX_ACK_ID;

/// A peer broke the protocol; the connection can't be trusted any more and should be closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The packet does not start with one of the digits `0` to `6`; in MessagePack, its `type` is none of 0 to 4.
    #[error("unknown packet type")]
    UnknownPacketType,
    /// A binary packet without a count of attachments, or with a count of zero.
    #[error("illegal attachments")]
    IllegalAttachments,
    /// A binary packet announces more attachments than allowed.
    #[error("too many attachments: more than {max}")]
    TooManyAttachments {
        /// The limit.
        max: usize,
    },
    /// The attachments of a packet are larger than allowed.
    #[error("attachments of {size} bytes are larger than {max}")]
    AttachmentsTooLarge {
        /// Bytes so far, with the attachment that was refused.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// A placeholder names no attachment of its packet.
    #[error("illegal placeholder at byte {at}")]
    IllegalPlaceholder {
        /// Where in the packet it starts.
        at: usize,
    },
    /// Text arrived where attachments were due.
    #[error("got plaintext data when reconstructing a packet")]
    UnexpectedText,
    /// Text arrived, but the format has only binary packets.
    #[error("got plaintext data in a binary format")]
    TextInBinaryFormat,
    /// Binary data arrived, but no packet waits for attachments.
    #[error("got binary data when not reconstructing a packet")]
    UnexpectedBinary,
    /// The name of a namespace is longer than allowed.
    #[error("namespace of {len} bytes is longer than {max}")]
    NamespaceTooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The name of a namespace holds control characters; where the format allows it, that there is none, or that it does not
    /// start with `/`, holds a comma or is not UTF-8.
    #[error("invalid namespace")]
    InvalidNamespace,
    /// An ack id above 2⁵³ − 1.
    #[error("ack id is above {MAX_ACK_ID}")]
    AckIdTooLarge,
    /// An ACK that does not say which event it answers.
    #[error("ack without id")]
    MissingAckId,
    /// The payload is not JSON.
    #[error("malformed JSON at byte {at}")]
    MalformedJson {
        /// Where in the packet.
        at: usize,
    },
    /// An ack id that is no whole number, or a negative one; texts can't hold any.
    #[error("invalid ack id")]
    InvalidAckId,
    /// The frame is not a MessagePack map and nothing else, or a member of the packet stands in it twice.
    #[error("malformed MessagePack at byte {at}")]
    MalformedMsgpack {
        /// Where in the frame.
        at: usize,
    },
    /// The payload nests deeper than allowed.
    #[error("payload nests deeper than {max} levels")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// The payload is well-formed, but not of the kind that this type of packet has.
    #[error("invalid payload")]
    InvalidPayload,
    /// The name of the event has a meaning of its own and can't be sent.
    #[error("reserved event name")]
    ReservedEvent,
    /// A custom parser refused the packet.
    #[error("custom parser failed")]
    Custom(#[source] Box<dyn Error + Send + Sync>),
}

/// A packet can't be sent as the caller wants it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The arguments hold more binary values than a packet may have attachments.
    #[error("too many attachments: more than {max}")]
    TooManyAttachments {
        /// The limit.
        max: usize,
    },
    /// The name of the event has a meaning of its own for the receiver.
    #[error("event name \"{name}\" is reserved")]
    ReservedEvent {
        /// The name.
        name: String,
    },
    /// The name of a namespace does not start with `/`, or holds a comma or control characters.
    #[error("invalid namespace \"{namespace}\"")]
    InvalidNamespace {
        /// The name.
        namespace: String,
    },
    /// An ack id above 2⁵³ − 1.
    #[error("ack id {id} is above {MAX_ACK_ID}")]
    AckIdTooLarge {
        /// The id.
        id: u64,
    },
    /// Next to binary values, the arguments hold an object that the receiver would take for one: it has a member
    /// `_placeholder` that is `true`. Perhaps a client sent it, to be passed on.
    #[error("arguments hold a forged placeholder")]
    ForgedPlaceholder,
    /// The payload of a CONNECT is not an object.
    #[error("payload is not an object")]
    InvalidPayload,
    /// The arguments have no form in this format, or their `Serialize` implementation failed.
    #[error("arguments can't be serialized")]
    Serialize(#[source] Box<dyn Error + Send + Sync>),
    /// A custom parser failed.
    #[error("custom parser failed")]
    Custom(#[source] Box<dyn Error + Send + Sync>),
}

/// What was sent does not fit the type it is read as; its `source` says where and why.
///
/// This concerns one event or ack only. The connection is sound.
#[derive(Debug, thiserror::Error)]
#[error("arguments do not fit the type they are read as")]
pub struct ArgsError {
    #[source]
    cause: Box<dyn Error + Send + Sync>,
}

impl ArgsError {
    pub(crate) fn new(cause: impl Error + Send + Sync + 'static) -> Self {
        Self { cause: Box::new(cause) }
    }
}

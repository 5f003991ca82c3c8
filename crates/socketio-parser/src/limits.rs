//! What a packet may cost.

/// Bounds on packets; everything a peer can make large has one here.
///
/// The size of a single text or binary frame is not among them: the transport has refused what is too large before
/// a parser sees it. That alone bounds the binary values of a packet in MessagePack, which is a single frame: the three
/// limits on attachments are the default format's.
///
/// ```
/// use socketio_parser::Limits;
///
/// assert_eq!(Limits::default().max_attachments_in, 100);
/// assert_eq!(Limits::default().with_max_attachments_in(10).max_attachments_in, 10);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many attachments a received packet may announce. Default: 100.
    pub max_attachments_in: usize,
    /// How many attachments a packet may be sent with. Default: 10, above which stock JavaScript clients drop the
    /// connection.
    pub max_attachments_out: usize,
    /// How many bytes the attachments of one received packet may have together. Default: 10 MB (10 000 000).
    pub max_attachment_bytes_total: usize,
    /// How deep arrays and objects of a received packet may nest. The array around the arguments is one level, and
    /// the payload of CONNECT and CONNECT_ERROR counts as if it stood in one. Default and most: 128.
    pub max_depth: usize,
    /// How long the name of a namespace may be, in bytes. Default: 512.
    pub max_namespace_bytes: usize,
}

impl Limits {
    /// Sets how many attachments a received packet may announce.
    #[must_use]
    pub const fn with_max_attachments_in(self, count: usize) -> Self {
        Self { max_attachments_in: count, ..self }
    }

    /// Sets how many attachments a packet may be sent with.
    #[must_use]
    pub const fn with_max_attachments_out(self, count: usize) -> Self {
        Self { max_attachments_out: count, ..self }
    }

    /// Sets how many bytes the attachments of one received packet may have together.
    #[must_use]
    pub const fn with_max_attachment_bytes_total(self, bytes: usize) -> Self {
        Self { max_attachment_bytes_total: bytes, ..self }
    }

    /// Sets how deep a received packet may nest; more than 128 counts as 128.
    #[must_use]
    pub const fn with_max_depth(self, levels: usize) -> Self {
        Self { max_depth: levels, ..self }
    }

    /// Sets how long the name of a namespace may be, in bytes.
    #[must_use]
    pub const fn with_max_namespace_bytes(self, bytes: usize) -> Self {
        Self { max_namespace_bytes: bytes, ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_attachments_in: 100,
            max_attachments_out: 10,
            max_attachment_bytes_total: 10_000_000,
            max_depth: 128,
            max_namespace_bytes: 512,
        }
    }
}

/// The highest ack id: the last integer that JavaScript counts exactly.
pub(crate) const MAX_ACK_ID: u64 = (1 << 53) - 1;

//! How much a peer may send; every decoder takes these.

use crate::DecodeError;

/// Bounds that the decoders keep, whatever the transport did before them.
///
/// ```
/// use engine_io_parser::Limits;
///
/// assert_eq!(Limits::default().max_payload_bytes, 1_000_000);
/// assert_eq!(Limits::default().with_max_payload_bytes(64).max_payload_bytes, 64);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest packet or polling payload in bytes, as encoded (type characters, separators and base64 count).
    /// Default: 1 000 000; one byte more is refused.
    pub max_payload_bytes: usize,
    /// The longest handshake in bytes of JSON. Default: 8 192; one byte more is refused.
    pub max_handshake_bytes: usize,
}

impl Limits {
    /// These limits with another [`max_payload_bytes`](Self::max_payload_bytes).
    #[must_use]
    pub const fn with_max_payload_bytes(mut self, bytes: usize) -> Self {
        self.max_payload_bytes = bytes;
        self
    }

    /// These limits with another [`max_handshake_bytes`](Self::max_handshake_bytes).
    #[must_use]
    pub const fn with_max_handshake_bytes(mut self, bytes: usize) -> Self {
        self.max_handshake_bytes = bytes;
        self
    }

    pub(crate) fn check_payload(&self, size: usize) -> Result<(), DecodeError> {
        let max = self.max_payload_bytes;
        if size > max { Err(DecodeError::TooLarge { size, max }) } else { Ok(()) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_payload_bytes: 1_000_000, max_handshake_bytes: 8_192 }
    }
}

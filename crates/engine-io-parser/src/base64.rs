//! Binary content inside text packets.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bytes::{BufMut, Bytes};
use memchr::memchr2;

use crate::{Base64Error, DecodeError};

/// The base64 text of a binary message that came in a text packet; it is checked when it is [decoded](Self::decode).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base64<'a>(&'a str);

impl<'a> Base64<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The text as received, not checked.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The bytes it stands for.
    ///
    /// Line breaks are passed over: the Java client writes one after every 76 characters and at the end.
    ///
    /// # Errors
    ///
    /// [`DecodeError::InvalidBase64`] if the rest is anything but the standard alphabet with full padding or none.
    pub fn decode(self) -> Result<Bytes, DecodeError> {
        if memchr2(b'\r', b'\n', self.0.as_bytes()).is_some() {
            return decode(&self.0.replace(['\r', '\n'], ""));
        }
        decode(self.0)
    }
}

fn decode(text: &str) -> Result<Bytes, DecodeError> {
    // With padding the length is a multiple of four, so the length alone says which form to hold it to.
    let engine = if text.len().is_multiple_of(4) { &STANDARD } else { &STANDARD_NO_PAD };
    match engine.decode(text) {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => Err(DecodeError::InvalidBase64(Base64Error(error))),
    }
}

/// How long `len` bytes are in base64.
pub(crate) const fn encoded_len(len: usize) -> usize {
    len.div_ceil(3) * 4
}

/// Writes `bytes` in base64 without a buffer on the heap.
pub(crate) fn put(bytes: &[u8], buf: &mut impl BufMut) {
    const GROUPS: usize = 256;
    let mut room = [0; GROUPS * 4];
    for chunk in bytes.chunks(GROUPS * 3) {
        let len = STANDARD.encode_slice(chunk, &mut room).expect("four characters hold three bytes");
        buf.put_slice(room.get(..len).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, bytes: Option<&[u8]>) {
        assert_eq!(Base64::new(text).decode().ok().as_deref(), bytes, "{text:?}");
    }

    #[test]
    fn padding_is_all_or_nothing() {
        check("", Some(b""));
        check("AQ==", Some(&[1]));
        check("AQ", Some(&[1]));
        check("AQI=", Some(&[1, 2]));
        check("AQI", Some(&[1, 2]));
        check("AQID", Some(&[1, 2, 3]));
        check("AQ=", None);
        check("AQID=", None);
        check("AQID====", None);
        check("=", None);
        check("====", None);
    }

    #[test]
    fn nothing_but_the_standard_alphabet_passes() {
        check("+/+/", Some(&[0xfb, 0xff, 0xbf]));
        check("-_-_", None);
        check("AQ ID", None);
        check("AQID\t", None);
        check("AQID\0", None);
        check("AQ==AQ==", None);
        check("é", None);
        check("A", None);
        // The last symbol has bits that stand for nothing: two texts would mean the same bytes.
        check("AR==", None);
    }

    #[test]
    fn line_breaks_are_passed_over() {
        check("AQID\n", Some(&[1, 2, 3]));
        check("AQID\r\nBA==\r\n", Some(&[1, 2, 3, 4]));
        check("AQ\n==\n", Some(&[1]));
        check("A\nQ", Some(&[1]));
        check("\n", Some(b""));
        check("A\n", None);
        check("AQ=\n", None);
        check("AQ=\n=\n=", None);
    }

    #[test]
    fn written_base64_is_the_same_at_every_chunk_border() {
        for len in [0, 1, 2, 3, 767, 768, 769, 1535, 1536, 1537] {
            let bytes: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let mut text = Vec::new();
            put(&bytes, &mut text);
            assert_eq!(text.len(), encoded_len(len));
            assert_eq!(text, STANDARD.encode(&bytes).into_bytes(), "{len}");
        }
    }
}

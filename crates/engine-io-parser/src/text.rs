//! UTF-8 text, short or in a shared, sliceable buffer: what a text packet carries.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;
use bytestring::ByteString;

/// A string that is cheap to clone, and known to be UTF-8: to `str` what [`Bytes`] is to `[u8]`.
///
/// Up to [`INLINE`](Self::INLINE) bytes lie in the value itself. A longer text is shared: a clone or a slice costs one
/// atomic increment.
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    Inline { len: u8, bytes: [u8; Text::INLINE] },
    Shared(ByteString),
}

impl Text {
    /// The longest text that needs no memory of its own, in bytes.
    pub const INLINE: usize = 22;

    /// A text without heap memory.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Repr::Shared(ByteString::from_static(text)))
    }

    /// Checks that `bytes` are UTF-8 and takes them over without a copy.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`] says where the first bad byte stands.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, Utf8Error> {
        match ByteString::try_from(bytes) {
            Ok(text) => Ok(Self(Repr::Shared(text))),
            Err(error) => Err(Utf8Error { valid_up_to: error.valid_up_to() }),
        }
    }

    /// The text itself, without a copy.
    #[must_use]
    #[inline]
    #[expect(clippy::missing_panics_doc, reason = "the bytes were a string's when they were put there")]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Inline { len, bytes } => bytes
                .get(..usize::from(*len))
                .and_then(|bytes| std::str::from_utf8(bytes).ok())
                .expect("the bytes of a whole string are copied in, and never changed"),
            Repr::Shared(text) => text,
        }
    }

    /// A part of this text, which shares the bytes of a long one; `part` must be a slice of this text.
    ///
    /// # Panics
    ///
    /// May panic if `part` does not lie inside this text.
    #[must_use]
    pub fn slice_ref(&self, part: &str) -> Self {
        match (Self::inline(part), &self.0) {
            (Some(inline), _) => inline,
            (None, Repr::Shared(text)) => Self(Repr::Shared(text.slice_ref(part))),
            (None, Repr::Inline { .. }) => part.into(),
        }
    }

    /// The bytes, without a copy of a long text.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Inline { .. } => Bytes::copy_from_slice(self.as_bytes()),
            Repr::Shared(text) => text.into_bytes(),
        }
    }

    /// The text in the value itself, if it is short enough.
    #[inline]
    fn inline(text: &str) -> Option<Self> {
        let len = u8::try_from(text.len()).ok()?;
        let mut bytes = [0; Self::INLINE];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self(Repr::Inline { len, bytes }))
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::from_static("")
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::inline(&text).unwrap_or_else(|| Self(Repr::Shared(text.into())))
    }
}

/// Copies the text: its memory is its own and exactly as long as it is.
impl From<&str> for Text {
    #[inline]
    fn from(text: &str) -> Self {
        Self::inline(text).unwrap_or_else(|| Self(Repr::Shared(copy(text))))
    }
}

/// How much is copied at once.
///
/// At 2 KiB the usual C library goes over to one string instruction for the whole copy. On widespread AMD processors
/// that is twenty times slower if the two addresses are in an unlucky relation; plain vector moves never are.
pub(crate) const PIECE: usize = 1 << 10;

fn copy(mut text: &str) -> ByteString {
    if text.len() < 2 * PIECE {
        return text.into();
    }
    let mut copy = String::with_capacity(text.len());
    while let Some(end) = (PIECE..PIECE + 4).find(|end| text.is_char_boundary(*end))
        && let Some((piece, rest)) = text.split_at_checked(end)
    {
        copy.push_str(piece);
        text = rest;
    }
    copy.push_str(text);
    copy.into()
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

/// As its text, as [`Borrow<str>`] demands.
impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

/// Bytes that should have been text are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid UTF-8 after byte {valid_up_to}")]
#[non_exhaustive]
pub struct Utf8Error {
    /// How many bytes from the start are valid.
    pub valid_up_to: usize,
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    #[test]
    fn bad_utf8_names_the_first_bad_byte() {
        let error = Text::from_utf8(Bytes::from_static(b"ok\xff")).unwrap_err();
        assert_eq!(error.valid_up_to, 2);
        assert_eq!(error.to_string(), "invalid UTF-8 after byte 2");
    }

    #[test]
    fn a_long_slice_shares_the_bytes() {
        let text = Text::from("4this one is too long to be copied");
        let payload = text.slice_ref(&text[1..]);
        assert_eq!(payload, "this one is too long to be copied");
        assert_eq!(payload.as_ptr(), text[1..].as_ptr());
    }

    #[test]
    fn a_text_is_the_same_however_it_is_kept() {
        let hasher = RandomState::new();
        for len in [0, 1, Text::INLINE - 1, Text::INLINE, Text::INLINE + 1] {
            let string = "é".repeat(len / 2) + &"x".repeat(len % 2);
            let shared = Text::from_utf8(Bytes::from(string.clone())).unwrap();
            for text in [Text::from(&*string), Text::from(string.clone()), shared.slice_ref(&shared)] {
                assert_eq!((&text, &*text), (&shared, &*string));
                assert_eq!(text.cmp(&shared), Ordering::Equal);
                assert_eq!(text.slice_ref(&text), *string);
                assert_eq!(hasher.hash_one(&text), hasher.hash_one(&shared));
                assert_eq!(text.into_bytes(), string.as_bytes());
            }
        }
    }

    #[test]
    fn a_long_text_is_copied_in_pieces_that_are_text() {
        for len in [2047, 2048, 2049, 3071, 3072, 10_000] {
            for shift in 0..4 {
                let string = "x".repeat(shift) + &"€".repeat(len / 3);
                assert_eq!(Text::from(&*string), *string);
            }
        }
    }

    #[test]
    fn a_text_is_no_larger_than_bytes() {
        assert_eq!(size_of::<Text>(), size_of::<Bytes>());
    }
}

//! UTF-8 text in a shared, sliceable buffer: what a text packet carries.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use bytestring::ByteString;

/// A reference-counted string: a clone or a slice shares the bytes, and they are known to be UTF-8.
///
/// It is to `str` what [`Bytes`] is to `[u8]`. Cloning costs one atomic increment.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(ByteString);

impl Text {
    /// A text without heap memory.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(ByteString::from_static(text))
    }

    /// Checks that `bytes` are UTF-8 and takes them over without a copy.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`] says where the first bad byte stands.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, Utf8Error> {
        match ByteString::try_from(bytes) {
            Ok(text) => Ok(Self(text)),
            Err(error) => Err(Utf8Error { valid_up_to: error.valid_up_to() }),
        }
    }

    /// The text itself, without a copy.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A part of this text that shares its bytes; `part` must be a slice of this text.
    ///
    /// # Panics
    ///
    /// Panics if `part` does not lie inside this text.
    #[must_use]
    pub fn slice_ref(&self, part: &str) -> Self {
        Self(self.0.slice_ref(part))
    }

    /// The bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0.into_bytes()
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
        Self(text.into())
    }
}

/// Copies the text: its memory is its own and exactly as long as it is.
impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
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
    use super::*;

    #[test]
    fn bad_utf8_names_the_first_bad_byte() {
        let error = Text::from_utf8(Bytes::from_static(b"ok\xff")).unwrap_err();
        assert_eq!(error.valid_up_to, 2);
        assert_eq!(error.to_string(), "invalid UTF-8 after byte 2");
    }

    #[test]
    fn a_slice_shares_the_bytes() {
        let text = Text::from("4hello");
        let payload = text.slice_ref(&text[1..]);
        assert_eq!(payload, "hello");
        assert_eq!(payload.as_ptr(), text[1..].as_ptr());
    }
}

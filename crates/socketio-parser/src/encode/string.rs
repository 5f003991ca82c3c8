//! JSON strings.

use std::fmt::{self, Display, Write};

use engine_io_parser::TextFrameBuf;

use crate::json::plain_len;

/// Writes a string with its quotes.
#[inline]
pub(super) fn write(out: &mut TextFrameBuf, text: &str) {
    // With room for what most often follows it, so that a long string is not moved to make room for a bracket.
    out.reserve(text.len() + 16);
    out.push(b'"');
    write_escaped(out, text);
    out.push(b'"');
}

/// Writes what a value displays as a string.
pub(super) fn write_display<T: Display + ?Sized>(out: &mut TextFrameBuf, value: &T) -> fmt::Result {
    struct Escaped<'a>(&'a mut TextFrameBuf);

    impl Write for Escaped<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            write_escaped(self.0, text);
            Ok(())
        }
    }

    out.push(b'"');
    write!(Escaped(out), "{value}")?;
    out.push(b'"');
    Ok(())
}

/// Copies what is plain, and escapes the characters between.
#[inline]
fn write_escaped(out: &mut TextFrameBuf, mut text: &str) {
    loop {
        let (plain, rest) = text.split_at_checked(plain_len(text.as_bytes())).unwrap_or((text, ""));
        out.push_str(plain);
        let Some(special) = rest.bytes().next() else { return };
        escape(out, special);
        text = rest.get(1..).unwrap_or_default();
    }
}

/// A quote, a backslash or a control character.
#[cold]
fn escape(out: &mut TextFrameBuf, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let [high, low] = [byte >> 4, byte & 0xf].map(|digit| match digit {
                0..=9 => b'0' + digit,
                _ => b'a' + (digit - 10),
            });
            return out.push_bytes(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    };
    out.push_bytes(&[b'\\', short]);
}

//! One pass over a payload before anything recursive sees it: is it JSON, and how deep does it nest?
//!
//! `serde_json` bounds the depth only of what it builds; a `RawValue` or an ignored value may nest without end. And
//! it stops at the first value that does not fit its type, so it can't tell a broken packet from a handler that
//! expects something else. This pass decides which of both it is: whatever it lets through is well-formed.

use smallvec::SmallVec;

use super::placeholder::{self, Placeholder};

/// Where the elements of an array start, and last where the array ends.
pub(crate) type Starts = SmallVec<[u32; 4]>;

/// Why a text was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Malformed { at: usize },
    TooDeep,
    IllegalPlaceholder { at: usize },
}

/// The text is not JSON at the scanner's position. It has no size, so that it costs nothing to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Walks over JSON without building anything.
#[derive(Debug, Clone)]
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, at: usize) -> Self {
        Self::from_bytes(text.as_bytes(), at)
    }

    pub(super) fn from_bytes(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(crate) fn set(&mut self, at: usize) {
        self.at = at;
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Checks that one value and nothing else follows, at most `max_depth` levels deep.
    ///
    /// `attachments` is the number of attachments in a binary packet, where placeholders are checked. If the value is
    /// an array, `starts` is filled.
    pub(crate) fn check(
        mut self,
        max_depth: usize,
        attachments: Option<usize>,
        starts: &mut Starts,
    ) -> Result<(), Fault> {
        match self.walk(max_depth.min(MAX_DEPTH), attachments, Some(starts)) {
            Ok(()) => self.skip_blanks(),
            Err(Stop::Malformed) => return Err(Fault::Malformed { at: self.at }),
            Err(Stop::TooDeep) => return Err(Fault::TooDeep),
            Err(Stop::IllegalPlaceholder) => return Err(Fault::IllegalPlaceholder { at: self.at }),
        }
        if self.at == self.bytes.len() { Ok(()) } else { Err(Fault::Malformed { at: self.at }) }
    }

    /// Skips one value of a text that was checked before.
    pub(crate) fn skip_value(&mut self) -> Result<(), Malformed> {
        self.walk(MAX_DEPTH, None, None).map_err(|_| Malformed)
    }

    /// The stack of open brackets is one bit each: 1 for an object, 0 for an array.
    fn walk(
        &mut self,
        max_depth: usize,
        attachments: Option<usize>,
        mut starts: Option<&mut Starts>,
    ) -> Result<(), Stop> {
        let mut open: u128 = 0;
        let mut depth: usize = 0;
        loop {
            self.skip_blanks();
            if depth == 1 && open & OBJECT == 0 {
                self.note_start(&mut starts)?;
            }
            match self.peek() {
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                Some(bracket @ (b'{' | b'[')) => {
                    if depth == max_depth {
                        return Err(Stop::TooDeep);
                    }
                    let is_object = bracket == b'{';
                    if is_object && let Some(count) = attachments {
                        match placeholder::read(self.bytes, self.at) {
                            Placeholder::None => {}
                            Placeholder::Found { num, .. } if num < count => {}
                            Placeholder::Found { .. } | Placeholder::Illegal => {
                                return Err(Stop::IllegalPlaceholder);
                            }
                        }
                    }
                    self.at += 1;
                    self.skip_blanks();
                    let closing = if is_object { b'}' } else { b']' };
                    if self.peek() == Some(closing) {
                        if depth == 0 && !is_object {
                            self.note_start(&mut starts)?;
                        }
                        self.at += 1;
                    } else {
                        depth += 1;
                        open = open << 1 | u128::from(is_object);
                        if is_object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                _ => return Err(Stop::Malformed),
            }
            // A value ends here, and with it perhaps the arrays and objects around it.
            loop {
                if depth == 0 {
                    return Ok(());
                }
                self.skip_blanks();
                let is_object = open & OBJECT != 0;
                match (self.peek(), is_object) {
                    (Some(b','), _) => {
                        self.at += 1;
                        if is_object {
                            self.skip_blanks();
                            self.key()?;
                        }
                        break;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        if depth == 1 && !is_object {
                            self.note_start(&mut starts)?;
                        }
                        self.at += 1;
                        depth -= 1;
                        open >>= 1;
                    }
                    _ => return Err(Stop::Malformed),
                }
            }
        }
    }

    fn note_start(&self, starts: &mut Option<&mut Starts>) -> Result<(), Malformed> {
        if let Some(starts) = starts {
            starts.push(u32::try_from(self.at).map_err(|_| Malformed)?);
        }
        Ok(())
    }

    /// A key and its colon.
    #[inline]
    fn key(&mut self) -> Result<(), Malformed> {
        self.string()?;
        self.skip_blanks();
        self.expect(b':')
    }

    /// A string with both quotes.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<(), Malformed> {
        self.expect(b'"')?;
        loop {
            self.skip_plain();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(Malformed),
            }
        }
    }

    #[cold]
    fn escape(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    match self.peek() {
                        Some(digit) if digit.is_ascii_hexdigit() => self.at += 1,
                        _ => return Err(Malformed),
                    }
                }
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }

    /// Skips what needs no attention in a string: all but quotes, backslashes and control characters.
    #[inline]
    fn skip_plain(&mut self) {
        while let Some(word) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            let special = special_bytes(u64::from_le_bytes(*word));
            if special != 0 {
                self.at += (special.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
        while let Some(byte) = self.peek()
            && byte >= 0x20
            && byte != b'"'
            && byte != b'\\'
        {
            self.at += 1;
        }
    }

    fn number(&mut self) -> Result<(), Malformed> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(Malformed) } else { Ok(()) }
    }

    pub(super) fn literal(&mut self, word: &[u8]) -> Result<(), Malformed> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    #[inline]
    pub(crate) fn skip_blanks(&mut self) {
        // Encoders write none, and one comparison tells.
        if self.peek().is_some_and(|byte| byte > b' ') {
            return;
        }
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Steps over one byte that must be there.
    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

/// Why a walk ended early; the scanner's position says where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Malformed,
    TooDeep,
    IllegalPlaceholder,
}

impl From<Malformed> for Stop {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// The most levels there can be: one bit of the stack each.
const MAX_DEPTH: usize = 128;
const OBJECT: u128 = 1;

/// Marks the bytes of `word` that end the plain part of a string. The lowest mark is exact; above it a borrow may
/// mark bytes that are plain.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES * 0x80;
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & HIGHS;
    below(word, 0x20) | below(word ^ (ONES * b'"' as u64), 1) | below(word ^ (ONES * b'\\' as u64), 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn check(text: &str) -> Result<(), Fault> {
        Scanner::new(text, 0).check(MAX_DEPTH, None, &mut Starts::new())
    }

    #[test]
    fn element_starts_end_with_the_closing_bracket() {
        for (text, expected) in [
            ("[]", &[1][..]),
            ("[ ]", &[2]),
            ("[1]", &[1, 2]),
            ("[1,[2,3] , \"]\"]", &[1, 3, 11, 14]),
            ("{\"a\":[1]}", &[]),
            ("[{\"a\":[1,2]},3]", &[1, 13, 14]),
        ] {
            let mut starts = Starts::new();
            Scanner::new(text, 0).check(MAX_DEPTH, None, &mut starts).unwrap();
            assert_eq!(&starts[..], expected, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded_exactly() {
        for max in [1, 5, 127, 128] {
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let nested = |n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
                let check = |n| Scanner::new(&nested(n), 0).check(max, None, &mut Starts::new());
                assert_eq!(check(max), Ok(()), "{max} {open}");
                assert_eq!(check(max + 1), Err(Fault::TooDeep), "{max} {open}");
            }
            let empty = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
            assert!(Scanner::new(&empty(max), 0).check(max, None, &mut Starts::new()).is_ok());
            assert!(Scanner::new(&empty(max + 1), 0).check(max, None, &mut Starts::new()).is_err());
        }
    }

    #[test]
    fn special_bytes_are_found_at_every_place_of_a_word() {
        for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
            for at in 0..8 {
                for filler in [b'x', 0x20, 0x7f, 0x80, 0xff, 0x23, 0x21, 0x5b, 0x5d] {
                    let mut word = [filler; 8];
                    assert_eq!(special_bytes(u64::from_le_bytes(word)), 0, "{filler:x}");
                    word[at] = special;
                    let marks = special_bytes(u64::from_le_bytes(word));
                    assert_eq!((marks.trailing_zeros() / 8) as usize, at, "{special:x} {filler:x}");
                }
            }
        }
    }

    #[test]
    fn agrees_with_serde_json_on_awkward_texts() {
        for text in [
            "",
            " ",
            "-",
            "-1",
            "01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1e999",
            "-0",
            "0.0e-0",
            "+1",
            "tru",
            "true1",
            "nul",
            "\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\x\"",
            "\"\n\"",
            "\"\u{7f}\"",
            "[",
            "]",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "{",
            "{}",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1",
            "{a:1}",
            "[}",
            "{]",
            "[1}",
            "{\"a\":1]",
            "1 2",
            "[] []",
            " [ 1 , 2 ] ",
            "\u{feff}1",
            "[1 2]",
            "{\"a\" 1}",
            "{1:2}",
            "\"ab\"c",
            "[[],{}]",
        ] {
            let expected = serde_json::from_str::<IgnoredAny>(text).is_ok();
            assert_eq!(check(text).is_ok(), expected, "{text:?}");
        }
    }

    proptest! {
        /// Texts of JSON's own characters: most are broken, in all the ways there are.
        #[test]
        fn agrees_with_serde_json(text in r#"[\[\]{},:"\\u0e1.+\-tnl a\x1f\x80é]{0,24}"#) {
            prop_assert_eq!(check(&text).is_ok(), serde_json::from_str::<IgnoredAny>(&text).is_ok());
        }
    }
}

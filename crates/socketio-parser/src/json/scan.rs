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
        self,
        max_depth: usize,
        attachments: Option<usize>,
        starts: &mut Starts,
    ) -> Result<(), Fault> {
        let end = walk(self.bytes, self.at, max_depth.min(MAX_DEPTH), attachments, Some(starts))?;
        let end = skip_blanks(self.bytes, end);
        if end == self.bytes.len() { Ok(()) } else { Err(Fault::Malformed { at: end }) }
    }

    /// Skips one value of a text that was checked before.
    pub(crate) fn skip_value(&mut self) -> Result<(), Malformed> {
        self.at = walk(self.bytes, self.at, MAX_DEPTH, None, None).map_err(|_| Malformed)?;
        Ok(())
    }

    /// A string with both quotes.
    pub(crate) fn string(&mut self) -> Result<(), Malformed> {
        self.expect(b'"')?;
        self.at = string(self.bytes, self.at).map_err(|_| Malformed)?;
        Ok(())
    }

    /// Steps over a string without escapes, and says where what it holds starts and ends. Of any other value it says
    /// nothing, and stays.
    #[inline]
    pub(super) fn plain_string(&mut self) -> Option<(usize, usize)> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let start = self.at + 1;
        let end = plain_end(self.bytes, start);
        if self.bytes.get(end) != Some(&b'"') {
            return None;
        }
        self.at = end + 1;
        Some((start, end))
    }

    /// Steps over an integer of at most eighteen digits. Of any other value it says nothing, and stays; so it does of minus
    /// zero, which is none.
    #[inline]
    pub(super) fn small_integer(&mut self) -> Option<i64> {
        let is_negative = self.peek() == Some(b'-');
        let start = self.at + usize::from(is_negative);
        let mut at = start;
        let mut value = 0_i64;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(at) {
            if at - start == MAX_SMALL_DIGITS {
                return None;
            }
            value = value * 10 + i64::from(digit - b'0');
            at += 1;
        }
        let is_small = at > start
            && !matches!(self.bytes.get(at), Some(b'.' | b'e' | b'E'))
            && !(is_negative && value == 0);
        if !is_small {
            return None;
        }
        self.at = at;
        Some(if is_negative { -value } else { value })
    }

    pub(super) fn literal(&mut self, word: &[u8]) -> Result<(), Malformed> {
        self.at = literal(self.bytes, self.at, word).map_err(|_| Malformed)?;
        Ok(())
    }

    pub(crate) fn skip_blanks(&mut self) {
        self.at = skip_blanks(self.bytes, self.at);
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

// The functions below take a position and return the next one, which keeps it in a register; an `Err` is where the text
// stops being JSON.

/// Walks over one value.
///
/// The stack of open brackets is one bit each: 1 for an object, 0 for an array.
fn walk(
    bytes: &[u8],
    mut at: usize,
    max_depth: usize,
    attachments: Option<usize>,
    mut starts: Option<&mut Starts>,
) -> Result<usize, Fault> {
    let malformed = |at| Fault::Malformed { at };
    let mut note_start = |at: usize| match &mut starts {
        Some(starts) => u32::try_from(at).map(|at| starts.push(at)).map_err(|_| malformed(at)),
        None => Ok(()),
    };
    let mut open: u128 = 0;
    let mut depth: usize = 0;
    loop {
        let byte = token(bytes, &mut at);
        if depth == 1 && open & OBJECT == 0 {
            note_start(at)?;
        }
        match byte {
            b'"' => at = string(bytes, at + 1).map_err(malformed)?,
            b'-' | b'0'..=b'9' => at = number(bytes, at).map_err(malformed)?,
            b'{' | b'[' => {
                if depth == max_depth {
                    return Err(Fault::TooDeep);
                }
                let is_object = byte == b'{';
                if is_object && let Some(count) = attachments {
                    match placeholder::read(bytes, at) {
                        Placeholder::None => {}
                        Placeholder::Found { num, .. } if num < count => {}
                        Placeholder::Found { .. } | Placeholder::Illegal => {
                            return Err(Fault::IllegalPlaceholder { at });
                        }
                    }
                }
                at += 1;
                let closing = if is_object { b'}' } else { b']' };
                if token(bytes, &mut at) == closing {
                    if depth == 0 && !is_object {
                        note_start(at)?;
                    }
                    at += 1;
                } else {
                    depth += 1;
                    open = open << 1 | u128::from(is_object);
                    if is_object {
                        at = key(bytes, at).map_err(malformed)?;
                    }
                    continue;
                }
            }
            b't' => at = literal(bytes, at, b"true").map_err(malformed)?,
            b'f' => at = literal(bytes, at, b"false").map_err(malformed)?,
            b'n' => at = literal(bytes, at, b"null").map_err(malformed)?,
            _ => return Err(malformed(at)),
        }
        // A value ends here, and with it perhaps the arrays and objects around it.
        loop {
            if depth == 0 {
                return Ok(at);
            }
            let is_object = open & OBJECT != 0;
            match (token(bytes, &mut at), is_object) {
                (b',', true) => {
                    at = key(bytes, at + 1).map_err(malformed)?;
                    break;
                }
                (b',', false) => {
                    at += 1;
                    break;
                }
                (b'}', true) | (b']', false) => {
                    if depth == 1 && !is_object {
                        note_start(at)?;
                    }
                    at += 1;
                    depth -= 1;
                    open >>= 1;
                }
                _ => return Err(malformed(at)),
            }
        }
    }
}

/// The next byte that is no blank, and steps to it; zero, which JSON does not know, at the end.
#[inline]
fn token(bytes: &[u8], at: &mut usize) -> u8 {
    match bytes.get(*at) {
        Some(byte @ b'!'..) => *byte,
        _ => token_after_blanks(bytes, at),
    }
}

#[cold]
fn token_after_blanks(bytes: &[u8], at: &mut usize) -> u8 {
    *at = skip_blanks(bytes, *at);
    bytes.get(*at).copied().unwrap_or(0)
}

#[inline]
fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// A key and its colon, with blanks before either.
#[inline]
fn key(bytes: &[u8], mut at: usize) -> Result<usize, usize> {
    if token(bytes, &mut at) != b'"' {
        return Err(at);
    }
    at = string(bytes, at + 1)?;
    if token(bytes, &mut at) == b':' { Ok(at + 1) } else { Err(at) }
}

/// A string after its first quote.
#[inline]
fn string(bytes: &[u8], mut at: usize) -> Result<usize, usize> {
    loop {
        at = plain_end(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = escape(bytes, at + 1)?,
            _ => return Err(at),
        }
    }
}

/// Where the first byte stands, from `at` on, that ends the plain part of a string: a quote, a backslash or a control
/// character.
///
/// Most strings are short, so the first bytes are looked at by words, the rest by blocks.
#[inline]
fn plain_end(bytes: &[u8], at: usize) -> usize {
    match plain_words(bytes, at, at + BLOCK) {
        Ok(end) => end,
        Err(at) => long_plain_end(bytes, at),
    }
}

#[inline(never)]
fn long_plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>)
        && is_plain(block)
    {
        at += BLOCK;
    }
    plain_words(bytes, at, bytes.len()).unwrap_or(bytes.len())
}

/// [`plain_end`], unless that is `end` or a little behind it: then, as an error, how far all is plain.
#[inline]
fn plain_words(bytes: &[u8], mut at: usize, end: usize) -> Result<usize, usize> {
    while at < end {
        let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) else {
            let rest = bytes.get(at..).unwrap_or_default();
            let special = rest.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'));
            return Ok(at + special.unwrap_or(rest.len()));
        };
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return Ok(at + (special.trailing_zeros() / 8) as usize);
        }
        at += word.len();
    }
    Err(at)
}

/// The length of the plain part at the start of a text that is to be a string.
#[inline]
pub(crate) fn plain_len(text: &[u8]) -> usize {
    if let Some(word) = text.last_chunk::<8>()
        && text.len() < BLOCK
    {
        // The last word reaches back to bytes that were looked at, instead of a look at each byte of a rest.
        let last = text.len() - word.len();
        return match plain_words(text, 0, last) {
            Ok(end) => end,
            Err(_) => match special_bytes(u64::from_le_bytes(*word)) {
                0 => text.len(),
                special => last + (special.trailing_zeros() / 8) as usize,
            },
        };
    }
    plain_end(text, 0)
}

/// An escape after its backslash.
#[cold]
fn escape(bytes: &[u8], at: usize) -> Result<usize, usize> {
    match bytes.get(at) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 1),
        Some(b'u') => {
            let digits =
                bytes.iter().skip(at + 1).take(4).take_while(|byte| byte.is_ascii_hexdigit()).count();
            if digits == 4 { Ok(at + 5) } else { Err(at + 1 + digits) }
        }
        _ => Err(at),
    }
}

fn number(bytes: &[u8], mut at: usize) -> Result<usize, usize> {
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    at = if bytes.get(at) == Some(&b'0') { at + 1 } else { digits(bytes, at)? };
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = bytes.get(at) {
            at += 1;
        }
        at = digits(bytes, at)?;
    }
    Ok(at)
}

/// At least one digit.
fn digits(bytes: &[u8], start: usize) -> Result<usize, usize> {
    let mut at = start;
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    if at == start { Err(at) } else { Ok(at) }
}

fn literal(bytes: &[u8], at: usize, word: &[u8]) -> Result<usize, usize> {
    if bytes.get(at..).is_some_and(|rest| rest.starts_with(word)) { Ok(at + word.len()) } else { Err(at) }
}

/// So many digits fit an `i64` whatever they are.
const MAX_SMALL_DIGITS: usize = 18;
/// The most levels there can be: one bit of the stack each.
const MAX_DEPTH: usize = 128;
const OBJECT: u128 = 1;

const BLOCK: usize = 32;

/// Whether no byte of the block ends the plain part of a string. Without a branch inside, it compiles to a few vector
/// instructions; so that they are fewer, one comparison finds the quote together with the control characters.
#[inline]
fn is_plain(block: &[u8; BLOCK]) -> bool {
    let special = |byte: &u8| u8::from(byte ^ QUOTE_TO_BLANK <= b' ') | u8::from(*byte == b'\\');
    block.iter().fold(0, |any, byte| any | special(byte)) == 0
}

/// Changes places of the quote and the blank, and leaves the control characters among themselves.
const QUOTE_TO_BLANK: u8 = b'"' ^ b' ';

/// Marks the bytes of `word` that end the plain part of a string: quotes, backslashes and control characters.
///
/// The lowest mark is exact; above it a borrow may mark bytes that are plain.
#[inline]
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES * 0x80;
    let control_or_quote = (word ^ (ONES * QUOTE_TO_BLANK as u64)).wrapping_sub(ONES * (b' ' as u64 + 1));
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    // Bytes from 0x80 are plain.
    (control_or_quote | backslash) & !word & HIGHS
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
    fn the_plain_part_ends_at_the_first_special_byte_wherever_it_stands() {
        for len in 0..150 {
            let mut bytes = vec![b'x'; len];
            assert_eq!(plain_len(&bytes), len);
            for at in (0..len).rev() {
                bytes[at] = [b'"', b'\\', 0x1f][at % 3];
                assert_eq!(plain_len(&bytes), at, "{at} of {len}");
                let within = [&[b'"'; 5], &bytes[..], &[b'"'; 3]].concat();
                assert_eq!(plain_end(&within, 5), 5 + at, "{at} of {len}, between others");
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

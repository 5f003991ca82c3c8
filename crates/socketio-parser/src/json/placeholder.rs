//! `{"_placeholder":true,"num":0}`: what stands for an attachment in the text of a binary packet.

use std::borrow::Cow;

use super::scan::Scanner;

/// What an object is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placeholder {
    /// An ordinary object.
    None,
    /// Stands for an attachment, and ends before `end`.
    Found { num: usize, end: usize },
    /// Says that it is a placeholder but has no number, or not only that.
    Illegal,
}

/// Looks at the object that starts at `at`.
///
/// A placeholder has two members, in either order: `"_placeholder": true` (nothing else makes one) and `"num"`.
pub(super) fn read(bytes: &[u8], at: usize) -> Placeholder {
    if let Some(found) = read_usual(bytes, at) {
        return found;
    }
    let mut object = Object { scanner: Scanner::from_bytes(bytes, at + 1), bytes };
    let Some(first) = object.member() else { return Placeholder::None };
    match first {
        Member::Marker => {
            let num = object.next(b',').and_then(|object| object.member());
            match (num, object.next(b'}')) {
                (Some(Member::Num(Some(num))), Some(object)) => {
                    Placeholder::Found { num, end: object.scanner.at() }
                }
                _ => Placeholder::Illegal,
            }
        }
        Member::Num(num) => {
            let Some(Member::Marker) = object.next(b',').and_then(|object| object.member()) else {
                return Placeholder::None;
            };
            match (num, object.next(b'}')) {
                (Some(num), Some(object)) => Placeholder::Found { num, end: object.scanner.at() },
                _ => Placeholder::Illegal,
            }
        }
    }
}

/// The form that encoders write, without blanks.
fn read_usual(bytes: &[u8], at: usize) -> Option<Placeholder> {
    let rest = bytes.get(at..)?.strip_prefix(br#"{"_placeholder":true,"num":"#)?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, rest) = rest.split_at_checked(digits)?;
    let num = index(digits)?;
    rest.starts_with(b"}").then_some(Placeholder::Found { num, end: bytes.len() - rest.len() + 1 })
}

/// How many objects of a well-formed text have a member that makes a placeholder of them.
pub(crate) fn count(text: &[u8]) -> usize {
    let mut count = 0;
    let mut at = 0;
    // Outside strings there are no quotes, so every quote found here starts one.
    while let Some(quote) = text.get(at..).and_then(|rest| memchr::memchr(b'"', rest)) {
        let mut object = Object { scanner: Scanner::from_bytes(text, at + quote), bytes: text };
        if let Some(Member::Marker) = object.clone().member() {
            count += 1;
        }
        if object.scanner.string().is_err() {
            break;
        }
        at = object.scanner.at();
    }
    count
}

enum Member {
    /// `"_placeholder": true`.
    Marker,
    /// `"num"`, and its value if that can be an index.
    Num(Option<usize>),
}

#[derive(Clone)]
struct Object<'a> {
    scanner: Scanner<'a>,
    bytes: &'a [u8],
}

impl Object<'_> {
    /// Steps over a bracket or comma.
    fn next(&mut self, byte: u8) -> Option<&mut Self> {
        self.scanner.skip_blanks();
        self.scanner.expect(byte).ok()?;
        Some(self)
    }

    /// Reads a member, if it is one that a placeholder has.
    fn member(&mut self) -> Option<Member> {
        self.scanner.skip_blanks();
        let start = self.scanner.at();
        self.scanner.string().ok()?;
        let key = self.bytes.get(start..self.scanner.at())?;
        let key: Cow<'_, [u8]> = if memchr::memchr(b'\\', key).is_some() {
            let key: String = serde_json::from_slice(key).ok()?;
            Cow::Owned(format!("\"{key}\"").into_bytes())
        } else {
            Cow::Borrowed(key)
        };
        self.next(b':')?.scanner.skip_blanks();
        let start = self.scanner.at();
        match &key[..] {
            br#""_placeholder""# => {
                self.scanner.literal(b"true").ok()?;
                Some(Member::Marker)
            }
            br#""num""# => {
                // An array or object can't be a number; whatever it holds, it is no placeholder's.
                if let Some(b'[' | b'{') = self.scanner.peek() {
                    return None;
                }
                self.scanner.skip_value().ok()?;
                Some(Member::Num(self.bytes.get(start..self.scanner.at()).and_then(index)))
            }
            _ => None,
        }
    }
}

/// A number without sign, fraction or exponent.
fn index(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Placeholder) {
        assert_eq!(read(text.as_bytes(), 0), expected, "{text}");
    }

    fn found(text: &str, num: usize) {
        check(text, Placeholder::Found { num, end: text.len() });
        // What follows an object does not matter.
        assert_eq!(read(format!("{text},1]").as_bytes(), 0), Placeholder::Found { num, end: text.len() });
    }

    #[test]
    fn placeholders_are_found_however_they_are_written() {
        found(r#"{"_placeholder":true,"num":0}"#, 0);
        found(r#"{"num":12,"_placeholder":true}"#, 12);
        found(r#"{ "_placeholder" : true , "num" : 3 }"#, 3);
        found(r#"{"\u005fplaceholder":true,"\u006eum":4}"#, 4);
    }

    #[test]
    fn ordinary_objects_are_left_alone() {
        for text in [
            "{}",
            r#"{"a":1}"#,
            r#"{"num":1}"#,
            r#"{"num":1,"b":2}"#,
            r#"{"num":[1],"b":2}"#,
            r#"{"_placeholder":1,"num":0}"#,
            r#"{"_placeholder":"true","num":0}"#,
            r#"{"_placeholder":false,"num":0}"#,
            r#"{"num":0,"_placeholder":false}"#,
            r#"{"_placeholder2":true,"num":0}"#,
        ] {
            check(text, Placeholder::None);
        }
    }

    #[test]
    fn numbers_that_index_nothing_are_illegal() {
        for num in
            [r#""splice""#, "-1", "1.5", "1e0", "null", "1e400", "true", "[0]", "99999999999999999999999"]
        {
            check(&format!(r#"{{"_placeholder":true,"num":{num}}}"#), Placeholder::Illegal);
        }
        check(r#"{"_placeholder":true}"#, Placeholder::Illegal);
        check(r#"{"num":-1,"_placeholder":true}"#, Placeholder::Illegal);
        check(r#"{"_placeholder":true,"num":0,"more":1}"#, Placeholder::Illegal);
        check(r#"{"num":0,"_placeholder":true,"more":1}"#, Placeholder::Illegal);
    }
}

//! One value of MessagePack at a time, or the head of an array or a map.

use rmp::Marker;

use super::time::Timestamp;

/// What stands at one place of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    /// `nil`, or JavaScript's `undefined`.
    Nil,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    Float(f64),
    /// A string; whether it is UTF-8 is for its reader to find out.
    Text(&'a [u8]),
    /// Binary data, or a JavaScript `ArrayBuffer`.
    Binary(&'a [u8]),
    /// So many values follow.
    Array(u32),
    /// So many keys follow, each before its value.
    Map(u32),
    Time(Timestamp),
    /// An extension of this type, of which nothing is known.
    Extension(i8),
}

/// Reads what stands at `at`, and steps over it; `None` if the bytes end early or there is no such marker.
///
/// The contents of an array or a map are not stepped over.
pub(super) fn read<'a>(bytes: &'a [u8], at: &mut usize) -> Option<Token<'a>> {
    let mut input = Input { bytes, at: *at };
    let token = input.token()?;
    *at = input.at;
    Some(token)
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn token(&mut self) -> Option<Token<'a>> {
        let [marker] = self.take()?;
        Some(match Marker::from_u8(marker) {
            Marker::FixPos(value) => Token::Unsigned(value.into()),
            Marker::FixNeg(value) => integer(value.into()),
            Marker::Null => Token::Nil,
            Marker::True => Token::Bool(true),
            Marker::False => Token::Bool(false),
            Marker::U8 => Token::Unsigned(u8::from_be_bytes(self.take()?).into()),
            Marker::U16 => Token::Unsigned(u16::from_be_bytes(self.take()?).into()),
            Marker::U32 => Token::Unsigned(self.u32()?.into()),
            Marker::U64 => Token::Unsigned(u64::from_be_bytes(self.take()?)),
            Marker::I8 => integer(i8::from_be_bytes(self.take()?).into()),
            Marker::I16 => integer(i16::from_be_bytes(self.take()?).into()),
            Marker::I32 => integer(i32::from_be_bytes(self.take()?).into()),
            Marker::I64 => integer(i64::from_be_bytes(self.take()?)),
            Marker::F32 => Token::Float(f32::from_be_bytes(self.take()?).into()),
            Marker::F64 => Token::Float(f64::from_be_bytes(self.take()?)),
            Marker::FixStr(len) => Token::Text(self.slice(len.into())?),
            Marker::Str8 => Token::Text(self.slice_of_u8()?),
            Marker::Str16 => Token::Text(self.slice_of_u16()?),
            Marker::Str32 => Token::Text(self.slice_of_u32()?),
            Marker::Bin8 => Token::Binary(self.slice_of_u8()?),
            Marker::Bin16 => Token::Binary(self.slice_of_u16()?),
            Marker::Bin32 => Token::Binary(self.slice_of_u32()?),
            Marker::FixArray(len) => Token::Array(len.into()),
            Marker::Array16 => Token::Array(self.u16()?.into()),
            Marker::Array32 => Token::Array(self.u32()?),
            Marker::FixMap(len) => Token::Map(len.into()),
            Marker::Map16 => Token::Map(self.u16()?.into()),
            Marker::Map32 => Token::Map(self.u32()?),
            Marker::FixExt1 => self.fixed_extension(1)?,
            Marker::FixExt2 => self.fixed_extension(2)?,
            Marker::FixExt4 => self.fixed_extension(4)?,
            Marker::FixExt8 => self.fixed_extension(8)?,
            Marker::FixExt16 => self.fixed_extension(16)?,
            Marker::Ext8 => {
                let [len] = self.take()?;
                self.extension(len.into())?
            }
            Marker::Ext16 => {
                let len = self.u16()?;
                self.extension(len.into())?
            }
            Marker::Ext32 => {
                let len = self.u32()?;
                self.extension(len)?
            }
            Marker::Reserved => return None,
        })
    }

    /// An extension whose marker says its length: in type 0 JavaScript's encoder has `undefined` (of one byte) and dates
    /// (of eight).
    fn fixed_extension(&mut self, len: u32) -> Option<Token<'a>> {
        let (kind, data) = self.kind_and_data(len)?;
        Some(match (kind, data) {
            (0, [_]) => Token::Nil,
            (0, _) => known_or(
                kind,
                data.first_chunk().and_then(|data| Timestamp::from_millis(i64::from_be_bytes(*data))),
            ),
            _ => timestamp_or_unknown(kind, data),
        })
    }

    /// An extension whose length is a number of its own: in type 0 JavaScript's encoder has array buffers, of one or eight
    /// bytes too.
    fn extension(&mut self, len: u32) -> Option<Token<'a>> {
        let (kind, data) = self.kind_and_data(len)?;
        Some(if kind == 0 { Token::Binary(data) } else { timestamp_or_unknown(kind, data) })
    }

    fn kind_and_data(&mut self, len: u32) -> Option<(i8, &'a [u8])> {
        let kind = i8::from_be_bytes(self.take()?);
        Some((kind, self.slice(len)?))
    }

    fn slice_of_u8(&mut self) -> Option<&'a [u8]> {
        let [len] = self.take()?;
        self.slice(len.into())
    }

    fn slice_of_u16(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.slice(len.into())
    }

    fn slice_of_u32(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.slice(len)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let chunk = self.bytes.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(*chunk)
    }

    fn slice(&mut self, len: u32) -> Option<&'a [u8]> {
        let end = self.at.checked_add(usize::try_from(len).ok()?)?;
        let slice = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(slice)
    }
}

/// A number whose encoding has a sign, though it need not be negative.
fn integer<'a>(value: i64) -> Token<'a> {
    u64::try_from(value).map_or(Token::Negative(value), Token::Unsigned)
}

/// Type -1 is MessagePack's own timestamp, in three lengths.
fn timestamp_or_unknown<'a>(kind: i8, data: &[u8]) -> Token<'a> {
    known_or(kind, if kind == -1 { Timestamp::from_extension(data) } else { None })
}

fn known_or<'a>(kind: i8, time: Option<Timestamp>) -> Token<'a> {
    time.map_or(Token::Extension(kind), Token::Time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(bytes: &[u8]) -> Option<Token<'_>> {
        let mut at = 0;
        let token = read(bytes, &mut at)?;
        assert_eq!(at, bytes.len());
        Some(token)
    }

    #[test]
    fn every_marker_is_read() {
        let floats = [&[0xca][..], &1.5_f32.to_be_bytes()].concat();
        for (bytes, expected) in [
            (&[0x00][..], Token::Unsigned(0)),
            (&[0x7f], Token::Unsigned(127)),
            (&[0xff], Token::Negative(-1)),
            (&[0xe0], Token::Negative(-32)),
            (&[0xc0], Token::Nil),
            (&[0xc2], Token::Bool(false)),
            (&[0xc3], Token::Bool(true)),
            (&[0xcc, 0xff], Token::Unsigned(255)),
            (&[0xcd, 1, 2], Token::Unsigned(0x102)),
            (&[0xce, 1, 2, 3, 4], Token::Unsigned(0x0102_0304)),
            (&[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Token::Unsigned(u64::MAX)),
            (&[0xd0, 0x80], Token::Negative(-128)),
            (&[0xd0, 0x01], Token::Unsigned(1)),
            (&[0xd1, 0xff, 0x7f], Token::Negative(-129)),
            (&[0xd2, 0x80, 0, 0, 0], Token::Negative(i32::MIN.into())),
            (&[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], Token::Negative(i64::MIN)),
            (&floats, Token::Float(1.5)),
            (&[0xa1, b'x'], Token::Text(b"x")),
            (&[0xd9, 1, b'x'], Token::Text(b"x")),
            (&[0xda, 0, 1, b'x'], Token::Text(b"x")),
            (&[0xdb, 0, 0, 0, 1, b'x'], Token::Text(b"x")),
            (&[0xc4, 1, 7], Token::Binary(&[7])),
            (&[0xc5, 0, 1, 7], Token::Binary(&[7])),
            (&[0xc6, 0, 0, 0, 1, 7], Token::Binary(&[7])),
            (&[0x92], Token::Array(2)),
            (&[0xdc, 1, 0], Token::Array(256)),
            (&[0xdd, 0, 1, 0, 0], Token::Array(1 << 16)),
            (&[0x82], Token::Map(2)),
            (&[0xde, 1, 0], Token::Map(256)),
            (&[0xdf, 0, 1, 0, 0], Token::Map(1 << 16)),
            (&[0xd4, 0, 0], Token::Nil),
            (&[0xc7, 1, 0, 9], Token::Binary(&[9])),
            (&[0xc8, 0, 1, 0, 9], Token::Binary(&[9])),
            (&[0xc9, 0, 0, 0, 1, 0, 9], Token::Binary(&[9])),
            (&[0xc7, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8], Token::Binary(&[1, 2, 3, 4, 5, 6, 7, 8])),
            (&[0xd5, 0, 1, 2], Token::Extension(0)),
            (&[0xd4, 5, 1], Token::Extension(5)),
            (&[0xd8, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Token::Extension(-2)),
            (&[0xc7, 0, 5], Token::Extension(5)),
            (&[0xc7, 5, 0xff, 0, 0, 0, 0, 0], Token::Extension(-1)),
        ] {
            assert_eq!(token(bytes), Some(expected), "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_cut_short_or_reserved_is_no_token() {
        for bytes in [
            &[0xc1][..],
            &[],
            &[0xcd, 1],
            &[0xcb, 0, 0, 0, 0, 0, 0, 0],
            &[0xa2, b'x'],
            &[0xdb, 0xff, 0xff, 0xff, 0xff],
            &[0xc6, 0xff, 0xff, 0xff, 0xff, 1],
            &[0xdd, 0, 0, 0],
            &[0xd4, 0],
            &[0xd7, 0, 0, 0, 0],
            &[0xc9, 0xff, 0xff, 0xff, 0xff, 0],
        ] {
            assert_eq!(read(bytes, &mut 0), None, "{bytes:x?}");
        }
    }
}

//! Content codings of HTTP, for answers that are compressed.
//!
//! Polls are answered with them, and what is put beside the engine may be too: [`Coding::preferred`] reads what a request
//! asks for.

use std::cell::Cell;
use std::io::{self, Write};

use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::write::{DeflateEncoder, ZlibEncoder};
use flate2::{Compression, Crc};
use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// A content coding that makes an answer shorter.
///
/// ```
/// use engine_io_server::coding::{Coding, Effort};
/// use http::HeaderMap;
/// use http::header::{ACCEPT_ENCODING, HeaderValue};
///
/// # fn main() -> std::io::Result<()> {
/// let mut headers = HeaderMap::new();
/// headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip;q=0.5, br"));
/// let coding = Coding::preferred(&headers);
/// assert_eq!(coding, Some(Coding::Brotli));
/// let short = Coding::Brotli.compress(&[b'x'; 1000], Effort::Fast)?;
/// assert!(short.len() < 100);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Coding {
    /// Brotli, `br` ([RFC 7932](https://www.rfc-editor.org/rfc/rfc7932)).
    Brotli,
    /// `gzip` ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952)).
    Gzip,
    /// `deflate`, which is the format of zlib ([RFC 1950](https://www.rfc-editor.org/rfc/rfc1950)).
    Deflate,
}

/// How much work is put into making something short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effort {
    /// For what is sent once: hundreds of megabytes a second.
    Fast,
    /// For what is kept and sent many times: a few megabytes a second.
    Best,
}

impl Coding {
    /// All of them, in the order of our own liking; a client's comes first.
    pub const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Deflate];

    /// The name in `Accept-Encoding` and `Content-Encoding`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// What a request's `Accept-Encoding` asks for: the coding of the highest quality, of equal ones that which is named
    /// first. Unless it is named with a higher quality, no coding at all comes last.
    #[must_use]
    pub fn preferred(headers: &HeaderMap) -> Option<Self> {
        // Headers are few: they are passed through faster than one of them is looked up.
        let values = headers.iter().filter(|(name, _)| *name == ACCEPT_ENCODING).map(|(_, value)| value);
        let (mut named, mut best) = ([false; 3], (None, 0));
        let (mut of_none, mut of_others) = (0, 0);
        for value in values {
            // What nearly all clients say.
            if let b"gzip" | [b'g', b'z', b'i', b'p', b',', ..] = value.as_bytes() {
                return Some(Self::Gzip);
            }
            let Ok(value) = value.to_str() else { continue };
            for wish in value.split(',').filter_map(Wish::parse) {
                let coding = Self::ALL.into_iter().find(|coding| wish.is_for(coding.as_str()));
                if let Some(coding) = coding {
                    if wish.quality == HIGHEST {
                        // Nothing that follows can be liked better.
                        return Some(coding);
                    }
                    named[coding as usize] = true;
                    if wish.quality > best.1 {
                        best = (Some(coding), wish.quality);
                    }
                } else if wish.is_for("identity") {
                    of_none = wish.quality;
                } else if wish.is_for("*") {
                    of_others = wish.quality;
                }
            }
        }
        if of_others > best.1
            && let Some(other) = Self::ALL.into_iter().find(|coding| !named[*coding as usize])
        {
            best = (Some(other), of_others);
        }
        best.0.filter(|_| best.1 >= of_none)
    }

    /// The bytes in this coding. It is work for the processor that is done when the call returns.
    ///
    /// # Errors
    ///
    /// What the encoder says; it has none for bytes in memory.
    pub fn compress(self, plain: &[u8], effort: Effort) -> io::Result<Bytes> {
        // Guessing from what text comes to, so that little is copied while it grows.
        let mut short = Vec::with_capacity(plain.len() / 3);
        match self {
            Self::Brotli => {
                let params = brotli_params(plain.len(), effort);
                brotli::BrotliCompress(&mut &*plain, &mut short, &params)?;
            }
            Self::Gzip => short = gzip(plain, short, effort)?,
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(&mut short, deflate_level(effort));
                encoder.write_all(plain)?;
                encoder.finish()?;
            }
        }
        short.shrink_to_fit();
        Ok(short.into())
    }
}

fn deflate_level(effort: Effort) -> Compression {
    match effort {
        Effort::Fast => Compression::fast(),
        Effort::Best => Compression::best(),
    }
}

fn brotli_params(len: usize, effort: Effort) -> BrotliEncoderParams {
    let params = BrotliEncoderParams { size_hint: len, ..Default::default() };
    match effort {
        Effort::Fast => BrotliEncoderParams { quality: FAST_BROTLI, lgwin: FAST_BROTLI_WINDOW, ..params },
        Effort::Best => BrotliEncoderParams { quality: BEST_BROTLI, ..params },
    }
}

/// Writes a gzip file behind what is in `into`.
///
/// An encoder is a third of a megabyte, and more work to make than a short answer is to compress. That of the fast level,
/// in the coding that browsers ask for, is kept by each thread.
fn gzip(plain: &[u8], mut into: Vec<u8>, effort: Effort) -> io::Result<Vec<u8>> {
    into.extend_from_slice(&GZIP_HEADER);
    let kept = if effort == Effort::Fast { GZIP.take() } else { None };
    let mut encoder = match kept {
        Some(mut encoder) => {
            encoder.reset(into)?;
            encoder
        }
        None => DeflateEncoder::new(into, deflate_level(effort)),
    };
    encoder.write_all(plain)?;
    encoder.try_finish()?;
    let mut file = std::mem::take(encoder.get_mut());
    if effort == Effort::Fast {
        GZIP.set(Some(encoder));
    }
    let mut crc = Crc::new();
    crc.update(plain);
    file.extend_from_slice(&crc.sum().to_le_bytes());
    file.extend_from_slice(&crc.amount().to_le_bytes());
    Ok(file)
}

thread_local! {
    static GZIP: Cell<Option<DeflateEncoder<Vec<u8>>>> = const { Cell::new(None) };
}

/// One member without name, time or comment, of an unknown system ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952),
/// section 2.3).
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// One element of an `Accept-Encoding`.
struct Wish<'a> {
    coding: &'a str,
    /// In thousandths.
    quality: u16,
}

impl<'a> Wish<'a> {
    /// Nothing if it is malformed: a wish that is not understood is not followed.
    fn parse(text: &'a str) -> Option<Self> {
        let (coding, parameters) = text.split_once(';').unwrap_or((text, ""));
        let quality = match parameters.trim() {
            "" => HIGHEST,
            parameter => {
                thousandths(parameter.strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('=')?.trim())?
            }
        };
        Some(Self { coding: coding.trim(), quality })
    }

    fn is_for(&self, coding: &str) -> bool {
        self.coding.eq_ignore_ascii_case(coding)
    }
}

/// A quality as HTTP writes it: `1`, `0.5`, `0.125`.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = matches!(whole, "0" | "1") && fraction.len() <= 3;
    if !is_number || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let whole = if whole == "1" { HIGHEST } else { 0 };
    let places = [100, 10, 1].into_iter().zip(fraction.bytes());
    let quality = whole + places.map(|(place, digit)| place * u16::from(digit - b'0')).sum::<u16>();
    (quality <= HIGHEST).then_some(quality)
}

const HIGHEST: u16 = 1000;

/// The two best of brotli make a build smaller by 5 and 9 percent and take up to ten times as long; somebody waits for it.
const BEST_BROTLI: i32 = 9;
/// Half as fast as gzip at its fast level, and a quarter shorter. The levels above take up to twice as long for a few
/// percent; a window beyond 256 KiB costs more memory than it saves bytes.
const FAST_BROTLI: i32 = 2;
const FAST_BROTLI_WINDOW: i32 = 18;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use http::HeaderValue;

    use super::*;

    fn preferred(values: &[&'static str]) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
        }
        Coding::preferred(&headers).map(Coding::as_str)
    }

    #[test]
    fn the_browsers_order_decides_and_before_it_the_quality() {
        for (accepted, coding) in [
            ("gzip,br,deflate", Some("gzip")),
            ("br", Some("br")),
            ("deflate, gzip", Some("deflate")),
            ("gzip, deflate, br, zstd", Some("gzip")),
            ("gzip;q=0.5, br", Some("br")),
            ("gzip;q=0.5, br;q=0.25, deflate; q=0.75", Some("deflate")),
            ("GZIP ; Q = 0.001", Some("gzip")),
            ("gzip;q=1.000, br;q=1", Some("gzip")),
            ("gzip;q=0", None),
            ("gzip;q=0, br;q=0.000", None),
            ("", None),
            ("zstd, compress", None),
            ("identity", None),
            ("identity, gzip", Some("gzip")),
            ("identity, gzip;q=0.9", None),
            ("gzip;q=0.9, identity;q=0.5", Some("gzip")),
        ] {
            assert_eq!(preferred(&[accepted]), coding, "{accepted}");
        }
        assert_eq!(preferred(&[]), None);
        assert_eq!(preferred(&["zstd", "deflate, br"]), Some("deflate"));
        assert_eq!(preferred(&["br;q=0.9", "gzip, deflate"]), Some("gzip"));
        assert_eq!(preferred(&["br", "gzip, deflate"]), Some("br"));
        assert_eq!(preferred(&["gzip2, br"]), Some("br"));
    }

    #[test]
    fn a_star_stands_for_what_is_not_named() {
        for (accepted, coding) in [
            ("*", Some("br")),
            ("br;q=0, *", Some("gzip")),
            ("br;q=0, *;q=0.5, gzip;q=0.4", Some("deflate")),
            ("deflate, *", Some("deflate")),
            ("br;q=0, gzip;q=0, deflate;q=0, *", None),
            ("gzip, *;q=0", Some("gzip")),
            ("*;q=0", None),
        ] {
            assert_eq!(preferred(&[accepted]), coding, "{accepted}");
        }
    }

    #[test]
    fn a_wish_that_is_not_understood_is_not_followed() {
        for accepted in [
            "gzip;q",
            "gzip;q=",
            "gzip;q=2",
            "gzip;q=1.001",
            "gzip;q=-1",
            "gzip;q=0.1234",
            "gzip;q=.5",
            "gzip;level=9",
        ] {
            assert_eq!(preferred(&[accepted, "br;q=0.1"]), Some("br"), "{accepted}");
        }
    }

    #[test]
    fn every_coding_can_be_undone() {
        let plain: Vec<u8> = (0..20_000_u32).flat_map(|i| (i * i % 251).to_le_bytes()).collect();
        // Twice, for what is kept from one time to the next.
        for (coding, effort) in [Effort::Fast, Effort::Best, Effort::Fast]
            .into_iter()
            .flat_map(|effort| Coding::ALL.map(|coding| (coding, effort)))
        {
            for plain in [&plain[..], &plain[..2000], &plain[..1], &[]] {
                let short = coding.compress(plain, effort).unwrap();
                assert!(short.len() < 100 + plain.len() / 2, "{coding:?}: {}", short.len());
                let mut long = Vec::new();
                let read = match coding {
                    Coding::Brotli => brotli::Decompressor::new(&short[..], 4096).read_to_end(&mut long),
                    Coding::Gzip => flate2::read::GzDecoder::new(&short[..]).read_to_end(&mut long),
                    Coding::Deflate => flate2::read::ZlibDecoder::new(&short[..]).read_to_end(&mut long),
                };
                assert_eq!(read.unwrap(), plain.len());
                assert!(long == plain, "{coding:?}");
            }
        }
    }

    #[test]
    fn what_was_compressed_before_leaves_no_trace() {
        for coding in Coding::ALL {
            let alone = coding.compress(b"0123456789abcdef", Effort::Fast).unwrap();
            coding.compress(&b"0123456789abcdef".repeat(5000), Effort::Fast).unwrap();
            let again = coding.compress(b"0123456789abcdef", Effort::Fast).unwrap();
            assert_eq!(alone, again, "{coding:?}");
        }
    }
}

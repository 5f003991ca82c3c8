//! In which coding a browser wants a file.

use std::io::{self, Write};

use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// A content coding that makes a file shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
    Deflate,
}

impl Coding {
    /// All of them, in the order of our own liking; a browser's comes first.
    pub(super) const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Deflate];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// What a request's `Accept-Encoding` asks for: the coding of the highest quality, of equal ones that which is named
    /// first. Unless it is named with a higher quality, no coding at all comes last.
    pub(super) fn preferred(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let wishes = values.flat_map(|value| value.split(',')).filter_map(Wish::parse);
        let (mut named, mut best) = ([false; 3], (None, 0));
        let (mut of_none, mut of_others) = (0, 0);
        for wish in wishes {
            let coding = Self::ALL.into_iter().find(|coding| wish.is_for(coding.as_str()));
            if let Some(coding) = coding {
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
        if of_others > best.1
            && let Some(other) = Self::ALL.into_iter().find(|coding| !named[*coding as usize])
        {
            best = (Some(other), of_others);
        }
        best.0.filter(|_| best.1 >= of_none)
    }

    /// The bytes in this coding.
    pub(super) fn compress(self, plain: &[u8]) -> io::Result<Bytes> {
        // Guessing from what this kind of text comes to, so that nothing is copied while it grows.
        let mut short = Vec::with_capacity(plain.len() / 3);
        match self {
            Self::Brotli => {
                let params = BrotliEncoderParams { quality: BROTLI_QUALITY, ..Default::default() };
                brotli::BrotliCompress(&mut &*plain, &mut short, &params)?;
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(&mut short, Compression::best());
                encoder.write_all(plain)?;
                encoder.finish()?;
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(&mut short, Compression::best());
                encoder.write_all(plain)?;
                encoder.finish()?;
            }
        }
        short.shrink_to_fit();
        Ok(short.into())
    }
}

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
            "" => 1000,
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
    let quality: u16 = format!("{whole}{fraction:0<3}").parse().ok()?;
    (quality <= 1000).then_some(quality)
}

/// The two best of brotli make a build smaller by 5 and 9 percent and take up to ten times as long; somebody waits for it.
const BROTLI_QUALITY: i32 = 9;

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
        for coding in Coding::ALL {
            let short = coding.compress(&plain).unwrap();
            assert!(short.len() < plain.len() / 2, "{coding:?}: {}", short.len());
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

//! One pass over a value before anything recursive sees it: is it whole, and how deep does it nest?

use smallvec::SmallVec;

use super::token::{Token, read};
use crate::json::Starts;

/// Why a value was refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Malformed { at: usize },
    TooDeep,
}

/// Steps over the value at `at`, at most `max_depth` levels deep, and returns where it ends.
///
/// If it is an array, `starts` is filled with where its elements start, and last where it ends. A length that is only
/// announced never allocates, and is refused at once if the bytes that are left can't be so many values.
pub(super) fn walk(
    bytes: &[u8],
    mut at: usize,
    max_depth: usize,
    mut starts: Option<&mut Starts>,
) -> Result<usize, Fault> {
    let mut note = |at: usize| match &mut starts {
        Some(starts) => {
            starts.push(u32::try_from(at).map_err(|_| Fault::Malformed { at })?);
            Ok(())
        }
        None => Ok(()),
    };
    // How many values are still to come on each level.
    let mut open: SmallVec<[u64; 16]> = SmallVec::new();
    let mut is_list = false;
    loop {
        let start = at;
        let malformed = Fault::Malformed { at: start };
        if open.len() == 1 && is_list {
            note(start)?;
        }
        let Some(token) = read(bytes, &mut at) else { return Err(malformed) };
        let n_inside = match token {
            Token::Array(len) => Some(u64::from(len)),
            Token::Map(len) => Some(2 * u64::from(len)),
            _ => None,
        };
        if let Some(n_inside) = n_inside {
            if open.len() >= max_depth {
                return Err(Fault::TooDeep);
            }
            if n_inside > (bytes.len() - at) as u64 {
                return Err(malformed);
            }
            if open.is_empty() {
                is_list = matches!(token, Token::Array(_));
            }
            if n_inside > 0 {
                open.push(n_inside);
                continue;
            }
        }
        // A value ends here, and with it perhaps the arrays and maps around it.
        loop {
            let Some(left) = open.last_mut() else {
                if is_list {
                    note(at)?;
                }
                return Ok(at);
            };
            *left -= 1;
            if *left > 0 {
                break;
            }
            open.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn element_starts_end_with_the_array() {
        for (bytes, expected) in [
            (&[0x90][..], &[1][..]),
            (&[0x91, 0x01], &[1, 2]),
            (&[0x93, 0x01, 0x92, 0x02, 0x03, 0xa1, b'x'], &[1, 2, 5, 7]),
            (&[0x92, 0x81, 0xa1, b'k', 0x91, 0x01, 0x90], &[1, 6, 7]),
            (&[0xdc, 0, 1, 0xc0], &[3, 4]),
            (&[0x81, 0xa1, b'k', 0x91, 0x01], &[]),
            (&[0x80], &[]),
            (&[0x05], &[]),
        ] {
            let mut starts = Starts::new();
            assert_eq!(walk(bytes, 0, 128, Some(&mut starts)), Ok(bytes.len()), "{bytes:x?}");
            assert_eq!(&starts[..], expected, "{bytes:x?}");
        }
    }

    #[test]
    fn depth_is_bounded_exactly() {
        for max in [1, 5, 127, 128] {
            for open in [&[0x91][..], &[0x81, 0x01], &[0x92, 0x01]] {
                let nested = |n: usize| [&open.repeat(n)[..], &[0xc0]].concat();
                assert_eq!(walk(&nested(max), 0, max, None), Ok(max * open.len() + 1));
                assert_eq!(walk(&nested(max + 1), 0, max, None), Err(Fault::TooDeep));
                let empty = |n: usize| [&open.repeat(n - 1)[..], &[0x90]].concat();
                assert!(walk(&empty(max), 0, max, None).is_ok());
                assert_eq!(walk(&empty(max + 1), 0, max, None), Err(Fault::TooDeep));
            }
        }
    }

    #[test]
    fn announced_lengths_need_the_bytes() {
        for bytes in [
            &[0xdd, 0xff, 0xff, 0xff, 0xff][..],
            &[0xdf, 0xff, 0xff, 0xff, 0xff, 0xc0],
            &[0x92, 0xc0],
            &[0x81, 0xc0],
            &[0x91, 0xdd, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(matches!(walk(bytes, 0, 128, None), Err(Fault::Malformed { .. })), "{bytes:x?}");
        }
    }
}

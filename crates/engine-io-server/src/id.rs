//! Session ids: secrets that a client shows with every request.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

/// The id of an Engine.IO session: a secret between the server and one client.
///
/// Twenty URL-safe characters that carry 120 bits from the operating system's generator. `Debug` and `Display` show
/// only the first four characters, so that logs give nothing away; [`as_str`](Self::as_str) gives the whole.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// Draws a fresh id.
    ///
    /// # Errors
    ///
    /// [`NoEntropy`] if the operating system's generator fails.
    pub(crate) fn random() -> Result<Self, NoEntropy> {
        let characters = random_characters()?;
        Ok(Self(std::str::from_utf8(&characters).unwrap_or_default().into()))
    }

    /// The id itself. Keep it secret: whoever knows it can send and receive in the client's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a client's `sid` could have been given out at all; anything else is unknown without a look-up.
pub(crate) fn is_plausible(sid: &str) -> bool {
    (1..=MAX_LENGTH).contains(&sid.len())
        && sid.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

impl std::borrow::Borrow<str> for SessionId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.0.get(..4).unwrap_or_default())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// Draws an id that nobody can guess, of the kind that sessions have: for layers that give names of their own.
///
/// Twenty URL-safe characters that carry 120 bits from the operating system's generator.
///
/// # Errors
///
/// [`NoEntropy`] if the operating system's generator fails.
pub fn random_id() -> Result<String, NoEntropy> {
    let characters = random_characters()?;
    Ok(characters.into_iter().map(char::from).collect())
}

/// The operating system gave no random bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes: {message}")]
pub struct NoEntropy {
    message: String,
}

fn random_characters() -> Result<[u8; LENGTH], NoEntropy> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // Six bits of each byte are used, so that no group of bits cuts across bytes.
    Ok(random_bytes()?.map(|byte| ALPHABET[usize::from(byte & 0x3f)]))
}

/// Random bytes that are used once. A system call costs more than all else about an id, so they are drawn for several.
fn random_bytes() -> Result<[u8; LENGTH], NoEntropy> {
    thread_local! {
        static DRAWN: RefCell<Vec<[u8; LENGTH]>> = const { RefCell::new(Vec::new()) };
    }
    DRAWN.with_borrow_mut(|drawn| {
        if let Some(bytes) = drawn.last_mut() {
            // Nothing of an id that was given out stays behind.
            let taken = std::mem::replace(bytes, [0; LENGTH]);
            drawn.pop();
            return Ok(taken);
        }
        let mut fresh = [[0; LENGTH]; IDS_PER_DRAW];
        getrandom::fill(fresh.as_flattened_mut())
            .map_err(|error| NoEntropy { message: error.to_string() })?;
        let [first, rest @ ..] = fresh;
        drawn.extend(rest);
        Ok(first)
    })
}

const LENGTH: usize = 20;
/// A system call for at most 256 bytes is never interrupted.
const IDS_PER_DRAW: usize = 12;
const MAX_LENGTH: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_have_twenty_url_safe_characters_and_do_not_repeat() {
        let ids: HashSet<_> = (0..10_000).map(|_| SessionId::random().unwrap()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.as_str().len() == LENGTH && is_plausible(id.as_str())));
    }

    #[test]
    fn every_character_of_the_alphabet_is_used_about_equally() {
        let mut counts = [0_u32; 128];
        for _ in 0..10_000 {
            for byte in SessionId::random().unwrap().as_str().bytes() {
                counts[usize::from(byte)] += 1;
            }
        }
        let used: Vec<u32> = counts.into_iter().filter(|&count| count > 0).collect();
        assert_eq!(used.len(), 64);
        // 200 000 characters over 64: 3125 each, with a standard deviation of about 56.
        assert!(used.iter().all(|&count| (2_700..3_600).contains(&count)), "{used:?}");
    }

    #[test]
    fn logs_show_four_characters() {
        let id = SessionId("abcdefghijklmnopqrst".into());
        assert_eq!(format!("{id} {id:?}"), "abcd… SessionId(abcd…)");
    }

    #[test]
    fn an_id_of_another_alphabet_or_length_is_not_plausible() {
        for sid in ["", "a b", "é", "__proto__/", &"a".repeat(65)] {
            assert!(!is_plausible(sid), "{sid}");
        }
        assert!(is_plausible(&"a".repeat(64)));
        assert!(is_plausible("__proto__"));
    }
}

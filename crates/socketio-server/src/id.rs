//! Socket ids: public names that are not to be guessed.

/// Draws a socket id: twenty URL-safe characters that carry 120 random bits.
///
/// # Errors
///
/// [`NoEntropy`] if the operating system's generator fails.
pub(crate) fn random_id() -> Result<String, NoEntropy> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = [0; 20];
    // Twenty bytes of which six bits each are used: 120 bits, and no group of bits to cut across bytes.
    getrandom::fill(&mut bytes).map_err(|error| NoEntropy { message: error.to_string() })?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 0x3f)])).collect())
}

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes: {message}")]
pub(crate) struct NoEntropy {
    message: String,
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    #[test]
    fn ids_have_twenty_url_safe_characters_and_do_not_repeat() {
        let ids: HashSet<_> = (0..10_000).map(|_| random_id().unwrap()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 20));
        let used: BTreeSet<char> = ids.iter().flat_map(|id| id.chars()).collect();
        assert_eq!(used.len(), 64);
        assert!(used.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')));
    }
}

//! Ids that look like a real server's: 20 characters, each used once.

use std::sync::atomic::{AtomicU64, Ordering};

/// The id of a session or of a socket.
pub(crate) type Sid = [u8; 20];

static N_IDS: AtomicU64 = AtomicU64::new(0);

/// An id that was not there before. It is a counter in disguise, so nobody should take it for a secret.
pub(crate) fn next() -> Sid {
    let n = N_IDS.fetch_add(1, Ordering::Relaxed);
    // The lower half alone is different for every number, the upper one fills the rest.
    let mut bits = u128::from(mix(n)) | u128::from(mix(!n)) << 64;
    let mut sid = [0; 20];
    for character in &mut sid {
        *character = ALPHABET[(bits & 63) as usize];
        bits >>= 6;
    }
    sid
}

/// The finalizer of splitmix64: no two numbers have the same result.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

//! WebSocket frames.

use crate::packets::MAX_PAYLOAD;

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A frame that is whole.
pub(crate) struct Frame<'a> {
    pub(crate) opcode: u8,
    pub(crate) payload: &'a [u8],
    /// How many bytes it took, with its header.
    pub(crate) len: usize,
}

/// A frame that no client of the contract sends: in fragments, not masked, or too long.
#[derive(Debug)]
pub(crate) struct Unexpected;

/// Unmasks the first frame of `bytes` where it lies; `None` if it is not whole yet.
pub(crate) fn read(bytes: &mut [u8]) -> Result<Option<Frame<'_>>, Unexpected> {
    let (&mut [first, second], rest) = match bytes.split_first_chunk_mut::<2>() {
        Some(split) => split,
        None => return Ok(None),
    };
    if first & 0xf0 != 0x80 || second & 0x80 == 0 {
        return Err(Unexpected);
    }
    let (n_length, length) = match second & 0x7f {
        126 => match rest.first_chunk() {
            Some(length) => (2, u16::from_be_bytes(*length).into()),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(length) => (8, usize::try_from(u64::from_be_bytes(*length)).map_err(|_| Unexpected)?),
            None => return Ok(None),
        },
        length => (0, length.into()),
    };
    if length > MAX_PAYLOAD {
        return Err(Unexpected);
    }
    let Some((&mut mask, rest)) = rest[n_length..].split_first_chunk_mut() else { return Ok(None) };
    let Some(payload) = rest.get_mut(..length) else { return Ok(None) };
    unmask(payload, mask);
    Ok(Some(Frame { opcode: first & 0x0f, payload, len: 2 + n_length + mask.len() + length }))
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    // The compiler makes vector instructions of the first loop.
    let mut wide = [0; 32];
    for (key, byte) in wide.iter_mut().zip(mask.iter().cycle()) {
        *key = *byte;
    }
    let mut chunks = payload.chunks_exact_mut(wide.len());
    for chunk in &mut chunks {
        for (byte, key) in chunk.iter_mut().zip(wide) {
            *byte ^= key;
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(wide) {
        *byte ^= key;
    }
}

/// Appends a frame whose payload is `parts`, one behind the other.
pub(crate) fn write(out: &mut Vec<u8>, opcode: u8, parts: &[&[u8]]) {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    out.reserve(LONGEST_HEADER + length);
    out.push(0x80 | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
}

const LONGEST_HEADER: usize = 10;

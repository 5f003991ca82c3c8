//! What each packet of the contract is answered with. First bytes are compared; nothing is parsed.

use crate::sid::Sid;

/// The largest frame or request body, as the handshake announces it.
pub(crate) const MAX_PAYLOAD: usize = 1_000_000;

/// What to do about a packet.
pub(crate) enum Answer<'a> {
    /// Send these parts back, as one packet.
    Reply([&'a [u8]; 4]),
    /// Send the binary attachment back that comes next.
    AwaitAttachment,
    /// The client joins the namespace, and must be told so.
    Connect,
    /// Send the packet to all.
    Broadcast,
    /// The client joins the room, and must be told so.
    Join { room: &'a [u8], reply: [&'a [u8]; 4] },
    /// Send these parts, as one packet, to the room.
    ToRoom { room: &'a [u8], parts: [&'a [u8]; 2] },
    /// A pong, or none of the contract's packets.
    Nothing,
}

pub(crate) fn answer(packet: &[u8]) -> Answer<'_> {
    let Some(event) = packet.strip_prefix(b"42") else {
        return match packet {
            b"40" => Answer::Connect,
            _ if packet.starts_with(b"451-[\"message\",") => Answer::AwaitAttachment,
            _ => Answer::Nothing,
        };
    };
    if let Some(argument) = event.strip_prefix(b"[\"message\",") {
        return Answer::Reply([b"42[\"message-back\",", argument, b"", b""]);
    }
    if event.starts_with(b"[\"bcast\",") {
        return Answer::Broadcast;
    }
    if let Some(arguments) = event.strip_prefix(b"[\"room\",\"") {
        return match split(arguments, b'"') {
            Some((room, [_, _, argument @ ..])) => {
                Answer::ToRoom { room, parts: [b"42[\"room\",", argument] }
            }
            _ => Answer::Nothing,
        };
    }
    let n_digits = event.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (id, event) = event.split_at(n_digits);
    if let Some(argument) = event.strip_prefix(b"[\"message-with-ack\",") {
        return Answer::Reply([b"43", id, b"[", argument]);
    }
    match event.strip_prefix(b"[\"join\",") {
        Some([b'"', name @ ..]) => match split(name, b'"') {
            Some((room, _)) => Answer::Join { room, reply: [b"43", id, b"[", &event[b"[\"join\",".len()..]] },
            None => Answer::Nothing,
        },
        _ => Answer::Nothing,
    }
}

/// What stands before the first `byte`, and the rest from it on.
fn split(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    memchr::memchr(byte, bytes).map(|at| bytes.split_at(at))
}

/// The packet that opens a session.
pub(crate) fn open(sid: &Sid, upgrades: &str) -> Vec<u8> {
    let parts: [&[u8]; 5] = [b"0{\"sid\":\"", sid, b"\",\"upgrades\":[", upgrades.as_bytes(), LIMITS];
    parts.concat()
}

const LIMITS: &[u8] = b"],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}";

/// The parts of the packet that says that the namespace is joined.
pub(crate) fn connected(sid: &Sid) -> [&[u8]; 3] {
    [b"40{\"sid\":\"", sid, b"\"}"]
}

//! What goes over the wire, and what of it is accepted.

use serde::{Deserialize, Serialize};

/// The rooms there are.
pub(crate) const ROOMS: [&str; 4] = ["lobby", "rust", "music", "random"];

/// `join` asks for a name and a room.
#[derive(Deserialize)]
pub(crate) struct Join {
    pub(crate) name: String,
    pub(crate) room: String,
}

/// The answer to `join`: who is in the room, oneself included.
#[derive(Serialize)]
pub(crate) struct Joined<'a> {
    pub(crate) room: &'static str,
    pub(crate) members: Vec<&'a Member>,
}

/// Somebody in a room; sent as `joined`, `left` and `typing`.
#[derive(Clone, Serialize)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(skip)]
    pub(crate) room: &'static str,
}

/// `message` tells what somebody has said, and when, in seconds since 1970.
#[derive(Serialize)]
pub(crate) struct Message<'a> {
    #[serde(flatten)]
    pub(crate) from: &'a Member,
    pub(crate) text: &'a str,
    pub(crate) at: u64,
}

/// `rooms` tells how many are in each.
#[derive(Serialize)]
pub(crate) struct Room {
    pub(crate) name: &'static str,
    pub(crate) online: usize,
}

pub(crate) fn check_name(name: &str) -> Result<&str, String> {
    check("name", name, 24)
}

pub(crate) fn check_text(text: &str) -> Result<&str, String> {
    check("message", text, 1_000)
}

pub(crate) fn check_room(room: &str) -> Result<&'static str, String> {
    ROOMS.into_iter().find(|known| *known == room).ok_or_else(|| "There is no such room.".to_owned())
}

fn check<'a>(what: &str, value: &'a str, max: usize) -> Result<&'a str, String> {
    let value = value.trim();
    if value.is_empty() {
        return Err(format!("The {what} is empty."));
    }
    if value.chars().count() > max {
        return Err(format!("The {what} is longer than {max} characters."));
    }
    Ok(value)
}

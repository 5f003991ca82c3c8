//! What a client says.

use socketio_server::engine::{Message, SharedFrame};

use crate::server::websocket_len;

/// What one client says at once, and what it then hears.
#[derive(Debug)]
pub struct Turn {
    says: Vec<Said>,
    n_bytes_heard: usize,
    n_bytes_on_websocket: usize,
}

/// One message, without the transport's framing.
#[derive(Debug)]
pub(crate) enum Said {
    Text(String),
    Binary(Vec<u8>),
}

const LONG: usize = 64 << 10;
const ATTACHMENT: usize = 1 << 10;

impl Turn {
    /// One event, which comes back.
    #[must_use]
    pub fn event() -> Self {
        Self::events(1, 64)
    }

    /// Sixteen events at once, which come back.
    #[must_use]
    pub fn sixteen_events() -> Self {
        Self::events(16, 64)
    }

    /// An event with a string of 64 KiB, which comes back.
    #[must_use]
    pub fn long_event() -> Self {
        Self::events(1, LONG)
    }

    /// An event that is acknowledged.
    #[must_use]
    pub fn event_with_ack() -> Self {
        let argument = argument(64);
        Self::new(
            vec![Said::Text(format!(r#"217["message-with-ack",{argument}]"#))],
            &[SharedFrame::text(&format!("317[{argument}]"))],
        )
    }

    /// An event with an attachment of 1 KiB, which comes back.
    #[must_use]
    pub fn attachment() -> Self {
        let event = |name: &str| format!(r#"51-["{name}",{{"_placeholder":true,"num":0}}]"#);
        let attachment = vec![7; ATTACHMENT];
        Self::new(
            vec![Said::Text(event("message")), Said::Binary(attachment.clone())],
            &[SharedFrame::text(&event("message-back")), SharedFrame::binary(attachment.into())],
        )
    }

    fn events(n: usize, len: usize) -> Self {
        let event = |name: &str| format!(r#"2["{name}",{}]"#, argument(len));
        Self::new(
            (0..n).map(|_| Said::Text(event("message"))).collect(),
            &vec![SharedFrame::text(&event("message-back")); n],
        )
    }

    fn new(says: Vec<Said>, hears: &[SharedFrame]) -> Self {
        Self {
            says,
            n_bytes_heard: hears.iter().map(SharedFrame::len).sum(),
            n_bytes_on_websocket: hears.iter().map(websocket_len).sum(),
        }
    }

    pub(crate) fn says(&self) -> &[Said] {
        &self.says
    }

    /// How long what the client hears is, without framing.
    pub(crate) fn n_bytes_heard(&self) -> usize {
        self.n_bytes_heard
    }

    /// How long what the client hears is on a WebSocket.
    pub(crate) fn n_bytes_on_websocket(&self) -> usize {
        self.n_bytes_on_websocket
    }
}

impl Said {
    /// A message as an engine hands it up: copied once out of what was read.
    pub(crate) fn to_message(&self) -> Message {
        match self {
            Self::Text(text) => Message::from(text.as_str()),
            Self::Binary(bytes) => Message::Binary(bytes.clone().into()),
        }
    }
}

fn argument(len: usize) -> String {
    format!(r#""{}""#, "m".repeat(len))
}

//! What a server tells a client in the open packet.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::{DecodeError, HandshakeError, Limits, Text};

/// The content of an open packet.
///
/// ```
/// use engine_io_parser::{Handshake, Text};
///
/// let mut handshake = Handshake::new("lv_VI97HAXpY6yYWAAAC");
/// handshake.upgrades = vec![Text::from_static("websocket")];
/// assert_eq!(
///     handshake.to_json(),
///     r#"{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#,
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handshake {
    /// The session's id, which the client repeats in each request. A secret: who knows it can take part in the session.
    pub sid: Text,
    /// Names of the transports that the client may upgrade to.
    pub upgrades: Vec<Text>,
    /// How often the server pings, in whole milliseconds. Default: 25 s.
    pub ping_interval: Duration,
    /// How long the server waits for a pong, in whole milliseconds. Default: 20 s.
    pub ping_timeout: Duration,
    /// The longest payload the server takes, in bytes. Default: 1 000 000. Servers before Engine.IO 6.1 did not send
    /// it.
    pub max_payload_bytes: Option<u64>,
}

impl Handshake {
    /// A handshake with the default heartbeat and limit, and without upgrades.
    #[must_use]
    pub fn new(sid: impl Into<Text>) -> Self {
        Self {
            sid: sid.into(),
            upgrades: Vec::new(),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            max_payload_bytes: Some(1_000_000),
        }
    }

    /// The JSON as it goes over the wire, keys in the order that official servers use.
    ///
    /// Durations are cut to whole milliseconds.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "strings and integers are always JSON")]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&Sent {
            sid: &self.sid,
            upgrades: &self.upgrades,
            ping_interval: self.ping_interval.as_millis(),
            ping_timeout: self.ping_timeout.as_millis(),
            max_payload: self.max_payload_bytes,
        })
        .expect("strings and integers are always JSON")
    }

    /// Reads the JSON of an open packet; keys it does not know are passed over.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooLarge`] past [`Limits::max_handshake_bytes`], [`DecodeError::InvalidHandshake`] if a key is
    /// missing, repeated or of the wrong type, or if the id is empty.
    pub fn decode(json: &str, limits: &Limits) -> Result<Self, DecodeError> {
        let (size, max) = (json.len(), limits.max_handshake_bytes);
        if size > max {
            return Err(DecodeError::TooLarge { size, max });
        }
        // An array of the values in order would do for serde, but no peer that is sound sends it.
        if !json.trim_start().starts_with('{') {
            return Err(invalid("not an object"));
        }
        let received: Received = serde_json::from_str(json).map_err(|error| invalid(error.to_string()))?;
        if received.sid.is_empty() {
            return Err(invalid("the session id is empty"));
        }
        Ok(Self {
            sid: received.sid.into(),
            upgrades: received.upgrades.into_iter().map(Text::from).collect(),
            ping_interval: Duration::from_millis(received.ping_interval),
            ping_timeout: Duration::from_millis(received.ping_timeout),
            max_payload_bytes: received.max_payload,
        })
    }
}

fn invalid(reason: impl Into<Box<str>>) -> DecodeError {
    DecodeError::InvalidHandshake(HandshakeError::new(reason))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent<'a> {
    sid: &'a str,
    #[serde(serialize_with = "names")]
    upgrades: &'a [Text],
    ping_interval: u128,
    ping_timeout: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_payload: Option<u64>,
}

fn names<S: Serializer>(names: &&[Text], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(names.iter().map(Text::as_str))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Received {
    sid: String,
    upgrades: Vec<String>,
    ping_interval: u64,
    ping_timeout: u64,
    max_payload: Option<u64>,
}

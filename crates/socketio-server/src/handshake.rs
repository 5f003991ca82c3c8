//! The circumstances under which a client has joined a namespace.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};
use socketio_parser::{Decoder, Limits, Packet, Payload};

use crate::driver::ClientInner;
use crate::event::ExtractError;

/// The circumstances under which a client has joined a namespace; a clone is cheap.
///
/// Headers, query and address are those of the connection's *first* request, `auth` is what the client sent for this
/// namespace. It serializes as an object with the nine keys of the official server: `headers`, `time`, `address`,
/// `xdomain`, `secure`, `issued`, `url`, `query` and `auth`.
///
/// Memory: two words and a time; everything else is read from the connection when it is asked for.
#[derive(Clone)]
pub struct Handshake {
    client: Arc<ClientInner>,
    auth: Option<Payload>,
    issued_at: SystemTime,
}

impl Handshake {
    pub(crate) fn new(client: Arc<ClientInner>, auth: Option<Payload>) -> Self {
        Self { client, auth, issued_at: SystemTime::now() }
    }

    pub(crate) fn client(&self) -> &Arc<ClientInner> {
        &self.client
    }

    /// The first header of this name, if it is text. Case does not matter.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        String::from_utf8(self.client.connection.header(&name.to_ascii_lowercase())?).ok()
    }

    /// All headers of the first request.
    #[must_use]
    pub fn headers(&self) -> http::HeaderMap {
        self.client.connection.to_request().into_parts().0.headers
    }

    /// When the client asked to join the namespace.
    #[must_use]
    pub fn issued_at(&self) -> SystemTime {
        self.issued_at
    }

    /// The client's address, if known. Behind a proxy this is the proxy's.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.client.connection.remote_addr()
    }

    /// Whether the first request came from a page, that is with an `Origin` header.
    #[must_use]
    pub fn is_xdomain(&self) -> bool {
        self.client.connection.header("origin").is_some()
    }

    /// Whether the first request came over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.client.connection.is_secure()
    }

    /// Path and query of the first request, as sent.
    #[must_use]
    pub fn url(&self) -> &str {
        self.client.connection.target()
    }

    /// The value of this key in the query of the first request, decoded; of several the last.
    #[must_use]
    pub fn query(&self, key: &str) -> Option<String> {
        let pairs = query_pairs(self.url()).filter(|(known, _)| known == key);
        pairs.last().map(|(_, value)| value.into_owned())
    }

    /// What the client sent when it joined, read as `T`.
    ///
    /// # Errors
    ///
    /// If it does not fit `T`. A client that sent nothing counts as one that sent an empty object.
    pub fn auth<T: DeserializeOwned>(&self) -> Result<T, ExtractError> {
        let read = match &self.auth {
            Some(auth) => auth.get(),
            None => match auth_from_json("{}") {
                Some(empty) => empty.get(),
                None => return Err(ExtractError::other("the empty object is not JSON")),
            },
        };
        read.map_err(|source| ExtractError::Auth { expected: std::any::type_name::<T>(), source })
    }
}

/// What a client would have sent, from the text of an object.
pub(crate) fn auth_from_json(json: &str) -> Option<Payload> {
    match Decoder::new(Limits::default()).decode_text(format!("0{json}").into()) {
        Ok(Some(Packet::Connect { auth, .. })) => auth,
        _ => None,
    }
}

impl Serialize for Handshake {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let issued = self.issued_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let auth: serde_json::Value = self.auth().unwrap_or_default();
        let mut object = serializer.serialize_struct("Handshake", 9)?;
        object.serialize_field("headers", &Headers(&self.client))?;
        object.serialize_field("time", &date_string(issued.as_secs()))?;
        object.serialize_field("address", &self.address().map(|address| address.ip().to_string()))?;
        object.serialize_field("xdomain", &self.is_xdomain())?;
        object.serialize_field("secure", &self.is_secure())?;
        object.serialize_field("issued", &u64::try_from(issued.as_millis()).unwrap_or(u64::MAX))?;
        object.serialize_field("url", self.url())?;
        object.serialize_field("query", &Query(self.url()))?;
        object.serialize_field("auth", &auth)?;
        object.end()
    }
}

impl fmt::Debug for Handshake {
    /// Leaves out headers, query and credentials: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// Headers as an object; repeated ones are joined as Node joins them.
struct Headers<'a>(&'a ClientInner);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut joined: Vec<(String, String)> = Vec::new();
        self.0.connection.visit_headers(&mut |name, value| {
            let value = String::from_utf8_lossy(value);
            match joined.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) => {
                    values.push_str(if name == "cookie" { "; " } else { ", " });
                    values.push_str(&value);
                }
                None => joined.push((name.to_owned(), value.into_owned())),
            }
        });
        serializer.collect_map(joined)
    }
}

/// The query as an object; of a repeated key the last value counts.
struct Query<'a>(&'a str);

impl Serialize for Query<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pairs: BTreeMap<_, _> = query_pairs(self.0).collect();
        let mut object = serializer.serialize_map(Some(pairs.len()))?;
        for (key, value) in &pairs {
            object.serialize_entry(key, value)?;
        }
        object.end()
    }
}

/// The decoded pairs of a request target's query.
fn query_pairs(target: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(value))
    })
}

fn decode(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned());
    }
    percent_decode_str(text).decode_utf8_lossy()
}

/// What a client of Socket.IO 1 or 2 asks for: the namespace's name, and the query behind it as its credentials.
pub(crate) fn auth_of_query(namespace: &str) -> (&str, Option<Payload>) {
    let Some((name, _)) = namespace.split_once('?') else { return (namespace, None) };
    let json = serde_json::to_string(&Query(namespace)).ok();
    (name, json.as_deref().and_then(auth_from_json))
}

/// A time as JavaScript's `Date` prints it, in UTC.
fn date_string(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Eras of 400 years that start on 1 March, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    let name = |names: &[&'static str], idx: u64| {
        usize::try_from(idx).ok().and_then(|idx| names.get(idx).copied()).unwrap_or_default()
    };
    format!(
        "{} {} {day_of_month:02} {year:04} {:02}:{:02}:{:02} GMT+0000 (Coordinated Universal Time)",
        name(&DAYS, days % 7),
        name(&MONTHS, month),
        second / 3_600,
        second / 60 % 60,
        second % 60,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_printed_as_by_javascript() {
        let tail = "GMT+0000 (Coordinated Universal Time)";
        for (seconds, text) in [
            (0, "Thu Jan 01 1970 00:00:00"),
            (951_782_399, "Mon Feb 28 2000 23:59:59"),
            (951_782_400, "Tue Feb 29 2000 00:00:00"),
            (1_735_689_599, "Tue Dec 31 2024 23:59:59"),
            (1_795_353_625, "Sun Nov 22 2026 13:20:25"),
            (4_107_542_400, "Mon Mar 01 2100 00:00:00"),
        ] {
            assert_eq!(date_string(seconds), format!("{text} {tail}"));
        }
    }

    #[test]
    fn the_query_is_decoded_and_the_last_value_wins() {
        let target = "/socket.io/?EIO=4&a=1&e=&a=%C3%A9+x&bare";
        assert_eq!(
            serde_json::to_string(&Query(target)).unwrap(),
            r#"{"EIO":"4","a":"é x","bare":"","e":""}"#
        );
        assert_eq!(serde_json::to_string(&Query("/socket.io/")).unwrap(), "{}");
    }
}

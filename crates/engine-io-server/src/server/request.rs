//! From an HTTP request to what it asks of the engine.

use std::borrow::Cow;

use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Uri};
use percent_encoding::percent_decode_str;

use crate::config::Config;
use crate::error::Refusal;
use crate::id::is_plausible;
use crate::server::registry::Registry;
use crate::session::Protocol;
use crate::transport::websocket::is_websocket_request;
use crate::{Session, Transport};

/// A request whose parameters are in order, and the session that it names.
#[derive(Debug)]
pub(crate) struct EngineRequest {
    pub(crate) transport: Transport,
    /// The revision that the `EIO` parameter names; a missing one means 3.
    pub(crate) protocol: Result<Protocol, UnknownProtocol>,
    pub(crate) session: Option<Session>,
    /// The client cannot take binary WebSocket frames.
    pub(crate) base64: bool,
    pub(crate) is_upgrade: bool,
}

/// What the `EIO` parameter says, if that is no revision of the protocol.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnknownProtocol(String);

impl EngineRequest {
    /// Reads and checks everything that can be said without asking the session.
    pub(crate) fn parse(request: &Parts, config: &Config, sessions: &Registry) -> Result<Self, Refusal> {
        check_host(&request.headers)?;
        let query = Query::parse(request.uri.query().unwrap_or_default())?;
        let is_upgrade = is_websocket_request(request);
        let transport = match query.transport.as_deref() {
            Some("polling") if config.polling => Transport::Polling,
            Some("websocket") if config.websocket => Transport::WebSocket,
            _ => return Err(Refusal::UnknownTransport),
        };
        check_origin(&request.headers, &request.uri, config)?;
        let protocol = match query.version.as_deref() {
            Some("4") => Ok(Protocol::V4),
            None | Some("3") => Ok(Protocol::V3),
            Some(other) => Err(UnknownProtocol(other.chars().take(LOGGED_CHARS).collect())),
        };
        let session = match query.sid.as_deref() {
            None => None,
            Some(sid) if is_plausible(sid) => Some(sessions.get(sid).ok_or(Refusal::UnknownSid)?),
            Some(_) => return Err(Refusal::UnknownSid),
        };
        if session.as_ref().is_some_and(|session: &Session| protocol != Ok(session.revision())) {
            return Err(Refusal::ProtocolMismatch);
        }
        Ok(Self { transport, protocol, session, base64: query.base64, is_upgrade })
    }

    /// Checks that the request may open a session; returns the protocol that is spoken in it.
    pub(crate) fn check_open(&self, request: &Parts, config: &Config) -> Result<Protocol, Refusal> {
        if !self.is_upgrade && request.method != Method::GET {
            return Err(Refusal::BadMethod);
        }
        if self.is_upgrade != (self.transport == Transport::WebSocket) {
            return Err(Refusal::TransportHandshake);
        }
        match &self.protocol {
            Ok(Protocol::V4) => Ok(Protocol::V4),
            Ok(Protocol::V3) if config.allow_eio3 => Ok(Protocol::V3),
            Ok(Protocol::V3) => Err(Refusal::UnsupportedVersion("3".to_owned())),
            Err(UnknownProtocol(version)) => Err(Refusal::UnsupportedVersion(version.clone())),
        }
    }
}

pub(crate) fn check_host(headers: &HeaderMap) -> Result<(), Refusal> {
    // RFC 9112, section 3.2: whoever is in front of this server may have looked at the other one.
    if headers.get_all(HOST).iter().nth(1).is_some() {
        return Err(Refusal::RepeatedHost);
    }
    Ok(())
}

pub(crate) fn check_origin(headers: &HeaderMap, uri: &Uri, config: &Config) -> Result<(), Refusal> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    if origin.as_bytes().iter().any(u8::is_ascii_control) {
        return Err(Refusal::InvalidOrigin);
    }
    let host = host(headers, uri);
    let allows = |origin| {
        config.origins.allows(origin, host)
            || config.cors.as_ref().is_some_and(|cors| cors.origins.allows(origin, host))
    };
    match as_text(origin) {
        Some(origin) if allows(origin) => Ok(()),
        origin => Err(Refusal::CrossOrigin(origin.unwrap_or_default().chars().take(LOGGED_CHARS).collect())),
    }
}

/// The host that the request is for. A target that names it, as those of HTTP/2 do, counts before the header.
pub(crate) fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let host = uri.authority().map(|authority| authority.as_str());
    host.or_else(|| headers.get(HOST).and_then(as_text))
}

fn as_text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}

/// How much of a peer's text goes into a log line.
const LOGGED_CHARS: usize = 64;

/// The parameters that the engine reads. None of them may come twice: a load balancer might look at the other one.
#[derive(Debug, Default)]
struct Query<'a> {
    version: Option<Cow<'a, str>>,
    transport: Option<Cow<'a, str>>,
    sid: Option<Cow<'a, str>>,
    jsonp: Option<Cow<'a, str>>,
    base64: bool,
}

impl<'a> Query<'a> {
    fn parse(query: &'a str) -> Result<Self, Refusal> {
        let mut parsed = Self::default();
        // Looked for once, and without a branch: nearly no query has any.
        let is_encoded = query.bytes().fold(false, |found, byte| found | matches!(byte, b'%' | b'+'));
        let decode = |text| if is_encoded { Cow::Owned(decode(text)) } else { Cow::Borrowed(text) };
        let mut rest = Some(query);
        while let Some(text) = rest {
            let pair;
            (pair, rest) = split(text, b'&');
            let (key, value) = split(pair, b'=');
            let value = value.unwrap_or_default();
            let (slot, name) = match &*decode(key) {
                "EIO" => (&mut parsed.version, "EIO"),
                "transport" => (&mut parsed.transport, "transport"),
                "sid" => (&mut parsed.sid, "sid"),
                "j" => (&mut parsed.jsonp, "j"),
                "b64" => {
                    parsed.base64 = !value.is_empty() && value != "0";
                    continue;
                }
                _ => continue,
            };
            if slot.replace(decode(value)).is_some() {
                return Err(Refusal::RepeatedParameter(name));
            }
        }
        Ok(parsed)
    }
}

/// What stands before the first such byte, and what behind it if there is one. A query is too short for the standard
/// library's search, which gets into its stride with longer texts.
fn split(text: &str, byte: u8) -> (&str, Option<&str>) {
    match text.bytes().position(|found| found == byte) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// Whether the engine owns this path: everything below its own, which matches at a segment's border and is not decoded.
pub(crate) fn is_below(base: &str, path: &str) -> bool {
    path.strip_prefix(base.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(target: &str) -> Result<EngineRequest, Refusal> {
        let request = http::Request::get(target).body(()).unwrap();
        EngineRequest::parse(&request.into_parts().0, &Config::default(), &Registry::new())
    }

    #[test]
    fn parameters_are_decoded() {
        let query = Query::parse("%45IO=4&transport=poll%69ng&sid=a%2Db&b64=1&t=x&=&&v=").unwrap();
        assert_eq!(query.version.as_deref(), Some("4"));
        assert_eq!(query.transport.as_deref(), Some("polling"));
        assert_eq!(query.sid.as_deref(), Some("a-b"));
        assert!(query.base64);
    }

    #[test]
    fn a_repeated_parameter_is_refused_also_if_encoded() {
        for (query, name) in [
            ("EIO=4&EIO=3&transport=polling", "EIO"),
            ("EIO=4&transport=polling&transport=polling", "transport"),
            ("EIO=4&transport=polling&sid=a&s%69d=b", "sid"),
            ("EIO=4&transport=polling&j=0&j=1", "j"),
        ] {
            assert_eq!(parse(&format!("/?{query}")).unwrap_err(), Refusal::RepeatedParameter(name));
        }
        assert!(parse("/?EIO=4&transport=polling&t=1&t=2").is_ok(), "others are the client's affair");
    }

    #[test]
    fn an_unknown_transport_is_refused_whatever_its_name() {
        for transport in ["tobi", "constructor", "__proto__", "webtransport", "Polling", ""] {
            assert_eq!(
                parse(&format!("/?EIO=4&transport={transport}")).unwrap_err(),
                Refusal::UnknownTransport
            );
        }
        assert_eq!(parse("/").unwrap_err(), Refusal::UnknownTransport);
    }

    #[test]
    fn the_path_matches_at_a_segments_border() {
        for path in ["/engine.io/", "/engine.io/x/y", "/engine.io//"] {
            assert!(is_below("/engine.io", path) && is_below("/engine.io/", path), "{path}");
        }
        for path in
            ["/engine.io", "/engine.io-admin/", "/engine.iofoo/", "/", "/x/engine.io/", "/engine%2Eio/"]
        {
            assert!(!is_below("/engine.io", path), "{path}");
        }
    }
}

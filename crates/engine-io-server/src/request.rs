//! What is kept of a session's first request.

use std::fmt;
use std::net::SocketAddr;
use std::time::SystemTime;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Uri};

/// The first request of a session, copied into one compact allocation.
///
/// Headers as the HTTP server hands them out are slices of its read buffer, which would stay in memory with them; a
/// copy costs what the header block costs on the wire, about 0.5 KiB for a browser, and nothing else.
pub struct HandshakeRequest {
    /// `uri`, then for each header the lengths of name and value as two `u16`, the name and the value.
    data: Box<[u8]>,
    uri_len: usize,
    remote_addr: Option<SocketAddr>,
    secure: bool,
    received_at: SystemTime,
}

impl HandshakeRequest {
    pub(crate) fn new(request: &Parts, remote_addr: Option<SocketAddr>, secure: bool) -> Self {
        let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
        let headers: usize =
            request.headers.iter().map(|(name, value)| 4 + name.as_str().len() + value.len()).sum();
        let mut data = Vec::with_capacity(target.len() + headers);
        data.extend_from_slice(target.as_bytes());
        for (name, value) in &request.headers {
            // The HTTP server bounds a header far below 64 KiB; one that is longer all the same is left out.
            let (Ok(name_len), Ok(value_len)) =
                (u16::try_from(name.as_str().len()), u16::try_from(value.len()))
            else {
                continue;
            };
            data.extend_from_slice(&name_len.to_be_bytes());
            data.extend_from_slice(&value_len.to_be_bytes());
            data.extend_from_slice(name.as_str().as_bytes());
            data.extend_from_slice(value.as_bytes());
        }
        Self {
            data: data.into_boxed_slice(),
            uri_len: target.len(),
            remote_addr,
            secure,
            received_at: SystemTime::now(),
        }
    }

    /// Path and query of the request, as sent: `/engine.io/?EIO=4&transport=polling`.
    #[must_use]
    pub fn target(&self) -> &str {
        let target = self.data.get(..self.uri_len).unwrap_or_default();
        std::str::from_utf8(target).unwrap_or_default()
    }

    /// The query string, without `?`, as sent (percent-encoded).
    #[must_use]
    pub fn query(&self) -> &str {
        self.target().split_once('?').map_or("", |(_, query)| query)
    }

    /// All headers in the order of the request: lower-case name and raw value.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = self.data.get(self.uri_len..).unwrap_or_default();
        std::iter::from_fn(move || {
            let ([a, b, c, d], tail) = rest.split_first_chunk()?;
            let (name, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes([*a, *b])))?;
            let (value, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes([*c, *d])))?;
            rest = tail;
            Some((std::str::from_utf8(name).ok()?, value))
        })
    }

    /// The first header of that name (case does not matter).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The peer's address, where the HTTP server tells it.
    ///
    /// Our own listener always does; another server does through a [`PeerAddr`](crate::PeerAddr) in the request's
    /// extensions. Behind a proxy this is the proxy's address.
    #[must_use]
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.remote_addr
    }

    /// Whether the request came over TLS, as far as the HTTP server tells (its URI's scheme).
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// When the request arrived.
    #[must_use]
    pub fn received_at(&self) -> SystemTime {
        self.received_at
    }

    /// The request rebuilt for code that wants `http`'s types; it has no body and no extensions.
    #[must_use]
    pub fn to_request(&self) -> http::Request<()> {
        let mut request = http::Request::new(());
        *request.uri_mut() = self.target().parse().unwrap_or_else(|_| Uri::from_static("/"));
        for (name, value) in self.headers() {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                request.headers_mut().append(name, value);
            }
        }
        request
    }
}

impl fmt::Debug for HandshakeRequest {
    /// Leaves the headers out: they carry cookies and tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandshakeRequest").field("remote_addr", &self.remote_addr).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake() -> HandshakeRequest {
        let request = http::Request::get("http://host/engine.io/?EIO=4&x=%20")
            .header("Host", "host")
            .header("X-Twice", "1")
            .header("X-Twice", "2")
            .body(())
            .unwrap();
        HandshakeRequest::new(&request.into_parts().0, None, false)
    }

    #[test]
    fn target_query_and_headers_are_kept_in_order() {
        let handshake = handshake();
        assert_eq!(handshake.target(), "/engine.io/?EIO=4&x=%20");
        assert_eq!(handshake.query(), "EIO=4&x=%20");
        let headers: Vec<_> = handshake.headers().collect();
        assert_eq!(headers, [("host", &b"host"[..]), ("x-twice", b"1"), ("x-twice", b"2")]);
        assert_eq!(handshake.header("X-TWICE"), Some(&b"1"[..]));
    }

    #[test]
    fn the_request_can_be_rebuilt() {
        let request = handshake().to_request();
        assert_eq!(request.uri().query(), Some("EIO=4&x=%20"));
        assert_eq!(request.headers().get_all("x-twice").iter().count(), 2);
    }
}

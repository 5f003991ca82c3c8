//! Which pages may talk to the server.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::error::ConfigError;

/// Which cross-origin requests are let in, on every transport.
///
/// A browser names the page a request comes from in the `Origin` header. Requests without one (other programs, and
/// plain same-origin requests) always pass, and so do requests from the server's own origin: the host in `Origin` and
/// the one in `Host` are compared, without scheme, since TLS may end at a proxy, and with ports only where both name
/// one. Everything else is refused with 403 unless it is listed here. WebSockets are not subject to the browser's
/// same-origin policy, so without this rule any page could use a visitor's cookies.
///
/// ```
/// use engine_io_server::Origins;
///
/// let origins = Origins::list(["https://example.com", "capacitor://localhost"]);
/// # let _ = origins;
/// ```
#[derive(Clone, Default)]
pub struct Origins(Rule);

#[derive(Clone, Default)]
enum Rule {
    #[default]
    SameOrigin,
    Any,
    List(Arc<[String]>),
    Predicate(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl Origins {
    /// Only the server's own origin (the default).
    #[must_use]
    pub fn same_origin() -> Self {
        Self(Rule::SameOrigin)
    }

    /// Every origin. Only for servers that trust no cookie and no network position.
    #[must_use]
    pub fn any() -> Self {
        Self(Rule::Any)
    }

    /// The server's own origin and these, compared as a whole and without case: `https://example.com:8443`, `null`.
    #[must_use]
    pub fn list<S: Into<String>>(origins: impl IntoIterator<Item = S>) -> Self {
        Self(Rule::List(origins.into_iter().map(Into::into).collect()))
    }

    /// The server's own origin and those that the function lets in; it sees the header's text and must not block.
    #[must_use]
    pub fn predicate(is_allowed: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Rule::Predicate(Arc::new(is_allowed)))
    }

    pub(crate) fn is_any(&self) -> bool {
        matches!(self.0, Rule::Any)
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let Rule::List(list) = &self.0 else { return Ok(()) };
        for origin in &**list {
            let is_origin = origin == "null"
                || origin.split_once("://").is_some_and(|(scheme, rest)| {
                    !scheme.is_empty()
                        && !rest.contains(['/', ' ', '*'])
                        && (!rest.is_empty() || scheme == "file")
                });
            if !is_origin {
                return Err(ConfigError::InvalidOrigin { origin: origin.clone() });
            }
        }
        Ok(())
    }

    /// Whether a request with this `Origin` to this `Host` passes.
    pub(crate) fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        host.is_some_and(|host| is_same_site(origin, host))
            || match &self.0 {
                Rule::SameOrigin => false,
                Rule::Any => true,
                Rule::List(list) => list.iter().any(|listed| listed.eq_ignore_ascii_case(origin)),
                Rule::Predicate(is_allowed) => is_allowed(origin),
            }
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::SameOrigin => f.write_str("SameOrigin"),
            Rule::Any => f.write_str("Any"),
            Rule::List(list) => f.debug_tuple("List").field(list).finish(),
            Rule::Predicate(_) => f.write_str("Predicate"),
        }
    }
}

fn is_same_site(origin: &str, host: &str) -> bool {
    let Some((scheme, rest)) = origin.split_once("://") else { return false };
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => "80",
        "https" | "wss" => "443",
        // `file://`, `capacitor://localhost` and the like name no server.
        _ => return false,
    };
    // Some clients put a whole URL there; its authority is what counts.
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (Some(page), Some(server)) = (Authority::parse(authority), Authority::parse(host)) else {
        return false;
    };
    let ports = [page.port, server.port].map(|port| port.filter(|port| *port != default_port));
    let ports_agree = match ports {
        [Some(page), Some(server)] => page == server,
        _ => true,
    };
    (page.host.eq_ignore_ascii_case(server.host) && ports_agree)
        || (page.is_loopback() && server.is_loopback())
}

#[derive(Debug, PartialEq, Eq)]
struct Authority<'a> {
    host: &'a str,
    port: Option<&'a str>,
}

impl<'a> Authority<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if text.contains('@') {
            return None;
        }
        let (host, port) = match text.rfind(']') {
            Some(end) => match text.get(end + 1..)? {
                "" => (text, None),
                rest => (text.get(..=end)?, Some(rest.strip_prefix(':')?)),
            },
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let is_port = port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        (!host.is_empty() && is_port).then_some(Self { host, port: port.filter(|port| !port.is_empty()) })
    }

    fn is_loopback(&self) -> bool {
        let is_name = |name: &str| {
            let end = self.host.len().checked_sub(name.len()).and_then(|at| self.host.get(at..));
            end.is_some_and(|end| end.eq_ignore_ascii_case(name))
        };
        self.host.eq_ignore_ascii_case("localhost")
            || is_name(".localhost")
            || self.host == "[::1]"
            || self.host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_origin_passes() {
        for (origin, host) in [
            ("http://example.com", "example.com"),
            ("https://example.com", "example.com"),
            ("https://EXAMPLE.com", "example.COM"),
            ("wss://example.com", "example.com"),
            ("ws://example.com:80/socket.io/?EIO=4", "example.com"),
            ("https://example.com:8443", "example.com:8443"),
            // A usual proxy recipe passes the host on without its port.
            ("https://example.com:8443", "example.com"),
            ("https://example.com", "example.com:3000"),
            ("https://example.com:443", "example.com:443"),
            ("http://[2001:db8::1]:8080", "[2001:db8::1]:8080"),
            ("http://localhost:5173", "127.0.0.1:3000"),
            ("http://127.8.9.1", "localhost"),
            ("http://app.localhost:1", "[::1]:2"),
        ] {
            assert!(Origins::default().allows(origin, Some(host)), "{origin} at {host}");
        }
    }

    #[test]
    fn other_origins_are_refused_by_default() {
        for (origin, host) in [
            ("http://evil.example", "example.com"),
            ("http://example.com.evil.example", "example.com"),
            ("http://evil.example/example.com", "example.com"),
            ("http://example.com@evil.example", "example.com"),
            ("http://evil.example#example.com", "example.com"),
            ("https://example.com:8443", "example.com:9443"),
            ("null", "example.com"),
            ("file://", "example.com"),
            ("capacitor://localhost", "localhost"),
            ("example.com", "example.com"),
            ("http://", "example.com"),
            ("http://127.0.0.1.evil.example", "127.0.0.1"),
            ("http://notlocalhost", "localhost"),
            ("http://x:y", "x"),
        ] {
            assert!(!Origins::default().allows(origin, Some(host)), "{origin} at {host}");
        }
        assert!(!Origins::default().allows("http://example.com", None));
    }

    #[test]
    fn listed_origins_pass_and_are_compared_as_a_whole() {
        let origins = Origins::list(["https://example.com", "null"]);
        assert!(origins.allows("https://EXAMPLE.com", Some("api.example.org")));
        assert!(origins.allows("null", Some("api.example.org")));
        assert!(!origins.allows("http://example.com", Some("api.example.org")));
        assert!(!origins.allows("https://example.com:8443", Some("api.example.org")));
        assert!(
            origins.allows("https://api.example.org", Some("api.example.org")),
            "its own origin passes too"
        );
    }

    #[test]
    fn a_predicate_decides_about_the_rest() {
        let origins = Origins::predicate(|origin| origin.ends_with(".example.com"));
        assert!(origins.allows("https://a.example.com", Some("other")));
        assert!(!origins.allows("https://a.example.org", Some("other")));
        assert!(Origins::any().allows("http://evil.example", None));
    }

    #[test]
    fn what_is_no_origin_cannot_be_listed() {
        for origin in ["example.com", "https://example.com/", "https://*.example.com", "", "://x", "https://"]
        {
            assert!(Origins::list([origin]).validate().is_err(), "{origin}");
        }
        assert!(Origins::list(["https://example.com", "null", "file://"]).validate().is_ok());
    }
}

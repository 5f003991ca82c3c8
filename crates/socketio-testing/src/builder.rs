//! How a client comes to the server.

use std::net::{Ipv4Addr, SocketAddr};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;
use socketio_server::Server;

use crate::client::TestClient;
use crate::error::Refused;
use crate::failure::{chain, fail};
use crate::join::join;
use crate::link::Request;
use crate::wire::Wire;

/// A client that is about to connect; see [`TestClient::builder`].
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `connect`"]
pub struct ClientBuilder {
    io: Server,
    namespace: String,
    auth: Option<Value>,
    query: String,
    headers: Vec<(String, Vec<u8>)>,
    address: SocketAddr,
    is_secure: bool,
    deadline: Duration,
}

impl ClientBuilder {
    pub(crate) fn new(io: &Server) -> Self {
        Self {
            io: io.clone(),
            namespace: "/".to_owned(),
            auth: None,
            query: String::new(),
            headers: vec![("host".to_owned(), b"localhost".to_vec())],
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000)),
            is_secure: false,
            deadline: Duration::from_secs(5),
        }
    }

    /// The namespace to join first. A leading `/` may be left out. Default: `/`.
    pub fn namespace(mut self, name: &str) -> Self {
        self.namespace = full_name(name);
        self
    }

    /// The credentials for this namespace, which serialize as an object. Default: none, as with `()`.
    ///
    /// # Panics
    ///
    /// Panics if they are neither an object nor nothing.
    #[track_caller]
    pub fn auth(mut self, auth: impl Serialize) -> Self {
        self.auth = to_auth(auth, Location::caller());
        self
    }

    /// Adds a pair to the query of the first request.
    pub fn query(mut self, key: &str, value: &str) -> Self {
        for part in ["&", &encode(key), "=", &encode(value)] {
            self.query.push_str(part);
        }
        self
    }

    /// Adds a header to the first request. Default: `host` alone, which is `localhost`.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = name.to_ascii_lowercase();
        // A request has one, and the default gives way.
        self.headers.retain(|(known, _)| name != "host" || known != "host");
        self.headers.push((name, value.as_ref().to_vec()));
        self
    }

    /// The client's address. Default: `127.0.0.1:50000`.
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Whether the first request came over TLS. Default: false.
    pub fn secure(mut self, is_secure: bool) -> Self {
        self.is_secure = is_secure;
        self
    }

    /// How long the client, also in further namespaces, waits for what a test expects. Default: 5 s.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Opens a connection and joins the namespace.
    ///
    /// # Errors
    ///
    /// [`Refused`] if a middleware refuses the client, or the server has no such namespace.
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime, or if there is no answer in time, or if the connection is closed instead.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it closes the connection.
    #[track_caller]
    #[must_use = "futures do nothing unless polled"]
    pub fn connect(self) -> impl Future<Output = Result<TestClient, Refused>> + Send {
        let caller = Location::caller();
        async move {
            let Self { io, namespace, auth, query, headers, address, is_secure, deadline } = self;
            let target = format!("/socket.io/?EIO=4&transport=websocket{query}");
            let wire = Wire::open(&io, Request { target, headers, address, is_secure });
            join(&Arc::new(wire), &namespace, auth.as_ref(), deadline, caller).await
        }
    }
}

/// A namespace's name as it goes over the wire.
pub(crate) fn full_name(name: &str) -> String {
    format!("/{}", name.strip_prefix('/').unwrap_or(name))
}

/// What goes into a CONNECT; nothing if it serializes as nothing.
#[track_caller]
pub(crate) fn to_auth(auth: impl Serialize, caller: &Location<'_>) -> Option<Value> {
    match serde_json::to_value(auth) {
        Ok(Value::Null) => None,
        Ok(auth @ Value::Object(_)) => Some(auth),
        Ok(auth) => fail(caller, format_args!("credentials are an object, not {auth}")),
        Err(error) => fail(caller, format_args!("credentials can't be serialized: {}", chain(&error))),
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

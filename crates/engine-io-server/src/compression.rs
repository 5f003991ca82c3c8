//! Whether the answers to polls are compressed, and how that is done.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::body::respond;
use crate::coding::{Coding, Effort};
use crate::{Body, CloseReason, Session};

/// Whether the answers to polls are compressed; see [`Config::http_compression`](crate::Config::http_compression).
///
/// ```
/// use engine_io_server::{Config, HttpCompression};
///
/// let config = Config::default().http_compression(HttpCompression::with_threshold(4096));
/// let without = Config::default().http_compression(false);
/// # let _ = (config, without);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpCompression {
    threshold: Option<usize>,
}

impl HttpCompression {
    /// Answers of so many bytes and more are compressed, before compression; with 0, all that carry a message are.
    #[must_use]
    pub const fn with_threshold(bytes: usize) -> Self {
        Self { threshold: Some(bytes) }
    }

    /// In which coding a client wants its answers, if they can be compressed at all.
    pub(crate) fn wish(self, headers: &HeaderMap) -> Option<Coding> {
        self.threshold.and_then(|_| Coding::preferred(headers))
    }

    /// Whether answers of this length are compressed for those that want it.
    pub(crate) fn applies_to(self, len: usize) -> bool {
        self.threshold.is_some_and(|threshold| len >= threshold)
    }
}

/// From 1 024 bytes on.
impl Default for HttpCompression {
    fn default() -> Self {
        Self::with_threshold(1024)
    }
}

impl From<bool> for HttpCompression {
    /// The default, or none at all.
    fn from(is_on: bool) -> Self {
        if is_on { Self::default() } else { Self { threshold: None } }
    }
}

/// Answers with a payload in the coding that the client wants, or as it is if it wants none.
///
/// What is in the payload has left the outbox: a client that goes away meanwhile misses it, which ends its session.
pub(crate) async fn answer(
    session: &Session,
    content_type: &'static str,
    payload: Bytes,
    wish: Option<Coding>,
) -> Response<Body> {
    let compressed = match wish {
        None => None,
        Some(coding) if payload.len() <= MAX_IN_PLACE => compress(coding, &payload),
        Some(coding) => {
            let answering = WhileAnswering(session);
            let plain = payload.clone();
            // It fails only when the runtime ends.
            let compressed = tokio::task::spawn_blocking(move || compress(coding, &plain)).await;
            std::mem::forget(answering);
            compressed.ok().flatten()
        }
    };
    let (body, coding) = match compressed {
        Some((body, coding)) => (body, Some(coding)),
        None => (payload, None),
    };
    let mut response = respond(StatusCode::OK, content_type, body);
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from(ACCEPT_ENCODING));
    if let Some(coding) = coding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
    }
    response
}

fn compress(coding: Coding, plain: &[u8]) -> Option<(Bytes, Coding)> {
    // Writing to memory does not fail; if it did, the answer would go out as it is.
    Some((coding.compress(plain, Effort::Fast).ok()?, coding))
}

/// Closes the session if its client goes away while its answer is made.
struct WhileAnswering<'a>(&'a Session);

impl Drop for WhileAnswering<'_> {
    fn drop(&mut self) {
        tracing::debug!(target: "engine:polling", sid = %self.0.id(), "poll connection closed prematurely");
        self.0.abort(CloseReason::TransportError);
    }
}

/// What is longer is compressed on a thread for such work: this much takes about half a millisecond.
const MAX_IN_PLACE: usize = 64 << 10;

//! Response bodies: short, whole, known in advance.

use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::{Frame, SizeHint};

/// The body of the engine's responses: one piece of bytes, or none.
#[derive(Debug, Default)]
pub struct Body(Option<Bytes>);

impl Body {
    pub(crate) fn empty() -> Self {
        Self(None)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// A whole answer. None of them may be cached or taken for something else than it says. Its length is stated by the HTTP
/// server, which knows the body's.
pub(crate) fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut headers = SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| HeaderMap::with_capacity(N_HEADERS));
    if !body.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Lets go of a request's headers, and keeps the map's memory for an answer.
pub(crate) fn recycle(mut headers: HeaderMap) {
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < MAX_SPARE && headers.capacity() <= MAX_SPARE_HEADERS {
            headers.clear();
            spare.push(headers);
        }
    });
}

thread_local! {
    static SPARE: RefCell<Vec<HeaderMap>> = const { RefCell::new(Vec::new()) };
}

/// How many headers an answer has, with those that the HTTP server adds.
const N_HEADERS: usize = 5;
/// How many maps a thread keeps, and for how many headers: about 100 KiB at most.
const MAX_SPARE: usize = 16;
const MAX_SPARE_HEADERS: usize = 64;

//! The JavaScript client, for pages that load it from the server they connect to.
//!
//! Eight names below the server's path are not the engine's: the builds of the client and their source maps. A request
//! is compared with these names and never becomes a path of the file system. What they stand for is in memory: it is
//! read once, and compressed once for each coding that a browser has asked for.

mod error;
mod files;
mod once;

use std::sync::Arc;

use bytes::Bytes;
use engine_io_server::coding::Coding;
use engine_io_server::{Body, CorsHeaders, Engine};
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

pub use self::error::ClientFilesError;
pub use self::files::ClientFiles;

use self::files::Name;
use self::once::Once;

/// Serves the client.
pub(crate) struct ServeClient {
    /// What the application has given.
    given: Option<ClientFiles>,
    /// What npm has installed, looked up when it is first needed.
    installed: Once<Option<ClientFiles>>,
}

/// A request for a file of the client.
pub(crate) enum Asked {
    /// By a page whose origin is not let in.
    Refused(Response<Body>),
    File(Wanted),
}

/// What is asked for, and in which form.
pub(crate) struct Wanted {
    from: Arc<ServeClient>,
    name: Name,
    coding: Option<Coding>,
    /// Versions that the browser has.
    known: Vec<HeaderValue>,
    is_head: bool,
    cors: Option<CorsHeaders>,
}

impl ServeClient {
    pub(crate) fn new(given: Option<ClientFiles>) -> Self {
        Self { given, installed: Once::default() }
    }

    /// Whether a request is for the client. If not it is the engine's, or for another path altogether.
    pub(crate) fn asked<B>(self: &Arc<Self>, engine: &Engine, request: &Request<B>) -> Option<Asked> {
        let name = request.uri().path().strip_prefix(engine.path())?.strip_prefix('/')?;
        let name = Name::of(name)?;
        let is_head = request.method() == Method::HEAD;
        if !is_head && request.method() != Method::GET {
            return None;
        }
        if let Some(refusal) = engine.origin_refusal(request) {
            return Some(Asked::Refused(refusal));
        }
        let headers = request.headers();
        Some(Asked::File(Wanted {
            from: Arc::clone(self),
            name,
            coding: Coding::preferred(headers),
            known: headers.get_all(IF_NONE_MATCH).iter().cloned().collect(),
            is_head,
            cors: engine.cors_headers(request),
        }))
    }

    async fn files(&self) -> Option<ClientFiles> {
        match &self.given {
            Some(files) => Some(files.clone()),
            None => self.installed.get(|| Some(ClientFiles::installed())).await.flatten(),
        }
    }
}

impl Asked {
    pub(crate) async fn answer(self) -> Response<Body> {
        match self {
            Self::Refused(response) => response,
            Self::File(wanted) => wanted.answer().await,
        }
    }
}

impl Wanted {
    async fn answer(self) -> Response<Body> {
        let mut response = match self.from.files().await {
            None => not_found(Bytes::from_static(NOT_INSTALLED)),
            Some(files) => match files.plain(self.name) {
                None => {
                    let text = format!("{} is not among the client files of this server.\n", self.name);
                    not_found(text.into())
                }
                Some(_) if self.known.iter().any(|known| names(known, files.etag())) => {
                    let mut response = Response::new(Body::default());
                    *response.status_mut() = StatusCode::NOT_MODIFIED;
                    describe(response.headers_mut(), &files);
                    response
                }
                Some(plain) => self.found(&files, plain).await,
            },
        };
        if self.is_head {
            *response.body_mut() = Body::default();
        }
        if let Some(cors) = self.cors {
            cors.add_to(response.headers_mut());
        }
        response
    }

    async fn found(&self, files: &ClientFiles, plain: Bytes) -> Response<Body> {
        let mut headers = HeaderMap::with_capacity(N_HEADERS);
        describe(&mut headers, files);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.name.content_type()));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let mut bytes = plain;
        if let Some(coding) = self.coding
            && let Some(compressed) = files.compressed(self.name, coding).await
        {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.as_str()));
            bytes = compressed;
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        let mut response = Response::new(Body::from(bytes));
        *response.headers_mut() = headers;
        response
    }
}

/// What a cache has to know, of a file that it gets and of one that it has.
fn describe(headers: &mut HeaderMap, files: &ClientFiles) {
    headers.insert(ETAG, files.etag().clone());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=0"));
    headers.insert(VARY, HeaderValue::from(ACCEPT_ENCODING));
}

fn not_found(text: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NOT_FOUND;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    *response.body_mut() = text.into();
    response
}

/// Whether an `If-None-Match` names this version. A cache or a proxy that recompresses may have made the tag a weak one.
fn names(known: &HeaderValue, etag: &HeaderValue) -> bool {
    known.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).any(|tag| {
        let strong = tag.strip_prefix(b"W/").unwrap_or(tag);
        tag == b"*" || strong == etag.as_bytes()
    })
}

const NOT_INSTALLED: &[u8] = b"This server has no copy of the Socket.IO client. One of these provides it:\n\
\n\
- run `npm install socket.io-client` where the server is started, and start it again;\n\
- give the server the files: `Server::builder().client_files(ClientFiles::from_dir(\"...\")?)`;\n\
- load the client from elsewhere, such as https://cdn.socket.io, or bundle it with the page, and switch this off:\n  \
`Server::builder().serve_client(false)`.\n";

/// How many headers an answer has, with the date that the HTTP server adds.
const N_HEADERS: usize = 8;

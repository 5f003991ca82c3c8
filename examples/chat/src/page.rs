//! The files that a browser needs.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{MethodRouter, get};

/// The official client, as npm has put it there.
const CLIENT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/node_modules/socket.io-client/dist/socket.io.esm.min.js");

/// # Errors
///
/// If the official client was not installed.
pub(crate) fn routes() -> Result<Router, String> {
    let client = std::fs::read(CLIENT).map_err(|error| {
        format!("the official client is not there ({CLIENT}: {error})\nrun: npm ci --prefix examples/chat")
    })?;
    Ok(Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("../page/index.html")))
        .route("/chat.css", file("text/css; charset=utf-8", include_str!("../page/chat.css")))
        .route("/chat.js", file("text/javascript; charset=utf-8", include_str!("../page/chat.js")))
        .route("/icon.svg", file("image/svg+xml", include_str!("../page/icon.svg")))
        .route("/socket.io-client/socket.io.esm.min.js", file("text/javascript; charset=utf-8", client)))
}

fn file(content_type: &'static str, content: impl Into<Bytes>) -> MethodRouter {
    get(([(CONTENT_TYPE, content_type)], content.into()))
}

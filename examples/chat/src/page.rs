//! The files that a browser needs.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{MethodRouter, get};

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("../page/index.html")))
        .route("/chat.css", file("text/css; charset=utf-8", include_str!("../page/chat.css")))
        .route("/chat.js", file("text/javascript; charset=utf-8", include_str!("../page/chat.js")))
        .route("/icon.svg", file("image/svg+xml", include_str!("../page/icon.svg")))
}

fn file(content_type: &'static str, content: &'static str) -> MethodRouter {
    get(([(CONTENT_TYPE, content_type)], content))
}

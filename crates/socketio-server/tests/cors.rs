//! Pages of other origins, as a browser asks for them.
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use std::net::SocketAddr;

use axum::Router;
use socketio_server::{Builder, ClientFiles, Cors, Origins, Server};
use test_support::http::{Request, Response, send};
use tokio::net::TcpListener;

const GOOD: &str = "https://good-origin.example";
const HANDSHAKE: &str = "/socket.io/?EIO=4&transport=polling";
const FILE: &str = "/socket.io/socket.io.js";

fn builder() -> Builder {
    let files = ClientFiles::from_bytes("4.8.1", [("socket.io.js", "/* engine.io */")]).unwrap();
    let cors = Cors::new(Origins::list([GOOD]))
        .credentials(true)
        .methods([http::Method::GET, http::Method::POST])
        .allowed_headers([http::HeaderName::from_static("content-type")]);
    Server::builder().client_files(files).cors(cors)
}

/// The server on its own, and as a layer in a server of axum.
async fn in_both_forms() -> [SocketAddr; 2] {
    let listeners =
        [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    let [own, foreign] = listeners;
    let io = builder().build().unwrap();
    tokio::spawn(async move { io.serve(own).await });
    let app = Router::new().layer(builder().build().unwrap().layer());
    tokio::spawn(async move { axum::serve(foreign, app).await });
    addresses
}

fn allowed(response: &Response) -> [Option<&str>; 4] {
    ["origin", "credentials", "methods", "headers"]
        .map(|what| response.header(&format!("access-control-allow-{what}")))
}

#[tokio::test]
async fn a_preflight_is_told_what_a_page_may_send() {
    for address in in_both_forms().await {
        for target in [HANDSHAKE, FILE] {
            let request = Request::new("OPTIONS", target)
                .header("origin", GOOD)
                .header("access-control-request-method", "POST");
            let response = send(address, request).await;
            response.is(204, "");
            let expected = [Some(GOOD), Some("true"), Some("GET,POST"), Some("content-type")];
            assert_eq!(allowed(&response), expected);
        }
    }
}

#[tokio::test]
async fn a_page_may_read_what_is_answered_and_the_client_file() {
    for address in in_both_forms().await {
        for target in [HANDSHAKE, FILE] {
            let response = send(address, Request::get(target).header("origin", GOOD)).await;
            assert_eq!(response.status, 200);
            assert_eq!(allowed(&response), [Some(GOOD), Some("true"), None, None], "{target}");
        }
    }
}

#[tokio::test]
async fn other_pages_are_refused_both() {
    for address in in_both_forms().await {
        for target in [HANDSHAKE, FILE] {
            let request = Request::get(target).header("origin", "https://evil.example");
            let response = send(address, request).await;
            assert_eq!((response.status, allowed(&response)), (403, [None; 4]), "{target}");
        }
    }
}

#[test]
fn cookies_of_any_page_are_refused_when_the_server_is_built() {
    let cors = Cors::new(Origins::any()).credentials(true);
    let error = Server::builder().cors(cors).build().unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert_eq!(cause.as_deref(), Some("`cors` with credentials must name its origins"));
}

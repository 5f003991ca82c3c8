//! What browsers are told about pages of other origins.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use engine_io_server::{Config, Cors, Origins};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use test_support::http::HttpConnection;
use tokio::net::TcpListener;

use self::common::{POLLING, Reply, Server, WEBSOCKET, request, upgrade_request};

const GOOD: &str = "https://good-origin.example";

fn listed() -> Cors {
    Cors::new(Origins::list([GOOD]))
}

fn from(origin: &'static str, method: &str) -> Request<Full<Bytes>> {
    let mut request = request(method, POLLING);
    request.headers_mut().insert("origin", HeaderValue::from_static(origin));
    request
}

fn preflight(origin: &'static str) -> Request<Full<Bytes>> {
    let mut request = from(origin, "OPTIONS");
    let headers = request.headers_mut();
    headers.insert("access-control-request-method", HeaderValue::from_static("POST"));
    headers.insert("access-control-request-headers", HeaderValue::from_static("x-one, x-two"));
    request
}

/// The CORS headers of an answer, and what caches are told.
fn told(reply: &Reply) -> Vec<(String, String)> {
    let mut told: Vec<_> = reply
        .headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("access-control-") || *name == "vary")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    told.sort();
    told
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_preflight_is_answered_with_what_may_be_sent() {
    let server = Server::new(Config::default().cors(listed().credentials(true)));
    let reply = server.send(preflight(GOOD)).await;
    assert_eq!((reply.status, reply.text()), (204, ""));
    let expected = pairs(&[
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-headers", "x-one, x-two"),
        ("access-control-allow-methods", "GET,HEAD,PUT,PATCH,POST,DELETE"),
        ("access-control-allow-origin", GOOD),
        ("vary", "Origin"),
        ("vary", "access-control-request-headers"),
    ]);
    assert_eq!(told(&reply), expected);
    assert_eq!(server.engine.n_sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn all_options_of_a_preflight_are_heeded() {
    let cors = listed()
        .methods([Method::GET, Method::POST])
        .allowed_headers([HeaderName::from_static("x-mine"), HeaderName::from_static("x-yours")])
        .exposed_headers([HeaderName::from_static("x-shown")])
        .max_age(Duration::from_secs(123))
        .options_success_status(StatusCode::OK);
    let server = Server::new(Config::default().cors(cors));
    let reply = server.send(preflight(GOOD)).await;
    assert_eq!(reply.status, 200);
    let expected = pairs(&[
        ("access-control-allow-headers", "x-mine,x-yours"),
        ("access-control-allow-methods", "GET,POST"),
        ("access-control-allow-origin", GOOD),
        ("access-control-expose-headers", "x-shown"),
        ("access-control-max-age", "123"),
        ("vary", "Origin"),
    ]);
    assert_eq!(told(&reply), expected);
}

#[tokio::test(start_paused = true)]
async fn other_answers_only_say_who_may_read_them_refusals_too() {
    let mut server = Server::new(Config::default().cors(listed().credentials(true)));
    let expected = pairs(&[
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-origin", GOOD),
        ("vary", "Origin"),
    ]);
    let reply = server.send(from(GOOD, "GET")).await;
    assert_eq!((reply.status, told(&reply)), (200, expected.clone()));
    server.accepted().await;
    let reply = server.send(from(GOOD, "PUT")).await;
    assert_eq!((reply.status, told(&reply)), (400, expected));
}

#[tokio::test]
async fn an_upgrade_says_it_too() {
    let mut server = Server::new(Config::default().cors(listed()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut connection = HttpConnection::open(listener.local_addr().unwrap()).await;
    let engine = server.engine.clone();
    tokio::spawn(async move { engine.listen(listener).await });
    let response = connection.exchange(upgrade_request(WEBSOCKET).header("origin", GOOD)).await;
    assert_eq!((response.status, response.header("access-control-allow-origin")), (101, Some(GOOD)));
    server.accepted().await;
}

#[tokio::test(start_paused = true)]
async fn pages_of_other_origins_are_refused_and_told_nothing() {
    let mut server = Server::new(Config::default().cors(listed()));
    for request in [from("https://evil.example", "GET"), preflight("https://evil.example")] {
        let reply = server.send(request).await;
        assert_eq!((reply.status, told(&reply)), (403, pairs(&[("vary", "Origin")])));
    }
    server.has_accepted_none();
}

#[tokio::test(start_paused = true)]
async fn programs_without_an_origin_pass() {
    let mut server = Server::new(Config::default().cors(listed()));
    let reply = server.send(request("GET", POLLING)).await;
    assert_eq!((reply.status, told(&reply)), (200, pairs(&[("vary", "Origin")])));
    server.accepted().await;
}

#[tokio::test(start_paused = true)]
async fn any_origin_is_a_star() {
    let mut server = Server::new(Config::default().cors(Cors::new(Origins::any())));
    let reply = server.send(from("https://anywhere.example", "GET")).await;
    assert_eq!((reply.status, told(&reply)), (200, pairs(&[("access-control-allow-origin", "*")])));
    server.accepted().await;
}

#[tokio::test(start_paused = true)]
async fn the_servers_own_pages_and_those_of_the_option_origins_stay_let_in() {
    let config = Config::default().origins(Origins::list(["https://older.example"])).cors(listed());
    let mut server = Server::new(config);
    let reply = server.send(from("https://older.example", "GET")).await;
    assert_eq!((reply.status, told(&reply)), (200, pairs(&[("vary", "Origin")])), "in, but unable to read");
    server.accepted().await;
    let mut own = from("http://own.example", "GET");
    own.headers_mut().insert("host", HeaderValue::from_static("own.example"));
    assert_eq!(server.send(own).await.status, 200);
    server.accepted().await;
}

#[tokio::test(start_paused = true)]
async fn without_the_option_a_preflight_is_refused_and_nothing_is_said() {
    let server = Server::new(Config::default().origins(Origins::list([GOOD])));
    let reply = server.send(preflight(GOOD)).await;
    reply.is(400, r#"{"code":2,"message":"Bad handshake method"}"#);
    assert_eq!(told(&server.send(from(GOOD, "GET")).await), []);
}

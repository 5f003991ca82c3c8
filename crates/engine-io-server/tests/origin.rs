//! Pages of other origins, on both transports and on every request.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod common;

use engine_io_server::{Config, Origins};
use http::HeaderValue;

use self::common::{POLLING, Server, WEBSOCKET, request, upgrade_request};

const FORBIDDEN: &str =
    r#"{"code":4,"message":"Forbidden: cross-origin request, see the server's `origins` option"}"#;

/// Status of the handshake with this `Origin` at this `Host`, which must be the same on both transports.
async fn status(config: Config, origin: &str, host: &str) -> u16 {
    let server = Server::new(config);
    let mut request = request("GET", POLLING);
    request.headers_mut().insert("host", HeaderValue::from_str(host).unwrap());
    request.headers_mut().insert("origin", HeaderValue::from_str(origin).unwrap());
    let reply = server.send(request).await;
    let (mut connection, _) = server.connect(4096);
    let upgrade = upgrade_request(WEBSOCKET).header("host", host).header("origin", origin);
    let response = connection.exchange(upgrade).await;
    match reply.status {
        200 => assert_eq!(response.status, 101, "{origin} at {host}"),
        status => {
            assert_eq!((response.status, response.text()), (status, reply.text()), "{origin} at {host}")
        }
    }
    reply.status
}

#[tokio::test(start_paused = true)]
async fn the_servers_own_origin_passes() {
    for (origin, host) in [
        ("http://example.com", "example.com"),
        ("https://example.com", "EXAMPLE.com:443"),
        ("wss://example.com:8443/some/path", "example.com:8443"),
        ("http://localhost:5173", "127.0.0.1:3000"),
        ("https://[::1]:1", "localhost:2"),
    ] {
        assert_eq!(status(Config::default(), origin, host).await, 200, "{origin} at {host}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_origins_are_refused_on_both_transports() {
    for origin in [
        "http://evil.example",
        "https://example.com.evil.example",
        "http://example.com:81",
        "null",
        "file://",
        "capacitor://localhost",
        "http://evil.example/http://example.com",
        "http://example.com@evil.example",
    ] {
        assert_eq!(status(Config::default(), origin, "example.com:8080").await, 403, "{origin}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_option_and_opens_nothing() {
    let mut server = Server::new(Config::default());
    let mut request = request("GET", POLLING);
    request.headers_mut().insert("origin", HeaderValue::from_static("http://evil.example"));
    server.send(request).await.is(403, FORBIDDEN);
    let (mut connection, _) = server.connect(4096);
    let upgrade = upgrade_request(WEBSOCKET).header("origin", "http://evil.example");
    connection.exchange(upgrade).await.is(403, FORBIDDEN);
    server.has_accepted_none();
}

#[tokio::test(start_paused = true)]
async fn requests_without_an_origin_pass() {
    let mut server = Server::echo(Config::default());
    let (polling, _) = server.polling().await;
    polling.echoes().await;
    server.websocket().await;
}

#[tokio::test(start_paused = true)]
async fn every_request_of_a_session_is_checked() {
    let mut server = Server::echo(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let foreign = HeaderValue::from_static("http://evil.example");
    for mut request in [request("GET", &polling.query()), polling.post_request("4evil")] {
        request.headers_mut().insert("origin", foreign.clone());
        server.send(request).await.is(403, FORBIDDEN);
    }
    let (mut connection, _) = server.connect(4096);
    let upgrade = upgrade_request(&polling.query_of("websocket")).header("origin", "http://evil.example");
    connection.exchange(upgrade).await.is(403, FORBIDDEN);
    accepted.has_no_event();
    polling.echoes().await;
    server.upgrade(&polling, &accepted).await;
}

#[tokio::test(start_paused = true)]
async fn listed_origins_pass_and_no_other() {
    let config =
        || Config::default().origins(Origins::list(["https://app.example", "null", "capacitor://localhost"]));
    for origin in
        ["https://app.example", "https://APP.example", "null", "capacitor://localhost", "http://example.com"]
    {
        assert_eq!(status(config(), origin, "example.com").await, 200, "{origin}");
    }
    for origin in ["http://app.example", "https://app.example:8443", "https://app.example.evil", "file://"] {
        assert_eq!(status(config(), origin, "example.com").await, 403, "{origin}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_predicate_or_any_opens_the_door() {
    let config = || Config::default().origins(Origins::predicate(|origin| origin.ends_with(".app.example")));
    assert_eq!(status(config(), "https://a.app.example", "example.com").await, 200);
    assert_eq!(status(config(), "https://a.app.evil", "example.com").await, 403);
    let config = Config::default().origins(Origins::any());
    assert_eq!(status(config, "http://evil.example", "example.com").await, 200);
}

#[tokio::test(start_paused = true)]
async fn an_origin_with_control_characters_is_refused_as_malformed() {
    let mut server = Server::new(Config::default().origins(Origins::any()));
    let mut request = request("GET", POLLING);
    request.headers_mut().insert("origin", HeaderValue::from_static("http://a\tb"));
    server.send(request).await.is(400, r#"{"code":3,"message":"Bad request"}"#);
    server.has_accepted_none();
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_is_no_text_is_refused() {
    let mut server = Server::new(Config::default());
    let mut request = request("GET", POLLING);
    request.headers_mut().insert("origin", HeaderValue::from_bytes(b"http://\xff\xfe").unwrap());
    server.send(request).await.is(403, FORBIDDEN);
    server.has_accepted_none();
}

#[tokio::test(start_paused = true)]
async fn what_is_served_beside_the_engine_can_ask_for_its_verdict() {
    let server = Server::new(Config::default());
    let with = |name: &'static str, value: &'static str| {
        let mut request = request("GET", "");
        request.headers_mut().insert("host", HeaderValue::from_static("example.com"));
        request.headers_mut().append(name, HeaderValue::from_static(value));
        server.engine.origin_refusal(&request).map(|response| response.status().as_u16())
    };
    assert_eq!(with("origin", "http://evil.example"), Some(403));
    assert_eq!(with("origin", "http://a\tb"), Some(400));
    assert_eq!(with("host", "another.example"), Some(400), "a second one");
    assert_eq!(with("origin", "http://example.com"), None);
    assert_eq!(with("accept", "*/*"), None);
}

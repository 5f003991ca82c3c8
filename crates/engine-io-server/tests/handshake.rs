//! Which requests open a session, what they are answered, and why the others are refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use engine_io_server::{Config, Engine, Forbidden, PeerAddr, Transport};
use http::{HeaderValue, Request};
use test_support::polling::Handshake;

use self::common::{POLLING, Server, WEBSOCKET, request, upgrade_request};

const UNKNOWN_TRANSPORT: &str = r#"{"code":0,"message":"Transport unknown"}"#;
const UNKNOWN_SID: &str = r#"{"code":1,"message":"Session ID unknown"}"#;
const BAD_METHOD: &str = r#"{"code":2,"message":"Bad handshake method"}"#;
const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;
const FORBIDDEN: &str = r#"{"code":4,"message":"Forbidden"}"#;
const UNSUPPORTED: &str = r#"{"code":5,"message":"Unsupported protocol version"}"#;

/// A new session of an engine with these options: what a polling and what a WebSocket client are told.
async fn handshakes(config: Config) -> (Handshake, Handshake) {
    let mut server = Server::new(config);
    let (polling, _) = server.polling().await;
    let mut socket = server.raw_websocket(WEBSOCKET).await;
    (polling.handshake, Handshake::from_packet(&socket.text().await))
}

#[tokio::test(start_paused = true)]
async fn the_handshake_tells_the_options() {
    let (polling, websocket) = handshakes(Config::default()).await;
    assert_eq!(polling.sid.len(), 20);
    assert_eq!(polling.upgrades, ["websocket"]);
    assert_eq!(
        (polling.ping_interval, polling.ping_timeout, polling.max_payload),
        (25_000, 20_000, 1_000_000)
    );
    assert!(websocket.upgrades.is_empty(), "there is nothing to upgrade to");
    assert_ne!(polling.sid, websocket.sid);

    let config = Config::default()
        .ping_interval(Duration::from_millis(1500))
        .ping_timeout(Duration::from_millis(700))
        .max_http_buffer_size(42_000);
    for handshake in <[_; 2]>::from(handshakes(config).await) {
        assert_eq!(
            (handshake.ping_interval, handshake.ping_timeout, handshake.max_payload),
            (1500, 700, 42_000)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn only_transports_that_are_there_are_offered() {
    let mut server = Server::new(Config::default().transports(&[Transport::Polling]));
    let (polling, _) = server.polling().await;
    assert!(polling.handshake.upgrades.is_empty());
    server.refused_websocket(WEBSOCKET).await.is(400, UNKNOWN_TRANSPORT);

    let mut server = Server::new(Config::default().transports(&[Transport::WebSocket]));
    server.request("GET", POLLING).await.is(400, UNKNOWN_TRANSPORT);
    server.websocket().await;
}

#[tokio::test(start_paused = true)]
async fn a_handshake_is_neither_cached_nor_taken_for_html() {
    let server = Server::new(Config::default());
    let reply = server.request("GET", POLLING).await;
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.header("set-cookie"), None);
}

#[tokio::test(start_paused = true)]
async fn sessions_are_counted_and_told_to_the_application() {
    let mut server = Server::new(Config::default());
    assert_eq!(server.engine.n_sessions(), 0);
    let (_polling, polled) = server.polling().await;
    assert_eq!(server.engine.n_sessions(), 1);
    let (_socket, on_socket) = server.websocket().await;
    assert_eq!(server.engine.n_sessions(), 2);
    assert_eq!(polled.session.transport(), Transport::Polling);
    assert_eq!(on_socket.session.transport(), Transport::WebSocket);
    assert_eq!((polled.session.protocol(), on_socket.session.protocol()), (4, 4));
}

/// Asserts that a query is refused in the same way on both transports, and that no session comes of it.
async fn is_refused(server: &mut Server, query: &str, status: u16, body: &str) {
    if !query.contains("transport=websocket") {
        let reply = server.request("GET", query).await;
        assert_eq!((reply.status, reply.text()), (status, body), "GET {query}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
    if !query.contains("transport=polling") {
        let reply = server.refused_websocket(query).await;
        assert_eq!((reply.status, reply.text()), (status, body), "upgrade {query}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
    }
    server.has_accepted_none();
}

#[tokio::test(start_paused = true)]
async fn unknown_transports_are_refused() {
    let mut server = Server::new(Config::default());
    for name in ["tobi", "constructor", "__proto__", "webtransport", "Polling", "WebSocket", "polling%00", ""]
    {
        is_refused(&mut server, &format!("EIO=4&transport={name}"), 400, UNKNOWN_TRANSPORT).await;
    }
    for query in ["", "EIO=4", "EIO=4&sid=x", "=", "&&&", "transport", "%ff=%ff"] {
        is_refused(&mut server, query, 400, UNKNOWN_TRANSPORT).await;
    }
    let (polling, _) = server.polling().await;
    assert!(polling.start_poll().await.is_pending().await);
}

#[tokio::test(start_paused = true)]
async fn unknown_sids_are_refused_whatever_they_look_like() {
    let mut server = Server::new(Config::default());
    let long = "a".repeat(10_000);
    for sid in
        ["x", "", "__proto__", "constructor", "%00", "a%20b", "..%2f", "%C3%A9", &"A".repeat(20), &long]
    {
        for transport in ["polling", "websocket"] {
            is_refused(&mut server, &format!("EIO=4&transport={transport}&sid={sid}"), 400, UNKNOWN_SID)
                .await;
        }
        let query = format!("EIO=4&transport=polling&sid={sid}");
        server.request("POST", &query).await.is(400, UNKNOWN_SID);
    }
}

#[tokio::test(start_paused = true)]
async fn versions_other_than_4_are_refused() {
    let mut server = Server::new(Config::default());
    for version in ["EIO=3&", "EIO=5&", "EIO=abc&", "EIO=&", "EIO=04&", "EIO=4.0&", ""] {
        for transport in ["polling", "websocket"] {
            is_refused(&mut server, &format!("{version}transport={transport}"), 400, UNSUPPORTED).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn repeated_parameters_are_refused() {
    let mut server = Server::new(Config::default());
    for query in [
        "EIO=4&EIO=4&transport=polling",
        "EIO=4&transport=polling&transport=polling",
        "EIO=4&transport=websocket&transport=polling",
        "EIO=4&transport=polling&sid=a&sid=a",
        "EIO=4&transport=polling&j=0&j=0",
        "EIO=4&transport=polling&%73id=a&sid=a",
    ] {
        server.request("GET", query).await.is(400, BAD_REQUEST);
        server.refused_websocket(query).await.is(400, BAD_REQUEST);
    }
    server.has_accepted_none();
}

#[tokio::test(start_paused = true)]
async fn a_session_is_opened_with_get() {
    let mut server = Server::new(Config::default());
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "CONNECT", "BREW"] {
        let mut request = request("GET", POLLING);
        *request.method_mut() = method.parse().unwrap();
        server.send(request).await.is(400, BAD_METHOD);
    }
    server.has_accepted_none();
}

#[tokio::test(start_paused = true)]
async fn a_websocket_needs_an_upgrade_and_an_upgrade_a_websocket() {
    let mut server = Server::new(Config::default());
    server.request("GET", WEBSOCKET).await.is(400, BAD_REQUEST);
    server.refused_websocket(POLLING).await.is(400, BAD_REQUEST);
    server.has_accepted_none();
}

#[tokio::test(start_paused = true)]
async fn a_get_for_websocket_without_upgrade_leaves_a_polling_session_alone() {
    let mut server = Server::echo(Config::default());
    let (polling, _) = server.polling().await;
    server.request("GET", &polling.query_of("websocket")).await.is(400, BAD_REQUEST);
    server.request("POST", &polling.query_of("websocket")).await.is(400, BAD_REQUEST);
    polling.echoes().await;
}

#[tokio::test(start_paused = true)]
async fn requests_of_another_version_leave_a_session_alone() {
    let mut server = Server::echo(Config::default());
    let (polling, _) = server.polling().await;
    for query in [polling.query().replace("EIO=4", "EIO=3"), polling.query().replace("EIO=4&", "")] {
        server.request("GET", &query).await.is(400, BAD_REQUEST);
    }
    polling.echoes().await;
}

#[tokio::test(start_paused = true)]
async fn a_websocket_handshake_that_breaks_the_rfc_is_refused() {
    let mut server = Server::new(Config::default());
    let good = || upgrade_request(WEBSOCKET);
    for (what, bad) in [
        ("no key", good().header("sec-websocket-key", "")),
        ("short key", good().header("sec-websocket-key", "AQID")),
        ("long key", good().header("sec-websocket-key", "AQIDBAUGBwgJCgsMDQ4PEBESExQ=")),
        ("no connection", good().header("connection", "keep-alive")),
    ] {
        let (mut connection, _) = server.connect(4096);
        let response = connection.exchange(bad).await;
        assert_eq!((response.status, response.text()), (400, BAD_REQUEST), "{what}");
    }
    for version in ["", "12", "14", "13, 8"] {
        let (mut connection, _) = server.connect(4096);
        let response = connection.exchange(good().header("sec-websocket-version", version)).await;
        response.is(400, BAD_REQUEST);
        assert_eq!(response.header("sec-websocket-version"), Some("13"), "{version}");
    }
    server.has_accepted_none();
    server.websocket().await;
}

#[tokio::test(start_paused = true)]
async fn upgrade_and_connection_headers_are_lists_in_any_case() {
    let mut server = Server::new(Config::default());
    for (connection_header, upgrade) in
        [("keep-alive, Upgrade", "websocket"), ("UPGRADE", "WebSocket"), ("upgrade,close", "h2c, websocket")]
    {
        let (mut connection, _) = server.connect(4096);
        let request =
            upgrade_request(WEBSOCKET).header("connection", connection_header).header("upgrade", upgrade);
        assert_eq!(connection.exchange(request).await.status, 101, "{connection_header} {upgrade}");
        server.accepted().await;
    }
}

#[tokio::test(start_paused = true)]
async fn http_1_0_gets_no_websocket() {
    let mut server = Server::new(Config::default());
    let mut request = websocket_request();
    *request.version_mut() = http::Version::HTTP_10;
    let (parts, ()) = request.into_parts();
    let response = server.engine.accept_websocket(&parts).await.unwrap_err();
    common::read(response).await.is(400, BAD_REQUEST);
    server.has_accepted_none();
}

fn websocket_request() -> Request<()> {
    Request::get(format!("/engine.io/?{WEBSOCKET}"))
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", test_support::http::WEBSOCKET_KEY)
        .body(())
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn accept_websocket_refuses_what_is_no_websocket() {
    let server = Server::new(Config::default());
    let (parts, _) = request("GET", POLLING).into_parts();
    let response = server.engine.accept_websocket(&parts).await.unwrap_err();
    common::read(response).await.is(400, BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn allow_request_decides_about_new_sessions_on_both_transports() {
    let n_asked = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&n_asked);
    let config = Config::default().allow_request(move |request: Request<()>| {
        asked.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            match request.uri().query().unwrap_or_default() {
                query if query.contains("token=right") => Ok(()),
                query if query.contains("token=") => Err(Forbidden::new(r#"the "token" is wrong"#)),
                _ => Err(Forbidden::default()),
            }
        }
    });
    let mut server = Server::echo(config);
    is_refused(&mut server, POLLING, 403, FORBIDDEN).await;
    is_refused(&mut server, WEBSOCKET, 403, FORBIDDEN).await;
    let wrong = r#"{"code":4,"message":"the \"token\" is wrong"}"#;
    is_refused(&mut server, &format!("{POLLING}&token=x"), 403, wrong).await;
    is_refused(&mut server, &format!("{WEBSOCKET}&token=x"), 403, wrong).await;
    assert_eq!(n_asked.swap(0, Ordering::Relaxed), 4);

    let reply = server.request("GET", &format!("{POLLING}&token=right")).await;
    let sid = Handshake::from_packet(reply.text()).sid;
    let accepted = server.accepted().await;
    assert_eq!(n_asked.load(Ordering::Relaxed), 1);
    let mut poll = request("GET", &format!("{POLLING}&sid={sid}"));
    accepted.session.send("hello").unwrap();
    server.send(poll.clone()).await.is(200, "4hello");
    *poll.method_mut() = http::Method::POST;
    *poll.body_mut() = "4x".to_owned().into();
    server.send(poll).await.is(200, "ok");
    server.raw_websocket(&format!("{WEBSOCKET}&sid={sid}")).await;
    assert_eq!(n_asked.load(Ordering::Relaxed), 1, "neither later requests nor the upgrade are asked about");
}

#[tokio::test(start_paused = true)]
async fn allow_request_is_asked_last() {
    let config = Config::default().allow_request(|_| async { panic!("asked about a bad request") });
    let mut server = Server::new(config);
    is_refused(&mut server, "EIO=4&transport=tobi", 400, UNKNOWN_TRANSPORT).await;
    is_refused(&mut server, "EIO=4&transport=polling&sid=x", 400, UNKNOWN_SID).await;
    is_refused(&mut server, "EIO=3&transport=polling", 400, UNSUPPORTED).await;
    server.request("POST", POLLING).await.is(400, BAD_METHOD);
    let mut foreign = request("GET", POLLING);
    foreign.headers_mut().insert("origin", HeaderValue::from_static("http://evil.example"));
    assert_eq!(server.send(foreign).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn allow_request_sees_extensions_of_the_request() {
    let config = Config::default().allow_request(|request| async move {
        request.extensions().get::<PeerAddr>().map(drop).ok_or_else(Forbidden::default)
    });
    let server = Server::new(config);
    let mut request = request("GET", POLLING);
    request.extensions_mut().insert(PeerAddr(([127, 0, 0, 1], 7).into()));
    assert_eq!(server.send(request).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_first_request_is_kept_with_query_headers_and_address() {
    let mut server = Server::new(Config::default());
    let query = format!("{POLLING}&room=%2Fa&b=1");
    let mut request = request("GET", &query);
    request.headers_mut().insert("x-custom", HeaderValue::from_static("yes"));
    request.headers_mut().insert("cookie", HeaderValue::from_static("a=b; c=d"));
    let peer = ([192, 0, 2, 1], 4711).into();
    request.extensions_mut().insert(PeerAddr(peer));
    server.send(request).await;
    let accepted = server.accepted().await;
    let kept = accepted.session.request();
    assert_eq!(kept.target(), format!("/engine.io/?{query}"));
    assert_eq!(kept.query(), query);
    assert_eq!(kept.header("X-Custom"), Some(&b"yes"[..]));
    assert_eq!(kept.header("cookie"), Some(&b"a=b; c=d"[..]));
    assert_eq!(kept.remote_addr(), Some(peer));
    assert!(!kept.is_secure());

    let (connection, _) = server.connect(4096);
    let request = upgrade_request(&format!("{WEBSOCKET}&b=1")).header("x-custom", "yes");
    test_support::frames::RawWebSocket::upgrade(connection, request).await;
    let accepted = server.accepted().await;
    assert_eq!(accepted.session.request().query(), format!("{WEBSOCKET}&b=1"));
    assert_eq!(accepted.session.request().header("x-custom"), Some(&b"yes"[..]));
    assert_eq!(accepted.session.request().remote_addr(), None, "nobody told");
}

#[tokio::test(start_paused = true)]
async fn a_sid_is_20_url_safe_characters_and_never_shown_by_debug() {
    let mut server = Server::new(Config::default());
    let (_, accepted) = server.polling().await;
    let sid = accepted.session.id().as_str();
    assert_eq!(sid.len(), 20);
    assert!(sid.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')), "{sid}");
    for shown in [format!("{:?}", accepted.session), format!("{}", accepted.session.id())] {
        assert!(!shown.contains(sid), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_path_takes_everything_below_it() {
    let engine = Engine::new(Config::default(), Nobody).unwrap();
    for path in ["/engine.io/", "/engine.io/foo/bar/", "/engine.io//"] {
        assert!(engine.owns_path(path), "{path}");
    }
    for path in
        ["/engine.io", "/engine.iofoo/", "/engine.io-admin/", "/", "", "/foo/engine.io/", "/engine%2eio/"]
    {
        assert!(!engine.owns_path(path), "{path}");
    }
    let engine = Engine::new(Config::default().path("/a/b/"), Nobody).unwrap();
    assert!(engine.owns_path("/a/b/") && !engine.owns_path("/engine.io/"));
    assert_eq!(engine.path(), "/a/b");
}

/// No session is ever opened here.
struct Nobody;

impl engine_io_server::Handler for Nobody {
    fn on_open(&self, session: engine_io_server::Session) -> Box<dyn engine_io_server::SessionHandler> {
        panic!("{session:?}")
    }
}

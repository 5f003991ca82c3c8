//! Answers to polls, compressed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod common;

use std::io::Read;

use bytes::Bytes;
use engine_io_server::{CloseReason, Config, Cors, HttpCompression, Origins, SharedFrame};
use http::HeaderValue;

use self::common::{Accepted, Polling, Reply, Server, request, send};

const BROWSER: &str = "gzip, deflate, br, zstd";
const THRESHOLD: usize = 1024;

/// A text whose packet has so many bytes.
fn text(packet_len: usize) -> String {
    "abcd".chars().cycle().take(packet_len - 1).collect()
}

async fn poll(polling: &Polling, server: &Server, accepted: Option<&'static str>) -> Reply {
    let mut request = request("GET", &polling.query());
    if let Some(accepted) = accepted {
        request.headers_mut().insert("accept-encoding", HeaderValue::from_static(accepted));
    }
    send(&server.engine, request).await
}

/// A server with one polling session.
async fn with_session(config: Config) -> (Server, Polling, Accepted) {
    let mut server = Server::new(config);
    let (polling, accepted) = server.polling().await;
    (server, polling, accepted)
}

fn decoded(reply: &Reply) -> String {
    let mut text = String::new();
    let body = &reply.body[..];
    let read = match reply.header("content-encoding") {
        Some("br") => brotli::Decompressor::new(body, 4096).read_to_string(&mut text),
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_string(&mut text),
        Some("deflate") => flate2::read::ZlibDecoder::new(body).read_to_string(&mut text),
        None => return reply.text().to_owned(),
        other => panic!("{other:?}"),
    };
    read.unwrap();
    text
}

fn values<'a>(reply: &'a Reply, name: &str) -> Vec<&'a str> {
    reply.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_in_the_coding_that_the_client_likes_best() {
    let (server, polling, session) = with_session(Config::default()).await;
    for (accepted, coding) in [
        (Some("gzip"), Some("gzip")),
        (Some("deflate"), Some("deflate")),
        (Some("br"), Some("br")),
        (Some("gzip, deflate"), Some("gzip")),
        (Some(BROWSER), Some("gzip")),
        (Some("gzip;q=0.5, br;q=0.8"), Some("br")),
        (Some("gzip;q=0, deflate"), Some("deflate")),
        (Some("*"), Some("br")),
        (Some("br;q=0, *;q=0.5"), Some("gzip")),
        (Some("gzip;q=0, *;q=0"), None),
        (Some("identity, gzip;q=0.5"), None),
        (Some("zstd"), None),
        (None, None),
    ] {
        let text = text(3000);
        session.session.send(text.as_str()).unwrap();
        let reply = poll(&polling, &server, accepted).await;
        assert_eq!((reply.status, reply.header("content-encoding")), (200, coding), "{accepted:?}");
        assert_eq!(decoded(&reply), format!("4{text}"), "{accepted:?}");
        assert_eq!(reply.body.len() < 300, coding.is_some(), "{accepted:?}");
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(values(&reply, "vary"), ["Accept-Encoding"], "{accepted:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_below_the_threshold_is_left_alone() {
    for (threshold, config) in [
        (THRESHOLD, Config::default()),
        (THRESHOLD, Config::default().http_compression(HttpCompression::default())),
        (10, Config::default().http_compression(HttpCompression::default().threshold(10))),
    ] {
        let (server, polling, accepted) = with_session(config).await;
        for (len, coding, vary) in
            [(threshold - 1, None, &[][..]), (threshold, Some("gzip"), &["Accept-Encoding"])]
        {
            let text = text(len);
            accepted.session.send(text.as_str()).unwrap();
            let reply = poll(&polling, &server, Some(BROWSER)).await;
            assert_eq!(reply.header("content-encoding"), coding, "{len} bytes");
            assert_eq!(values(&reply, "vary"), vary, "{len} bytes");
            assert_eq!(decoded(&reply), format!("4{text}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_threshold_of_zero_the_shortest_answer_is_compressed() {
    let config = Config::default().http_compression(HttpCompression::default().threshold(0));
    let (server, polling, accepted) = with_session(config).await;
    accepted.session.send("").unwrap();
    let reply = poll(&polling, &server, Some(BROWSER)).await;
    assert_eq!((reply.header("content-encoding"), &*decoded(&reply)), (Some("gzip"), "4"));
}

#[tokio::test(start_paused = true)]
async fn the_threshold_is_for_all_messages_of_an_answer_together() {
    let (server, polling, accepted) = with_session(Config::default()).await;
    for _ in 0..3 {
        accepted.session.send(text(400).as_str()).unwrap();
    }
    let reply = poll(&polling, &server, Some("gzip")).await;
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert_eq!(decoded(&reply), [format!("4{}", text(400))].repeat(3).join("\x1e"));
}

#[tokio::test(start_paused = true)]
async fn switched_off_nothing_is_compressed() {
    let (server, polling, accepted) = with_session(Config::default().http_compression(None)).await;
    accepted.session.send(text(3000).as_str()).unwrap();
    let reply = poll(&polling, &server, Some(BROWSER)).await;
    assert_eq!((reply.header("content-encoding"), reply.header("vary")), (None, None));
    assert_eq!(reply.text(), format!("4{}", text(3000)));
}

#[tokio::test(start_paused = true)]
async fn neither_the_first_answer_nor_a_confirmation_is_compressed() {
    let config = Config::default().http_compression(HttpCompression::default().threshold(0));
    let mut server = Server::new(config);
    let mut open = request("GET", common::POLLING);
    open.headers_mut().insert("accept-encoding", HeaderValue::from_static("gzip"));
    let reply = server.send(open).await;
    assert_eq!((reply.status, reply.header("content-encoding")), (200, None));
    assert!(reply.text().starts_with("0{"), "{reply:?}");
    server.accepted().await;

    let (polling, _accepted) = server.polling().await;
    let mut post = polling.post_request("4hello");
    post.headers_mut().insert("accept-encoding", HeaderValue::from_static("gzip"));
    let reply = server.send(post).await;
    reply.is(200, "ok");
    assert_eq!(reply.header("content-encoding"), None);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_messages_is_not_compressed() {
    let config = Config::default().http_compression(HttpCompression::default().threshold(0));
    let (server, polling, accepted) = with_session(config).await;
    accepted.session.close(CloseReason::ForcedClose);
    let reply = poll(&polling, &server, Some(BROWSER)).await;
    assert_eq!((reply.header("content-encoding"), &*reply.text().replace('\x1e', "")), (None, "61"));
}

#[tokio::test(start_paused = true)]
async fn one_message_that_may_be_compressed_is_enough() {
    let (server, polling, accepted) = with_session(Config::default()).await;
    let plain = SharedFrame::text(&text(2000)).without_compression();
    let image = SharedFrame::binary(Bytes::from(vec![7; 2000])).without_compression();
    let other = SharedFrame::text("short");
    for (frames, coding) in [
        (&[plain.clone()][..], None),
        (&[image.clone(), plain.clone()], None),
        (&[plain.clone(), other.clone()], Some("gzip")),
        (&[other, image], Some("gzip")),
        (&[SharedFrame::binary(Bytes::from(vec![7; 2000]))], Some("gzip")),
    ] {
        accepted.session.send_frames(frames).unwrap();
        let reply = poll(&polling, &server, Some(BROWSER)).await;
        assert_eq!(reply.header("content-encoding"), coding, "{frames:?}");
        assert_eq!(reply.header("vary").is_some(), coding.is_some(), "{frames:?}");
        let packets = frames.iter().map(|frame| std::str::from_utf8(frame.packet()).unwrap());
        assert_eq!(decoded(&reply), packets.collect::<Vec<_>>().join("\x1e"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_depends_on_is_added_to_what_cors_says_of_it() {
    let origin = "https://app.example";
    let config = Config::default().cors(Cors::new(Origins::list([origin])));
    let (server, polling, accepted) = with_session(config).await;
    accepted.session.send(text(3000).as_str()).unwrap();
    let mut get = request("GET", &polling.query());
    get.headers_mut().insert("origin", HeaderValue::from_static(origin));
    get.headers_mut().insert("accept-encoding", HeaderValue::from_static(BROWSER));
    let reply = server.send(get).await;
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert_eq!(values(&reply, "vary"), ["Accept-Encoding", "Origin"]);
}

#[tokio::test]
async fn a_long_answer_is_compressed_without_holding_others_up() {
    let (server, polling, accepted) = with_session(Config::default()).await;
    for len in [65_536, 65_537, 900_000] {
        let text = text(len);
        accepted.session.send(text.as_str()).unwrap();
        let mut get = request("GET", &polling.query());
        get.headers_mut().insert("accept-encoding", HeaderValue::from_static("deflate"));
        let mut get = polling.running(get);
        let is_elsewhere = len > 65_536;
        assert_eq!(get.is_pending().await, is_elsewhere, "{len} bytes");
        if is_elsewhere {
            let reply = get.end().await;
            assert_eq!(reply.header("content-encoding"), Some("deflate"));
            assert_eq!(decoded(&reply), format!("4{text}"));
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_away_while_its_answer_is_compressed_loses_its_session() {
    let (_server, polling, mut accepted) = with_session(Config::default()).await;
    accepted.session.send(text(900_000).as_str()).unwrap();
    let mut get = request("GET", &polling.query());
    get.headers_mut().insert("accept-encoding", HeaderValue::from_static("gzip"));
    let mut get = polling.running(get);
    assert!(get.is_pending().await);
    accepted.has_no_event();
    drop(get);
    let detail = accepted.is_closed_with_detail(CloseReason::TransportError).await;
    assert_eq!(detail.as_deref(), Some("the client went away while its answer was compressed"));
}

#[tokio::test(start_paused = true)]
async fn a_body_in_a_coding_is_not_read_and_leaves_the_session_alone() {
    let mut server = Server::echo(Config::default());
    let (polling, mut accepted) = server.polling().await;
    for coding in ["gzip", "identity", "x"] {
        let mut post = polling.post_request("4hello");
        post.headers_mut().insert("content-encoding", HeaderValue::from_static(coding));
        let reply = server.send(post).await;
        reply.is(415, r#"{"code":3,"message":"Bad request"}"#);
        assert_eq!(reply.header("accept-encoding"), Some("identity"));
        assert_eq!(reply.header("connection"), Some("close"), "nobody has read the body");
    }
    accepted.has_no_event();
    polling.echoes().await;
}

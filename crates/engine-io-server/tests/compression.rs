//! Compression of the answers to polls.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod common;

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use engine_io_server::coding::Coding;
use engine_io_server::{CloseReason, Config, HttpCompression, SharedFrame};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use http::{HeaderValue, Request};
use http_body_util::Full;
use test_support::http::{HttpConnection, Request as HttpRequest};
use tokio::net::TcpListener;

use self::common::{POLLING, Polling, Reply, Running, Server, request};

/// What a browser sends.
const BROWSER: &str = "gzip, deflate, br, zstd";

/// The default threshold, in bytes.
const THRESHOLD: usize = 1024;

fn get(polling: &Polling, accepted: &[&'static str]) -> Request<Full<Bytes>> {
    with_accepted(request("GET", &polling.query()), accepted)
}

fn with_accepted(mut request: Request<Full<Bytes>>, accepted: &[&'static str]) -> Request<Full<Bytes>> {
    for value in accepted {
        request.headers_mut().append(ACCEPT_ENCODING, HeaderValue::from_static(value));
    }
    request
}

fn start(polling: &Polling, accepted: &'static str) -> Running {
    polling.running(get(polling, &[accepted]))
}

async fn poll(polling: &Polling, accepted: &'static str) -> Reply {
    let reply = start(polling, accepted).end().await;
    assert_eq!(reply.status, 200);
    reply
}

/// A text that makes a payload of `n` bytes.
fn payload_of(n: usize) -> String {
    "some words that come again; ".chars().cycle().take(n - 1).collect()
}

fn is_compressed(reply: &Reply) -> bool {
    reply.header("content-encoding").is_some()
}

/// The payload as a client reads it.
fn read(reply: &Reply) -> String {
    decoded(reply.header("content-encoding"), &reply.body)
}

fn decoded(coding: Option<&str>, mut body: &[u8]) -> String {
    let mut text = String::new();
    let read = match coding {
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_string(&mut text),
        Some("deflate") => flate2::read::ZlibDecoder::new(body).read_to_string(&mut text),
        Some("br") => brotli::Decompressor::new(body, 4096).read_to_string(&mut text),
        Some(other) => panic!("nobody asked for {other}"),
        None => body.read_to_string(&mut text),
    };
    read.unwrap();
    text
}

#[tokio::test(start_paused = true)]
async fn each_coding_is_undone_by_the_client() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    for coding in ["gzip", "deflate", "br"] {
        accepted.session.send(payload_of(5000)).unwrap();
        accepted.session.send(Bytes::from_static(&[1, 2, 3, 4])).unwrap();
        let reply = poll(&polling, coding).await;
        assert_eq!(reply.header("content-encoding"), Some(coding));
        assert_eq!(reply.header("vary"), Some("accept-encoding"));
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert!(reply.body.len() < 1000, "{coding}: {} bytes", reply.body.len());
        assert_eq!(read(&reply), format!("4{}\x1ebAQIDBA==", payload_of(5000)));
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_chooses_the_coding() {
    let mut server = Server::new(Config::default());
    let (polling, session) = server.polling().await;
    for (accepted, coding) in [
        (&[BROWSER][..], Some("gzip")),
        (&["deflate, gzip"], Some("deflate")),
        (&["br;q=0.9, gzip;q=0.8"], Some("br")),
        (&["gzip;q=0, br;q=0.1"], Some("br")),
        (&["zstd", "deflate"], Some("deflate")),
        (&["*"], Some("br")),
        (&["br;q=0, *;q=0.5"], Some("gzip")),
        (&["identity;q=0.5, gzip;q=0.4"], None),
        (&["gzip;q=0"], None),
        (&["*;q=0"], None),
        (&["zstd"], None),
        (&[""], None),
        (&[], None),
    ] {
        session.session.send(payload_of(5000)).unwrap();
        let reply = polling.running(get(&polling, accepted)).end().await;
        assert_eq!((reply.status, reply.header("content-encoding")), (200, coding), "{accepted:?}");
        assert_eq!(reply.header("vary"), Some("accept-encoding"), "another client would get another answer");
        assert_eq!(read(&reply), format!("4{}", payload_of(5000)));
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_compressed_from_the_threshold_on() {
    let of = HttpCompression::with_threshold;
    for (compression, threshold) in [
        (HttpCompression::default(), THRESHOLD),
        (HttpCompression::from(true), THRESHOLD),
        (of(10), 10),
        (of(100_000), 100_000),
    ] {
        let mut server = Server::new(Config::default().http_compression(compression));
        let (polling, accepted) = server.polling().await;
        accepted.session.send(payload_of(threshold)).unwrap();
        let reply = poll(&polling, BROWSER).await;
        assert_eq!(read(&reply).len(), threshold);
        assert!(is_compressed(&reply), "at {threshold}");
        accepted.session.send(payload_of(threshold - 1)).unwrap();
        let reply = poll(&polling, BROWSER).await;
        assert_eq!(read(&reply).len(), threshold - 1);
        assert!(!is_compressed(&reply) && reply.header("vary").is_none(), "below {threshold}");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_short_alone_are_compressed_together() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    for _ in 0..16 {
        accepted.session.send(payload_of(THRESHOLD / 16)).unwrap();
    }
    assert!(is_compressed(&poll(&polling, BROWSER).await));
}

#[tokio::test(start_paused = true)]
async fn compression_can_be_switched_off() {
    let mut server = Server::new(Config::default().http_compression(false));
    let (polling, accepted) = server.polling().await;
    accepted.session.send(payload_of(100_000)).unwrap();
    let reply = poll(&polling, BROWSER).await;
    assert!(!is_compressed(&reply) && reply.header("vary").is_none());
    assert_eq!(reply.body.len(), 100_000);
}

#[tokio::test(start_paused = true)]
async fn what_carries_no_message_is_never_compressed() {
    let server = &mut Server::new(Config::default().http_compression(HttpCompression::with_threshold(0)));
    let opened = server.send(with_accepted(request("GET", POLLING), &[BROWSER])).await;
    assert!(opened.text().starts_with("0{") && !is_compressed(&opened));
    drop(server.accepted().await);

    let (polling, accepted) = server.polling().await;
    let ping = start(&polling, BROWSER);
    tokio::time::sleep(Duration::from_secs(25)).await;
    let ping = ping.end().await;
    ping.is(200, "2");
    accepted.session.close(CloseReason::ForcedClose);
    let close = poll(&polling, BROWSER).await;
    close.is(200, "6\x1e1");
    for (method, status) in [("GET", 400), ("HEAD", 400)] {
        let refused = with_accepted(request(method, &polling.query()), &[BROWSER]);
        let refused = server.send(refused).await;
        assert_eq!(refused.status, status);
        assert!(!is_compressed(&refused) && refused.text().contains("code"), "{refused:?}");
    }
    for reply in [ping, close] {
        assert!(!is_compressed(&reply) && reply.header("vary").is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn the_shortest_messages_are_compressed_if_that_is_asked_for() {
    let mut server = Server::new(Config::default().http_compression(HttpCompression::with_threshold(0)));
    let (polling, accepted) = server.polling().await;
    accepted.session.send("").unwrap();
    let reply = poll(&polling, BROWSER).await;
    assert!(is_compressed(&reply));
    assert_eq!(read(&reply), "4");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_left_as_it_is_if_none_of_its_messages_may_be_compressed() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    let text = payload_of(2000);
    let plain = || SharedFrame::text(&text).without_compression();
    let binary = || SharedFrame::binary(Bytes::from(vec![0; 2000]));
    for (frames, may_compress) in [
        (vec![plain()], false),
        (vec![plain(), plain(), binary().without_compression()], false),
        (vec![SharedFrame::text(&text).without_compression(), SharedFrame::text("")], true),
        (vec![SharedFrame::text(""), plain()], true),
        (vec![plain(), binary()], true),
    ] {
        accepted.session.send_frames(&frames).unwrap();
        let reply = poll(&polling, BROWSER).await;
        assert_eq!((is_compressed(&reply), reply.header("vary").is_some()), (may_compress, may_compress));
        assert_eq!(read(&reply).split('\x1e').count(), frames.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_does_not_make_an_answer_compressible() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    accepted.session.send_frames(&[SharedFrame::text(&payload_of(2000)).without_compression()]).unwrap();
    let reply = poll(&polling, BROWSER).await;
    assert!(reply.text().starts_with("2\x1e4"), "the ping comes first");
    assert!(!is_compressed(&reply));
}

#[tokio::test]
async fn a_large_answer_comes_whole() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    for coding in Coding::ALL {
        // It is compressed elsewhere, so others have their turn meanwhile.
        accepted.session.send(payload_of(3_000_000)).unwrap();
        let mut answer = start(&polling, coding.as_str());
        assert!(answer.is_pending().await, "{coding:?}");
        let reply = answer.end().await;
        assert_eq!(reply.header("content-encoding"), Some(coding.as_str()));
        assert_eq!(read(&reply), format!("4{}", payload_of(3_000_000)));
    }
}

#[tokio::test]
async fn a_client_that_goes_away_while_its_answer_is_compressed_ends_its_session() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    accepted.session.send(payload_of(3_000_000)).unwrap();
    let mut answer = start(&polling, BROWSER);
    assert!(answer.is_pending().await);
    drop(answer);
    accepted.is_closed(CloseReason::TransportError).await;
    polling.is_gone().await;
}

#[tokio::test]
async fn the_length_that_is_stated_is_that_of_the_compressed_answer() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let engine = server.engine.clone();
    tokio::spawn(async move { engine.listen(listener).await });
    let mut connection = HttpConnection::open(address).await;
    let target = format!("/engine.io/?{}", polling.query());
    for coding in ["gzip", "deflate", "br"] {
        accepted.session.send(payload_of(5000)).unwrap();
        let reply = connection.exchange(HttpRequest::get(&target).header("accept-encoding", coding)).await;
        assert_eq!(reply.header("content-encoding"), Some(coding));
        assert_eq!(reply.header("transfer-encoding"), None);
        assert_eq!(reply.header("content-length"), Some(&*reply.body.len().to_string()));
        assert_eq!(decoded(Some(coding), &reply.body).len(), 5000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_with_a_content_coding_is_refused_and_leaves_the_session_alone() {
    let mut server = Server::echo(Config::default());
    let (polling, mut accepted) = server.polling().await;
    for coding in ["gzip", "br", "identity, gzip", "x"] {
        let mut request = polling.post_request("4x");
        request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        let reply = polling.running(request).end().await;
        reply.is(415, r#"{"code":3,"message":"Content encoding not supported"}"#);
        assert_eq!(reply.header("accept-encoding"), Some("identity"));
    }
    accepted.has_no_event();
    let mut request = polling.post_request("4x");
    request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
    polling.running(request).end().await.is(200, "ok");
    assert_eq!(polling.poll().await, "4x");
    assert_eq!(accepted.text().await, "x");
    polling.echoes().await;
}

//! HTTP long-polling.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use engine_io_server::{CloseReason, Config, Flow, Message};
use http::HeaderValue;

use self::common::{Event, Server, settle};

const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;
const BAD_METHOD: &str = r#"{"code":2,"message":"Bad handshake method"}"#;

#[tokio::test(start_paused = true)]
async fn messages_go_both_ways() {
    let mut server = Server::echo(Config::default());
    let (polling, mut accepted) = server.polling().await;
    polling.send("4hello\x1ebAQIDBA==\x1e4\x1e4水と😀").await;
    assert_eq!(accepted.text().await, "hello");
    assert_eq!(accepted.message().await, Message::from(Bytes::from_static(&[1, 2, 3, 4])));
    assert_eq!(accepted.text().await, "");
    assert_eq!(accepted.text().await, "水と😀");
    assert_eq!(polling.poll().await, "4hello\x1ebAQIDBA==\x1e4\x1e4水と😀");
}

#[tokio::test(start_paused = true)]
async fn a_poll_waits_for_the_next_message() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    let mut poll = polling.start_poll().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(poll.is_pending().await);
    accepted.session.send("now").unwrap();
    poll.end().await.is(200, "4now");
}

#[tokio::test(start_paused = true)]
async fn payloads_and_their_confirmation_say_what_they_are() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    accepted.session.send("水").unwrap();
    let poll = polling.request("GET").await;
    assert_eq!(poll.header("content-type"), Some("text/plain; charset=UTF-8"));
    let post = polling.post("4x").await;
    post.is(200, "ok");
    assert_eq!(post.header("content-type"), Some("text/html"));
    for reply in [poll, post] {
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test(start_paused = true)]
async fn messages_carry_the_headers_of_the_post_that_brought_them() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    for user in ["a", "b"] {
        let mut request = polling.post_request("41\x1e42");
        request.headers_mut().insert("x-user", HeaderValue::from_static(user));
        polling.running(request).end().await.is(200, "ok");
        for _ in 0..2 {
            match accepted.event().await {
                Event::Message { headers: Some(headers), .. } => assert_eq!(headers["x-user"], user),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_in_pieces_is_put_together() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let text = "水😀x".repeat(1000);
    let (body, post) = polling.slow_post();
    for piece in format!("4{text}\x1ebAAA=").as_bytes().chunks(7) {
        body.send(Ok(Bytes::copy_from_slice(piece))).await.unwrap();
    }
    drop(body);
    post.end().await.is(200, "ok");
    assert_eq!(accepted.text().await, text);
    assert_eq!(accepted.message().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_second_poll_ends_the_session() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let (other, other_accepted) = server.polling().await;
    let poll = polling.start_poll().await;
    assert_eq!(polling.request("GET").await.status, 400);
    poll.end().await.is(200, "1");
    accepted.is_closed(CloseReason::TransportError).await;
    polling.is_gone().await;
    other_accepted.session.send("unharmed").unwrap();
    assert_eq!(other.poll().await, "4unharmed");
}

#[tokio::test(start_paused = true)]
async fn a_second_post_ends_the_session() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let poll = polling.start_poll().await;
    let (body, mut post) = polling.slow_post();
    assert!(post.is_pending().await);
    assert_eq!(polling.post("4second").await.status, 400);
    poll.end().await.is(200, "1");
    body.send(Ok("4first".into())).await.unwrap();
    drop(body);
    post.end().await;
    accepted.is_closed(CloseReason::TransportError).await;
}

#[tokio::test(start_paused = true)]
async fn other_methods_are_refused_and_leave_the_session_alone() {
    let mut server = Server::echo(Config::default());
    let (polling, _) = server.polling().await;
    let mut poll = polling.start_poll().await;
    for method in ["PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"] {
        polling.request(method).await.is(400, BAD_METHOD);
    }
    assert!(poll.is_pending().await);
    polling.send("4still here").await;
    poll.end().await.is(200, "4still here");
}

/// Posts a body with garbage in it.
async fn is_garbage(body: impl Into<Bytes>, good: &[&str]) {
    let body = body.into();
    let mut server = Server::echo(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let (other, _) = server.polling().await;
    let reply = polling.post(body.clone()).await;
    assert_eq!((reply.status, reply.text()), (400, BAD_REQUEST), "{body:?}");
    let (messages, reason) = accepted.told();
    let good: Vec<_> = good.iter().map(|text| Message::from(*text)).collect();
    assert_eq!(messages, good, "{body:?}");
    assert_eq!(reason, Some(CloseReason::ParseError), "{body:?}");
    polling.is_gone().await;
    other.echoes().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_payload_ends_the_session() {
    for body in [
        "",
        "abc",
        "7",
        "8hello",
        "\x1e",
        "\x1e\x1e",
        "\n4x",
        " 4x",
        "undefined",
        "40:\x1f\x1e",
        "b!!!",
        "bA",
        "bAAA",
        "bAQID\x1ebA===",
        "b=",
        "bAQ=D",
        "bAQID=",
        "bAQ-_",
    ] {
        // What stands before the first bad packet is asserted below.
        let good: &[&str] = if body.starts_with("40") { &["0:\x1f"] } else { &[] };
        if body == "bAQID\x1ebA===" || body == "bAAA" {
            continue;
        }
        is_garbage(body, good).await;
    }
}

#[tokio::test(start_paused = true)]
async fn packets_before_garbage_are_handed_up() {
    is_garbage("4a\x1e4b\x1enonsense\x1e4c", &["a", "b"]).await;
    is_garbage("4a\x1e", &["a"]).await;
    is_garbage("4a\x1e\x1e4b", &["a"]).await;
    is_garbage("4a\x1eb!", &["a"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_utf8_ends_the_session() {
    is_garbage(&b"4\xff\xfe"[..], &[]).await;
    is_garbage(&b"4\xed\xa0\x80"[..], &[]).await;
    is_garbage(&b"\xc3"[..], &[]).await;
}

#[tokio::test(start_paused = true)]
async fn base64_may_lack_its_padding_and_be_wrapped() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let bytes: Vec<u8> = (0..=255).collect();
    polling.send("bAQIDBA\x1ebAQIDBA==\x1eb\x1ebAQ\r\nID\nBA==\r\n\x1eb+/+/").await;
    for expected in [&[1, 2, 3, 4][..], &[1, 2, 3, 4], &[], &[1, 2, 3, 4], &[0xfb, 0xff, 0xbf]] {
        assert_eq!(accepted.message().await, Message::from(Bytes::copy_from_slice(expected)));
    }
    accepted.session.send(Bytes::from(bytes.clone())).unwrap();
    let payload = polling.poll().await;
    polling.send(&payload).await;
    assert_eq!(accepted.message().await, Message::from(Bytes::from(bytes)));
}

#[tokio::test(start_paused = true)]
async fn a_binary_payload_is_refused_and_ends_the_session() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let mut request = polling.post_request("4x");
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/octet-stream"));
    polling.running(request).end().await.is(400, BAD_REQUEST);
    accepted.is_closed(CloseReason::TransportError).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_pings_is_closed() {
    for ping in ["2", "2probe", "2\x1e4late"] {
        let mut server = Server::new(Config::default());
        let (polling, mut accepted) = server.polling().await;
        polling.post(ping).await;
        accepted.is_closed(CloseReason::TransportError).await;
        polling.is_gone().await;
    }
}

#[tokio::test(start_paused = true)]
async fn packets_without_meaning_are_ignored() {
    let mut server = Server::echo(Config::default());
    let (polling, mut accepted) = server.polling().await;
    polling.send("6\x1e5\x1e3\x1e3probe").await;
    accepted.has_no_event();
    polling.echoes().await;
}

#[tokio::test(start_paused = true)]
async fn an_open_packet_of_a_client_is_ignored() {
    let mut server = Server::echo(Config::default());
    let (polling, mut accepted) = server.polling().await;
    polling.send("0\x1e0{}").await;
    accepted.has_no_event();
    polling.echoes().await;
}

#[tokio::test(start_paused = true)]
async fn a_post_that_breaks_off_ends_the_session() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let (body, mut post) = polling.slow_post();
    body.send(Ok("4half".into())).await.unwrap();
    assert!(post.is_pending().await);
    body.send(Err("reset by peer")).await.unwrap();
    post.end().await.is(400, BAD_REQUEST);
    accepted.is_closed(CloseReason::TransportError).await;
    polling.is_gone().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_of_many_packets_makes_way_for_others() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let packets = vec!["4"; 10_000].join("\x1e");
    let mut post = polling.running(polling.post_request(packets));
    let mut n_turns = 1;
    while post.is_pending().await {
        let (messages, _) = accepted.told();
        assert!(messages.len() <= 64, "{} packets in one turn", messages.len());
        n_turns += 1;
    }
    assert!((10_000 / 64..10_000 / 60).contains(&n_turns), "{n_turns}");
}

#[tokio::test(start_paused = true)]
async fn a_paused_session_holds_its_post_back() {
    let mut server = Server::with(Config::default(), |_, message| match message {
        Message::Text(text) if text == "pause" => Flow::Pause,
        _ => Flow::Continue,
    });
    let (polling, mut accepted) = server.polling().await;
    let mut post = polling.running(polling.post_request("4a\x1e4pause\x1e4b\x1e4pause"));
    assert!(post.is_pending().await);
    assert_eq!((accepted.text().await, accepted.text().await), ("a".into(), "pause".into()));
    settle().await;
    accepted.has_no_event();
    // The other direction goes on.
    accepted.session.send("meanwhile").unwrap();
    assert_eq!(polling.poll().await, "4meanwhile");
    accepted.session.resume();
    assert!(post.is_pending().await, "paused again");
    assert_eq!((accepted.text().await, accepted.text().await), ("b".into(), "pause".into()));
    accepted.session.resume();
    post.end().await.is(200, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_closed_while_paused_lets_its_post_go() {
    let mut server = Server::with(Config::default(), |_, _| Flow::Pause);
    let (polling, mut accepted) = server.polling().await;
    let mut post = polling.running(polling.post_request("4a\x1e4b"));
    assert!(post.is_pending().await);
    accepted.text().await;
    accepted.session.close(CloseReason::ForcedClose);
    post.end().await;
    accepted.is_closed(CloseReason::ForcedClose).await;
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_sessions_keep_their_messages_apart() {
    let mut server = Server::echo(Config::default());
    let mut sessions = Vec::new();
    for _ in 0..300 {
        sessions.push(server.polling().await.0);
    }
    for (n, polling) in sessions.iter().enumerate() {
        polling.send(&format!("4{n}")).await;
    }
    for (n, polling) in sessions.iter().enumerate() {
        assert_eq!(polling.poll().await, format!("4{n}"));
    }
}

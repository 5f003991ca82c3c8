//! A polling session that moves to a WebSocket.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod common;

use std::time::Duration;

use engine_io_server::{CloseReason, Config, SharedFrame, Transport};
use test_support::frames::{CLOSE, Frame, RawWebSocket, ServerFrame, TEXT};
use test_support::wait;
use tokio::time::Instant;

use self::common::{POLLING, Server, settle};

const MISMATCH: &str = r#"{"code":3,"message":"Bad request"}"#;

#[tokio::test(start_paused = true)]
async fn a_session_moves_to_a_websocket() {
    let mut server = Server::echo(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let poll = polling.start_poll().await;
    let mut socket = server.probe(&polling).await;
    poll.end().await.is(200, "6");
    assert_eq!(accepted.session.transport(), Transport::Polling, "a probe alone changes nothing");
    socket.write(&Frame::text("5")).await;
    socket.write(&Frame::text("4hello")).await;
    assert_eq!(socket.text().await, "4hello");
    assert_eq!(accepted.text().await, "hello");
    assert_eq!(accepted.session.transport(), Transport::WebSocket);
    assert!(accepted.session.request().query().contains("transport=polling"), "the first request stays");
    assert_eq!(server.engine.n_sessions(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_the_upgrade_requests_over_http_are_refused_and_change_nothing() {
    let mut server = Server::echo(Config::default());
    let (polling, accepted) = server.polling().await;
    let mut socket = server.upgrade(&polling, &accepted).await;
    polling.request("GET").await.is(400, MISMATCH);
    polling.post("4lost").await.is(400, MISMATCH);
    socket.write(&Frame::text("4hello")).await;
    assert_eq!(socket.text().await, "4hello");
}

#[tokio::test(start_paused = true)]
async fn a_get_that_waits_when_5_arrives_is_answered_with_a_mismatch() {
    let mut server = Server::new(Config::default());
    let (polling, _accepted) = server.polling().await;
    let mut socket = server.probe(&polling).await;
    let poll = polling.start_poll().await;
    socket.write(&Frame::text("5")).await;
    poll.end().await.is(400, MISMATCH);
}

#[tokio::test(start_paused = true)]
async fn another_websocket_of_a_session_that_upgrades_or_has_upgraded_is_closed_at_once() {
    let mut server = Server::echo(Config::default());
    let (polling, _accepted) = server.polling().await;
    let mut socket = server.raw_websocket(&polling.query_of("websocket")).await;
    let mut second = server.raw_websocket(&polling.query_of("websocket")).await;
    second.closes_with(None).await;
    socket.write(&Frame::text("2probe")).await;
    assert_eq!(socket.text().await, "3probe");
    let mut third = server.raw_websocket(&polling.query_of("websocket")).await;
    third.closes_with(None).await;
    socket.write(&Frame::text("5")).await;
    socket.write(&Frame::text("4a")).await;
    assert_eq!(socket.text().await, "4a");
    let mut fourth = server.raw_websocket(&polling.query_of("websocket")).await;
    fourth.closes_with(None).await;
    socket.write(&Frame::text("4b")).await;
    assert_eq!(socket.text().await, "4b");
}

#[tokio::test(start_paused = true)]
async fn a_websocket_session_takes_no_other_websocket() {
    let mut server = Server::echo(Config::default());
    let (mut socket, accepted) = server.websocket().await;
    let query = format!("EIO=4&transport=websocket&sid={}", accepted.session.id().as_str());
    let mut second = server.raw_websocket(&query).await;
    second.closes_with(None).await;
    socket.write(&Frame::text("4a")).await;
    assert_eq!(socket.text().await, "4a");
}

#[tokio::test(start_paused = true)]
async fn a_failed_probe_keeps_the_polling_session_and_a_new_one_may_follow() {
    for frame in [
        Frame::text("5"),
        Frame::text("2"),
        Frame::text("2prob"),
        Frame::text("4hello"),
        Frame::text("1"),
        Frame::text("nonsense"),
        Frame::text(""),
        Frame::new(2, [1, 2, 3]),
    ] {
        let mut server = Server::echo(Config::default());
        let (polling, mut accepted) = server.polling().await;
        let mut socket = server.raw_websocket(&polling.query_of("websocket")).await;
        socket.write(&frame).await;
        socket.closes_with(None).await;
        accepted.has_no_event();
        polling.echoes().await;
        server.upgrade(&polling, &accepted).await;
    }
}

#[tokio::test(start_paused = true)]
async fn anything_but_5_after_the_probe_keeps_the_polling_session() {
    for frame in [Frame::text("2probe"), Frame::text("4early"), Frame::text("3"), Frame::new(2, [1])] {
        let mut server = Server::echo(Config::default());
        let (polling, mut accepted) = server.polling().await;
        let mut socket = server.probe(&polling).await;
        socket.write(&frame).await;
        socket.closes_with(None).await;
        accepted.has_no_event();
        polling.echoes().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_frame_during_the_probe_costs_only_the_websocket() {
    let mut server = Server::echo(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let mut socket = server.probe(&polling).await;
    socket.write(&Frame::text("5").unmasked()).await;
    socket.closes_with(Some(1002)).await;
    accepted.has_no_event();
    polling.echoes().await;
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_goes_away_during_the_probe_costs_nothing() {
    let mut server = Server::echo(Config::default());
    let (polling, mut accepted) = server.polling().await;
    drop(server.raw_websocket(&polling.query_of("websocket")).await);
    settle().await;
    drop(server.probe(&polling).await);
    settle().await;
    accepted.has_no_event();
    polling.echoes().await;
    server.upgrade(&polling, &accepted).await;
}

#[tokio::test(start_paused = true)]
async fn an_accepted_websocket_that_is_never_run_costs_nothing() {
    let mut server = Server::echo(Config::default());
    let (polling, accepted) = server.polling().await;
    let request = http::Request::get(format!("/engine.io/?{}", polling.query_of("websocket")))
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", test_support::http::WEBSOCKET_KEY);
    let (parts, ()) = request.body(()).unwrap().into_parts();
    drop(server.engine.accept_websocket(&parts).await.unwrap());
    polling.echoes().await;
    server.upgrade(&polling, &accepted).await;
}

#[tokio::test(start_paused = true)]
async fn the_upgrade_timeout_closes_the_websocket_and_keeps_the_session() {
    for is_probed in [false, true] {
        let mut server = Server::echo(Config::default());
        let (polling, mut accepted) = server.polling().await;
        let started = Instant::now();
        let mut socket = server.raw_websocket(&polling.query_of("websocket")).await;
        if is_probed {
            socket.write(&Frame::text("2probe")).await;
            assert_eq!(socket.text().await, "3probe");
        }
        tokio::time::sleep(Duration::from_secs(9)).await;
        settle().await;
        accepted.has_no_event();
        socket.closes_with(None).await;
        let taken = started.elapsed();
        // The end of the connection comes when the server has waited 2 s for the client's close frame.
        assert!(taken <= Duration::from_secs(12), "{taken:?}");
        polling.echoes().await;
    }
}

#[tokio::test(start_paused = true)]
async fn there_is_no_timeout_after_an_upgrade() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let mut socket = server.upgrade(&polling, &accepted).await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(25)).await;
        assert_eq!(socket.text().await, "2");
        socket.write(&Frame::text("3")).await;
        settle().await;
    }
    accepted.has_no_event();
    assert!(accepted.session.is_open());
}

#[tokio::test(start_paused = true)]
async fn gets_during_a_probe_are_answered_every_100_ms() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    let waiting = polling.start_poll().await;
    let _socket = server.probe(&polling).await;
    let started = Instant::now();
    waiting.end().await.is(200, "6");
    assert!(started.elapsed() < Duration::from_millis(5), "the waiting one is answered at once");
    for _ in 0..3 {
        let started = Instant::now();
        assert_eq!(polling.poll().await, "6");
        let waited = started.elapsed();
        // The timer's grain is 20 ms, and it is never late.
        assert!((Duration::from_millis(75)..=Duration::from_millis(105)).contains(&waited), "{waited:?}");
    }
    let poll = polling.start_poll().await;
    let started = Instant::now();
    accepted.session.send("now").unwrap();
    poll.end().await.is(200, "4now");
    assert!(started.elapsed() < Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn a_get_that_waits_before_2probe_is_not_answered_by_the_connection_alone() {
    let mut server = Server::new(Config::default());
    let (polling, _accepted) = server.polling().await;
    let mut poll = polling.start_poll().await;
    let _socket = server.raw_websocket(&polling.query_of("websocket")).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(poll.is_pending().await);
}

#[tokio::test(start_paused = true)]
async fn messages_sent_during_the_probe_go_through_polling_or_after_the_switch() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    let mut socket = server.probe(&polling).await;
    accepted.session.send("through polling").unwrap();
    assert_eq!(polling.poll().await, "4through polling");
    accepted.session.send("1").unwrap();
    accepted.session.send(bytes::Bytes::from_static(&[2])).unwrap();
    accepted.session.send("3").unwrap();
    socket.write(&Frame::text("5")).await;
    assert_eq!(socket.text().await, "41");
    assert_eq!(socket.read().await.unwrap().payload[..], [2]);
    assert_eq!(socket.text().await, "43");
}

#[tokio::test(start_paused = true)]
async fn a_post_that_runs_when_5_arrives_is_handed_up_before_the_websockets_messages() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let mut socket = server.probe(&polling).await;
    let (body, mut post) = polling.slow_post();
    body.send(Ok("4from the".into())).await.unwrap();
    assert!(post.is_pending().await);
    socket.write(&Frame::text("5")).await;
    socket.write(&Frame::text("4from the socket")).await;
    settle().await;
    accepted.has_no_event();
    polling.request("GET").await.is(400, MISMATCH);
    let started = Instant::now();
    body.send(Ok(" post".into())).await.unwrap();
    drop(body);
    post.end().await.is(200, "ok");
    assert_eq!(accepted.text().await, "from the post");
    assert_eq!(accepted.text().await, "from the socket");
    assert!(started.elapsed() < Duration::from_millis(5), "it took {:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_post_that_breaks_off_while_5_waits_for_it_closes_the_session() {
    for is_dropped in [false, true] {
        let mut server = Server::new(Config::default());
        let (polling, mut accepted) = server.polling().await;
        let mut socket = server.probe(&polling).await;
        let (body, mut post) = polling.slow_post();
        assert!(post.is_pending().await);
        socket.write(&Frame::text("5")).await;
        settle().await;
        if is_dropped {
            drop(post);
        } else {
            body.send(Err("reset")).await.unwrap();
            post.end().await.is(400, MISMATCH);
        }
        accepted.is_closed(CloseReason::TransportError).await;
        assert_eq!(socket.read().await.unwrap().opcode, CLOSE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_that_is_out_at_the_upgrade_keeps_its_deadline() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(polling.poll().await, "2");
    let pinged = Instant::now();
    let mut socket = server.upgrade(&polling, &accepted).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    accepted.has_no_event();
    accepted.is_closed(CloseReason::PingTimeout).await;
    assert!(pinged.elapsed() <= Duration::from_secs(20), "{:?}", pinged.elapsed());
    socket.closes_with(None).await;
}

#[tokio::test(start_paused = true)]
async fn a_ping_that_waits_for_a_get_goes_over_the_websocket() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    let mut socket = server.upgrade(&polling, &accepted).await;
    assert_eq!(socket.text().await, "2");
    socket.write(&Frame::text("3")).await;
    tokio::time::sleep(Duration::from_secs(21)).await;
    accepted.has_no_event();
}

#[tokio::test(start_paused = true)]
async fn a_close_during_the_probe_closes_the_websocket() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let mut socket = server.probe(&polling).await;
    accepted.session.send("last words").unwrap();
    accepted.session.close(CloseReason::ForcedClose);
    accepted.is_closed_already(CloseReason::ForcedClose);
    socket.closes_with(None).await;
    assert_eq!(polling.poll().await, "4last words");
    assert_eq!(polling.poll().await, "6\x1e1");
    polling.is_gone().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_by_polling_during_the_probe_ends_both() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let mut socket = server.probe(&polling).await;
    polling.send("1").await;
    accepted.is_closed(CloseReason::TransportClose).await;
    socket.closes_with(None).await;
    polling.is_gone().await;
}

#[tokio::test(start_paused = true)]
async fn upgrades_that_are_not_allowed_are_neither_offered_nor_accepted() {
    let mut server = Server::echo(Config::default().allow_upgrades(false));
    let (polling, _accepted) = server.polling().await;
    assert!(polling.handshake.upgrades.is_empty());
    server.refused_websocket(&polling.query_of("websocket")).await.is(400, MISMATCH);
    polling.echoes().await;
    server.websocket().await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_needs_the_version_and_the_transport_of_its_session() {
    let mut server = Server::echo(Config::default());
    let (polling, _accepted) = server.polling().await;
    for query in [
        polling.query(),
        polling.query_of("websocket").replace("EIO=4", "EIO=3"),
        polling.query_of("websocket").replace("EIO=4&", ""),
    ] {
        server.refused_websocket(&query).await.is(400, MISMATCH);
    }
    polling.echoes().await;
}

#[tokio::test(start_paused = true)]
async fn bytes_after_the_upgrade_request_that_are_no_frames_cost_only_the_websocket() {
    let mut server = Server::echo(Config::default());
    let (polling, _accepted) = server.polling().await;
    let mut socket = server.raw_websocket(&polling.query_of("websocket")).await;
    socket.write_bytes(b"hello, this is a body\r\n").await;
    assert_eq!(socket.read().await.unwrap().opcode, CLOSE);
    polling.echoes().await;
}

/// A client and a server that send fifty messages each, with the upgrade somewhere in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_in_both_directions_arrive_once_and_in_order_across_an_upgrade() {
    let mut server = Server::new(Config::default());
    for round in 0..200 {
        let (polling, mut accepted) = server.polling().await;
        let polling = std::sync::Arc::new(polling);
        let session = accepted.session.clone();
        let sender = tokio::spawn(async move {
            for n in 0..N {
                session.send(n.to_string()).unwrap();
                if n % 7 == round % 7 {
                    tokio::time::sleep(Duration::from_micros(50)).await;
                }
            }
        });
        // All that comes by polling, until the session has moved.
        let poller = tokio::spawn({
            let polling = std::sync::Arc::clone(&polling);
            async move {
                let mut packets = Vec::new();
                loop {
                    let reply = polling.request("GET").await;
                    if reply.status == 400 {
                        return packets;
                    }
                    packets.extend(reply.text().split('\x1e').map(str::to_owned));
                }
            }
        });
        let switch_at = round % N;
        let posted = tokio::spawn({
            let polling = std::sync::Arc::clone(&polling);
            async move {
                for n in 0..switch_at {
                    polling.send(&format!("4{n}")).await;
                }
            }
        });
        let mut socket = server.raw_websocket(&polling.query_of("websocket")).await;
        socket.write(&Frame::text("2probe")).await;
        assert_eq!(socket.text().await, "3probe");
        posted.await.unwrap();
        socket.write(&Frame::text("5")).await;
        for n in switch_at..N {
            socket.write(&Frame::text(&format!("4{n}"))).await;
        }
        let mut received = poller.await.unwrap();
        received.retain(|packet| packet != "6");
        while received.len() < N {
            received.push(socket.text().await);
        }
        sender.await.unwrap();
        let sent: Vec<_> = (0..N).map(|n| format!("4{n}")).collect();
        assert_eq!(received, sent, "from the server, round {round}");
        for n in 0..N {
            assert_eq!(accepted.text().await, n.to_string(), "from the client, round {round}");
        }
        accepted.has_no_event();
    }
}

const N: usize = 50;

#[tokio::test(start_paused = true)]
async fn two_engines_on_different_paths_do_not_know_each_others_sessions() {
    let mut server = Server::echo(Config::default());
    let other = Server::echo(Config::default().path("/foo"));
    let (polling, _accepted) = server.polling().await;
    other.request("GET", &polling.query()).await.is(400, r#"{"code":1,"message":"Session ID unknown"}"#);
    assert_eq!(other.request("GET", POLLING).await.status, 200);
    polling.echoes().await;
}

#[tokio::test(start_paused = true)]
async fn volatile_messages_follow_the_transport() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    let frame = [SharedFrame::text("v")];
    let mut socket: RawWebSocket<_> = server.probe(&polling).await;
    assert!(!accepted.session.send_volatile(&frame), "no GET waits");
    socket.write(&Frame::text("5")).await;
    wait::until("the upgrade", || accepted.session.transport() == Transport::WebSocket).await;
    assert!(accepted.session.send_volatile(&frame));
    let expected = ServerFrame { fin: true, rsv: 0, opcode: TEXT, payload: "4v".into() };
    assert_eq!(socket.read().await, Some(expected));
}

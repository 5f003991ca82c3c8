//! Pings, pongs and what happens without them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod common;

use std::time::Duration;

use engine_io_server::{CloseReason, Config, Flow, Message};
use test_support::frames::Frame;
use tokio::time::{Instant, advance, sleep};

use self::common::{Server, TryText, settle};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test(start_paused = true)]
async fn pings_come_in_time_and_never_late_on_a_websocket() {
    let mut server = Server::new(Config::default());
    let (mut socket, mut accepted) = server.websocket().await;
    for _ in 0..5 {
        let started = Instant::now();
        sleep(Duration::from_millis(22_400)).await;
        assert_eq!(socket.try_text().await, None, "a tenth too early at most");
        sleep(secs(25) - started.elapsed()).await;
        assert_eq!(socket.try_text().await.as_deref(), Some("2"));
        socket.write(&Frame::text("3")).await;
        settle().await;
    }
    accepted.has_no_event();
}

#[tokio::test(start_paused = true)]
async fn pings_come_in_time_and_never_late_on_polling() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    for _ in 0..5 {
        let mut poll = polling.start_poll().await;
        let started = Instant::now();
        sleep(Duration::from_millis(22_400)).await;
        assert!(poll.is_pending().await);
        sleep(secs(25) - started.elapsed()).await;
        assert!(!poll.is_pending().await, "the ping is late");
        polling.send("3").await;
    }
    accepted.has_no_event();
}

#[tokio::test(start_paused = true)]
async fn a_ping_waits_for_the_next_poll() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    sleep(secs(25)).await;
    accepted.session.send("after it").unwrap();
    assert_eq!(polling.poll().await, "2\x1e4after it");
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_pong_is_closed_exactly_at_the_timeout() {
    let config = Config::default().ping_interval(secs(1)).ping_timeout(secs(3));
    let mut server = Server::new(config);
    let (mut socket, mut on_socket) = server.websocket().await;
    let (polling, mut polled) = server.polling().await;
    let poll = polling.start_poll().await;
    sleep(secs(1)).await;
    poll.end().await.is(200, "2");
    assert_eq!(socket.text().await, "2");
    let poll = polling.start_poll().await;
    sleep(Duration::from_millis(2850)).await;
    on_socket.has_no_event();
    polled.has_no_event();
    sleep(Duration::from_millis(150)).await;
    settle().await;
    on_socket.is_closed_already(CloseReason::PingTimeout);
    polled.is_closed_already(CloseReason::PingTimeout);
    socket.closes_with(None).await;
    poll.end().await.is(200, "1");
    polling.is_gone().await;
    assert_eq!(server.engine.n_sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_polling_client_that_never_comes_back_is_closed() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    sleep(secs(42)).await;
    accepted.has_no_event();
    sleep(secs(3)).await;
    settle().await;
    accepted.is_closed_already(CloseReason::PingTimeout);
    polling.is_gone().await;
}

#[tokio::test(start_paused = true)]
async fn an_unasked_pong_changes_nothing() {
    let mut server = Server::new(Config::default());
    let (mut socket, mut accepted) = server.websocket().await;
    // Jitter may bring the ping forward to 22.5 s, and a pong after that would be asked for.
    for _ in 0..7 {
        sleep(secs(3)).await;
        socket.write(&Frame::text("3")).await;
    }
    sleep(secs(4)).await;
    assert_eq!(socket.try_text().await.as_deref(), Some("2"), "the ping comes as if nothing had been said");
    sleep(secs(20)).await;
    settle().await;
    accepted.is_closed_already(CloseReason::PingTimeout);
}

#[tokio::test(start_paused = true)]
async fn messages_do_not_replace_a_pong_but_extend_its_deadline_once() {
    let config = Config::default().ping_interval(secs(10)).ping_timeout(secs(10));
    let mut server = Server::new(config);
    let (mut socket, mut accepted) = server.websocket().await;
    sleep(secs(10)).await;
    assert_eq!(socket.try_text().await.as_deref(), Some("2"));
    let mut alive = secs(0);
    for _ in 0..10 {
        sleep(secs(3)).await;
        alive += secs(3);
        if !accepted.session.is_open() {
            break;
        }
        socket.write(&Frame::text("4x")).await;
        settle().await;
    }
    // The first message came 3 s after the ping and gave 10 s from then on.
    assert_eq!(alive, secs(15));
    let (messages, reason) = accepted.told();
    assert_eq!((messages.len(), reason), (4, Some(CloseReason::PingTimeout)));
}

#[tokio::test(start_paused = true)]
async fn a_stall_of_the_process_gives_every_session_one_more_timeout() {
    let config = Config::default().ping_interval(secs(10)).ping_timeout(secs(10));
    let mut server = Server::new(config);
    let (mut socket, mut on_socket) = server.websocket().await;
    let (_polling, mut polled) = server.polling().await;
    sleep(secs(10)).await;
    settle().await;
    advance(secs(60)).await;
    settle().await;
    on_socket.has_no_event();
    polled.has_no_event();
    socket.write(&Frame::text("3")).await;
    sleep(secs(9)).await;
    settle().await;
    on_socket.has_no_event();
    polled.has_no_event();
    sleep(secs(1)).await;
    settle().await;
    polled.is_closed_already(CloseReason::PingTimeout);
    on_socket.has_no_event();
}

#[tokio::test(start_paused = true)]
async fn the_deadline_stands_still_while_a_websocket_is_paused() {
    let config = Config::default().ping_interval(secs(10)).ping_timeout(secs(10));
    let mut server = Server::with(config, |_, _| Flow::Pause);
    let (mut socket, mut accepted) = server.websocket().await;
    socket.write(&Frame::text("4pause")).await;
    assert_eq!(accepted.text().await, "pause");
    sleep(secs(10)).await;
    assert_eq!(socket.try_text().await.as_deref(), Some("2"), "pings go out all the same");
    sleep(secs(600)).await;
    accepted.has_no_event();
    accepted.session.resume();
    sleep(secs(8)).await;
    accepted.has_no_event();
    socket.write(&Frame::text("3")).await;
    sleep(secs(8)).await;
    settle().await;
    accepted.has_no_event();
    assert!(accepted.session.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_paused_websocket_without_a_pong_is_closed_after_it_was_resumed() {
    let config = Config::default().ping_interval(secs(10)).ping_timeout(secs(10));
    let mut server = Server::with(config, |_, _| Flow::Pause);
    let (mut socket, mut accepted) = server.websocket().await;
    socket.write(&Frame::text("4pause")).await;
    accepted.text().await;
    sleep(secs(100)).await;
    accepted.session.resume();
    sleep(secs(10)).await;
    settle().await;
    accepted.is_closed_already(CloseReason::PingTimeout);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_stands_still_while_a_polling_session_is_paused() {
    let config = Config::default().ping_interval(secs(10)).ping_timeout(secs(10));
    let mut server =
        Server::with(
            config,
            |_, message| {
                if *message == Message::from("pause") { Flow::Pause } else { Flow::Continue }
            },
        );
    let (polling, mut accepted) = server.polling().await;
    // The pong stands behind the message that pauses.
    sleep(secs(10)).await;
    assert_eq!(polling.poll().await, "2");
    let mut post = polling.running(polling.post_request("4pause\x1e3"));
    assert!(post.is_pending().await);
    assert_eq!(accepted.text().await, "pause");
    sleep(secs(600)).await;
    accepted.has_no_event();
    accepted.session.resume();
    post.end().await.is(200, "ok");
    sleep(secs(15)).await;
    settle().await;
    accepted.has_no_event();
}

#[tokio::test(start_paused = true)]
async fn clients_that_connect_together_are_not_pinged_together() {
    let mut server = Server::new(Config::default());
    let mut polls = Vec::new();
    let mut accepted = Vec::new();
    for _ in 0..200 {
        let (polling, session) = server.polling().await;
        polls.push(polling.start_poll().await);
        accepted.push(session);
    }
    sleep(Duration::from_millis(23_750)).await;
    let mut n_early = 0;
    for poll in &mut polls {
        n_early += usize::from(!poll.is_pending().await);
    }
    assert!((50..150).contains(&n_early), "{n_early} of 200 in the first half");
}

/// A quarter of a second each: longer than a ping interval.
const N_MESSAGES: usize = 110;

#[tokio::test(start_paused = true)]
async fn a_busy_websocket_is_pinged_all_the_same() {
    let mut server = Server::new(Config::default());
    let (mut socket, accepted) = server.websocket().await;
    let session = accepted.session.clone();
    let busy = tokio::spawn(async move {
        for _ in 0..N_MESSAGES {
            session.send("x".repeat(64_000)).unwrap();
            sleep(Duration::from_millis(250)).await;
        }
    });
    let (mut n_messages, mut n_pings) = (0, 0);
    while n_messages < N_MESSAGES {
        match socket.text().await.as_str() {
            "2" => n_pings += 1,
            _ => n_messages += 1,
        }
    }
    assert_eq!(n_pings, 1);
    busy.await.unwrap();
}

//! How sessions end, by either side.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod common;

use std::time::Duration;

use engine_io_server::{
    CloseReason, Config, Engine, Flow, Handler, Incoming, Message, SendError, Session, SessionHandler,
};
use test_support::frames::{CLOSE, CONTINUATION, Frame, PONG, RawWebSocket};
use test_support::{polling, wait};
use tokio::time::Instant;

use self::common::{POLLING, Running, Server, WEBSOCKET, request, settle, upgrade_request};

#[tokio::test(start_paused = true)]
async fn the_server_closes_a_polling_session_whose_poll_waits() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let poll = polling.start_poll().await;
    accepted.session.close(CloseReason::ForcedClose);
    accepted.is_closed_already(CloseReason::ForcedClose);
    assert!(!accepted.session.is_open());
    poll.end().await.is(200, "1");
    polling.is_gone().await;
    assert_eq!(server.engine.n_sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_server_closes_a_polling_session_between_polls() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    accepted.session.close(CloseReason::ForcedClose);
    accepted.is_closed_already(CloseReason::ForcedClose);
    assert_eq!(polling.poll().await, "6\x1e1");
    polling.is_gone().await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_polling_session_that_nobody_fetches_ends_after_30_s() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    accepted.session.close(CloseReason::ForcedClose);
    accepted.is_closed_already(CloseReason::ForcedClose);
    tokio::time::sleep(Duration::from_millis(29_900)).await;
    assert_eq!(server.engine.n_sessions(), 1);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.engine.n_sessions(), 0);
    polling.is_gone().await;
}

#[tokio::test(start_paused = true)]
async fn the_server_closes_a_websocket_with_an_empty_close_frame() {
    let mut server = Server::new(Config::default());
    let (mut socket, mut accepted) = server.websocket().await;
    accepted.session.close(CloseReason::ForcedClose);
    accepted.is_closed_already(CloseReason::ForcedClose);
    socket.closes_with(None).await;
    assert_eq!(server.engine.n_sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_the_close_still_goes_out() {
    let mut server = Server::new(Config::default());
    let (mut socket, accepted) = server.websocket().await;
    let (polling, polled) = server.polling().await;
    for session in [&accepted.session, &polled.session] {
        for text in ["a", "b", "c"] {
            session.send(text).unwrap();
        }
        session.close(CloseReason::ForcedClose);
        assert_eq!(session.send("d"), Err(SendError::Closed));
    }
    for text in ["4a", "4b", "4c"] {
        assert_eq!(socket.text().await, text);
    }
    socket.closes_with(None).await;
    // Never in one payload: a client acts on the close before it has handed up the messages beside it.
    assert_eq!(polling.poll().await, "4a\x1e4b\x1e4c");
    assert_eq!(polling.poll().await, "6\x1e1");
}

#[tokio::test(start_paused = true)]
async fn messages_in_separate_polls_and_the_last_with_the_close_all_arrive() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    for text in ["a", "b"] {
        let poll = polling.start_poll().await;
        accepted.session.send(text).unwrap();
        poll.end().await.is(200, &format!("4{text}"));
    }
    let poll = polling.start_poll().await;
    accepted.session.send("c").unwrap();
    accepted.session.close(CloseReason::ForcedClose);
    poll.end().await.is(200, "4c");
    assert_eq!(polling.poll().await, "6\x1e1");
}

#[tokio::test(start_paused = true)]
async fn an_abort_drops_what_is_queued() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let (mut socket, mut on_socket) = server.websocket().await;
    let poll = polling.start_poll().await;
    for accepted in [&mut accepted, &mut on_socket] {
        accepted.session.send("dropped").unwrap();
        accepted.session.abort(CloseReason::RateLimited);
        accepted.is_closed_already(CloseReason::RateLimited);
        assert_eq!(accepted.session.buffered_bytes(), 0);
    }
    poll.end().await.is(200, "1");
    polling.is_gone().await;
    socket.closes_with(Some(1008)).await;
}

#[tokio::test(start_paused = true)]
async fn only_the_first_reason_is_told() {
    let mut server = Server::new(Config::default());
    let (_polling, mut accepted) = server.polling().await;
    accepted.session.close(CloseReason::ForcedClose);
    accepted.session.close(CloseReason::RateLimited);
    accepted.session.abort(CloseReason::SlowConsumer);
    accepted.is_closed(CloseReason::ForcedClose).await;
    assert_eq!(server.engine.n_sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_by_polling_frees_its_waiting_poll_with_a_noop() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let poll = polling.start_poll().await;
    polling.send("1").await;
    poll.end().await.is(200, "6");
    accepted.is_closed(CloseReason::TransportClose).await;
    polling.is_gone().await;
}

#[tokio::test(start_paused = true)]
async fn a_close_packet_within_a_payload_ends_the_handling_of_the_rest() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    polling.send("4a\x1e1\x1e4b").await;
    assert_eq!(accepted.text().await, "a");
    accepted.is_closed(CloseReason::TransportClose).await;
}

#[tokio::test(start_paused = true)]
async fn a_close_packet_ends_a_websocket_at_once() {
    let mut server = Server::new(Config::default());
    let (mut socket, mut accepted) = server.websocket().await;
    socket.write_bytes(&[Frame::text("1").to_bytes(), Frame::text("4late").to_bytes()].concat()).await;
    let started = Instant::now();
    accepted.is_closed(CloseReason::TransportClose).await;
    assert!(started.elapsed() < Duration::from_millis(5));
    socket.closes_with(None).await;
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_is_answered_and_ends_the_session() {
    for (frame, code) in [
        (Frame::new(CLOSE, []), None),
        (Frame::close(1000, ""), Some(1000)),
        (Frame::close(1001, "going away"), Some(1001)),
        (Frame::close(4321, "ours"), Some(4321)),
    ] {
        let mut server = Server::new(Config::default());
        let (mut socket, mut accepted) = server.websocket().await;
        let started = Instant::now();
        socket.write(&frame).await;
        socket.closes_with(code).await;
        assert!(started.elapsed() < Duration::from_millis(5), "both have closed: nothing is waited for");
        accepted.is_closed(CloseReason::TransportClose).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_is_dropped_ends_the_session() {
    let mut server = Server::new(Config::default());
    let (socket, mut accepted) = server.websocket().await;
    drop(socket);
    accepted.is_closed(CloseReason::TransportClose).await;
    assert_eq!(server.engine.n_sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_websocket_task_that_is_dropped_ends_the_session() {
    let mut server = Server::new(Config::default());
    let (connection, task) = server.connect(4096);
    let _socket = RawWebSocket::upgrade(connection, upgrade_request(WEBSOCKET)).await;
    let mut accepted = server.accepted().await;
    task.abort();
    accepted.is_closed(CloseReason::TransportClose).await;
    assert_eq!(server.engine.n_sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_answer_the_close_frame_is_waited_for_2_s() {
    let mut server = Server::new(Config::default());
    let (connection, task) = server.connect(4096);
    let mut socket = RawWebSocket::upgrade(connection, upgrade_request(WEBSOCKET)).await;
    socket.text().await;
    server.accepted().await.session.close(CloseReason::ForcedClose);
    let started = Instant::now();
    wait::soon("the task", task).await.unwrap();
    assert_eq!(started.elapsed().as_secs(), 2);
    socket.closes_with(None).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_neither_reads_nor_closes_does_not_keep_a_closed_websocket() {
    let mut server = Server::new(Config::default());
    for abort in [false, true] {
        let (connection, task) = server.connect(1024);
        let mut socket = RawWebSocket::upgrade(connection, upgrade_request(WEBSOCKET)).await;
        socket.text().await;
        let mut accepted = server.accepted().await;
        accepted.session.send("x".repeat(100_000)).unwrap();
        settle().await;
        if abort {
            accepted.session.abort(CloseReason::ForcedClose);
        } else {
            accepted.session.close(CloseReason::ForcedClose);
        }
        accepted.is_closed(CloseReason::ForcedClose).await;
        // The longest that the server waits for what was sent before.
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(task.is_finished(), "the connection was kept, aborted: {abort}");
    }
}

#[tokio::test(start_paused = true)]
async fn input_after_a_close_is_not_handed_up() {
    let mut server = Server::new(Config::default());
    let (mut socket, mut accepted) = server.websocket().await;
    let (polling, mut polled) = server.polling().await;
    for accepted in [&mut accepted, &mut polled] {
        accepted.session.close(CloseReason::ForcedClose);
        accepted.is_closed_already(CloseReason::ForcedClose);
    }
    polling.send("4late").await;
    socket.write(&Frame::text("4late")).await;
    settle().await;
    accepted.has_no_event();
    polled.has_no_event();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_while_the_server_does_ends_the_wait() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    accepted.session.close(CloseReason::ForcedClose);
    polling.send("1").await;
    accepted.is_closed(CloseReason::ForcedClose).await;
    assert_eq!(server.engine.n_sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_is_aborted_closes_the_session() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let (other, _) = server.polling().await;
    drop(polling.start_poll().await);
    accepted.is_closed_already(CloseReason::TransportError);
    polling.is_gone().await;
    assert!(other.start_poll().await.is_pending().await, "others are unharmed");
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_told_once_even_if_it_closes_its_session_itself() {
    for is_open in [false, true] {
        let mut server = Server::with(Config::default(), |session, _| {
            session.close(CloseReason::ForcedClose);
            Flow::Continue
        });
        let (polling, mut accepted) = server.polling().await;
        if is_open {
            polling.send("4close\x1e4and no more").await;
            assert_eq!(accepted.text().await, "close");
        } else {
            accepted.session.close(CloseReason::ForcedClose);
        }
        accepted.is_closed(CloseReason::ForcedClose).await;
    }
}

/// Closes its sessions as soon as they open.
struct Bouncer;

impl Handler for Bouncer {
    fn on_open(&self, session: Session) -> Box<dyn SessionHandler> {
        session.send("go away").unwrap();
        session.close(CloseReason::ForcedClose);
        Box::new(Bounced)
    }
}

struct Bounced;

impl SessionHandler for Bounced {
    fn on_message(&mut self, incoming: Incoming<'_>) -> Flow {
        panic!("{incoming:?}")
    }

    fn on_close(self: Box<Self>, reason: CloseReason, _: Option<&str>) {
        assert_eq!(reason, CloseReason::ForcedClose);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_may_be_closed_while_it_opens() {
    let engine = Engine::new(Config::default(), Bouncer).unwrap();
    let reply = common::send(&engine, request("GET", POLLING)).await;
    let sid = polling::Handshake::from_packet(reply.text()).sid;
    let reply = common::send(&engine, request("GET", &format!("{POLLING}&sid={sid}"))).await;
    reply.is(200, "4go away");
    let reply = common::send(&engine, request("GET", &format!("{POLLING}&sid={sid}"))).await;
    reply.is(200, "6\x1e1");
    assert_eq!(engine.n_sessions(), 0);

    let (connection, _) = common::connect(&engine, 4096);
    let mut socket = RawWebSocket::upgrade(connection, upgrade_request(WEBSOCKET)).await;
    polling::Handshake::from_packet(&socket.text().await);
    assert_eq!(socket.text().await, "4go away");
    socket.closes_with(None).await;
    assert_eq!(engine.n_sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_post_closes_the_session_and_says_transport_error() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let (body, mut post) = polling.slow_post();
    body.send(Ok("4half".into())).await.unwrap();
    assert!(post.is_pending().await);
    drop(post);
    accepted.is_closed_already(CloseReason::TransportError);
    polling.is_gone().await;
}

/// Runs a POST of many packets up to its `n`th pause, then drops it.
async fn drop_after(server: &mut Server, n: usize) -> (usize, bool) {
    let (polling, mut accepted) = server.polling().await;
    let packets: Vec<_> = (0..200).map(|n| format!("4{n}")).collect();
    let mut post: Running = polling.running(polling.post_request(packets.join("\x1e")));
    let mut is_done = false;
    for _ in 0..n {
        is_done = !post.is_pending().await;
        if is_done {
            break;
        }
    }
    drop(post);
    let (messages, reason) = accepted.told();
    for (n, message) in messages.iter().enumerate() {
        assert_eq!(*message, Message::from(n.to_string()));
    }
    if !is_done {
        assert_eq!(reason, Some(CloseReason::TransportError));
        polling.is_gone().await;
    }
    (messages.len(), is_done)
}

#[tokio::test(start_paused = true)]
async fn a_post_that_is_dropped_after_its_body_was_read_is_handed_up_whole_or_closes_the_session() {
    let mut server = Server::new(Config::default());
    for n in 1..100 {
        let (n_messages, is_done) = drop_after(&mut server, n).await;
        if is_done {
            assert_eq!(n_messages, 200);
            assert!(n > 1, "two hundred packets are not handled in one turn");
            return;
        }
        assert!(n_messages < 200);
    }
    panic!("a POST of 200 packets takes more than a hundred turns");
}

#[tokio::test(start_paused = true)]
async fn pings_that_cross_the_close_are_not_answered() {
    let mut server = Server::new(Config::default());
    let (mut socket, accepted) = server.websocket().await;
    accepted.session.close(CloseReason::ForcedClose);
    assert_eq!(socket.read().await.unwrap().opcode, CLOSE);
    socket.write(&Frame::new(9, [])).await;
    let after = socket.read().await;
    assert!(after.as_ref().is_none_or(|frame| frame.opcode != PONG), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn the_application_can_read_what_a_client_did_wrong() {
    for (frame, reason, detail) in [
        (Frame::text("9"), CloseReason::ParseError, "unknown packet type '9'"),
        (Frame::text("2"), CloseReason::TransportError, "the client sent a ping"),
        (
            Frame::new(CONTINUATION, []),
            CloseReason::TransportError,
            "a continuation without a message to continue",
        ),
        (Frame::close(1001, ""), CloseReason::TransportClose, "close frame with code 1001"),
    ] {
        let mut server = Server::new(Config::default());
        let (mut socket, mut accepted) = server.websocket().await;
        socket.write(&frame).await;
        assert_eq!(accepted.is_closed_with_detail(reason).await.as_deref(), Some(detail));
    }
    for (body, reason, detail) in [
        ("9", CloseReason::ParseError, "unknown packet type '9'"),
        ("2", CloseReason::TransportError, "the client sent a ping"),
    ] {
        let mut server = Server::new(Config::default());
        let (polling, mut accepted) = server.polling().await;
        let _ = polling.post(body).await;
        assert_eq!(accepted.is_closed_with_detail(reason).await.as_deref(), Some(detail));
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_overlap_or_break_off_are_named() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let _first = polling.start_poll().await;
    assert_eq!(polling.request("GET").await.status, 400);
    let detail = accepted.is_closed_with_detail(CloseReason::TransportError).await;
    assert_eq!(detail.as_deref(), Some("a second GET while one was waiting"));

    let (polling, mut accepted) = server.polling().await;
    drop(polling.start_poll().await);
    let detail = accepted.is_closed_with_detail(CloseReason::TransportError).await;
    assert_eq!(detail.as_deref(), Some("the client went away while its GET waited"));
}

#[tokio::test(start_paused = true)]
async fn an_application_can_say_why_it_closes() {
    let mut server = Server::new(Config::default());
    let (_polling, mut accepted) = server.polling().await;
    accepted.session.close_because(CloseReason::ForcedClose, "banned");
    accepted.session.close_because(CloseReason::RateLimited, "too late to say");
    let detail = accepted.is_closed_with_detail(CloseReason::ForcedClose).await;
    assert_eq!(detail.as_deref(), Some("banned"));
}

//! What waits for a peer that reads slowly or not at all, and what is dropped for it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

mod common;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use engine_io_server::{CloseReason, Config, Message, SendError, Session, SharedFrame};
use test_support::frames::{BINARY, CLOSE, Frame, RawWebSocket};
use test_support::http::HttpConnection;
use test_support::wait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::Instant;

use self::common::{Accepted, Server, WEBSOCKET, settle, upgrade_request};

const MIB: usize = 1 << 20;
/// What the outbox counts for a frame beside its content.
const FRAME: usize = 16;

/// A WebSocket whose peer has read the open packet and reads nothing more; `buffer` bytes fit the connection.
async fn unread(server: &mut Server, buffer: usize) -> (RawWebSocket<DuplexStream>, Accepted) {
    let (connection, _) = server.connect(buffer);
    let mut socket = RawWebSocket::upgrade(connection, upgrade_request(WEBSOCKET)).await;
    socket.text().await;
    (socket, server.accepted().await)
}

/// A message that counts `bytes`.
fn message(bytes: usize) -> Message {
    Bytes::from(vec![b'x'; bytes - FRAME]).into()
}

#[tokio::test(start_paused = true)]
async fn at_16_mib_a_session_lives_and_a_byte_more_closes_it_at_once() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    let session = &accepted.session;
    assert_eq!(session.send(message(16 * MIB - 100)), Ok(()));
    assert_eq!(session.send(message(100)), Ok(()));
    assert_eq!(session.buffered_bytes(), 16 * MIB);
    assert!(session.is_open());
    assert_eq!(session.send(message(FRAME)), Err(SendError::SlowConsumer));
    assert_eq!(session.send("x"), Err(SendError::Closed));
    accepted.is_closed_already(CloseReason::SlowConsumer);
    polling.is_gone().await;
}

#[tokio::test(start_paused = true)]
async fn one_message_of_any_size_fits_an_empty_outbox() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    accepted.session.send(message(17 * MIB)).unwrap();
    assert_eq!(accepted.session.send("x"), Err(SendError::SlowConsumer));
    accepted.is_closed_already(CloseReason::SlowConsumer);
    polling.is_gone().await;
}

#[tokio::test(start_paused = true)]
async fn the_hard_limit_closes_a_websocket_with_1008() {
    let mut server = Server::new(Config::default());
    let (mut socket, mut accepted) = server.websocket().await;
    accepted.session.send(message(16 * MIB)).unwrap();
    assert_eq!(accepted.session.send("x"), Err(SendError::SlowConsumer));
    accepted.is_closed_already(CloseReason::SlowConsumer);
    socket.closes_with(Some(1008)).await;
}

#[tokio::test(start_paused = true)]
async fn frames_are_queued_all_or_none() {
    let mut server = Server::new(Config::default());
    let (_polling, mut accepted) = server.polling().await;
    let frame = || SharedFrame::from(&message(9 * MIB));
    accepted.session.send("first").unwrap();
    assert_eq!(accepted.session.send_frames(&[frame(), frame()]), Err(SendError::SlowConsumer));
    accepted.is_closed_already(CloseReason::SlowConsumer);
}

#[tokio::test(start_paused = true)]
async fn a_polling_session_between_polls_may_hold_much_for_long() {
    let mut server = Server::new(Config::default());
    let (polling, mut accepted) = server.polling().await;
    for _ in 0..12 {
        accepted.session.send(message(MIB)).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    accepted.has_no_event();
    for _ in 0..12 {
        assert!(polling.poll().await.starts_with('b'));
    }
}

#[tokio::test(start_paused = true)]
async fn above_4_mib_a_websocket_that_does_not_read_has_one_second() {
    let mut server = Server::new(Config::default());
    let (_socket, mut accepted) = unread(&mut server, 1024).await;
    accepted.session.send(message(5 * MIB)).unwrap();
    let started = Instant::now();
    tokio::time::sleep(Duration::from_millis(900)).await;
    accepted.has_no_event();
    accepted.is_closed(CloseReason::SlowConsumer).await;
    assert!(started.elapsed() <= Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(server.engine.n_sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn between_1_and_4_mib_a_websocket_has_a_ping_timeout_without_a_byte() {
    let mut server = Server::new(Config::default());
    let (_socket, mut accepted) = unread(&mut server, 1024).await;
    accepted.session.send(message(4 * MIB)).unwrap();
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs(19)).await;
    accepted.has_no_event();
    accepted.is_closed(CloseReason::SlowConsumer).await;
    assert!(started.elapsed() <= Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn at_1_mib_only_the_heartbeat_ends_a_websocket_that_does_not_read() {
    let mut server = Server::new(Config::default());
    let (_socket, mut accepted) = unread(&mut server, 1024).await;
    accepted.session.send(message(MIB)).unwrap();
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs(40)).await;
    accepted.has_no_event();
    accepted.is_closed(CloseReason::PingTimeout).await;
    assert!(started.elapsed() <= Duration::from_secs(45));
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_reads_a_little_now_and_then_is_not_a_slow_consumer() {
    let mut server = Server::new(Config::default());
    let (mut connection, _) = server.connect(4096);
    assert_eq!(connection.exchange(upgrade_request(WEBSOCKET)).await.status, 101);
    let (mut stream, _) = connection.into_parts();
    let mut accepted = server.accepted().await;
    accepted.session.send(message(2 * MIB)).unwrap();
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_secs(7)).await;
        stream.read_exact(&mut [0; 4096]).await.unwrap();
        settle().await;
    }
    // The heartbeat alone would end it: 42 s without a pong are not over yet.
    accepted.has_no_event();
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_is_cut_off() {
    let mut server = Server::new(Config::default());
    let (connection, task) = server.connect(1024);
    let _socket = RawWebSocket::upgrade(connection, upgrade_request(WEBSOCKET)).await;
    let mut accepted = server.accepted().await;
    accepted.session.send(message(5 * MIB)).unwrap();
    accepted.is_closed(CloseReason::SlowConsumer).await;
    wait::soon("the connection to be given up", task).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_on_one_session_does_not_disturb_another() {
    let mut server = Server::echo(Config::default());
    let (_unread, mut slow) = unread(&mut server, 1024).await;
    let (mut socket, _accepted) = server.websocket().await;
    slow.session.send(message(5 * MIB)).unwrap();
    socket.write(&Frame::text("4a")).await;
    assert_eq!(socket.text().await, "4a");
    slow.is_closed(CloseReason::SlowConsumer).await;
    socket.write(&Frame::text("4b")).await;
    assert_eq!(socket.text().await, "4b");
}

#[tokio::test(start_paused = true)]
async fn a_healthy_websocket_takes_many_mib_sent_at_once() {
    let mut server = Server::new(Config::default());
    let (mut socket, mut accepted) = server.websocket().await;
    for _ in 0..65 {
        accepted.session.send(message(100_000)).unwrap();
    }
    for _ in 0..65 {
        let frame = socket.read().await.unwrap();
        assert_eq!((frame.opcode, frame.payload.len()), (BINARY, 100_000 - FRAME));
    }
    accepted.has_no_event();
    assert_eq!(accepted.session.buffered_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_connection_has_not_taken_is_still_counted() {
    let mut server = Server::new(Config::default());
    let (mut socket, accepted) = unread(&mut server, 1024).await;
    accepted.session.send(message(3000)).unwrap();
    accepted.session.send(message(2000)).unwrap();
    settle().await;
    let left = accepted.session.buffered_bytes();
    assert!((5000 - 1024 - 2 * FRAME..5000).contains(&left), "{left}");
    assert!(socket.read().await.is_some() && socket.read().await.is_some());
    settle().await;
    assert_eq!(accepted.session.buffered_bytes(), 0);
}

/// Sends messages of many sizes over a connection that takes few bytes at a time.
async fn all_bytes_arrive(buffer: usize) {
    let mut server = Server::new(Config::default());
    let (mut socket, accepted) = unread(&mut server, buffer).await;
    // Byte by byte, long messages would take long and show nothing new.
    let longest = if buffer < 64 { 1000 } else { 70_000 };
    let sizes =
        [0, 1, 5, 124, 125, 126, 127, 1000, 65_534, 65_535, 65_536, 70_000, 3].map(|n: usize| n.min(longest));
    let sender = accepted.session.clone();
    let sent = tokio::spawn(async move {
        for (n, size) in sizes.into_iter().enumerate() {
            sender.send("t".repeat(size)).unwrap();
            sender.send(Bytes::from(vec![u8::try_from(n).unwrap(); size])).unwrap();
            settle().await;
        }
    });
    for (n, size) in sizes.into_iter().enumerate() {
        let text = socket.text().await;
        assert!(text.len() == size + 1 && text.starts_with('4'), "{size}");
        let frame = socket.read().await.unwrap();
        assert_eq!((frame.opcode, frame.payload.len()), (BINARY, size));
        assert!(frame.payload.iter().all(|byte| usize::from(*byte) == n));
    }
    sent.await.unwrap();
    accepted.session.close(CloseReason::ForcedClose);
    socket.closes_with(None).await;
}

#[tokio::test(start_paused = true)]
async fn bytes_are_right_and_in_order_however_few_are_taken_at_once() {
    for buffer in [1, 2, 3, 7, 64, 1000, 65_537] {
        all_bytes_arrive(buffer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn pings_and_messages_mix_without_tearing_a_frame() {
    let mut server = Server::new(Config::default());
    let (mut socket, accepted) = unread(&mut server, 16).await;
    for _ in 0..15 {
        accepted.session.send("x".repeat(100)).unwrap();
        socket.write(&Frame::new(9, *b"p")).await;
        settle().await;
    }
    let (mut n_pongs, mut n_texts) = (0, 0);
    while n_pongs + n_texts < 30 {
        let frame = socket.read().await.unwrap();
        match frame.opcode {
            1 => {
                assert_eq!(frame.payload.len(), 101);
                n_texts += 1;
            }
            10 => {
                assert_eq!(frame.payload[..], *b"p");
                n_pongs += 1;
            }
            other => panic!("opcode {other} after {n_texts} texts and {n_pongs} pongs"),
        }
    }
    assert_eq!((n_texts, n_pongs), (15, 15));
}

/// Counts the calls that write.
struct CountWrites<IO> {
    io: IO,
    n_writes: Arc<AtomicUsize>,
}

impl<IO: AsyncRead + Unpin> AsyncRead for CountWrites<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for CountWrites<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.n_writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.n_writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn frames_sent_together_go_out_in_one_call() {
    let mut server = Server::new(Config::default());
    let (client, io) = tokio::io::duplex(1 << 20);
    let n_writes = Arc::new(AtomicUsize::new(0));
    server.serve(CountWrites { io, n_writes: Arc::clone(&n_writes) });
    let mut socket = RawWebSocket::upgrade(HttpConnection::over(client), upgrade_request(WEBSOCKET)).await;
    socket.text().await;
    let accepted = server.accepted().await;
    settle().await;
    n_writes.store(0, Ordering::Relaxed);
    for n in 0..50 {
        accepted.session.send(n.to_string()).unwrap();
    }
    // Another task that runs in the same turn adds its own.
    let session = accepted.session.clone();
    tokio::spawn(async move { session.send("last") });
    for n in 0..50 {
        assert_eq!(socket.text().await, format!("4{n}"));
    }
    assert_eq!(socket.text().await, "4last");
    assert_eq!(n_writes.load(Ordering::Relaxed), 1);
}

fn volatile(session: &Session, text: &str) -> bool {
    session.send_volatile(&[SharedFrame::text(text)])
}

#[tokio::test(start_paused = true)]
async fn a_volatile_message_needs_an_idle_websocket() {
    let mut server = Server::new(Config::default());
    let (mut socket, accepted) = server.websocket().await;
    let session = &accepted.session;
    settle().await;
    assert!(volatile(session, "alone"), "nothing is queued");
    assert!(!volatile(session, "second in a row"));
    assert_eq!(socket.text().await, "4alone");
    session.send("regular").unwrap();
    assert!(!volatile(session, "right after a regular one"));
    session.send("regular too").unwrap();
    assert_eq!(socket.text().await, "4regular");
    assert_eq!(socket.text().await, "4regular too");
    settle().await;
    assert!(volatile(session, "idle again"));
    assert_eq!(socket.text().await, "4idle again");
    session.close(CloseReason::ForcedClose);
    assert!(!volatile(session, "closed"));
    assert_eq!(socket.read().await.unwrap().opcode, CLOSE);
}

#[tokio::test(start_paused = true)]
async fn a_volatile_message_is_dropped_while_bytes_are_on_their_way() {
    let mut server = Server::new(Config::default());
    let (mut socket, accepted) = unread(&mut server, 1024).await;
    accepted.session.send(message(3000)).unwrap();
    settle().await;
    assert!(!volatile(&accepted.session, "dropped"));
    socket.read().await.unwrap();
    settle().await;
    assert!(volatile(&accepted.session, "sent"));
    assert_eq!(socket.text().await, "4sent");
}

#[tokio::test(start_paused = true)]
async fn a_volatile_message_needs_a_waiting_poll() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    let session = &accepted.session;
    assert!(!volatile(session, "no poll waits"));
    let poll = polling.start_poll().await;
    assert!(volatile(session, "alone"));
    assert!(!volatile(session, "second in a row"));
    poll.end().await.is(200, "4alone");
    let poll = polling.start_poll().await;
    session.send("regular").unwrap();
    assert!(!volatile(session, "right after a regular one"));
    session.send("regular too").unwrap();
    poll.end().await.is(200, "4regular\x1e4regular too");
    assert_eq!(session.buffered_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn several_volatile_frames_are_sent_as_a_whole() {
    let mut server = Server::new(Config::default());
    let (mut socket, accepted) = server.websocket().await;
    settle().await;
    let frames = ["a", "b"].map(SharedFrame::text);
    assert!(accepted.session.send_volatile(&frames));
    assert_eq!(socket.text().await, "4a");
    assert_eq!(socket.text().await, "4b");
}

#[tokio::test(start_paused = true)]
async fn waking_may_be_left_for_later() {
    let mut server = Server::new(Config::default());
    let (mut socket, accepted) = server.websocket().await;
    settle().await;
    let wake = accepted.session.queue_frames(&[SharedFrame::text("a")]).unwrap();
    assert!(wake.is_needed());
    settle().await;
    assert!(accepted.session.buffered_bytes() > 0, "nobody was woken yet");
    drop(wake);
    assert_eq!(socket.text().await, "4a");

    let (polling, accepted) = server.polling().await;
    let wake = accepted.session.queue_frames(&[SharedFrame::text("a")]).unwrap();
    assert!(!wake.is_needed(), "no poll waits");
    assert_eq!(polling.poll().await, "4a");
}

#[tokio::test(start_paused = true)]
async fn text_with_the_payload_separator_is_refused_on_every_transport() {
    let mut server = Server::new(Config::default());
    let (polling, accepted) = server.polling().await;
    let (mut socket, on_socket) = server.websocket().await;
    for session in [&accepted.session, &on_socket.session] {
        assert_eq!(session.send("a\u{1e}b"), Err(SendError::SeparatorInText));
        session.send(Bytes::from_static(b"a\x1eb")).unwrap();
    }
    assert_eq!(polling.poll().await, "bYR5i");
    assert_eq!(socket.read().await.unwrap().payload[..], *b"a\x1eb");
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_would_be_too_long_goes_out_in_several() {
    let mut server = Server::new(Config::default().max_http_buffer_size(100));
    let (polling, accepted) = server.polling().await;
    // Two of 49 with their type and a separator are 101 bytes, of 48 they are 99.
    for len in [48, 48, 49, 49, 300] {
        accepted.session.send("x".repeat(len)).unwrap();
    }
    let lengths = [polling.poll().await, polling.poll().await, polling.poll().await, polling.poll().await]
        .map(|payload| payload.split('\x1e').map(str::len).collect::<Vec<_>>());
    assert_eq!(lengths, [vec![49, 49], vec![50], vec![50], vec![301]]);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_room_is_woken_when_the_peer_has_read_or_is_gone() {
    let mut server = Server::new(Config::default());
    for reads in [true, false] {
        let (connection, _task) = server.connect(1024);
        let mut socket = RawWebSocket::upgrade(connection, upgrade_request(WEBSOCKET)).await;
        socket.text().await;
        let accepted = server.accepted().await;
        accepted.session.writable().await;
        accepted.session.send("x".repeat((1 << 20) - 16)).unwrap();
        accepted.session.writable().await;
        // The connection itself has taken 1 KiB of the first.
        accepted.session.send("x".repeat(2048)).unwrap();
        let session = accepted.session.clone();
        let waiting = tokio::spawn(async move { session.writable().await });
        settle().await;
        assert!(!waiting.is_finished(), "over the soft limit");
        if reads {
            socket.text().await;
        } else {
            accepted.session.abort(CloseReason::ForcedClose);
        }
        wait::soon("room", waiting).await.unwrap();
    }
}

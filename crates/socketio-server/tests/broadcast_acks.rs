//! Answers of many clients to one event.

mod support;

use std::time::Duration;

use bytes::Bytes;
use socketio_server::{AckError, AckStream, Binary, DisconnectReason, EmitError, Server, Socket};
use support::{Peer, build, server, settle};
use tokio::runtime::Handle;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// Clients, with their sockets in the same order.
fn join<const N: usize>(io: &Server) -> ([Peer; N], [Socket; N]) {
    let mut peers = std::array::from_fn(|_| Peer::open(io));
    let sockets = peers.each_mut().map(|peer| {
        let id = peer.enter("/");
        io.socket(&id).expect("the socket that has just joined")
    });
    (peers, sockets)
}

/// Whether another answer of this socket may be waited for; the server lets one be pending.
async fn has_room(socket: &Socket) -> bool {
    let answer = socket.emit_with_ack::<()>("probe", ()).timeout(Duration::from_millis(1)).await;
    matches!(answer, Err(AckError::Timeout))
}

fn one_pending() -> Server {
    build(Server::builder().max_pending_acks(1))
}

#[tokio::test(start_paused = true)]
async fn awaited_it_is_all_answers() {
    let io = server();
    let (mut peers, _) = join::<3>(&io);
    let acks: AckStream<u32> = io.timeout(2 * SECOND).emit_with_ack("e", "question");
    for (n, peer) in peers.iter_mut().enumerate() {
        assert_eq!(peer.take(), [r#"20["e","question"]"#], "encoded once, with one id");
        peer.send(&format!("30[{n}]"));
    }
    let start = Instant::now();
    let acks = acks.await.unwrap();
    assert!(acks.is_complete());
    assert_eq!(acks.unanswered().count(), 0);
    assert_eq!(acks.into_values(), [0, 1, 2]);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn as_a_stream_it_yields_answers_as_they_come_and_says_whose_they_are() {
    let io = server();
    let (mut peers, [a, b, c]) = join::<3>(&io);
    let mut acks: AckStream<String> = io.emit_with_ack("e", ());
    peers[1].send(r#"30["b"]"#);
    let (id, answer) = acks.next().await.unwrap();
    assert_eq!((id.as_ref(), answer.unwrap()), (Some(b.id()), "b".to_owned()));
    peers[0].send(r#"30["a"]"#);
    peers[0].send(r#"30["again"]"#);
    let (id, answer) = acks.next().await.unwrap();
    assert_eq!((id.as_ref(), answer.unwrap()), (Some(a.id()), "a".to_owned()));
    peers[2].send(r#"30["c"]"#);
    let rest = acks.await.unwrap();
    let [(id, Ok(answer))] = &rest.acks[..] else { panic!("what is left: {rest:?}") };
    assert_eq!((id.as_ref(), &**answer), (Some(c.id()), "c"));
}

#[tokio::test(start_paused = true)]
async fn who_is_silent_costs_the_timeout_and_is_named() {
    let io = one_pending();
    let (mut peers, [a, b, c]) = join::<3>(&io);
    let start = Instant::now();
    let acks: AckStream<u32> = io.timeout(2 * SECOND).emit_with_ack("e", ());
    peers[0].send("30[1]");
    peers[2].send("30[3]");
    let acks = acks.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 2);
    assert!(!acks.is_complete());
    assert_eq!(acks.unanswered().collect::<Vec<_>>(), [b.id()]);
    assert_eq!(acks.values().copied().collect::<Vec<_>>(), [1, 3]);
    assert!(matches!(acks.acks[2].1, Err(AckError::Timeout)));
    peers[1].send("30[2]");
    assert_eq!(peers[1].notice_close(), None, "a late answer is ignored");
    for socket in [&a, &b, &c] {
        assert!(has_room(socket).await, "nothing is left of it");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_timeout_it_waits_as_long_as_for_one_client() {
    for (io, seconds) in [(server(), 30), (build(Server::builder().ack_timeout(7 * SECOND)), 7)] {
        let _peer = Peer::join(&io);
        let start = Instant::now();
        let acks = io.emit_with_ack::<()>("e", ()).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), seconds);
        assert_eq!(acks.unanswered().count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_is_not_waited_for() {
    let io = server();
    let (mut peers, [_, b, c]) = join::<3>(&io);
    let acks: AckStream<u32> = io.emit_with_ack("e", ());
    let start = Instant::now();
    peers[0].send("30[1]");
    peers[1].send("1");
    peers[2].hang_up(DisconnectReason::TransportClose);
    let acks = acks.await.unwrap();
    assert!(start.elapsed() < SECOND);
    assert_eq!(acks.unanswered().collect::<Vec<_>>(), [b.id(), c.id()]);
    assert!(matches!(acks.acks[1].1, Err(AckError::Disconnected)));
}

#[tokio::test(start_paused = true)]
async fn without_recipients_it_ends_at_once() {
    let io = server();
    let start = Instant::now();
    let acks = io.to("nobody is here").emit_with_ack::<()>("e", ()).await.unwrap();
    assert_eq!(acks.acks.len(), 0);
    assert!(acks.is_complete());
    assert!(io.emit_with_ack::<()>("e", ()).next().await.is_none());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn only_who_is_addressed_is_asked() {
    let io = server();
    let (mut peers, [a, b, c]) = join::<3>(&io);
    b.join("room");
    c.join("room");
    let acks: AckStream<()> = b.to("room").emit_with_ack("e", ());
    assert_eq!(peers.each_mut().map(|peer| peer.take().len()), [0, 0, 1]);
    drop(acks);
    let acks: AckStream<()> = io.except(a.id()).emit_with_ack("e", ());
    assert_eq!(peers.each_mut().map(|peer| peer.take().len()), [0, 1, 1]);
    drop(acks);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_leaves_nothing_behind() {
    let io = one_pending();
    let (_peers, [a, b]) = join::<2>(&io);
    settle().await;
    let n_tasks = Handle::current().metrics().num_alive_tasks();
    let mut acks: AckStream<()> = io.emit_with_ack("e", ());
    assert_eq!(Handle::current().metrics().num_alive_tasks(), n_tasks + 1);
    assert!(!has_room(&a).await);
    let unread = tokio::time::timeout(SECOND, acks.next()).await;
    assert!(unread.is_err(), "nobody has answered");
    drop(acks);
    settle().await;
    assert!(has_room(&a).await && has_room(&b).await);
    assert_eq!(Handle::current().metrics().num_alive_tasks(), n_tasks);
}

#[tokio::test(start_paused = true)]
async fn answers_that_came_leave_no_task_that_waits_for_the_timeout() {
    let io = server();
    let (mut peers, _) = join::<2>(&io);
    settle().await;
    let n_tasks = Handle::current().metrics().num_alive_tasks();
    for n in 0..100 {
        let acks: AckStream<()> = io.emit_with_ack("e", ());
        peers.iter_mut().for_each(|peer| peer.send(&format!("3{n}[]")));
        assert!(acks.await.unwrap().is_complete());
    }
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), n_tasks);
}

#[tokio::test(start_paused = true)]
async fn answers_of_one_client_that_are_waited_for_are_bounded() {
    let io = one_pending();
    let (mut peers, [a, b]) = join::<2>(&io);
    let single = a.emit_with_ack::<()>("single", ());
    peers[0].take();
    let acks: AckStream<()> = io.emit_with_ack("e", ());
    assert_eq!(peers.each_mut().map(|peer| peer.take().len()), [0, 1], "who has too many is not asked");
    peers[1].send("31[]");
    let acks = acks.await.unwrap();
    let [(first, Err(AckError::TooMany { max: 1 })), (second, Ok(()))] = &acks.acks[..] else {
        panic!("{acks:?}")
    };
    assert_eq!([first.as_ref(), second.as_ref()], [Some(a.id()), Some(b.id())]);
    assert_eq!(acks.unanswered().collect::<Vec<_>>(), [a.id()]);
    peers[0].send("30[]");
    single.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn answers_are_read_as_what_was_asked_for() {
    let io = server();
    let (mut peers, [_, b, ..]) = join::<3>(&io);
    let acks: AckStream<(u32, Option<Binary>)> = io.emit_with_ack("e", ());
    peers[0].send(r#"61-0[7,{"_placeholder":true,"num":0}]"#);
    peers[0].send_binary(b"x");
    peers[1].send(r#"30["seven"]"#);
    peers[2].send(r#"30[8]"#);
    let acks = acks.await.unwrap();
    assert_eq!(acks.acks[0].1.as_ref().unwrap(), &(7, Some(Binary(Bytes::from_static(b"x")))));
    assert!(matches!(acks.acks[1], (Some(ref id), Err(AckError::Args(_))) if id == b.id()));
    assert_eq!(acks.acks[2].1.as_ref().unwrap(), &(8, None));
    assert_eq!(acks.unanswered().count(), 0, "an answer of another type is an answer");
    assert!(acks.is_complete());
}

#[tokio::test(start_paused = true)]
async fn an_event_with_attachments_asks_too() {
    let io = server();
    let mut peer = Peer::join(&io);
    let acks: AckStream<()> = io.emit_with_ack("e", Binary(Bytes::from_static(b"x")));
    assert_eq!(peer.take(), [r#"51-0["e",{"_placeholder":true,"num":0}]"#, r#"b:b"x""#]);
    drop(acks);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_encoded_asks_nobody() {
    let io = server();
    let mut peer = Peer::join(&io);
    let error = io.emit_with_ack::<()>("connect", ()).await.unwrap_err();
    assert!(matches!(error, EmitError::Encode(_)));
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), r#"event name "connect" is reserved"#);
    assert!(io.emit_with_ack::<()>("connect", ()).next().await.is_none());
    assert_eq!(peer.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_answers() {
    let io = server();
    let _peer = Peer::join(&io);
    let acks: AckStream<()> = io.emit_with_ack("e", ());
    let start = Instant::now();
    io.shutdown(20 * SECOND).await;
    let acks = acks.await.unwrap();
    assert!(matches!(acks.acks[..], [(_, Err(AckError::Disconnected))]));
    assert!(start.elapsed() < 5 * SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_client_is_asked_with_a_timeout_as_in_node() {
    let io = server();
    let (mut peers, [a]) = join::<1>(&io);
    let start = Instant::now();
    let error = a.timeout(50 * SECOND / 1000).emit_with_ack::<u32>("e", ()).await.unwrap_err();
    assert!(matches!(error, AckError::Timeout));
    assert_eq!(start.elapsed().as_millis() / 10, 5);
    let answer = a.timeout(SECOND).emit_with_ack::<u32>("e", ());
    peers[0].send("31[3]");
    assert_eq!(answer.await.unwrap(), 3);
    // Without any time it fails, once, although the answer is on its way.
    let error = a.timeout(Duration::ZERO).emit_with_ack::<u32>("e", ()).await.unwrap_err();
    assert!(matches!(error, AckError::Timeout));
    peers[0].send("32[3]");
    assert_eq!(peers[0].notice_close(), None);
}

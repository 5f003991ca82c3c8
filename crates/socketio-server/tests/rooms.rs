//! Rooms and broadcasts.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use serde::{Serialize, Serializer};
use socketio_adapter::rooms::{JoinError, RoomLimits};
use socketio_adapter::{
    Adapter, AdapterFactory, BroadcastOptions, JsonArgs, LocalNode, Outgoing, Receipt, Room,
};
use socketio_server::{JoinRoomError, Server, Socket};
use support::{Notes, Peer, TestConnection, build, server, settle};

const GOT: [&str; 1] = [r#"2["e"]"#];
const NOTHING: [&str; 0] = [];

/// Three clients with their sockets.
fn three(io: &Server) -> ([Peer; 3], [Socket; 3]) {
    let mut peers = [Peer::open(io), Peer::open(io), Peer::open(io)];
    let sockets = peers.each_mut().map(|peer| {
        let id = peer.enter("/");
        io.socket(&id).expect("the socket that has just joined")
    });
    (peers, sockets)
}

fn check(peers: &mut [Peer; 3], got: [bool; 3]) {
    let received = peers.each_mut().map(|peer| peer.take());
    for (received, got) in received.into_iter().zip(got) {
        assert_eq!(received, if got { &GOT[..] } else { &NOTHING[..] });
    }
}

#[tokio::test(start_paused = true)]
async fn operators_address_each_recipient_once() {
    let io = server();
    let (mut peers, [a, b, c]) = three(&io);
    a.join(["1", "2"]);
    b.join("2");
    c.join("3");
    let peers = &mut peers;
    io.emit("e", ());
    check(peers, [true, true, true]);
    io.to("1").emit("e", ());
    check(peers, [true, false, false]);
    io.to("1").to("2").emit("e", ());
    check(peers, [true, true, false]);
    io.within(["1", "2", "3"]).emit("e", ());
    check(peers, [true, true, true]);
    io.to("nobody is here").emit("e", ());
    check(peers, [false, false, false]);
    io.except("2").emit("e", ());
    check(peers, [false, false, true]);
    io.except(a.id()).emit("e", ());
    check(peers, [false, true, true]);
    io.to("2").except("1").emit("e", ());
    check(peers, [false, true, false]);
    io.to(b.id()).emit("e", ());
    check(peers, [false, true, false]);
    io.local().to("3").emit("e", ());
    check(peers, [false, false, true]);
    a.broadcast().emit("e", ());
    check(peers, [false, true, true]);
    a.to("2").emit("e", ());
    check(peers, [false, true, false]);
    a.to(["2", "3"]).except(b.id()).emit("e", ());
    check(peers, [false, false, true]);
    a.except("3").emit("e", ());
    check(peers, [false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_is_kept_does_not_change() {
    let io = server();
    let (mut peers, [a, b, _]) = three(&io);
    a.join("1");
    b.join("2");
    let first = io.to("1");
    let _ = first.clone().to("2").except("1").volatile();
    first.emit("e", ());
    check(&mut peers, [true, false, false]);
}

#[tokio::test(start_paused = true)]
async fn what_is_made_of_a_socket_leaves_the_socket_as_it_was() {
    let io = server();
    let (mut peers, [a, b, _]) = three(&io);
    b.join("1");
    let room = a.to("1");
    let _ = (a.except("1"), a.local().volatile(), room.clone().except(b.id()));
    a.broadcast().emit("e", ());
    check(&mut peers, [false, true, true]);
    room.emit("e", ());
    check(&mut peers, [false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_stays_in_its_namespace() {
    let io = server();
    let (mut peer, mut sender) = (Peer::open(&io), Peer::open(&io));
    let chat = io.of("/chat");
    peer.enter("/");
    peer.enter("/chat");
    let sender = chat.socket(&sender.enter("/chat")).expect("it has just joined");
    chat.emit("e", ());
    assert_eq!(peer.take(), [r#"2/chat,["e"]"#]);
    io.emit("e", ());
    assert_eq!(peer.take(), GOT);
    sender.broadcast().emit("e", ());
    assert_eq!(peer.take(), [r#"2/chat,["e"]"#]);
}

#[tokio::test(start_paused = true)]
async fn rooms_are_joined_and_left_when_the_call_returns() {
    let io = server();
    let (mut peers, [a, _, _]) = three(&io);
    let own = a.id().to_string();
    assert_eq!(a.rooms(), [own.as_str()]);
    a.join(["1", "2"]).await.unwrap();
    a.join("1");
    assert_eq!(a.rooms(), [own.as_str(), "1", "2"]);
    a.leave("1");
    io.to("1").emit("e", ());
    check(&mut peers, [false, false, false]);
    a.leave("never joined").await.unwrap();
    a.leave(["2", &own]);
    assert_eq!(a.rooms(), Vec::<Room>::new());
    io.emit("e", ());
    check(&mut peers, [true, true, true]);
}

#[tokio::test(start_paused = true)]
async fn many_sockets_are_moved_at_once() {
    let io = server();
    let (mut peers, [a, b, c]) = three(&io);
    io.to([a.id().as_str(), b.id().as_str()]).sockets_join(["x", "y"]);
    io.to("x").emit("e", ());
    check(&mut peers, [true, true, false]);
    io.to(b.id()).sockets_leave("x");
    io.to("x").emit("e", ());
    check(&mut peers, [true, false, false]);
    assert_eq!(io.to("y").sockets().len(), 2);
    io.to("y").disconnect_sockets();
    assert_eq!((a.is_connected(), b.is_connected(), c.is_connected()), (false, false, true));
    assert_eq!(peers[0].take(), ["1"]);
    assert_eq!(peers[0].notice_close(), None);
    io.all().disconnect_clients();
    assert!(peers[2].notice_close().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_room_of_another_socket_is_private() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_error(move |_, event, error| {
        let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        noted.add(format!("{event}: {cause}"));
    });
    let (mut peers, [a, b, _]) = three(&io);
    let error = a.join(["public", b.id().as_str()]).await.unwrap_err();
    assert!(matches!(error, JoinRoomError::Refused(JoinError::PrivateRoom { .. })));
    assert_eq!(a.rooms().len(), 1, "all or none");
    a.join(b.id());
    assert_eq!(notes.take(), ["join: the room belongs to another socket"]);
    a.join(a.id()).await.unwrap();
    io.to(b.id()).emit("e", ());
    check(&mut peers, [false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_middleware_cannot_join_the_room_of_another_socket_either() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_error(move |_, event, _| noted.add(event));
    let mut victim = Peer::join(&io);
    let id = io.sockets().remove(0).id().to_string();
    io.use_middleware(move |socket: Socket| {
        socket.join(&id);
        async {}
    });
    let mut intruder = Peer::join(&io);
    io.to(io.sockets()[0].id()).emit("e", ());
    settle().await;
    assert_eq!(notes.take(), ["connect"]);
    let received = [victim.take(), intruder.take()];
    assert_eq!(received.iter().flatten().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn rooms_of_a_socket_are_bounded() {
    let mut limits = RoomLimits::default();
    limits.max_rooms_per_socket = 3;
    limits.max_room_name_bytes = 5;
    let io = build(Server::builder().room_limits(limits));
    let (_peers, [a, ..]) = three(&io);
    let error = a.join("123456").await.unwrap_err();
    assert!(matches!(error, JoinRoomError::Refused(JoinError::NameTooLong { size: 6, max: 5 })));
    a.join(["1", "12345"]).await.unwrap();
    let error = a.join("3").await.unwrap_err();
    assert!(matches!(error, JoinRoomError::Refused(JoinError::TooManyRooms { max: 3 })));
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_has_left_joins_nothing() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_error(move |_, event, _| noted.add(event));
    let (_peers, [a, ..]) = three(&io);
    a.disconnect();
    a.join("1");
    assert!(a.join("1").await.is_err());
    a.leave("1");
    assert_eq!(a.rooms(), Vec::<Room>::new());
    assert_eq!(io.to("1").sockets().len(), 0);
    assert_eq!(notes.take(), Vec::<String>::new(), "dropped, it is nobody's error");
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_to_many_is_in_every_outbox_when_it_returns() {
    let io = server();
    let mut peers: Vec<Peer> = (0..300).map(|_| Peer::join(&io)).collect();
    let emitted = io.emit("e", ());
    for peer in &mut peers {
        assert_eq!(peer.take(), GOT);
    }
    emitted.await.unwrap();
}

/// Counts how often it is encoded.
struct Counted<'a>(&'a AtomicUsize);

impl Serialize for Counted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        serializer.serialize_unit()
    }
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_is_encoded_once_for_all_recipients() {
    let io = server();
    let (mut peers, [a, ..]) = three(&io);
    let n_encoded = AtomicUsize::new(0);
    a.broadcast().emit("e", Counted(&n_encoded));
    assert_eq!(peers.each_mut().map(|peer| peer.take().len()), [0, 1, 1]);
    assert_eq!(n_encoded.load(Ordering::Relaxed), 1);
}

/// Counts how often it was woken.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// On a runtime of one thread, waking thousands at once would hold up everybody else.
#[tokio::test(start_paused = true)]
async fn the_recipients_of_a_broadcast_are_woken_in_slices() {
    let io = server();
    let counter = Arc::new(Counter::default());
    let writer = Waker::from(Arc::clone(&counter));
    let peers: Vec<Peer> = (0..300)
        .map(|_| {
            let mut peer = Peer::open_with(&io, TestConnection::with_writer(writer.clone()));
            peer.enter("/");
            peer
        })
        .collect();
    let n_woken = || counter.0.swap(0, Ordering::Relaxed);
    assert_eq!(n_woken(), 300, "each for its welcome");
    let emitted = io.emit("e", ());
    assert_eq!(n_woken(), 0);
    tokio::task::yield_now().await;
    assert_eq!(n_woken(), 128);
    emitted.await.expect("it was sent");
    assert_eq!(n_woken(), 172);
    io.to(io.sockets()[0].id()).emit("e", ());
    assert_eq!(n_woken(), 1, "a few are woken at once");
    drop(peers);
}

/// Notes which rooms it hears of; everything else is done on this node.
struct Listening {
    node: Arc<dyn LocalNode>,
    notes: Notes,
}

impl Adapter for Listening {
    fn node(&self) -> &dyn LocalNode {
        &*self.node
    }

    fn room_opened(&self, room: &Room) -> Receipt {
        self.notes.add(format!("+{room}"));
        Receipt::done()
    }

    fn room_closed(&self, room: &Room) {
        self.notes.add(format!("-{room}"));
    }
}

struct Factory(Notes, Arc<std::sync::Mutex<Option<Arc<dyn LocalNode>>>>);

impl AdapterFactory for Factory {
    fn create(&self, node: Arc<dyn LocalNode>) -> Arc<dyn Adapter> {
        *self.1.lock().expect("no test panics with it") = Some(Arc::clone(&node));
        Arc::new(Listening { node, notes: self.0.clone() })
    }
}

#[tokio::test(start_paused = true)]
async fn an_adapter_hears_of_the_first_and_last_member_of_a_room() {
    let notes = Notes::default();
    let io = build(Server::builder().adapter(Factory(notes.clone(), Arc::default())));
    let mut refused = Peer::open(&io);
    io.use_middleware(async |socket: Socket| {
        socket.join("1");
        if socket.auth::<serde_json::Value>().is_ok_and(|auth| auth["refuse"] == true) {
            Err("no")
        } else {
            Ok(())
        }
    });
    refused.send(r#"0{"refuse":true}"#);
    assert_eq!(notes.take(), Vec::<String>::new(), "nobody is in before middleware accepts");
    let mut first = Peer::open(&io);
    let own = first.enter("/");
    assert_eq!(notes.take(), [format!("+{own}"), "+1".to_owned()]);
    let mut second = Peer::open(&io);
    let other = second.enter("/");
    assert_eq!(notes.take(), [format!("+{other}")]);
    first.send("1");
    assert_eq!(notes.take(), [format!("-{own}")]);
    second.send("1");
    let mut closed = notes.take();
    closed.sort();
    let mut expected = [format!("-{other}"), "-1".to_owned()];
    expected.sort();
    assert_eq!(closed, expected);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_another_node_reaches_the_members_of_its_rooms() {
    let slot = Arc::default();
    let io = build(Server::builder().adapter(Factory(Notes::default(), Arc::clone(&slot))));
    let (mut peers, [a, b, _]) = three(&io);
    a.join("1");
    let node = slot.lock().unwrap().take().expect("the adapter of the root namespace");
    let packet = Outgoing::from_args(JsonArgs::new(r#"["e"]"#, vec![]));
    assert_eq!(node.deliver(&packet, &BroadcastOptions::new().to("1")), 1);
    check(&mut peers, [true, false, false]);
    node.join(&BroadcastOptions::new().to(b.id()), &["1".into()]);
    assert_eq!(node.deliver(&packet, &BroadcastOptions::new().to("1")), 2);
    assert!(node.has_room("1"));
    let ids: Vec<_> =
        node.snapshot(&BroadcastOptions::new().to("1")).into_iter().map(|socket| socket.id).collect();
    assert_eq!(ids.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_of_another_node_can_ask_for_acks() {
    use socketio_adapter::{AckError, AckStream, BroadcastFlags};
    use std::time::Duration;

    let slot = Arc::default();
    let io = build(Server::builder().adapter(Factory(Notes::default(), Arc::clone(&slot))));
    let (mut peers, [a, b, c]) = three(&io);
    let node = slot.lock().unwrap().take().expect("the adapter of the root namespace");
    let packet = Outgoing::from_args(JsonArgs::new(r#"["e"]"#, vec![]));
    let mut flags = BroadcastFlags::default();
    flags.timeout = Some(Duration::from_secs(5));
    let (sink, mut stream) = AckStream::channel();
    assert_eq!(node.deliver_with_ack(&packet, &BroadcastOptions::new().with_flags(flags), &sink), 3);
    drop(sink);
    for peer in &mut peers {
        assert_eq!(peer.take(), [r#"20["e"]"#], "one id for all of them");
    }
    peers[0].send(r#"30["fine"]"#);
    peers[1].send("1");
    settle().await;
    let mut answers = Vec::new();
    while let Some(answer) = stream.next().await {
        answers.push((answer.socket, answer.result));
    }
    let expected = [
        (Some(a.id().clone()), Ok(JsonArgs::new(r#"["fine"]"#, vec![]))),
        (Some(b.id().clone()), Err(AckError::Disconnected)),
        (Some(c.id().clone()), Err(AckError::Timeout)),
    ];
    assert_eq!(answers, expected);
}

#[test]
fn rooms_are_bounded_by_default() {
    let limits = socketio_server::RoomLimits::default();
    assert_eq!((limits.max_rooms_per_socket, limits.max_room_name_bytes), (10_000, 512));
}

//! Sockets that are found, described and moved, wherever they are connected.

mod support;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use socketio_adapter::{Adapter, BroadcastOptions, Fetched, LocalNode, SocketSnapshot};
use socketio_server::{AckError, RemoteSocket, Server, Socket, SocketId};
use support::{Peer, build, server, settle};

/// Three clients, with their sockets in the same order.
fn three(io: &Server) -> ([Peer; 3], [Socket; 3]) {
    let mut peers = std::array::from_fn(|_| Peer::open(io));
    let sockets = peers.each_mut().map(|peer| {
        let id = peer.enter("/");
        io.socket(&id).expect("the socket that has just joined")
    });
    (peers, sockets)
}

fn sorted<'a>(ids: impl IntoIterator<Item = &'a SocketId>) -> Vec<SocketId> {
    let mut ids: Vec<_> = ids.into_iter().cloned().collect();
    ids.sort();
    ids
}

#[tokio::test(start_paused = true)]
async fn all_sockets_are_found_or_those_in_rooms() {
    let io = server();
    let (_peers, [a, b, c]) = three(&io);
    a.join(["1", "2"]);
    b.join("2");
    let fetched = io.fetch_sockets().await;
    assert!(fetched.is_complete());
    assert_eq!(sorted(fetched.sockets.iter().map(RemoteSocket::id)), sorted([a.id(), b.id(), c.id()]));
    let found: Vec<_> = io.to("1").fetch_sockets().await.into_iter().collect();
    let [remote] = &found[..] else { panic!("one is in the room: {found:?}") };
    assert_eq!(remote.id(), a.id());
    assert_eq!(sorted_rooms(remote), sorted_rooms_of(&a));
    assert_eq!(io.to("2").except("1").fetch_sockets().await.sockets.len(), 1);
    assert_eq!(a.broadcast().fetch_sockets().await.sockets.len(), 2);
    assert_eq!(io.of("/chat").fetch_sockets().await.sockets.len(), 0);
}

fn sorted_rooms(remote: &RemoteSocket) -> Vec<String> {
    let mut rooms: Vec<_> = remote.rooms().iter().map(ToString::to_string).collect();
    rooms.sort();
    rooms
}

fn sorted_rooms_of(socket: &Socket) -> Vec<String> {
    let mut rooms: Vec<_> = socket.rooms().iter().map(ToString::to_string).collect();
    rooms.sort();
    rooms
}

#[tokio::test(start_paused = true)]
async fn ids_are_found_in_one_namespace_and_in_rooms() {
    let io = server();
    let (mut peers, [a, b, c]) = three(&io);
    let chat = io.of("/chat");
    let in_chat = peers[0].enter("/chat");
    a.join("foo");
    b.join(["foo", "bar"]);
    c.join("bar");
    chat.socket(&in_chat).unwrap().join("foo");
    assert_eq!(chat.all_sockets().await.ids, [SocketId::from(in_chat)]);
    let found = io.all_sockets().await;
    assert_eq!(sorted(&found.ids), sorted([a.id(), b.id(), c.id()]));
    assert!(found.missing.is_empty());
    assert_eq!(sorted(&io.within("foo").all_sockets().await.ids), sorted([a.id(), b.id()]));
    assert_eq!(sorted(&io.to("foo").to("bar").all_sockets().await.ids), sorted([a.id(), b.id(), c.id()]));
    assert_eq!(io.to("foo").except("bar").all_sockets().await.ids, [a.id().clone()]);
}

#[tokio::test(start_paused = true)]
async fn a_found_socket_is_a_snapshot_of_what_is_shared() {
    #[derive(serde::Serialize)]
    struct User {
        name: &'static str,
    }
    let io = server();
    let (_peers, [a, ..]) = three(&io);
    assert!(a.data().set("for this process only").is_ok());
    assert!(a.data().set_shared("user", User { name: "ada" }).is_ok());
    let remote = io.to(a.id()).fetch_sockets().await.sockets.remove(0);
    assert!(a.data().set_shared("late", 1).is_ok());
    a.join("later");
    assert_eq!(remote.data::<Value>().unwrap(), json!({"user": {"name": "ada"}}));
    assert!(remote.data::<u32>().is_err());
    assert_eq!(remote.rooms(), [a.id().as_str()]);
    assert!(remote.node().is_none());
    let handshake: Value = remote.handshake().unwrap();
    assert_eq!(handshake, serde_json::to_value(a.handshake()).unwrap());
    assert_eq!(handshake["query"]["name"], "a b");
    let again = io.to(a.id()).fetch_sockets().await.sockets.remove(0);
    assert_eq!(again.data::<Value>().unwrap()["late"], 1);
    assert_eq!(again, remote, "the same socket");
}

#[tokio::test(start_paused = true)]
async fn a_found_socket_can_be_sent_to_and_moved() {
    let io = server();
    let (mut peers, [a, b, _]) = three(&io);
    let remote = io.to(a.id()).fetch_sockets().await.sockets.remove(0);
    remote.emit("e", 1);
    assert_eq!(peers.each_mut().map(|peer| peer.take()), [vec![r#"2["e",1]"#.to_owned()], vec![], vec![]]);
    remote.join(["x", "y"]);
    remote.leave("x");
    assert_eq!(sorted_rooms_of(&a), sorted_rooms(&io.to("y").fetch_sockets().await.sockets[0]));
    assert!(!b.rooms().contains(&"y".into()));

    let answer = remote.emit_with_ack::<u32>("question", ());
    peers[0].send("30[7]");
    assert_eq!(answer.await.unwrap(), 7);
    let error =
        remote.timeout(Duration::from_secs(1)).emit_with_ack::<u32>("question", ()).await.unwrap_err();
    assert!(matches!(error, AckError::Timeout));
    let error = remote.emit_with_ack::<u32>("disconnect", ()).await.unwrap_err();
    assert!(matches!(error, AckError::Emit(_)));

    remote.disconnect();
    assert!(!a.is_connected());
    assert_eq!(peers[0].notice_close(), None);
    let error = remote.emit_with_ack::<u32>("question", ()).await.unwrap_err();
    assert!(matches!(error, AckError::Disconnected), "nobody is there to be asked");
    io.to(b.id()).fetch_sockets().await.sockets[0].disconnect_client();
    assert!(peers[1].notice_close().is_some());
}

#[tokio::test(start_paused = true)]
async fn all_sockets_or_those_in_a_room_are_moved() {
    let io = server();
    let (_peers, [a, b, c]) = three(&io);
    let in_room = |room: &str| io.to(room).sockets().len();
    io.sockets_join("all");
    assert_eq!(in_room("all"), 3);
    a.join("some");
    b.join("some");
    io.within("some").sockets_join("also");
    assert_eq!(in_room("also"), 2);
    io.within("some").sockets_leave("all");
    assert_eq!(io.to("all").sockets(), [c]);
    io.sockets_leave(["also", "some", "all"]);
    assert_eq!((in_room("also"), in_room("some"), in_room("all")), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn all_sockets_or_those_in_a_room_are_disconnected() {
    let io = server();
    let (mut peers, [a, b, c]) = three(&io);
    a.join("some");
    io.within("some").disconnect_sockets();
    assert_eq!([&a, &b, &c].map(Socket::is_connected), [false, true, true]);
    assert_eq!(peers[0].notice_close(), None);
    io.disconnect_sockets();
    assert_eq!([&b, &c].map(Socket::is_connected), [false, false]);
    assert_eq!(peers[1].notice_close(), None, "only the namespace was left");
    let (mut peers, _) = three(&io);
    io.disconnect_clients();
    assert!(peers.each_mut().map(|peer| peer.notice_close().is_some()).iter().all(|closed| *closed));
}

/// Finds a socket that nobody knows.
struct Inventive(Arc<dyn LocalNode>);

#[async_trait]
impl Adapter for Inventive {
    fn node(&self) -> &dyn LocalNode {
        &*self.0
    }

    async fn fetch_sockets(&self, _: &BroadcastOptions) -> Fetched {
        let mut socket = SocketSnapshot::new("elsewhere".into());
        socket.rooms.push("room".into());
        socket.node = Some("other".into());
        socket.data = r#"{"username":"bob"}"#.into();
        socket.handshake = "[".into();
        Fetched::new(vec![socket])
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_adapter_finds_is_what_is_fetched() {
    let io = build(Server::builder().adapter(|node| -> Arc<dyn Adapter> { Arc::new(Inventive(node)) }));
    let fetched = io.fetch_sockets().await;
    let [remote] = &fetched.sockets[..] else { panic!("{fetched:?}") };
    assert_eq!((remote.id().as_str(), remote.node().map(|node| node.as_str())), ("elsewhere", Some("other")));
    assert_eq!(remote.rooms(), ["elsewhere", "room"]);
    assert_eq!(remote.data::<Value>().unwrap()["username"], "bob");
    assert!(remote.handshake::<Value>().is_err(), "what other nodes send is checked when it is read");
    assert_eq!(io.all_sockets().await.ids, ["elsewhere"]);
    settle().await;
}

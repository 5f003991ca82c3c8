//! Operators act on all nodes of a cluster: two servers whose adapters are connected by channels.

#[allow(dead_code, reason = "the fixture of another package, which uses more of it")]
#[path = "../../socketio-adapter/tests/adapters/channel_adapter.rs"]
mod channel_adapter;
mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use channel_adapter::{Bus, ChannelFactory};
use serde_json::{Value, json};
use socketio_server::{
    Ack, AckError, AckStream, Binary, Data, DisconnectReason, RemoteSocket, Reply, Server, Socket,
};
use support::{Notes, Peer, build, settle};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// One server with one client.
struct Member {
    io: Server,
    peer: Peer,
    socket: Socket,
}

fn member(bus: &Arc<Bus>, id: &str) -> Member {
    let factory = ChannelFactory { bus: Arc::clone(bus), id: id.into(), hooks: Arc::default() };
    let io = build(Server::builder().adapter(factory));
    let peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    Member { io, peer, socket }
}

fn two_nodes() -> (Arc<Bus>, Member, Member) {
    let bus = Arc::<Bus>::default();
    let (one, two) = (member(&bus, "one"), member(&bus, "two"));
    (bus, one, two)
}

/// The id of the only event that waits for this client's ack.
fn asked(peer: &mut Peer) -> String {
    let events = peer.take();
    assert_eq!(events.len(), 1, "one event asks");
    events[0].chars().skip(1).take_while(char::is_ascii_digit).collect()
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_reaches_all_nodes_unless_it_is_local() {
    let (_bus, mut one, mut two) = two_nodes();
    one.io.emit("e", 1);
    one.io.local().emit("here", ());
    one.io.except(two.socket.id()).emit("not there", ());
    settle().await;
    assert_eq!(one.peer.take(), [r#"2["e",1]"#, r#"2["here"]"#, r#"2["not there"]"#]);
    assert_eq!(two.peer.take(), [r#"2["e",1]"#]);
}

#[tokio::test(start_paused = true)]
async fn clients_of_all_nodes_answer() {
    let (_bus, mut one, mut two) = two_nodes();
    let mut acks: AckStream<Binary> = one.io.timeout(2 * SECOND).emit_with_ack("e", ());
    settle().await;
    let id = asked(&mut two.peer);
    two.peer.send(&format!(r#"61-{id}[{{"_placeholder":true,"num":0}}]"#));
    two.peer.send_binary(b"two");
    let (socket, answer) = acks.next().await.unwrap();
    assert_eq!(socket.as_ref(), Some(two.socket.id()));
    assert_eq!(answer.unwrap(), Binary(Bytes::from_static(b"two")));
    let id = asked(&mut one.peer);
    one.peer.send(&format!("3{id}[1]"));
    let rest = acks.await.unwrap();
    let [(socket, Err(AckError::Args(_)))] = &rest.acks[..] else { panic!("{rest:?}") };
    assert_eq!(socket.as_ref(), Some(one.socket.id()));
    assert!(rest.is_complete());
}

#[tokio::test(start_paused = true)]
async fn a_client_of_another_node_that_leaves_is_not_waited_for() {
    let (_bus, one, mut two) = two_nodes();
    let acks: AckStream<()> = one.io.except(one.socket.id()).emit_with_ack("e", ());
    settle().await;
    let start = Instant::now();
    two.peer.hang_up(DisconnectReason::TransportClose);
    let acks = acks.await.unwrap();
    assert!(start.elapsed() < SECOND);
    assert_eq!(acks.unanswered().collect::<Vec<_>>(), [two.socket.id()]);
}

#[tokio::test(start_paused = true)]
async fn clients_and_nodes_that_are_silent_cost_the_timeout_and_are_named() {
    let (bus, mut one, mut two) = two_nodes();
    let _three = member(&bus, "three");
    bus.silence("three");
    let start = Instant::now();
    let acks: AckStream<u32> = one.io.timeout(2 * SECOND).emit_with_ack("e", ());
    settle().await;
    let id = asked(&mut one.peer);
    one.peer.send(&format!("3{id}[1]"));
    let acks = acks.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 2);
    assert_eq!(acks.values().copied().collect::<Vec<_>>(), [1]);
    assert_eq!(acks.missing.nodes, ["three"]);
    assert!(!acks.is_complete());
    assert_eq!(acks.acks.len(), 2, "two said whom it has asked");
    let late = asked(&mut two.peer);
    two.peer.send(&format!("3{late}[2]"));
    assert_eq!(two.peer.notice_close(), None);
}

#[tokio::test(start_paused = true)]
async fn nobody_anywhere_is_an_answer_that_comes_at_once() {
    let (_bus, one, _two) = two_nodes();
    let start = Instant::now();
    let acks = one.io.to("nobody").emit_with_ack::<()>("e", ()).await.unwrap();
    assert_eq!(acks.acks.len(), 0);
    assert!(acks.is_complete() && start.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn sockets_of_all_nodes_are_found_and_described() {
    let (bus, one, two) = two_nodes();
    assert!(two.socket.data().set_shared("n", 2).is_ok());
    two.socket.join("r");
    let fetched = one.io.fetch_sockets().await;
    assert!(fetched.is_complete());
    let [here, there] = <[RemoteSocket; 2]>::try_from(fetched.sockets).unwrap();
    assert_eq!([here.id(), there.id()], [one.socket.id(), two.socket.id()]);
    assert_eq!(there.node().map(|node| node.as_str()), Some("two"));
    assert_eq!(there.rooms(), [two.socket.id().as_str(), "r"]);
    assert_eq!(there.data::<Value>().unwrap(), json!({"n": 2}));
    assert_eq!(there.handshake::<Value>().unwrap(), serde_json::to_value(two.socket.handshake()).unwrap());
    assert_eq!(one.io.to("r").fetch_sockets().await.sockets, [there]);
    assert_eq!(one.io.local().fetch_sockets().await.sockets, [here]);

    let ids = one.io.all_sockets().await;
    assert_eq!(ids.ids, [one.socket.id().clone(), two.socket.id().clone()]);
    assert_eq!(one.io.to("r").all_sockets().await.ids, [two.socket.id().clone()]);

    bus.silence("two");
    let start = Instant::now();
    let fetched = one.io.timeout(3 * SECOND).fetch_sockets().await;
    assert_eq!(start.elapsed().as_secs(), 3);
    assert_eq!((fetched.sockets.len(), &fetched.missing.nodes[..]), (1, &["two".into()][..]));
    assert!(!fetched.is_complete());
    let ids = one.io.all_sockets().await;
    assert_eq!((ids.ids.len(), ids.missing.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_socket_of_another_node_can_be_sent_to_and_moved() {
    let (bus, mut one, mut two) = two_nodes();
    let remote = one.io.to(two.socket.id()).fetch_sockets().await.sockets.remove(0);
    remote.emit("e", 1).await.unwrap();
    remote.join(["x", "y"]).await.unwrap();
    remote.leave("x").await.unwrap();
    settle().await;
    assert_eq!(two.peer.take(), [r#"2["e",1]"#]);
    assert_eq!(two.socket.rooms(), [two.socket.id().as_str(), "y"]);
    assert_eq!(one.peer.take(), Vec::<String>::new());

    let answer = remote.emit_with_ack::<u32>("question", ());
    settle().await;
    let id = asked(&mut two.peer);
    two.peer.send(&format!("3{id}[7]"));
    assert_eq!(answer.await.unwrap(), 7);
    let start = Instant::now();
    let error = remote.timeout(SECOND).emit_with_ack::<u32>("question", ()).await.unwrap_err();
    assert!(matches!(error, AckError::Timeout));
    assert_eq!(start.elapsed().as_secs(), 1);

    remote.disconnect().await.unwrap();
    settle().await;
    assert!(!two.socket.is_connected() && one.socket.is_connected());
    assert_eq!(two.peer.notice_close(), None);
    let error = remote.emit_with_ack::<u32>("question", ()).await.unwrap_err();
    assert!(matches!(error, AckError::Disconnected));
    bus.silence("two");
    let error = remote.emit_with_ack::<u32>("question", ()).await.unwrap_err();
    assert!(matches!(error, AckError::Timeout), "it may be there");
}

#[tokio::test(start_paused = true)]
async fn sockets_of_all_nodes_are_moved_and_disconnected() {
    let (_bus, one, mut two) = two_nodes();
    one.io.sockets_join(["a", "b"]).await.unwrap();
    settle().await;
    assert!([&one.socket, &two.socket].iter().all(|socket| socket.rooms().len() == 3));
    two.io.within("a").except(two.socket.id()).sockets_leave("b").await.unwrap();
    settle().await;
    assert_eq!((one.socket.rooms().len(), two.socket.rooms().len()), (2, 3));
    one.io.to("b").disconnect_sockets().await.unwrap();
    settle().await;
    assert!(!two.socket.is_connected() && one.socket.is_connected());
    assert_eq!(two.peer.notice_close(), None);
    assert_eq!(two.peer.take(), ["1"]);
    two.peer.enter("/");
    one.io.disconnect_clients().await.unwrap();
    settle().await;
    assert!(two.peer.notice_close().is_some() && !one.socket.is_connected());
}

#[tokio::test(start_paused = true)]
async fn other_servers_hear_an_event_and_nobody_else_does() {
    let (_bus, mut one, mut two) = two_nodes();
    let notes = Notes::default();
    for member in [&one, &two] {
        let (noted, here) = (notes.clone(), member.socket.id().clone());
        member.io.on_server_side("e", move |Data((text, bytes)): Data<(String, Binary)>| {
            noted.add(format!("{here} {text} {bytes:?}"));
            async {}
        });
        let noted = notes.clone();
        member.io.on("e", move || {
            noted.add("a client's event");
            async {}
        });
    }
    one.io.server_side_emit("e", ("hello", Binary(Bytes::from_static(b"x")))).await.unwrap();
    settle().await;
    assert_eq!(notes.take(), [format!(r#"{} hello b"x""#, two.socket.id())]);
    assert_eq!([one.peer.take(), two.peer.take()], [const { Vec::<String>::new() }; 2]);
}

#[tokio::test(start_paused = true)]
async fn other_servers_answer_and_the_silent_ones_are_named() {
    let (bus, one, two) = two_nodes();
    let three = member(&bus, "three");
    one.io.on_server_side("add", async || Reply(0));
    two.io.on_server_side("add", async |Data((a, b)): Data<(u32, u32)>| Reply(a + b));
    three.io.on_server_side("add", async |ack: Ack| {
        tokio::time::sleep(SECOND).await;
        ack.send("three");
    });
    let start = Instant::now();
    let replies = one.io.server_side_emit_with_ack::<u32>("add", (1, 2)).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 1);
    let [(two_id, Ok(3)), (three_id, Err(AckError::Args(_)))] = &replies.replies[..] else {
        panic!("{replies:?}")
    };
    assert_eq!((two_id.as_deref(), three_id.as_deref()), (Some("two"), Some("three")));
    assert!(replies.is_complete());
    assert_eq!(replies.values().collect::<Vec<_>>(), [&3]);

    // A server without a handler for it does not answer.
    two.io.on_server_side("where", async || Reply("two"));
    for (question, time) in [
        (one.io.server_side_emit_with_ack::<String>("where", ()), 5 * SECOND),
        (one.io.server_side_emit_with_ack("where", ()).timeout(2 * SECOND), 2 * SECOND),
    ] {
        let start = Instant::now();
        let replies = question.await.unwrap();
        assert_eq!(start.elapsed().as_secs(), time.as_secs());
        assert_eq!(replies.missing.nodes, ["three"]);
        assert_eq!(replies.into_values(), ["two"]);
    }
}

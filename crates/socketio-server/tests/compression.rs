//! Which events may be compressed, and that clients which poll get them so.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests, their helpers too")]

#[allow(dead_code, reason = "the fixture of another package, which uses more of it")]
#[path = "../../socketio-adapter/tests/adapters/channel_adapter.rs"]
mod channel_adapter;
mod support;

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use channel_adapter::{Bus, ChannelFactory};
use serde_json::Value;
use socketio_server::{
    AckFuture, AckStream, Binary, Builder, DisconnectReason, Emit, HttpCompression, Recovery, RemoteSocket,
    Server, Socket,
};
use support::{Peer, build, server, settle};
use test_support::http::{Request, Response};
use test_support::polling::Polling;
use test_support::wait;
use test_support::ws::WebSocket;
use tokio::net::TcpListener;

/// The only client of a server.
fn one(io: &Server) -> (Peer, Socket) {
    let peer = Peer::join(io);
    let socket = io.sockets().remove(0);
    (peer, socket)
}

/// Whether the frames that this client was sent since the last time may be compressed; all or none of them.
#[track_caller]
fn may_compress(peer: &mut Peer) -> bool {
    let frames = peer.take_frames();
    let first = frames.first().expect("the client was sent something").may_compress();
    assert!(frames.iter().all(|frame| frame.may_compress() == first), "some of the frames are marked");
    first
}

#[tokio::test(start_paused = true)]
async fn events_may_be_compressed_unless_it_is_said_otherwise() {
    let io = server();
    let (mut peer, socket) = one(&io);
    socket.join("room");
    let binary = || Binary(Bytes::from_static(&[1, 2, 3]));
    let emits: [(&dyn Fn() -> Emit, bool); 18] = [
        (&|| socket.emit("e", binary()), true),
        (&|| socket.send(1), true),
        (&|| socket.volatile().emit("e", 1), true),
        (&|| socket.compress(true).emit("e", 1), true),
        (&|| socket.compress(false).compress(true).emit("e", 1), true),
        (&|| socket.compress(false).emit("e", binary()), false),
        (&|| socket.compress(false).emit("e", "x".repeat(100_000)), false),
        (&|| socket.compress(false).send(1), false),
        (&|| socket.compress(false).volatile().emit("e", 1), false),
        (&|| socket.volatile().compress(false).emit("e", 1), false),
        (&|| io.emit("e", binary()), true),
        (&|| io.to("room").emit("e", 1), true),
        (&|| io.volatile().emit("e", 1), true),
        (&|| io.compress(true).emit("e", 1), true),
        (&|| io.compress(false).emit("e", binary()), false),
        (&|| io.of("/").compress(false).emit("e", "x".repeat(100_000)), false),
        (&|| io.compress(false).to("room").emit("e", 1), false),
        (&|| io.to("room").volatile().local().compress(false).emit("e", 1), false),
    ];
    for (nth, (emit, compress)) in emits.into_iter().enumerate() {
        emit().into_local_result().unwrap();
        assert_eq!(may_compress(&mut peer), compress, "{nth}");
    }
    socket.emit("e", 1);
    assert!(may_compress(&mut peer), "it is said of one event");
}

#[tokio::test(start_paused = true)]
async fn a_volatile_event_is_dropped_whether_it_may_be_compressed_or_not() {
    let io = server();
    let (mut peer, socket) = one(&io);
    peer.connection.is_busy.store(true, std::sync::atomic::Ordering::Relaxed);
    socket.compress(false).volatile().emit("e", 1);
    assert!(peer.take_frames().is_empty());
}

#[tokio::test(start_paused = true)]
async fn events_that_ask_for_an_answer_say_it_too() {
    let io = server();
    let (mut peer, socket) = one(&io);
    let answers: [(AckFuture<u32>, bool); 3] = [
        (socket.emit_with_ack("e", ()), true),
        (socket.compress(false).emit_with_ack("e", ()), false),
        (socket.timeout(Duration::from_secs(1)).compress(false).emit_with_ack("e", ()), false),
    ];
    let flags: Vec<_> = peer.take_frames().iter().map(|frame| frame.may_compress()).collect();
    assert_eq!(flags, answers.each_ref().map(|(_, may_compress)| *may_compress));
    for (id, (answer, _)) in answers.into_iter().enumerate() {
        peer.send(&format!("3{id}[{id}]"));
        assert_eq!(usize::try_from(answer.await.unwrap()).unwrap(), id);
    }

    let _all: AckStream<u32> = io.emit_with_ack("e", ());
    assert!(may_compress(&mut peer));
    let _all: AckStream<u32> = io.compress(false).emit_with_ack("e", ());
    assert!(!may_compress(&mut peer));
}

#[tokio::test(start_paused = true)]
async fn a_time_to_wait_stays_with_what_is_said_of_compression() {
    let io = server();
    let (_peer, socket) = one(&io);
    let start = tokio::time::Instant::now();
    let second = Duration::from_secs(1);
    socket.timeout(second).compress(false).emit_with_ack::<()>("e", ()).await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_children_of_a_namespace_are_sent_it_so() {
    let io = server();
    let parent = io.of_pattern("/orders/{id}");
    let mut peer = Peer::open(&io);
    peer.enter("/orders/1");
    parent.emit("e", 1);
    assert!(may_compress(&mut peer));
    parent.compress(false).emit("e", 1);
    assert!(!may_compress(&mut peer));
    let _all: AckStream<u32> = parent.compress(false).emit_with_ack("e", 1);
    settle().await;
    assert!(!may_compress(&mut peer));
}

#[tokio::test(start_paused = true)]
async fn other_servers_are_told() {
    let bus = Arc::<Bus>::default();
    let [(here, _), (_there, mut peer)] = ["here", "there"].map(|id| {
        let factory = ChannelFactory { bus: Arc::clone(&bus), id: id.into(), hooks: Arc::default() };
        let io = build(Server::builder().adapter(factory));
        let peer = Peer::join(&io);
        (io, peer)
    });
    here.emit("e", Binary(Bytes::from_static(&[1])));
    settle().await;
    assert!(may_compress(&mut peer));
    here.compress(false).emit("e", Binary(Bytes::from_static(&[1])));
    settle().await;
    assert!(!may_compress(&mut peer));
    let _all: AckStream<u32> = here.compress(false).emit_with_ack("e", 1);
    settle().await;
    assert!(!may_compress(&mut peer));
    let others: Vec<RemoteSocket> = here.fetch_sockets().await.into_iter().collect();
    let remote = others.iter().find(|socket| here.socket(socket.id()).is_none()).unwrap();
    remote.compress(false).emit("e", 1);
    settle().await;
    assert!(!may_compress(&mut peer));
    remote.emit("e", 1);
    settle().await;
    assert!(may_compress(&mut peer));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_back_gets_what_it_missed_so() {
    let io = build(Server::builder().connection_state_recovery(Recovery::default()));
    let parent = io.of_pattern("/orders/{id}");
    for name in ["/", "/orders/1"] {
        let prefix = if name == "/" { String::new() } else { format!("{name},") };
        let mut peer = Peer::open(&io);
        peer.send(&format!("0{prefix}"));
        let answer = peer.take().remove(0);
        let answer: Value =
            serde_json::from_str(answer.strip_prefix(&format!("0{prefix}")).unwrap()).unwrap();
        let namespace = io.of(name);
        let socket = namespace.socket(answer["sid"].as_str().unwrap()).unwrap();
        socket.emit("e", 1);
        assert!(may_compress(&mut peer));
        socket.compress(false).emit("e", 1);
        assert!(!may_compress(&mut peer));
        peer.hang_up(DisconnectReason::TransportClose);

        socket.emit("e", 2);
        socket.compress(false).emit("e", 3);
        namespace.compress(false).emit("e", 4);
        namespace.emit("e", 5);
        parent.compress(false).emit("e", 6);
        let pid = answer["pid"].as_str().unwrap();
        let mut again = Peer::open(&io);
        again.send(&format!(r#"0{prefix}{{"pid":"{pid}"}}"#));
        let missed: Vec<_> = again.take_frames().iter().skip(1).map(|frame| frame.may_compress()).collect();
        let of_parent = (name != "/").then_some(false);
        let expected: Vec<_> = [true, false, true, false, false, true].into_iter().chain(of_parent).collect();
        assert_eq!(missed, expected, "{name}");
    }
}

/// A client that polls and takes what is compressed.
struct Poller(Polling);

impl Poller {
    async fn join(address: SocketAddr) -> Self {
        let mut polling = Polling::open(address, "/socket.io/").await;
        polling.send(&["40"]).await;
        let answer = polling.poll().await;
        assert!(answer[0].starts_with(r#"40{"sid":"#));
        Self(polling)
    }

    /// The next answer: its coding, and its packets.
    async fn poll(&mut self) -> (Option<String>, Vec<String>) {
        let request = Request::get(&self.0.target()).header("accept-encoding", "gzip, deflate, br");
        let response = self.0.get.exchange(request).await;
        assert_eq!(response.status, 200);
        (response.header("content-encoding").map(str::to_owned), packets(&response))
    }
}

fn packets(response: &Response) -> Vec<String> {
    let mut text = String::new();
    let read = match response.header("content-encoding") {
        None => (&response.body[..]).read_to_string(&mut text),
        Some("gzip") => flate2::read::GzDecoder::new(&response.body[..]).read_to_string(&mut text),
        Some(other) => panic!("{other} is not what it likes best"),
    };
    read.unwrap();
    text.split('\x1e').map(str::to_owned).collect()
}

async fn listen(builder: Builder) -> (Server, SocketAddr) {
    let io = builder.build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn({
        let io = io.clone();
        async move { io.serve(listener).await }
    });
    (io, address)
}

#[tokio::test]
async fn a_client_that_polls_gets_large_events_compressed() {
    let (io, address) = listen(Server::builder()).await;
    io.on_connect(async |socket: Socket| drop(socket.join("room")));
    let mut client = Poller::join(address).await;
    let socket = io.sockets().remove(0);
    wait::until("the room", || socket.rooms().len() == 2).await;
    let text = "some words ".repeat(1000);
    let packet = format!(r#"42["e","{text}"]"#);
    let emits: [(&dyn Fn(bool), &str); 4] = [
        (&|compress| drop(socket.compress(compress).emit("e", &text)), "socket"),
        (&|compress| drop(io.compress(compress).emit("e", &text)), "namespace"),
        (&|compress| drop(io.to("room").compress(compress).emit("e", &text)), "room"),
        (&|compress| drop(io.except("nobody").compress(compress).emit("e", &text)), "all"),
    ];
    for (emit, what) in emits {
        emit(true);
        assert_eq!(client.poll().await, (Some("gzip".to_owned()), vec![packet.clone()]), "{what}");
        emit(false);
        assert_eq!(client.poll().await, (None, vec![packet.clone()]), "{what}");
        emit(false);
        emit(true);
        assert_eq!(client.poll().await, (Some("gzip".to_owned()), vec![packet.clone(); 2]), "{what}");
    }
    socket.emit("e", "short");
    assert_eq!(client.poll().await, (None, vec![r#"42["e","short"]"#.to_owned()]));
}

#[tokio::test]
async fn one_broadcast_reaches_clients_of_all_kinds() {
    let (io, address) = listen(Server::builder()).await;
    let mut compressed = Poller::join(address).await;
    let mut plain = Poller::join(address).await.0;
    let mut websocket = WebSocket::connect(address, "/socket.io/?EIO=4&transport=websocket").await;
    assert!(websocket.text().await.starts_with("0{"));
    websocket.send_text("40").await;
    assert!(websocket.text().await.starts_with(r#"40{"sid":"#));
    for (text, compress) in [(5_000, true), (5_000, false), (500_000, true), (500_000, false)] {
        let text = "x".repeat(text);
        let packet = format!(r#"42["e","{text}"]"#);
        io.compress(compress).emit("e", &text);
        let coding = compress.then(|| "gzip".to_owned());
        assert_eq!(compressed.poll().await, (coding, vec![packet.clone()]));
        assert_eq!(plain.poll().await, std::slice::from_ref(&packet));
        assert_eq!(websocket.text().await, packet);
    }
}

#[tokio::test]
async fn the_server_can_leave_everything_as_it_is_or_begin_earlier() {
    for (compression, n_bytes, is_compressed) in [
        (HttpCompression::from(false), 100_000, false),
        (HttpCompression::with_threshold(100), 100, true),
        (HttpCompression::with_threshold(100), 50, false),
    ] {
        let (io, address) = listen(Server::builder().http_compression(compression)).await;
        let mut client = Poller::join(address).await;
        io.emit("e", "x".repeat(n_bytes));
        let (coding, packets) = client.poll().await;
        assert_eq!((coding.is_some(), packets[0].len()), (is_compressed, n_bytes + r#"42["e",""]"#.len()));
    }
}

//! Clients of Socket.IO 1 and 2.
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde::Serialize;
use socketio_server::{Auth, ConnectError, Data, DisconnectReason, Recovery, Reply, Server, Socket};
use support::{Notes, Peer, TestConnection, build, server, settle};

fn open(io: &Server) -> Peer {
    let connection = TestConnection::default();
    connection.protocol_3.store(true, Ordering::Relaxed);
    Peer::open_with(io, connection)
}

#[tokio::test(start_paused = true)]
async fn they_are_in_the_root_namespace_from_the_start() {
    let io = server();
    io.on("hello", async |Data(name): Data<String>| Reply(name));
    io.on_connect(async |socket: Socket| drop(socket.emit("welcome", socket.id().as_str())));
    let mut peer = open(&io);
    assert_eq!(
        peer.take(),
        ["0", r#"2["welcome","session-of-engine-io"]"#],
        "the socket's id is the session's"
    );
    peer.send(r#"20["hello","you"]"#);
    assert_eq!(peer.take(), [r#"30["you"]"#]);
    assert_eq!(io.n_sockets(), 1);
    peer.send("1");
    settle().await;
    assert_eq!((io.n_sockets(), peer.notice_close()), (0, None));
}

#[tokio::test(start_paused = true)]
async fn what_stands_behind_a_namespace_is_their_credentials() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.of("/chat").use_middleware(move |socket: Socket, Auth(auth): Auth<BTreeMap<String, String>>| {
        noted.add(format!("{} {auth:?}", socket.id()));
        std::future::ready(Ok::<(), ConnectError>(()))
    });
    for (connect, expected) in [
        ("0/chat?token=a%20b&x=1&x=2&%26=%3D,", r#"{"&": "=", "token": "a b", "x": "2"}"#),
        ("0/chat?token", r#"{"token": ""}"#),
        ("0/chat,", "{}"),
    ] {
        let mut peer = open(&io);
        peer.take();
        peer.send(connect);
        assert_eq!(peer.take(), ["0/chat,"]);
        assert_eq!(notes.take(), [format!("/chat#session-of-engine-io {expected}")]);
        peer.hang_up(DisconnectReason::TransportClose);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_text_or_the_data() {
    #[derive(Serialize)]
    struct Hint {
        retry: bool,
    }
    let io = server();
    io.of("/text").use_middleware(async || Err::<(), _>(ConnectError::new("no")));
    io.of("/data")
        .use_middleware(async || Err::<(), _>(ConnectError::new("no").with_data(Hint { retry: false })));
    let mut peer = open(&io);
    peer.take();
    for (connect, refusal) in [
        ("0/text,", r#"4/text,"no""#),
        ("0/data,", r#"4/data,{"retry":false}"#),
        ("0/unknown?a=b,", r#"4/unknown,"Invalid namespace""#),
    ] {
        peer.send(connect);
        assert_eq!(peer.take(), [refusal]);
    }
    let io = server();
    io.use_middleware(async || Err::<(), _>(ConnectError::new("not you")));
    assert_eq!(open(&io).take(), [r#"4"not you""#]);
}

#[tokio::test(start_paused = true)]
async fn they_have_no_session_to_come_back_to() {
    let io = build(Server::builder().connection_state_recovery(Recovery::default()));
    let mut peer = open(&io);
    assert_eq!(peer.take(), ["0"]);
    assert!(!io.sockets()[0].is_recovered());
    peer.hang_up(DisconnectReason::TransportClose);
    settle().await;
    assert_eq!(io.n_sockets(), 0);
}

//! Volatile events over real transports: what becomes of several that are emitted in one go.
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use socketio_server::{Binary, Server, Socket};
use test_support::polling::Polling;
use test_support::ws::WebSocket;
use tokio::net::TcpListener;

/// What is emitted in one go, to one client and to all.
type Burst = fn(&Socket, &Server);

const REGULAR: Burst = |socket, _| drop(socket.emit("ev", 1));
const ALONE: Burst = |socket, _| drop(socket.volatile().emit("ev", 1));
const AFTER_REGULAR: Burst = |socket, _| {
    socket.emit("ev", 1);
    socket.volatile().emit("ev", 2);
};
const TWO: Burst = |socket, _| {
    socket.volatile().emit("ev", 1);
    socket.volatile().emit("ev", 2);
};
const BETWEEN: Burst = |socket, _| {
    socket.emit("ev", 1);
    socket.volatile().emit("ev", 2);
    socket.emit("ev", 3);
};
const TWO_TO_ALL: Burst = |_, io| {
    io.volatile().emit("ev", 1);
    io.volatile().emit("ev", 2);
};
const AFTER_REGULAR_TO_ALL: Burst = |_, io| {
    io.emit("ev", 1);
    io.volatile().emit("ev", 2);
};
const TWO_BINARY: Burst = |socket, _| {
    socket.volatile().emit("ev", (1, Binary(Bytes::from_static(b"first"))));
    socket.volatile().emit("ev", (2, Binary(Bytes::from_static(b"second"))));
};
const TWO_BINARY_TO_ALL: Burst = |_, io| {
    io.volatile().emit("ev", (1, Binary(Bytes::from_static(b"first"))));
    io.volatile().emit("ev", (2, Binary(Bytes::from_static(b"second"))));
};

async fn listen() -> (Server, SocketAddr) {
    let io = Server::builder().build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = io.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    (io, address)
}

/// The only client's socket, when it can be sent something at once.
async fn socket_of(io: &Server) -> Socket {
    loop {
        if let Some(socket) = io.sockets().pop() {
            return socket;
        }
        tokio::task::yield_now().await;
    }
}

/// The events that a client on polling gets, whose poll waits when `burst` is emitted.
async fn on_polling(burst: Burst) -> Vec<String> {
    let (io, address) = listen().await;
    let mut client = Polling::open(address, "/socket.io/").await;
    client.send(&["40"]).await;
    client.poll().await;
    let socket = socket_of(&io).await;
    client.start_poll().await;
    // The poll is on its way: until it waits, volatile events are dropped.
    tokio::time::sleep(Duration::from_millis(50)).await;
    burst(&socket, &io);
    let mut got = client.end_poll().await;
    socket.emit("end", ());
    while got.last().map(String::as_str) != Some(r#"42["end"]"#) {
        got.extend(client.poll().await);
    }
    got.pop();
    got
}

/// The events that a client on WebSocket gets, text alone.
async fn on_websocket(burst: Burst) -> Vec<String> {
    let (io, address) = listen().await;
    let mut client = WebSocket::connect(address, "/socket.io/?EIO=4&transport=websocket").await;
    client.text().await;
    client.send_text("40").await;
    client.text().await;
    let socket = socket_of(&io).await;
    // What it was sent last is written.
    tokio::time::sleep(Duration::from_millis(50)).await;
    burst(&socket, &io);
    socket.emit("end", ());
    let mut got = Vec::new();
    loop {
        let text = client.text().await;
        if text == r#"42["end"]"# {
            return got;
        }
        if text.starts_with("451-") {
            got.push(format!("{text} {:?}", client.binary().await));
        } else {
            got.push(text);
        }
    }
}

fn events(numbers: &[u8]) -> Vec<String> {
    numbers.iter().map(|number| format!(r#"42["ev",{number}]"#)).collect()
}

#[tokio::test]
async fn a_client_on_polling_gets_what_its_poll_waits_for() {
    for (burst, got) in [
        (REGULAR, &[1][..]),
        (ALONE, &[1]),
        (AFTER_REGULAR, &[1]),
        (TWO, &[1]),
        (BETWEEN, &[1, 3]),
        (TWO_TO_ALL, &[1]),
        (AFTER_REGULAR_TO_ALL, &[1]),
    ] {
        assert_eq!(on_polling(burst).await, events(got));
    }
}

#[tokio::test]
async fn a_client_on_websocket_gets_what_finds_nothing_queued() {
    for (burst, got) in [
        (REGULAR, &[1][..]),
        (ALONE, &[1]),
        (AFTER_REGULAR, &[1]),
        (TWO, &[1]),
        (BETWEEN, &[1, 3]),
        (TWO_TO_ALL, &[1]),
        (AFTER_REGULAR_TO_ALL, &[1]),
    ] {
        assert_eq!(on_websocket(burst).await, events(got));
    }
}

#[tokio::test]
async fn a_binary_event_comes_whole_or_not_at_all() {
    for burst in [TWO_BINARY, TWO_BINARY_TO_ALL] {
        let first = r#"451-["ev",1,{"_placeholder":true,"num":0}] b"first""#;
        assert_eq!(on_websocket(burst).await, [first]);
    }
}

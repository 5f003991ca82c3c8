//! The end of a server.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use socketio_server::{DisconnectReason, Reply, Server, Socket};
use support::{Notes, Peer, server, settle};
use test_support::polling::Polling;
use test_support::wait;
use test_support::ws::WebSocket;
use tokio::net::TcpListener;

fn note_reasons(io: &Server, notes: &Notes) {
    let notes = notes.clone();
    io.on_disconnect(move |reason: DisconnectReason| {
        notes.add(reason.as_str());
        async {}
    });
}

#[tokio::test(start_paused = true)]
async fn sockets_are_told_why_and_clients_get_no_disconnect() {
    let io = server();
    let notes = Notes::default();
    note_reasons(&io, &notes);
    let mut peer = Peer::join(&io);
    io.shutdown(Duration::from_secs(10)).await;
    assert_eq!(notes.take(), ["server shutting down"]);
    assert_eq!(peer.take(), Vec::<String>::new());
    assert_eq!(peer.notice_close(), Some(DisconnectReason::ServerShuttingDown));
    assert_eq!(io.n_sockets(), 0);
}

#[tokio::test(start_paused = true)]
async fn running_handlers_may_end_and_their_acks_still_go_out() {
    let io = server();
    io.on("slow", async || {
        tokio::time::sleep(Duration::from_secs(5)).await;
        Reply("done")
    });
    let mut peer = Peer::join(&io);
    peer.send(r#"20["slow"]"#);
    let start = tokio::time::Instant::now();
    io.shutdown(Duration::from_secs(10)).await;
    assert_eq!(peer.take(), [r#"30["done"]"#]);
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn handlers_that_do_not_end_are_aborted_at_the_deadline() {
    struct Aborted(Notes);
    impl Drop for Aborted {
        fn drop(&mut self) {
            self.0.add("aborted");
        }
    }
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on("endless", move || {
        let guard = Aborted(noted.clone());
        async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        }
    });
    let mut peer = Peer::join(&io);
    peer.send(r#"2["endless"]"#);
    let start = tokio::time::Instant::now();
    io.shutdown(Duration::from_secs(10)).await;
    settle().await;
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(notes.take(), ["aborted"]);
    assert!(peer.notice_close().is_some());
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_and_no_handler_starts_during_a_shutdown() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on("e", move || {
        noted.add("started");
        async {}
    });
    io.on("slow", || tokio::time::sleep(Duration::from_secs(5)));
    let mut peer = Peer::join(&io);
    let mut late = Peer::open(&io);
    peer.send(r#"2["slow"]"#);
    let ending = tokio::spawn({
        let io = io.clone();
        async move { io.shutdown(Duration::from_secs(10)).await }
    });
    settle().await;
    late.send("0");
    peer.send(r#"2["e"]"#);
    ending.await.unwrap();
    assert_eq!(notes.take(), Vec::<String>::new());
    assert_eq!(late.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn whoever_is_being_decided_about_is_refused() {
    let io = server();
    io.use_middleware(|| tokio::time::sleep(Duration::from_secs(5)));
    let mut peer = Peer::open(&io);
    peer.send("0");
    settle().await;
    io.shutdown(Duration::from_secs(10)).await;
    assert_eq!(peer.take(), [r#"4{"message":"server shutting down"}"#]);
}

#[tokio::test(start_paused = true)]
async fn disconnect_handlers_have_until_the_deadline_too() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_disconnect(move |_: Socket| {
        let noted = noted.clone();
        async move {
            tokio::time::sleep(Duration::from_secs(3)).await;
            noted.add("saved");
        }
    });
    let _peer = Peer::join(&io);
    io.shutdown(Duration::from_secs(10)).await;
    assert_eq!(notes.take(), ["saved"]);
}

#[tokio::test(start_paused = true)]
async fn close_does_not_wait_for_handlers_and_leaves_them_running() {
    let (io, notes) = (server(), Notes::default());
    note_reasons(&io, &notes);
    let noted = notes.clone();
    io.on("slow", move || {
        let noted = noted.clone();
        async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            noted.add("the handler ended");
        }
    });
    let mut peer = Peer::join(&io);
    peer.send(r#"2["slow"]"#);
    let start = tokio::time::Instant::now();
    io.close().await;
    assert!(start.elapsed() < Duration::from_secs(1));
    settle().await;
    assert_eq!(notes.take(), ["server shutting down"]);
    assert_eq!(peer.take(), Vec::<String>::new(), "no DISCONNECT: stock clients come back");
    assert_eq!(peer.notice_close(), Some(DisconnectReason::ServerShuttingDown));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(notes.take(), ["the handler ended"]);
}

#[tokio::test(start_paused = true)]
async fn a_closed_server_lets_nobody_in_until_it_is_reopened() {
    let (io, notes) = (server(), Notes::default());
    let noted = notes.clone();
    io.on_connect(move || {
        noted.add("connect");
        async {}
    });
    io.close().await;
    let mut early = Peer::open(&io);
    early.send("0");
    assert_eq!(early.take(), Vec::<String>::new());
    io.reopen();
    let mut peer = Peer::join(&io);
    io.on("x", async || Reply(1));
    peer.send(r#"21["x"]"#);
    assert_eq!(peer.take(), ["31[1]"]);
    io.shutdown(Duration::from_secs(1)).await;
    io.reopen();
    Peer::join(&io);
    assert_eq!(notes.take(), ["connect", "connect"]);
}

#[tokio::test]
async fn the_port_is_free_after_close_and_the_same_server_serves_it_again() {
    let io = server();
    io.on("who", async |socket: Socket| Reply(socket.namespace().name().to_owned()));
    let mut address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    for _ in 0..3 {
        let listener = TcpListener::bind(address).await.unwrap();
        address = listener.local_addr().unwrap();
        let serving = tokio::spawn({
            let io = io.clone();
            async move { io.serve(listener).await }
        });
        let mut client = WebSocket::connect(address, "/socket.io/?EIO=4&transport=websocket").await;
        let _ = client.text().await;
        client.send_text("40").await;
        let _ = client.text().await;
        client.send_text(r#"421["who"]"#).await;
        assert_eq!(client.text().await, r#"431["/"]"#);
        io.close().await;
        serving.await.unwrap().unwrap();
        assert_eq!(io.n_sockets(), 0);
    }
    TcpListener::bind(address).await.unwrap();
}

/// A task that waited for a timeout would keep the process of an application that has closed its server.
#[tokio::test]
async fn no_task_outlives_a_closed_server() {
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let io = server();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn({
        let io = io.clone();
        async move { io.serve(listener).await }
    });
    let open = async || WebSocket::connect(address, "/socket.io/?EIO=4&transport=websocket").await;
    // One that never joins, one between two polls, and one that owes answers and attachments.
    let _silent = open().await;
    let _polling = Polling::open(address, "/socket.io/").await;
    let mut client = open().await;
    let _ = client.text().await;
    client.send_text("40").await;
    let _ = client.text().await;
    client.send_text(r#"451-["e",{"_placeholder":true,"num":0}]"#).await;
    let socket = io.sockets().remove(0);
    let answer = socket.emit_with_ack::<()>("question", ());
    let answers = io.emit_with_ack::<()>("question", ());
    socket.disconnect_after(Duration::from_secs(3600));
    assert!(metrics.num_alive_tasks() > before);

    wait::soon("the close", io.close()).await;
    serving.await.unwrap().unwrap();
    assert!(answer.await.is_err());
    assert_eq!(answers.await.unwrap().acks.len(), 1);
    wait::until("the tasks to end", || metrics.num_alive_tasks() == before).await;
}

#[tokio::test]
async fn close_sessions_leaves_the_listener_alone() {
    let (io, notes) = (server(), Notes::default());
    note_reasons(&io, &notes);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn({
        let io = io.clone();
        async move { io.serve(listener).await }
    });
    for _ in 0..2 {
        let mut client = WebSocket::connect(address, "/socket.io/?EIO=4&transport=websocket").await;
        let _ = client.text().await;
        client.send_text("40").await;
        let _ = client.text().await;
        io.close_sessions();
        client.closed().await;
        wait::until("the disconnect handler has run", || notes.take() == ["server shutting down"]).await;
    }
    assert!(!serving.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_listened_can_be_closed_and_leaves_no_task() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let io = server();
    io.close().await;
    io.reopen();
    let mut peers = [Peer::join(&io), Peer::open(&io)];
    peers[0].send(r#"2["nobody listens"]"#);
    io.close().await;
    assert_eq!(peers[0].notice_close(), Some(DisconnectReason::ServerShuttingDown));
    // It has joined nothing, and is of no engine: whoever opened it closes it.
    peers[1].hang_up(DisconnectReason::TransportClose);
    assert_eq!(io.n_sockets(), 0);
    settle().await;
    assert_eq!(tasks(), 0, "a process ends when its main task does");
}

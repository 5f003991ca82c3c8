//! What an engine may expect of a server, and a server of its engines.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod support;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use socketio_server::engine::{Connection, Engine, Flow, Message, Opener, Receiver};
use socketio_server::{DisconnectReason, Server, Socket, Transport};
use support::{Notes, TestConnection, server, settle};

/// Connections in memory.
#[derive(Clone, Default)]
struct InMemory(Arc<Inner>);

#[derive(Default)]
struct Inner {
    opener: OnceLock<Opener>,
    open: Mutex<Vec<(Arc<TestConnection>, Receiver)>>,
    notes: Notes,
}

impl InMemory {
    /// A client connects and joins the root namespace. `None` if there is no server.
    fn connect(&self) -> Option<Arc<TestConnection>> {
        let connection = Arc::new(TestConnection::default());
        let mut receiver = self.0.opener.get()?.open(Arc::clone(&connection) as Arc<dyn Connection>)?;
        let _ = receiver.on_message(Message::from("0"));
        self.0.open.lock().unwrap().push((Arc::clone(&connection), receiver));
        Some(connection)
    }
}

#[async_trait]
impl Engine for InMemory {
    fn bind(&self, opener: Opener) {
        self.0.notes.add("bind");
        assert!(self.0.opener.set(opener).is_ok(), "an engine is bound once");
    }

    fn close_connections(&self) {
        self.0.notes.add("close_connections");
        for (connection, receiver) in std::mem::take(&mut *self.0.open.lock().unwrap()) {
            connection.close(DisconnectReason::ServerShuttingDown);
            receiver.on_close(DisconnectReason::ServerShuttingDown, None);
        }
    }

    async fn shutdown(&self, deadline: Duration) {
        self.0.notes.add(format!("shutdown within {deadline:?}"));
        self.close_connections();
    }

    fn reopen(&self) {
        self.0.notes.add("reopen");
    }
}

fn with_engine(io: &Server) -> (InMemory, Notes) {
    let engine = InMemory::default();
    io.bind(engine.clone());
    let notes = engine.0.notes.clone();
    assert_eq!(notes.take(), ["bind"]);
    (engine, notes)
}

#[tokio::test(start_paused = true)]
async fn clients_of_a_bound_engine_are_clients_like_others() {
    let io = server();
    io.on("hello", async |socket: Socket| drop(socket.emit("welcome", ())));
    let (engine, _) = with_engine(&io);
    let connection = engine.connect().unwrap();
    settle().await;
    assert_eq!(io.n_sockets(), 1);
    let flow = engine.0.open.lock().unwrap()[0].1.on_message(Message::from(r#"2["hello"]"#));
    assert_eq!(flow, Flow::Continue);
    assert_eq!(connection.take().last().map(String::as_str), Some(r#"2["welcome"]"#));
}

#[tokio::test(start_paused = true)]
async fn a_server_ends_its_engines_and_serves_with_them_again() {
    let io = server();
    let (engine, notes) = with_engine(&io);
    let reasons = Notes::default();
    let noted = reasons.clone();
    io.on_disconnect(move |reason: DisconnectReason| {
        noted.add(reason.as_str());
        std::future::ready(())
    });
    engine.connect().unwrap();
    io.close_sessions();
    settle().await;
    assert_eq!(
        (notes.take(), reasons.take()),
        (vec!["close_connections".into()], vec!["server shutting down".into()])
    );

    engine.connect().unwrap();
    io.shutdown(Duration::from_secs(5)).await;
    assert_eq!(notes.take(), ["shutdown within 5s", "close_connections"]);
    assert_eq!(reasons.take(), ["server shutting down"]);
    assert!(engine.connect().unwrap().take().is_empty(), "nobody joins a server that has ended");

    io.reopen();
    assert_eq!(notes.take(), ["reopen"]);
    assert_eq!(engine.connect().unwrap().take().len(), 1, "the answer to CONNECT");
    io.close().await;
    assert_eq!(notes.take(), ["shutdown within 1s", "close_connections"]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_does_not_keep_its_server_alive() {
    let io = server();
    let (engine, _) = with_engine(&io);
    drop(io);
    assert!(engine.connect().is_none());
}

#[test]
fn the_engine_that_ships_tells_its_options() {
    let seconds = Duration::from_secs;
    let io = Server::builder()
        .path("/live/")
        .ping_interval(seconds(7))
        .ping_timeout(seconds(6))
        .upgrade_timeout(seconds(5))
        .max_http_buffer_size(4)
        .transports(&[Transport::Polling])
        .allow_upgrades(false)
        .connect_timeout(seconds(3))
        .middleware_timeout(seconds(2))
        .connect_handler_timeout(seconds(1))
        .attachments_timeout(seconds(8))
        .ack_timeout(seconds(9))
        .build()
        .unwrap();
    let engine = io.engine();
    assert_eq!((engine.path(), io.path()), ("/live", "/live"));
    assert_eq!(engine.ping_interval(), seconds(7));
    assert_eq!(engine.ping_timeout(), seconds(6));
    assert_eq!(engine.upgrade_timeout(), seconds(5));
    assert_eq!(engine.max_http_buffer_size(), 4);
    assert!(engine.has_transport(Transport::Polling));
    assert!(!engine.has_transport(Transport::WebSocket));
    assert!(!engine.allows_upgrades());
    assert_eq!(io.connect_timeout(), seconds(3));
    assert_eq!(io.middleware_timeout(), seconds(2));
    assert_eq!(io.connect_handler_timeout(), seconds(1));
    assert_eq!(io.attachments_timeout(), seconds(8));
    assert_eq!(io.ack_timeout(), seconds(9));
    assert_eq!(engine.n_sessions(), 0);
}

//! The hook that hears of sockets that are gone for good.

mod support;

use std::time::Duration;

use socketio_server::{ConnectError, Recovery, Server, Socket, SocketId};
use support::visitor::Visitor;
use support::{Notes, build};

fn server(recovery: Recovery) -> (Server, Notes) {
    let notes = Notes::default();
    let gone = notes.clone();
    let recovery = recovery.on_expired(move |id: &SocketId| gone.add(id.as_str()));
    (build(Server::builder().connection_state_recovery(recovery)), notes)
}

#[tokio::test(start_paused = true)]
async fn it_is_told_of_a_client_that_has_missed_too_much() {
    let (io, notes) = server(Recovery::default().max_events(1));
    let mut client = Visitor::join(&io);
    let sid = client.sid.clone();
    client.lose();
    io.emit("1", ());
    io.emit("2", ());
    assert_eq!(notes.take(), [""; 0]);
    assert_eq!(client.come_back(&io), None);
    assert_eq!(notes.take(), [sid]);
}

#[tokio::test(start_paused = true)]
async fn it_is_told_of_a_client_that_is_refused() {
    let (io, notes) = server(Recovery::default());
    let mut client = Visitor::join(&io);
    client.lose();
    io.use_middleware(async || Err::<(), _>(ConnectError::new("banned")));
    drop(client.claim(&io));
    assert_eq!(client.peer.take(), [r#"4{"message":"banned"}"#]);
    assert_eq!(notes.take(), [client.sid]);
}

#[tokio::test(start_paused = true)]
async fn it_is_told_of_a_client_that_has_to_make_room_for_others() {
    let (io, notes) = server(Recovery::default().max_sessions(1));
    let (mut one, mut other) = (Visitor::join(&io), Visitor::join(&io));
    one.lose();
    assert_eq!(notes.take(), [""; 0]);
    other.lose();
    assert_eq!(notes.take(), [one.sid]);
}

#[tokio::test(start_paused = true)]
async fn it_is_not_told_of_a_client_that_may_still_come_back() {
    let (io, notes) = server(Recovery::default());
    let mut client = Visitor::join(&io);
    client.lose();
    io.use_middleware(async |socket: Socket| {
        if socket.is_recovered() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    drop(client.claim(&io));
    client.lose();
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop(client.claim(&io));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(client.continued().is_some());
    assert_eq!(notes.take(), [""; 0]);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(notes.take(), [""; 0]);
    client.lose();
    tokio::time::sleep(Duration::from_secs(121)).await;
    assert_eq!(notes.take(), [client.sid]);
}

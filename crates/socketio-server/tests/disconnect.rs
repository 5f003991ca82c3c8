//! How sockets leave.

mod support;

use std::sync::Arc;
use std::time::Duration;

use socketio_server::handler::{DisconnectDetail, Rooms};
use socketio_server::{Data, DisconnectReason, Server, Socket};
use support::{Notes, Peer, server, settle};

/// Notes who has left, and why.
fn note_reasons(io: &Server, notes: &Notes) {
    let notes = notes.clone();
    io.on_disconnect(move |socket: Socket, reason: DisconnectReason| {
        notes.add(format!("{reason} {}", socket.is_connected()));
        async {}
    });
}

#[tokio::test(start_paused = true)]
async fn the_client_leaves_a_namespace_and_may_come_back() {
    let io = server();
    let notes = Notes::default();
    note_reasons(&io, &notes);
    let mut peer = Peer::join(&io);
    peer.send("1");
    assert_eq!(io.n_sockets(), 0);
    settle().await;
    assert_eq!(notes.take(), ["client namespace disconnect false"]);
    peer.send(r#"2["crossing"]"#);
    assert_eq!(peer.notice_close(), None);
    peer.enter("/");
    assert_eq!(io.n_sockets(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_application_makes_a_socket_leave_its_namespace_only() {
    let io = server();
    let notes = Notes::default();
    note_reasons(&io, &notes);
    let _ = io.of("/chat");
    let mut peer = Peer::join(&io);
    peer.enter("/chat");
    let socket = io.sockets().remove(0);
    socket.disconnect();
    socket.disconnect();
    assert_eq!(peer.take(), ["1"]);
    settle().await;
    assert_eq!(notes.take(), ["server namespace disconnect false"]);
    assert_eq!((io.n_sockets(), io.of("/chat").n_sockets()), (0, 1));
    assert_eq!(peer.notice_close(), None);
}

/// The official server closes the connection, with all namespaces, when this happens.
#[tokio::test(start_paused = true)]
async fn packets_that_cross_a_disconnect_of_the_server_are_dropped() {
    let io = server();
    let _ = io.of("/chat");
    let mut peer = Peer::join(&io);
    peer.enter("/chat");
    io.of("/chat").sockets().remove(0).disconnect();
    peer.take();
    for crossing in [r#"2/chat,["e"]"#, "3/chat,1[]", r#"51-/chat,["e",{"_placeholder":true,"num":0}]"#] {
        peer.send(crossing);
    }
    peer.send_binary(b"attachment");
    peer.send("1/chat,");
    assert_eq!(peer.notice_close(), None);
    peer.enter("/chat");
}

#[tokio::test(start_paused = true)]
async fn closing_the_client_ends_all_its_namespaces() {
    let io = server();
    let notes = Notes::default();
    for name in ["/", "/chat"] {
        note_reasons_of(&io, name, &notes);
    }
    let mut peer = Peer::join(&io);
    peer.enter("/chat");
    io.sockets().remove(0).client().close();
    assert_eq!(peer.take(), ["1", "1/chat,"]);
    assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedClose));
    settle().await;
    assert_eq!(notes.take(), ["/ server namespace disconnect", "/chat server namespace disconnect"]);
}

fn note_reasons_of(io: &Server, name: &'static str, notes: &Notes) {
    let notes = notes.clone();
    io.of(name).on_disconnect(move |reason: DisconnectReason| {
        notes.add(format!("{name} {reason}"));
        async {}
    });
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_ends_all_its_sockets_with_its_reason() {
    let io = server();
    let notes = Notes::default();
    for name in ["/", "/chat"] {
        note_reasons_of(&io, name, &notes);
    }
    let mut peer = Peer::join(&io);
    peer.enter("/chat");
    peer.hang_up(DisconnectReason::PingTimeout);
    settle().await;
    assert_eq!(notes.take(), ["/ ping timeout", "/chat ping timeout"]);
    assert_eq!((io.n_sockets(), io.of("/chat").n_sockets()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_rooms_at_the_end_are_known_to_the_handler() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_disconnect(move |socket: Socket, Rooms(mut rooms): Rooms| {
        rooms.retain(|room| **room != **socket.id());
        noted.add(format!("{rooms:?} {:?}", socket.rooms()));
        async {}
    });
    let mut peer = Peer::join(&io);
    io.sockets().remove(0).join("a");
    peer.send("1");
    settle().await;
    assert_eq!(notes.take(), [r#"["a"] []"#]);
}

#[tokio::test(start_paused = true)]
async fn handlers_of_the_socket_hear_of_its_end_too_and_may_hold_it() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_connect(move |socket: Socket| {
        let (noted, held) = (noted.clone(), socket.clone());
        socket.on_disconnect(move || {
            noted.add(format!("{} of {}", held.is_connected(), held.namespace().name()));
            async {}
        });
        async {}
    });
    let mut peer = Peer::join(&io);
    let weak = io.sockets().remove(0);
    weak.data().set(DropNote(notes.clone())).map_err(drop).unwrap();
    drop(weak);
    peer.send("1");
    settle().await;
    assert_eq!(notes.take(), ["false of /", "socket dropped"]);
}

struct DropNote(Notes);

impl Drop for DropNote {
    fn drop(&mut self) {
        self.0.add("socket dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_after_the_connect_handler() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_connect(move || {
        let noted = noted.clone();
        async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            noted.add("connected");
        }
    });
    note_reasons(&io, &notes);
    let mut peer = Peer::join(&io);
    peer.send(r#"2["e"]"#);
    peer.send("1");
    settle().await;
    assert_eq!((notes.take().len(), io.n_sockets()), (0, 0));
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(notes.take(), ["connected", "client namespace disconnect false"]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_socket_leaves_runs_to_its_end() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on("slow", move |socket: Socket| {
        let noted = noted.clone();
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            noted.add(format!("{:?}", socket.emit("too late", ()).await.map_err(|error| error.to_string())));
        }
    });
    let mut peer = Peer::join(&io);
    peer.send(r#"2["slow"]"#);
    peer.hang_up(DisconnectReason::TransportClose);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(notes.take(), [r#"Err("the socket is not connected")"#]);
    assert_eq!(peer.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_disconnect_its_own_socket() {
    let io = server();
    let notes = Notes::default();
    note_reasons(&io, &notes);
    io.on("bye", async |socket: Socket, Data(close): Data<bool>| {
        if close {
            socket.client().close();
        } else {
            socket.disconnect();
        }
        socket.emit("not sent", ());
    });
    for close in [false, true] {
        let mut peer = Peer::join(&io);
        peer.send(&format!(r#"2["bye",{close}]"#));
        settle().await;
        assert_eq!(peer.take(), ["1"]);
        assert_eq!(peer.notice_close().is_some(), close);
        assert_eq!(notes.take(), ["server namespace disconnect false"]);
    }
}

#[tokio::test(start_paused = true)]
async fn events_that_wait_when_the_socket_leaves_do_not_start() {
    let io = support::build(Server::builder().max_running_handlers(1));
    let notes = Notes::default();
    let noted = notes.clone();
    io.on("e", move |Data(n): Data<u32>| {
        noted.add(n.to_string());
        tokio::time::sleep(Duration::from_secs(1))
    });
    let mut peer = Peer::join(&io);
    for n in 0..3 {
        peer.send(&format!(r#"2["e",{n}]"#));
    }
    peer.send("1");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(notes.take(), ["0"]);
    // What it had parked does not count for what comes after it.
    peer.enter("/");
    peer.send(r#"2["e",3]"#);
    assert_eq!(notes.take(), ["3"]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_drops_its_receiver_has_closed_the_connection() {
    let io = server();
    let notes = Notes::default();
    note_reasons(&io, &notes);
    drop(Peer::join(&io));
    settle().await;
    assert_eq!(notes.take(), ["transport close false"]);
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_handler_can_read_what_the_client_did_wrong() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_disconnect(move |reason: DisconnectReason, DisconnectDetail(detail): DisconnectDetail| {
        noted.add(format!("{reason}: {}", detail.as_deref().unwrap_or("nothing more")));
        async {}
    });
    Peer::join(&io).send("9");
    Peer::join(&io).send("5woooot");
    Peer::join(&io).send("1");
    Peer::join(&io).hang_up(DisconnectReason::PingTimeout);
    settle().await;
    let mut noted = notes.take();
    noted.sort();
    assert_eq!(
        noted,
        [
            "client namespace disconnect: nothing more",
            "forced close: illegal attachments",
            "forced close: unknown packet type",
            "ping timeout: nothing more"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_stay_can_be_limited_and_the_last_call_counts() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_disconnect(move |reason: DisconnectReason, DisconnectDetail(detail): DisconnectDetail| {
        noted.add(format!("{reason}: {}", detail.unwrap_or_default()));
        async {}
    });
    io.on("for", async |socket: Socket, Data(seconds): Data<u64>| {
        socket.disconnect_after(Duration::from_secs(seconds));
    });
    io.on("for ever", async |socket: Socket| socket.disconnect_after(Duration::MAX));
    let mut peers = [Peer::join(&io), Peer::join(&io), Peer::join(&io)];
    peers[0].send(r#"2["for",10]"#);
    peers[1].send(r#"2["for",10]"#);
    peers[1].send(r#"2["for",20]"#);
    peers[2].send(r#"2["for",10]"#);
    peers[2].send(r#"2["for ever"]"#);
    tokio::time::sleep(Duration::from_millis(9_990)).await;
    assert_eq!(io.n_sockets(), 3);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(io.n_sockets(), 2);
    assert_eq!(peers.each_mut().map(Peer::take), [vec!["1".to_owned()], vec![], vec![]]);
    assert_eq!(notes.take(), ["server namespace disconnect: the time of `disconnect_after` is over"]);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(peers.each_mut().map(Peer::take), [vec![], vec!["1".to_owned()], vec![]]);
    assert_eq!(io.n_sockets(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stay_that_is_over_before_the_client_is_in_ends_at_once() {
    let io = server();
    io.use_middleware(async |socket: Socket| {
        socket.disconnect_after(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_secs(2)).await;
    });
    let mut peer = Peer::open(&io);
    peer.send("0");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let sent = peer.take();
    assert!(sent[0].starts_with("0{"), "it is told that it is in: {sent:?}");
    assert_eq!(sent[1..], ["1"]);
    assert_eq!(io.n_sockets(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_has_left_is_not_kept_until_its_time_is_over() {
    let io = server();
    let mut peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    let kept = Arc::new(());
    let watch = Arc::downgrade(&kept);
    assert!(socket.data().set(kept).is_ok());
    socket.disconnect_after(Duration::from_secs(3600));
    drop(socket);
    peer.hang_up(DisconnectReason::TransportClose);
    settle().await;
    assert!(watch.upgrade().is_none(), "the timer has let go of it");
}

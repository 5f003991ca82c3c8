//! Handlers that come and go, those of all events, and listeners of what is sent.

mod support;

use std::sync::{Arc, Mutex};

use socketio_server::engine::{Flow, Message};
use socketio_server::handler::EventName;
use socketio_server::{Ack, Args, Binary, Data, DisconnectReason, HandlerId, Reply, Room, Server, Socket};
use support::{Notes, Peer, server, settle};

/// A joined client and its socket.
fn join(io: &Server) -> (Peer, Socket) {
    let mut peer = Peer::open(io);
    let id = peer.enter("/");
    let socket = io.socket(&id).expect("it has joined");
    (peer, socket)
}

/// A handler that notes `note`.
macro_rules! noting {
    ($notes:expr, $note:expr) => {{
        let notes = $notes.clone();
        move || {
            notes.add($note);
            async {}
        }
    }};
}

#[tokio::test(start_paused = true)]
async fn a_handler_of_a_socket_is_called_until_it_is_taken_off() {
    let (io, notes) = (server(), Notes::default());
    let (mut peer, socket) = join(&io);
    let first = socket.on("x", noting!(notes, "first"));
    socket.on("x", noting!(notes, "second"));
    peer.send(r#"2["x"]"#);
    assert!(socket.off(first));
    assert!(!socket.off(first), "it is off already");
    peer.send(r#"2["x"]"#);
    socket.off_all("x");
    peer.send(r#"2["x"]"#);
    assert_eq!(notes.take(), ["first", "second", "second"]);
}

#[tokio::test(start_paused = true)]
async fn taking_a_namespaces_handlers_off_leaves_those_of_its_sockets() {
    let (io, notes) = (server(), Notes::default());
    io.on("x", noting!(notes, "namespace")).on_any(noting!(notes, "any"));
    let (mut peer, socket) = join(&io);
    socket.on("x", noting!(notes, "socket"));
    peer.send(r#"2["x"]"#);
    io.off_all("x").off_any();
    peer.send(r#"2["x"]"#);
    assert_eq!(notes.take(), ["any", "namespace", "socket", "socket"]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_for_one_event_is_called_once() {
    let (io, notes) = (server(), Notes::default());
    let (mut peer, socket) = join(&io);
    let noted = notes.clone();
    let next = Arc::new(Mutex::new(None));
    let registered = Arc::clone(&next);
    socket.once("x", move |socket: Socket, Data(n): Data<i32>| {
        noted.add(format!("once {n}"));
        let noted = noted.clone();
        // It may be registered again from within.
        *registered.lock().unwrap() = Some(socket.once("x", move |Data(n): Data<i32>| {
            noted.add(format!("again {n}"));
            async {}
        }));
        async {}
    });
    for n in 1..=4 {
        peer.send(&format!(r#"2["x",{n}]"#));
    }
    assert_eq!(notes.take(), ["once 1", "again 2"]);
    assert!(!socket.off(next.lock().unwrap().unwrap()), "it was taken off when it was called");
}

#[tokio::test(start_paused = true)]
async fn handlers_of_all_events_get_name_and_arguments_before_the_others() {
    let (io, notes) = (server(), Notes::default());
    let noted = notes.clone();
    io.on_any(move |EventName(name): EventName, args: Args| {
        noted.add(format!("namespace {name} {:?}", args.json_texts().collect::<Vec<_>>()));
        async {}
    });
    io.on("b", noting!(notes, "b"));
    let (mut peer, socket) = join(&io);
    let last = socket.on_any(noting!(notes, "last"));
    let first = socket.prepend_any(noting!(notes, "first"));
    assert_eq!(socket.listeners_any(), [first, last]);
    peer.send(r#"2["a",1,"two"]"#);
    peer.send(r#"2["b"]"#);
    let expected: [&str; 7] =
        [r#"namespace a ["1", "\"two\""]"#, "first", "last", "namespace b []", "first", "last", "b"];
    assert_eq!(notes.take(), expected);
    assert!(socket.off(first));
    peer.send(r#"2["b"]"#);
    assert_eq!(notes.take(), ["namespace b []", "last", "b"]);
    socket.off_any();
    assert_eq!(socket.listeners_any(), Vec::<HandlerId>::new());
    peer.send(r#"2["c"]"#);
    assert_eq!(notes.take(), ["namespace c []"]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_of_all_events_may_answer_and_the_first_answer_counts() {
    let io = server();
    io.on("asked", async || Reply("handler"));
    io.on_any(async |EventName(name): EventName, ack: Ack| {
        if &*name != "asked" {
            ack.send("any");
        }
    });
    let (mut peer, _) = join(&io);
    peer.send(r#"21["asked"]"#);
    peer.send(r#"22["unknown"]"#);
    assert_eq!(peer.take(), [r#"31["handler"]"#, r#"32["any"]"#]);
}

#[tokio::test(start_paused = true)]
async fn handlers_of_a_socket_are_dropped_when_it_leaves() {
    let io = server();
    let (mut peer, socket) = join(&io);
    let witness = Arc::new(());
    for _ in 0..2 {
        let (captured, itself) = (Arc::clone(&witness), socket.clone());
        socket.on_any(move || {
            let _ = (&captured, &itself);
            async {}
        });
        let (captured, itself) = (Arc::clone(&witness), socket.clone());
        socket.on_any_outgoing(move |_, _| {
            let _ = (&captured, &itself);
        });
    }
    assert_eq!(Arc::strong_count(&witness), 5);
    peer.hang_up(DisconnectReason::TransportClose);
    settle().await;
    assert_eq!(Arc::strong_count(&witness), 1);
    assert!(!socket.off(socket.on("late", async || ())), "it is not kept");
}

#[tokio::test(start_paused = true)]
#[should_panic(
    expected = "`disconnect` is a reserved event name, which no client can send: use `on_disconnect`"
)]
async fn a_reserved_name_cannot_be_waited_for() {
    server().on("disconnect", async || ());
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "`connect_error` is a reserved event name")]
async fn a_reserved_name_cannot_be_waited_for_on_a_socket_either() {
    let io = server();
    let (_peer, socket) = join(&io);
    socket.once("connect_error", async || ());
}

#[tokio::test(start_paused = true)]
async fn listeners_hear_of_what_is_sent_to_their_socket() {
    let (io, notes) = (server(), Notes::default());
    let (mut peer, socket) = join(&io);
    let (_other, bystander) = join(&io);
    let listen = |mark: &'static str| {
        let notes = notes.clone();
        move |event: &str, args: &Args| {
            notes.add(format!("{mark} {event} {:?}", args.json_texts().collect::<Vec<_>>()));
        }
    };
    let last = socket.on_any_outgoing(listen("last"));
    let first = socket.prepend_any_outgoing(listen("first"));
    assert_eq!(socket.listeners_any_outgoing(), [first, last]);
    socket.emit("a", (1, "two"));
    assert_eq!(notes.take(), [r#"first a ["1", "\"two\""]"#, r#"last a ["1", "\"two\""]"#]);
    assert!(socket.off(first));
    io.emit("b", ());
    bystander.broadcast().emit("c", ());
    bystander.emit("not for it", ());
    socket.broadcast().emit("not for it", ());
    drop(socket.emit_with_ack::<()>("d", 4));
    socket.volatile().emit("e", ());
    assert_eq!(notes.take(), ["last b []", "last c []", r#"last d ["4"]"#, "last e []"]);
    // Answers are no events.
    io.on("ask", async || Reply(1));
    peer.send(r#"21["ask"]"#);
    assert_eq!(notes.take(), Vec::<String>::new());
    socket.off_any_outgoing();
    io.emit("b", ());
    assert_eq!(notes.take(), Vec::<String>::new());
    let sent = peer.take();
    assert_eq!(sent.len(), 7, "listeners change nothing of what is sent: {sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_panics_is_told_and_keeps_nothing_back() {
    let (io, notes) = (server(), Notes::default());
    let noted = notes.clone();
    io.on_error(move |_, event, error| noted.add(format!("{event}: {error}")));
    let (mut peer, socket) = join(&io);
    let (mut other, _) = join(&io);
    socket.on_any_outgoing(|_, _| panic!("expected by this test"));
    let noted = notes.clone();
    socket.on_any_outgoing(move |event, _| noted.add(format!("second hears of {event}")));
    socket.emit("a", ());
    socket.volatile().emit("b", ());
    io.emit("c", ());
    drop(socket.emit_with_ack::<()>("d", ()));
    assert_eq!(peer.take(), [r#"2["a"]"#, r#"2["b"]"#, r#"2["c"]"#, r#"20["d"]"#]);
    assert_eq!(other.take(), [r#"2["c"]"#]);
    let expected = ["a", "b", "c", "d"].map(|event| {
        [format!("{event}: the handler panicked: expected by this test"), format!("second hears of {event}")]
    });
    assert_eq!(notes.take(), expected.concat());
}

#[tokio::test(start_paused = true)]
async fn listeners_of_a_binary_event_get_its_bytes() {
    let io = server();
    let (mut peer, socket) = join(&io);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    socket.on_any_outgoing(move |_, args| {
        let bytes: Binary = args.get().unwrap();
        hears.lock().unwrap().extend_from_slice(&bytes);
    });
    io.emit("bytes", Binary::from(vec![1, 2, 3]));
    assert_eq!(*heard.lock().unwrap(), [1, 2, 3]);
    assert_eq!(peer.take().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn send_emits_a_message() {
    let io = server();
    let (mut peer, socket) = join(&io);
    socket.send(("a", 1));
    io.send(2);
    assert_eq!(peer.take(), [r#"2["message","a",1]"#, r#"2["message",2]"#]);
    assert_eq!(peer.offer("2[]"), Flow::Continue, "and a broken event still closes");
    assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedClose));
    let _ = Message::from("");
}

#[tokio::test(start_paused = true)]
async fn rooms_are_still_named_while_a_socket_is_leaving() {
    let (io, notes) = (server(), Notes::default());
    let note_rooms = |mark: &'static str| {
        let notes = notes.clone();
        move |socket: Socket, reason: DisconnectReason| {
            let name = |room: &Room| if **room == **socket.id() { "its own" } else { room }.to_owned();
            let rooms: Vec<String> = socket.rooms().iter().map(name).collect();
            notes.add(format!("{mark} {reason}: {rooms:?} {}", socket.is_connected()));
            async {}
        }
    };
    io.on_disconnect(note_rooms("disconnect")).on_disconnecting(note_rooms("disconnecting"));
    let (mut peer, socket) = join(&io);
    socket.on_disconnecting(note_rooms("the socket's"));
    socket.join("a");
    peer.hang_up(DisconnectReason::TransportClose);
    assert_eq!(io.to("a").sockets(), [], "it gets nothing any more");
    settle().await;
    assert_eq!(
        notes.take(),
        [
            r#"disconnecting transport close: ["its own", "a"] false"#,
            r#"the socket's transport close: ["its own", "a"] false"#,
            "disconnect transport close: [] false",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn without_handlers_for_it_rooms_are_gone_at_once() {
    let io = server();
    let (mut peer, socket) = join(&io);
    socket.join("a");
    peer.hang_up(DisconnectReason::TransportClose);
    assert!(socket.rooms().is_empty());
}

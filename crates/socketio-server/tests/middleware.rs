//! Who is let in.

mod support;

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use socketio_server::{Auth, ConnectError, Socket, State};
use support::{Notes, Peer, server};

#[tokio::test(start_paused = true)]
async fn middlewares_run_in_order_and_the_first_refusal_ends_it() {
    let io = server();
    let notes = Notes::default();
    for (name, is_let_in) in [("first", true), ("second", false), ("third", true)] {
        let notes = notes.clone();
        io.use_middleware(move || {
            notes.add(name);
            async move { if is_let_in { Ok(()) } else { Err(name) } }
        });
    }
    let mut peer = Peer::open(&io);
    peer.send("0");
    assert_eq!(peer.take(), [r#"4{"message":"second"}"#]);
    assert_eq!(notes.take(), ["first", "second"]);
    assert_eq!(io.n_sockets(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_carries_data() {
    let io = server();
    let chat = io.of("/chat");
    chat.use_middleware(async || {
        Err::<(), _>(ConnectError::new("not authorized").with_data(json!({ "retry": false })))
    });
    let mut peer = Peer::open(&io);
    peer.send("0/chat,");
    assert_eq!(peer.take(), [r#"4/chat,{"message":"not authorized","data":{"retry":false}}"#]);
}

#[tokio::test(start_paused = true)]
async fn a_middleware_is_awaited_and_only_for_its_namespace() {
    let io = server();
    io.of("/slow").use_middleware(|| tokio::time::sleep(Duration::from_millis(300)));
    let mut peer = Peer::open(&io);
    peer.send("0/slow,");
    peer.enter("/");
    assert_eq!(peer.take(), Vec::<String>::new());
    tokio::time::sleep(Duration::from_millis(301)).await;
    assert_eq!(peer.take().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn several_namespaces_of_a_client_are_decided_about_at_the_same_time() {
    let io = server();
    let notes = Notes::default();
    for (name, seconds) in [("/a", 2), ("/b", 1)] {
        let notes = notes.clone();
        io.of(name).use_middleware(move |socket: Socket| {
            notes.add(format!("{name} for {}", socket.namespace().name()));
            tokio::time::sleep(Duration::from_secs(seconds))
        });
    }
    let mut peer = Peer::open(&io);
    peer.send("0/a,");
    peer.send("0/b,");
    assert_eq!(notes.take(), ["/a for /a", "/b for /b"]);
    tokio::time::sleep(Duration::from_millis(2_001)).await;
    let answers = peer.take();
    assert!(answers[0].starts_with("0/b,{") && answers[1].starts_with("0/a,{"), "{answers:?}");
    assert_eq!(notes.take(), [""; 0], "each was asked once");
}

#[tokio::test(start_paused = true)]
async fn a_socket_is_not_connected_before_it_was_let_in() {
    let io = server();
    let notes = Notes::default();
    let (before, after) = (notes.clone(), notes.clone());
    io.use_middleware(move |socket: Socket| {
        before.add(format!("{} {}", socket.is_connected(), socket.namespace().n_sockets()));
        async {}
    });
    io.on_connect(move |socket: Socket| {
        after.add(format!("{} {}", socket.is_connected(), socket.namespace().n_sockets()));
        async {}
    });
    Peer::open(&io).send("0");
    assert_eq!(notes.take(), ["false 0", "true 1"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_middleware_set_is_there_in_the_connect_handler() {
    struct User(u32);
    let io = server();
    io.use_middleware(async |socket: Socket| {
        let _ = socket.data().set(User(7));
    });
    io.on_connect(async |socket: Socket| {
        let user = socket.data().get::<User>().ok_or("no user")?;
        Ok::<_, &str>(socket.emit("user", user.0))
    });
    let mut peer = Peer::open(&io);
    peer.send("0");
    assert_eq!(peer.take()[1..], [r#"2["user",7]"#]);
}

#[tokio::test(start_paused = true)]
async fn rooms_joined_in_a_middleware_are_entered_when_it_accepts() {
    let io = server();
    io.use_middleware(async |socket: Socket| {
        socket.join(["members", "left again"]);
        socket.leave("left again");
        assert_eq!(socket.rooms(), ["members"]);
        // Nobody hears of the room before the client is in.
        assert_eq!(socket.namespace().to("members").sockets().len(), 0);
        assert!(socket.emit("too early", ()).await.is_err());
    });
    let mut peer = Peer::join(&io);
    io.to("members").emit("welcome", ());
    io.to("left again").emit("wrong", ());
    assert_eq!(peer.take(), [r#"2["welcome"]"#]);
}

#[tokio::test(start_paused = true)]
async fn rooms_joined_in_a_middleware_are_undone_when_it_refuses() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.use_middleware(move |socket: Socket| {
        let noted = noted.clone();
        async move {
            socket.join("members");
            tokio::time::sleep(Duration::from_secs(1)).await;
            noted.add("refused");
            Err::<(), _>("no")
        }
    });
    let mut peer = Peer::open(&io);
    peer.send("0");
    io.to("members").emit("secret", ());
    tokio::time::sleep(Duration::from_secs(2)).await;
    io.to("members").emit("secret", ());
    assert_eq!(notes.take(), ["refused"]);
    assert_eq!(peer.take(), [r#"4{"message":"no"}"#]);
    assert_eq!(io.to("members").sockets().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_middleware_that_never_decides_is_ended() {
    let io = server();
    io.use_middleware(std::future::pending::<()>);
    let mut peer = Peer::open(&io);
    peer.send("0");
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(peer.take(), Vec::<String>::new());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(peer.take(), [r#"4{"message":"timeout"}"#]);
    assert_eq!(peer.notice_close(), None);
}

#[tokio::test(start_paused = true)]
async fn a_middleware_that_panics_lets_nobody_in() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_error(move |_, event, error| noted.add(format!("{event}: {error}")));
    io.use_middleware(async || panic!("expected by this test"));
    let mut peer = Peer::open(&io);
    peer.send("0");
    assert_eq!(peer.take(), [r#"4{"message":"internal error"}"#]);
    assert_eq!(notes.take(), ["connect: the handler panicked: expected by this test"]);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_do_not_fit_let_nobody_in() {
    #[derive(Deserialize)]
    struct Credentials {
        token: String,
    }
    let io = server();
    io.use_middleware(async |Auth(credentials): Auth<Credentials>| match &*credentials.token {
        "secret" => Ok(()),
        _ => Err("wrong token"),
    });
    for (connect, answer) in [
        (r#"0{"token":1}"#, r#"4{"message":"invalid credentials"}"#),
        ("0", r#"4{"message":"invalid credentials"}"#),
        (r#"0{"token":"\ud800"}"#, r#"4{"message":"invalid credentials"}"#),
        (r#"0{"token":"guess"}"#, r#"4{"message":"wrong token"}"#),
    ] {
        let mut peer = Peer::open(&io);
        peer.send(connect);
        assert_eq!(peer.take(), [answer], "{connect}");
        assert_eq!(peer.notice_close(), None);
    }
    let mut peer = Peer::open(&io);
    peer.send(r#"0{"token":"secret"}"#);
    assert!(peer.take()[0].starts_with(r#"0{"sid":"#));
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_may_try_again() {
    struct Tries(std::sync::atomic::AtomicU32);
    let io = support::build(socketio_server::Server::builder().state(Tries(0.into())));
    io.use_middleware(async |tries: State<Tries>| {
        match tries.0.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Err("try again"),
            _ => Ok(()),
        }
    });
    let mut peer = Peer::open(&io);
    peer.send("0");
    assert_eq!(peer.take(), [r#"4{"message":"try again"}"#]);
    peer.enter("/");
}

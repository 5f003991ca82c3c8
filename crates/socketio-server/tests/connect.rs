//! How clients join namespaces.

mod support;

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use socketio_server::{Auth, DisconnectReason, Handshake, Namespace, Reply, Server, Socket, State};
use support::{Notes, Peer, TestConnection, build, server, settle};

#[tokio::test(start_paused = true)]
async fn a_client_joins_and_gets_a_public_id_of_its_own() {
    let io = server();
    let (mut a, mut b) = (Peer::open(&io), Peer::open(&io));
    let (first, second) = (a.enter("/"), b.enter("/"));
    assert_eq!(first.len(), 20);
    assert_ne!(first, second);
    assert_ne!(first, "session-of-engine-io");
    assert_eq!(io.n_sockets(), 2);
}

#[tokio::test(start_paused = true)]
async fn several_namespaces_share_one_connection() {
    let io = server();
    let notes = Notes::default();
    for name in ["/", "/chat", "news"] {
        let notes = notes.clone();
        io.of(name).on_connect(move |namespace: Namespace| {
            notes.add(namespace.name());
            async {}
        });
    }
    let mut peer = Peer::open(&io);
    for name in ["/", "/chat", "/news"] {
        peer.enter(name);
    }
    assert_eq!(notes.take(), ["/", "/chat", "/news"]);
    assert_eq!(io.of("/chat").sockets()[0].client().sockets().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_asked_for_again_is_the_same() {
    let io = server();
    let notes = Notes::default();
    for (name, note) in [("news", "first"), ("/news", "second"), ("news", "third")] {
        let notes = notes.clone();
        io.of(name).on_connect(move || {
            notes.add(note);
            async {}
        });
    }
    Peer::open(&io).enter("/news");
    settle().await;
    assert_eq!(notes.take(), ["first", "second", "third"]);
    assert_eq!(io.of("/").sockets(), io.sockets(), "the server stands for its root namespace");
}

#[test]
fn names_of_namespaces_may_leave_out_the_slash() {
    let io = server();
    assert_eq!(io.of("chat").name(), "/chat");
    assert_eq!(io.of("/chat").name(), "/chat");
    assert_eq!((io.of("").name(), io.of("/").name(), io.name()), ("/", "/", "/"));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_namespace_is_refused_sixteen_times() {
    let io = server();
    let mut peer = Peer::open(&io);
    for _ in 0..16 {
        peer.send("0/nowhere,");
        assert_eq!(peer.take(), [r#"4/nowhere,{"message":"Invalid namespace"}"#]);
    }
    assert_eq!(peer.notice_close(), None);
    peer.send("0/nowhere,");
    assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedClose));
    assert_eq!(peer.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_connection_joins_as_many_namespaces_as_it_may() {
    for (builder, max) in [(Server::builder(), 64), (Server::builder().max_namespaces_per_connection(2), 2)] {
        let io = build(builder);
        let names: Vec<String> = (0..=max).map(|n| format!("/{n}")).collect();
        let mut peer = Peer::open(&io);
        for name in &names {
            let _ = io.of(name);
        }
        for name in &names[..max] {
            peer.enter(name);
        }
        assert_eq!(peer.notice_close(), None);
        peer.send(&format!("0/{max},"));
        assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedClose), "{max}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_of_512_bytes_can_be_asked_for_and_a_longer_one_closes() {
    let io = server();
    let longest = format!("/{}", "n".repeat(511));
    let mut peer = Peer::open(&io);
    peer.send(&format!("0{longest},"));
    assert_eq!(peer.take(), [format!(r#"4{longest},{{"message":"Invalid namespace"}}"#)]);
    assert_eq!(peer.notice_close(), None);
    peer.send(&format!("0{longest}n,"));
    assert_eq!(peer.take(), [""; 0], "it is not sent back");
    assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedClose));
}

/// A stock `connect(); disconnect(); connect()` sends two CONNECTs.
#[tokio::test(start_paused = true)]
async fn a_connect_repeated_while_it_is_decided_makes_one_socket() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.use_middleware(move || {
        noted.add("middleware");
        tokio::time::sleep(Duration::from_secs(1))
    });
    let mut peer = Peer::open(&io);
    for _ in 0..17 {
        peer.send("0");
    }
    assert_eq!(peer.notice_close(), None);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(peer.take().len(), 1);
    assert_eq!((notes.take().len(), io.n_sockets()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_seventeenth_repetition_closes() {
    let io = server();
    io.use_middleware(|| tokio::time::sleep(Duration::from_secs(1)));
    let mut peer = Peer::open(&io);
    for _ in 0..18 {
        peer.send("0");
    }
    assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedClose));
}

#[tokio::test(start_paused = true)]
async fn connect_for_a_joined_namespace_closes() {
    let io = server();
    let mut peer = Peer::join(&io);
    peer.send("0");
    assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedClose));
    assert_eq!(io.n_sockets(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_packet_for_a_namespace_never_joined_closes_before_its_attachments_come() {
    let io = server();
    let _ = io.of("/chat");
    for packet in
        [r#"2/chat,["a"]"#, "3/chat,1[]", "1/chat,", r#"51-/chat,["a",{"_placeholder":true,"num":0}]"#]
    {
        let mut peer = Peer::join(&io);
        peer.send(packet);
        assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedClose), "{packet}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_before_the_decision_closes() {
    let io = server();
    io.use_middleware(|| tokio::time::sleep(Duration::from_secs(1)));
    let mut peer = Peer::open(&io);
    peer.send("0");
    peer.send(r#"2["early"]"#);
    assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedClose));
}

#[tokio::test(start_paused = true)]
async fn whoever_joins_nothing_is_closed_after_the_connect_timeout() {
    let io = server();
    let mut peer = Peer::open(&io);
    tokio::time::sleep(Duration::from_secs(44)).await;
    assert_eq!(peer.notice_close(), None);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedServerClose));
}

#[tokio::test(start_paused = true)]
async fn the_connect_timeout_stands_still_while_middleware_decides() {
    let io = build(Server::builder().connect_timeout(Duration::from_secs(10)));
    io.use_middleware(|| tokio::time::sleep(Duration::from_secs(20)));
    let mut peer = Peer::open(&io);
    tokio::time::sleep(Duration::from_secs(9)).await;
    peer.send("0");
    tokio::time::sleep(Duration::from_secs(21)).await;
    assert_eq!(peer.notice_close(), None);
    assert_eq!(peer.take().len(), 1);
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert_eq!(peer.notice_close(), None);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_count_as_joining() {
    let io = build(Server::builder().connect_timeout(Duration::from_secs(10)));
    io.use_middleware(async || Err::<(), _>("no"));
    let mut peer = Peer::open(&io);
    peer.send("0");
    peer.send("0/nowhere,");
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedServerClose));
}

#[tokio::test(start_paused = true)]
async fn attachments_must_come_in_time() {
    let io = server();
    let mut peer = Peer::join(&io);
    peer.send(r#"52-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#);
    tokio::time::sleep(Duration::from_secs(20)).await;
    peer.send_binary(b"1");
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(peer.notice_close(), None);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedClose));
}

#[tokio::test(start_paused = true)]
async fn attachments_that_came_stop_the_clock() {
    let io = server();
    let mut peer = Peer::join(&io);
    peer.send(r#"51-["a",{"_placeholder":true,"num":0}]"#);
    peer.send_binary(b"1");
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(peer.notice_close(), None);
}

#[derive(Debug, Deserialize)]
struct Credentials {
    token: Option<String>,
}

#[tokio::test(start_paused = true)]
async fn credentials_are_read_as_a_type_and_may_be_missing() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_connect(move |Auth(credentials): Auth<Credentials>| {
        noted.add(format!("{:?}", credentials.token));
        async {}
    });
    for connect in ["0", "0{}", r#"0{"token":"x"}"#] {
        Peer::open(&io).send(connect);
    }
    assert_eq!(notes.take(), ["None", "None", r#"Some("x")"#]);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_serializes_with_the_nine_keys_of_node() {
    let io = server();
    let mut peer = Peer::open(&io);
    peer.send(r#"0{"token":"x"}"#);
    let socket = io.sockets().remove(0);
    let text = serde_json::to_string(socket.handshake()).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let keys = ["headers", "time", "address", "xdomain", "secure", "issued", "url", "query", "auth"];
    let mut positions: Vec<_> = keys.iter().map(|key| text.find(&format!("\"{key}\":")).unwrap()).collect();
    assert!(positions.is_sorted(), "{text}");
    positions.dedup();
    assert_eq!(positions.len(), 9);
    assert_eq!(value["headers"]["x-twice"], "1, 2");
    assert_eq!(value["address"], "192.0.2.1");
    assert_eq!(value["xdomain"], true);
    assert_eq!(value["secure"], false);
    assert_eq!(value["url"], "/socket.io/?EIO=4&transport=websocket&name=a%20b");
    assert_eq!(value["query"], json!({ "EIO": "4", "transport": "websocket", "name": "a b" }));
    assert_eq!(value["auth"], json!({ "token": "x" }));
    assert!(value["time"].as_str().unwrap().ends_with("(Coordinated Universal Time)"));
}

#[tokio::test(start_paused = true)]
async fn credentials_are_of_one_namespace_and_the_query_is_of_the_connection() {
    let io = server();
    let _ = io.of("/chat");
    let mut peer = Peer::open(&io);
    peer.send(r#"0{"token":"a"}"#);
    peer.send(r#"0/chat,{"token":"&=bb"}"#);
    let sockets = [io.sockets().remove(0), io.of("/chat").sockets().remove(0)];
    for (socket, token) in sockets.iter().zip(["a", "&=bb"]) {
        assert_eq!(socket.auth::<Value>().unwrap(), json!({ "token": token }));
        assert_eq!(socket.handshake().query("EIO").as_deref(), Some("4"));
        assert_eq!(socket.handshake().query("name").as_deref(), Some("a b"));
    }
}

/// As those of an engine that is not behind HTTP.
#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_has_an_empty_one() {
    let io = server();
    let mut peer = Peer::open_with(&io, TestConnection::without_request());
    peer.enter("/");
    let socket = io.sockets().remove(0);
    let handshake = serde_json::to_value(socket.handshake()).unwrap();
    for (key, value) in [
        ("headers", json!({})),
        ("query", json!({})),
        ("url", json!("")),
        ("address", json!(null)),
        ("secure", json!(true)),
        ("xdomain", json!(false)),
    ] {
        assert_eq!(handshake[key], value, "{key}");
    }
    assert_eq!(socket.handshake().query("name"), None);
    let request = socket.request();
    assert_eq!((request.uri().to_string(), request.headers().len()), ("/".to_owned(), 0));
}

#[tokio::test(start_paused = true)]
async fn the_first_request_can_be_had_again() {
    let io = server();
    let _peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    let request = socket.request();
    assert_eq!(request.uri().path(), "/socket.io/");
    assert_eq!(request.headers().get_all("x-twice").iter().count(), 2);
    let handshake: &Handshake = socket.handshake();
    assert_eq!(handshake.header("Host").as_deref(), Some("localhost"));
    assert_eq!(handshake.query("name").as_deref(), Some("a b"));
    assert_eq!(socket.conn().transport(), "websocket");
    assert_eq!(socket.client().conn().id(), socket.conn().id());
}

#[tokio::test(start_paused = true)]
async fn handlers_share_state_and_sockets_keep_data() {
    struct Greeting(&'static str);
    struct Name(&'static str);
    let io = build(Server::builder().state(Greeting("hello")));
    io.on_connect(async |socket: Socket, greeting: State<Greeting>| {
        socket.data().set(Name("ada")).map_err(|_| "set twice")?;
        let name = socket.data().get::<Name>().ok_or("not set")?;
        socket.emit(greeting.0.0, name.0);
        Ok::<_, &str>(())
    });
    let mut peer = Peer::open(&io);
    peer.send("0");
    assert_eq!(peer.take()[1..], [r#"2["hello","ada"]"#]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closes_while_middleware_decides_makes_no_socket() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.use_middleware(|| tokio::time::sleep(Duration::from_secs(1)));
    io.on_connect(move || {
        noted.add("connect");
        async {}
    });
    let mut peer = Peer::open(&io);
    peer.send("0");
    settle().await;
    peer.hang_up(DisconnectReason::TransportClose);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((notes.take().len(), io.n_sockets()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gives_up_and_asks_again_gets_one_socket() {
    let io = server();
    io.use_middleware(|| tokio::time::sleep(Duration::from_secs(1)));
    let mut peer = Peer::open(&io);
    peer.send("0");
    peer.send("1");
    peer.send("0");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(peer.take().len(), 1);
    assert_eq!(io.n_sockets(), 1);
}

/// Handlers run to their end when their socket leaves: a client that comes and goes must not collect them.
#[tokio::test(start_paused = true)]
async fn a_client_that_comes_and_goes_gets_no_more_handlers_than_one_that_stays() {
    let io = build(Server::builder().max_running_handlers(4).max_namespaces_per_connection(2));
    io.on_connect(|| tokio::time::sleep(Duration::from_secs(60)));
    let mut peer = Peer::open(&io);
    for _ in 0..8 {
        peer.send("0");
        peer.send("1");
    }
    assert_eq!(peer.notice_close(), None);
    peer.send("0");
    assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedClose));

    let mut patient = Peer::open(&io);
    for _ in 0..20 {
        patient.send("0");
        patient.send("1");
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(patient.notice_close(), None);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_server_is_gone_with_its_sockets() {
    let io = server();
    let peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    drop(io);
    assert!(socket.namespace().server().is_some(), "the connection holds its server");
    drop(peer);
    assert!(socket.namespace().server().is_none());
    assert!(!socket.is_connected());
}

#[tokio::test(start_paused = true)]
async fn a_server_stands_for_its_root_namespace() {
    let io = server();
    let (root, _other) = (io.of("/"), io.of("/other"));
    assert_eq!((io.name(), root.name(), io.of("").name()), ("/", "/", "/"));
    let mut peer = Peer::join(&io);
    let id = peer.enter("/other");
    root.on("hello", async || Reply("root"));
    peer.send(r#"20["hello"]"#);
    assert_eq!(peer.take(), [r#"30["root"]"#]);
    io.emit("a", 1);
    io.send("b");
    io.to("nowhere").emit("c", 1);
    io.within(io.sockets()[0].id().as_str()).emit("d", 1);
    io.except(io.sockets()[0].id().as_str()).emit("e", 1);
    io.local().emit("f", 1);
    assert_eq!(peer.take(), [r#"2["a",1]"#, r#"2["message","b"]"#, r#"2["d",1]"#, r#"2["f",1]"#]);
    assert_eq!(io.all_sockets().await.ids, [io.sockets()[0].id().clone()]);
    assert_ne!(io.sockets()[0].id().as_str(), id);
    assert!(io.emit("connect", ()).await.is_err(), "a reserved name");
}

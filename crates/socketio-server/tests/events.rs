//! Events and their handlers.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use socketio_server::engine::Flow;
use socketio_server::handler::{EventName, Extract, ExtractError, SocketContext};
use socketio_server::{
    Ack, Args, Data, DisconnectReason, EmitError, Namespace, Reply, Server, Socket, State,
};
use support::{Notes, Peer, build, server, settle};

#[tokio::test(start_paused = true)]
async fn arguments_are_one_value_or_a_tuple_and_surplus_is_ignored() {
    #[derive(Deserialize)]
    struct Point {
        x: i32,
    }
    let io = server();
    let notes = Notes::default();
    macro_rules! note {
        ($event:literal, $pattern:pat => $type:ty, $value:expr) => {
            let noted = notes.clone();
            io.on($event, move |Data($pattern): Data<$type>| {
                noted.add(format!("{} {:?}", $event, $value));
                async {}
            });
        };
    }
    note!("one", n => i32, n);
    note!("several", (a, b, c) => (i32, String, Option<bool>), (a, b, c));
    note!("none", () => (), ());
    note!("object", point => Point, point.x);
    note!("array", all => [i32; 2], all);
    note!("null", value => Option<i32>, value);
    let mut peer = Peer::join(&io);
    for event in [
        r#"["one",1]"#,
        r#"["one",1,2]"#,
        r#"["several",1,"ü"]"#,
        r#"["several",1,"ü",true]"#,
        r#"["none"]"#,
        r#"["object",{"x":3,"y":4}]"#,
        r#"["array",1,2]"#,
        r#"["null",null]"#,
        r#"["null"]"#,
    ] {
        peer.send(&format!("2{event}"));
    }
    assert_eq!(
        notes.take(),
        [
            "one 1",
            "one 1",
            r#"several (1, "ü", None)"#,
            r#"several (1, "ü", Some(true))"#,
            "none ()",
            "object 3",
            "array [1, 2]",
            "null None",
            "null None",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_integer_names_an_event_by_its_decimal_text() {
    let io = server();
    io.on("42", async |socket: Socket, EventName(name): EventName| socket.emit("got", &*name));
    let mut peer = Peer::join(&io);
    peer.send("2[42]");
    assert_eq!(peer.take(), [r#"2["got","42"]"#]);
}

#[tokio::test(start_paused = true)]
async fn raw_arguments_can_be_passed_on() {
    let io = server();
    io.on("relay", async |socket: Socket, args: Args| {
        let texts: Vec<String> = args.json_texts().map(str::to_owned).collect();
        socket.emit("relayed", texts.join("|"));
    });
    let mut peer = Peer::join(&io);
    peer.send(r#"2["relay",{"b":1,"a":2},[3]]"#);
    assert_eq!(peer.take(), [r#"2["relayed","{\"b\":1,\"a\":2}|[3]"]"#]);
}

#[tokio::test(start_paused = true)]
async fn handlers_of_the_namespace_reach_sockets_that_joined_before() {
    let io = server();
    let mut peer = Peer::join(&io);
    peer.send(r#"2["late"]"#);
    io.on("late", async |socket: Socket| socket.emit("heard", ()));
    peer.send(r#"2["late"]"#);
    assert_eq!(peer.take(), [r#"2["heard"]"#]);
}

#[tokio::test(start_paused = true)]
async fn a_socket_may_have_handlers_of_its_own_beside_those_of_the_namespace() {
    let io = server();
    io.on("e", async |socket: Socket| socket.emit("namespace", ()));
    io.on_connect(async |socket: Socket, namespace: Namespace| {
        if namespace.n_sockets() == 1 {
            socket.on("e", async |socket: Socket| socket.emit("own", ()));
        }
    });
    let (mut first, mut second) = (Peer::join(&io), Peer::join(&io));
    first.send(r#"2["e"]"#);
    second.send(r#"2["e"]"#);
    assert_eq!(first.take(), [r#"2["namespace"]"#, r#"2["own"]"#]);
    assert_eq!(second.take(), [r#"2["namespace"]"#]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_register_another_while_it_runs() {
    let io = server();
    io.on("a", async |socket: Socket| {
        socket.on("b", async |socket: Socket| socket.emit("b heard", ()));
    });
    let mut peer = Peer::join(&io);
    for event in ["b", "a", "b"] {
        peer.send(&format!(r#"2["{event}"]"#));
    }
    assert_eq!(peer.take(), [r#"2["b heard"]"#]);
}

#[tokio::test(start_paused = true)]
async fn events_wait_for_the_connect_handler() {
    let io = server();
    io.on_connect(async |socket: Socket| {
        tokio::time::sleep(Duration::from_secs(5)).await;
        socket.on("early", async |socket: Socket, Data(n): Data<u32>| socket.emit("heard", n));
        socket.emit("ready", ());
    });
    let mut peer = Peer::join(&io);
    for n in 0..3 {
        peer.send(&format!(r#"2["early",{n}]"#));
    }
    settle().await;
    assert_eq!(peer.take(), Vec::<String>::new());
    tokio::time::sleep(Duration::from_secs(6)).await;
    let heard = [r#"2["ready"]"#, r#"2["heard",0]"#, r#"2["heard",1]"#, r#"2["heard",2]"#];
    assert_eq!(peer.take(), heard);
}

#[tokio::test(start_paused = true)]
async fn a_connect_handler_that_loops_holds_events_for_thirty_seconds() {
    let io = server();
    io.on_connect(async |socket: Socket| {
        loop {
            socket.emit("tick", ());
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
    });
    io.on("e", async |socket: Socket| socket.emit("heard", ()));
    let mut peer = Peer::join(&io);
    peer.send(r#"2["e"]"#);
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert!(!peer.take().iter().any(|text| text.contains("heard")));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(peer.take(), [r#"2["heard"]"#]);
    peer.send(r#"2["e"]"#);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(peer.take(), [r#"2["heard"]"#, r#"2["tick"]"#], "the connect handler goes on");
}

#[tokio::test(start_paused = true)]
async fn several_connect_handlers_run_one_after_the_other() {
    let io = server();
    let notes = Notes::default();
    for name in ["first", "second"] {
        let notes = notes.clone();
        io.on_connect(move || {
            let notes = notes.clone();
            async move {
                notes.add(format!("{name} starts"));
                tokio::time::sleep(Duration::from_secs(1)).await;
                notes.add(format!("{name} ends"));
            }
        });
    }
    let _peer = Peer::join(&io);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(notes.take(), ["first starts", "first ends", "second starts", "second ends"]);
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_in_a_handler_costs_its_event_only() {
    struct Missing;
    async fn panics(_: Socket) {
        panic!("expected by this test")
    }
    async fn panics_later() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        panic!("expected by this test, too")
    }
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_error(move |socket, event, error| {
        let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        noted.add(format!("{event} {}: {error} ({cause})", socket.is_connected()));
    });
    io.on("panics", panics).on("panics later", panics_later);
    io.on("fails", async || Err::<Reply<()>, _>("no luck"));
    io.on("typed", async |Data(n): Data<u8>| Reply(n));
    io.on("stateless", async |_: State<Missing>| ());
    io.on("two acks", async |_: Ack, _: Ack| ());
    io.on("ack and reply", async |_: Ack| Reply(1));
    io.on("ok", async || Reply("fine"));
    let mut peer = Peer::join(&io);
    for (id, event) in [
        r#"["panics"]"#,
        r#"["fails"]"#,
        r#"["typed",256]"#,
        r#"["typed","\ud800"]"#,
        r#"["typed",1e999]"#,
        r#"["stateless"]"#,
        r#"["two acks"]"#,
        r#"["ack and reply"]"#,
        r#"["panics later"]"#,
        r#"["ok"]"#,
    ]
    .into_iter()
    .enumerate()
    {
        peer.send(&format!("2{id}{event}"));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(peer.take(), [r#"39["fine"]"#]);
    assert_eq!(peer.notice_close(), None);
    let wrong_type = "the handler was not called (arguments do not fit `u8`)";
    assert_eq!(
        notes.take(),
        [
            "panics true: the handler panicked: expected by this test ()",
            "fails true: the handler failed (no luck)",
            &format!("typed true: {wrong_type}"),
            &format!("typed true: {wrong_type}"),
            &format!("typed true: {wrong_type}"),
            "stateless true: the handler was not called (no state of type `events::what_goes_wrong_in_a_handler_costs_its_event_only::{{closure}}::Missing`)",
            "two acks true: the handler was not called (the ack was taken already)",
            "ack and reply true: a reply was returned, but the ack had been taken ()",
            "panics later true: the handler panicked: expected by this test, too ()",
        ]
    );
}

/// Wherever user code runs, a panic costs what that code was called for, and neither the connection nor anybody else.
#[tokio::test(start_paused = true)]
async fn a_panic_anywhere_is_told_and_costs_nothing_else() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_error(move |_, event, error| {
        noted.add(format!("{event}: {error}"));
        panic!("the hook, too")
    });
    io.on_connect(async || panic!("1"))
        .on_any(async || panic!("2"))
        .on_disconnecting(async || panic!("3"))
        .on_disconnect(async || panic!("4"));
    io.on("e", async || Reply("fine"));
    let mut peer = Peer::join(&io);
    io.sockets()[0].on_disconnect(async || panic!("5"));
    peer.send(r#"20["e"]"#);
    assert_eq!(peer.take(), [r#"30["fine"]"#]);
    peer.send("1");
    settle().await;
    assert_eq!(
        notes.take(),
        [
            "connect: the handler panicked: 1",
            "e: the handler panicked: 2",
            "disconnecting: the handler panicked: 3",
            "disconnect: the handler panicked: 4",
            "disconnect: the handler panicked: 5",
        ]
    );
    assert_eq!((peer.notice_close(), io.n_sockets()), (None, 0));
    peer.enter("/");
}

#[tokio::test(start_paused = true)]
async fn a_failed_argument_can_be_handled() {
    let io = server();
    io.on("typed", async |data: Result<Data<u8>, ExtractError>| match data {
        Ok(Data(n)) => Reply(format!("got {n}")),
        Err(error) => Reply(error.to_string()),
    });
    let mut peer = Peer::join(&io);
    peer.send(r#"20["typed",5]"#);
    peer.send(r#"21["typed",-5]"#);
    assert_eq!(peer.take(), [r#"30["got 5"]"#, r#"31["arguments do not fit `u8`"]"#]);
}

#[tokio::test(start_paused = true)]
async fn an_application_can_have_arguments_of_its_own() {
    struct User(u32);
    struct CurrentUser(Arc<User>);
    impl<C: SocketContext> Extract<C> for CurrentUser {
        fn extract(context: &mut C) -> Result<Self, ExtractError> {
            context.socket().data().get().map(Self).ok_or_else(|| ExtractError::other("nobody"))
        }
    }
    let io = server();
    io.on_connect(async |socket: Socket| {
        let _ = socket.data().set(User(7));
    });
    io.on("whoami", async |user: CurrentUser| Reply(user.0.0));
    let mut peer = Peer::join(&io);
    peer.send(r#"20["whoami"]"#);
    assert_eq!(peer.take(), ["30[7]"]);
}

#[tokio::test(start_paused = true)]
async fn protocol_violations_close_with_one_reason() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_disconnect(move |reason: DisconnectReason| {
        noted.add(reason.as_str());
        async {}
    });
    let violations = [
        "4abc",
        "7",
        "",
        "2",
        r#"2["disconnect"]"#,
        r#"2["connect_error"]"#,
        "2{}",
        "2[]",
        "2[true]",
        r#"2["a""#,
        "5woooot",
        "5",
        r#"50-["a"]"#,
        r#"5101-["a"]"#,
        r#"4["handle me please"]"#,
        "29007199254740992[\"a\"]",
    ];
    for violation in violations {
        let mut peer = Peer::join(&io);
        peer.send(violation);
        settle().await;
        assert_eq!(notes.take(), ["forced close"], "{violation}");
        assert_eq!(io.n_sockets(), 0);
    }
    for at_the_wrong_time in [r#"2["text while attachments are missing"]"#, "0"] {
        let mut peer = Peer::join(&io);
        peer.send(r#"51-["a",{"_placeholder":true,"num":0}]"#);
        peer.send(at_the_wrong_time);
        settle().await;
        assert_eq!(notes.take(), ["forced close"]);
    }
    let mut peer = Peer::join(&io);
    peer.send_binary(b"binary without a packet");
    settle().await;
    assert_eq!(notes.take(), ["forced close"]);
}

/// 10 000 levels of nesting pass the official parser and crash its process when a handler sends them on.
#[tokio::test(start_paused = true)]
async fn deep_nesting_closes_the_connection_and_nothing_else() {
    let io = server();
    io.on("echo", async |Data(value): Data<serde_json::Value>| Reply(value));
    let nested = |levels: usize| format!(r#"20["echo",{}{}]"#, "[".repeat(levels), "]".repeat(levels));
    let mut peer = Peer::join(&io);
    peer.send(&nested(100));
    assert_eq!(peer.take().len(), 1);
    peer.send(&nested(10_000));
    assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedClose));
}

#[tokio::test(start_paused = true)]
async fn emits_take_one_value_a_tuple_or_nothing() {
    #[derive(Serialize)]
    struct Point {
        x: i32,
    }
    let io = server();
    let mut peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    socket.emit("one", 1);
    socket.emit("several", (1, "two", Point { x: 3 }, None::<u8>));
    socket.emit("none", ());
    socket.emit("array", [1, 2]);
    socket.emit("vector", vec![1, 2]);
    socket.emit("text", "ü€𐍈").await.unwrap();
    assert_eq!(
        peer.take(),
        [
            r#"2["one",1]"#,
            r#"2["several",1,"two",{"x":3},null]"#,
            r#"2["none"]"#,
            r#"2["array",1,2]"#,
            r#"2["vector",[1,2]]"#,
            r#"2["text","ü€𐍈"]"#,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_encoded_is_never_lost_silently() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_error(move |_, event, error| noted.add(format!("{event}: {error}")));
    let mut peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    // A map whose keys are not text.
    let bad = || std::collections::BTreeMap::from([((1, 2), 3)]);
    socket.emit("dropped", bad());
    assert_eq!(notes.take(), ["dropped: an emit failed"]);
    let error = socket.emit("awaited", bad()).await.unwrap_err();
    assert!(matches!(error, EmitError::Encode(_)));
    assert!(socket.emit("disconnect", ()).await.is_err(), "a reserved name");
    drop(socket.emit_with_ack::<()>("asked", bad()));
    assert_eq!(notes.take(), ["asked: an emit failed"]);
    io.on("returned", async |socket: Socket| {
        Ok::<_, EmitError>(socket.emit("x", std::collections::BTreeMap::from([((1, 2), 3)])))
    });
    peer.send(r#"2["returned"]"#);
    assert_eq!(notes.take(), ["returned: an emit failed"]);
    assert_eq!(peer.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn reserved_names_are_sent_to_nobody() {
    let io = server();
    let mut peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    for name in ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"] {
        let expected = format!("event name \"{name}\" is reserved");
        for refused in [socket.emit(name, ()), io.emit(name, ()), io.of("/chat").to("room").emit(name, ())] {
            let error = refused.await.unwrap_err();
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            assert_eq!(cause.as_ref(), Some(&expected), "{error:?}");
        }
    }
    assert_eq!(peer.take(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_awaited_emit_waits_for_room_in_the_outbox() {
    let io = server();
    let mut peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    socket.emit("e", 1).await.unwrap();
    peer.connection.is_full.store(true, Ordering::Relaxed);
    let emitted = socket.emit("e", 2);
    let waiting = tokio::spawn(async move { emitted.await });
    settle().await;
    assert!(!waiting.is_finished());
    peer.connection.drain();
    waiting.await.unwrap().unwrap();
    assert_eq!(peer.take().len(), 2, "both were queued at once");

    peer.connection.is_full.store(true, Ordering::Relaxed);
    let emitted = socket.emit("e", 3);
    let waiting = tokio::spawn(async move { emitted.await });
    settle().await;
    let connection = Arc::clone(&peer.connection);
    peer.hang_up(DisconnectReason::TransportClose);
    connection.drain();
    waiting.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn volatile_events_are_dropped_while_the_client_is_busy() {
    let io = server();
    let mut peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    socket.volatile().emit("v", 1);
    io.volatile().emit("v", 2);
    peer.connection.is_busy.store(true, Ordering::Relaxed);
    socket.volatile().emit("v", 3);
    io.volatile().emit("v", 4);
    socket.emit("e", 5);
    assert_eq!(peer.take(), [r#"2["v",1]"#, r#"2["v",2]"#, r#"2["e",5]"#]);
}

#[tokio::test(start_paused = true)]
async fn sixty_four_handlers_run_side_by_side_and_the_next_one_waits() {
    let io = server();
    let n_running = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&n_running);
    io.on("slow", move || {
        let counted = Arc::clone(&counted);
        async move {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(60)).await;
            counted.fetch_sub(1, Ordering::Relaxed);
        }
    });
    let mut peer = Peer::join(&io);
    for _ in 0..65 {
        peer.send(r#"2["slow"]"#);
    }
    settle().await;
    assert_eq!(n_running.load(Ordering::Relaxed), 64);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(n_running.load(Ordering::Relaxed), 1);
    assert_eq!(peer.notice_close(), None, "handlers that take their time cost no connection");
}

#[tokio::test(start_paused = true)]
async fn reading_pauses_when_the_park_is_full_and_goes_on_when_it_has_drained() {
    let io = build(Server::builder().max_running_handlers(1).max_parked_bytes(3000));
    io.on("slow", || tokio::time::sleep(Duration::from_secs(1)));
    let mut peer = Peer::join(&io);
    let event = format!(r#"2["slow","{}"]"#, "x".repeat(1000));
    assert_eq!(peer.offer(&event), Flow::Continue, "it runs");
    let mut n_parked = 0;
    while peer.offer(&event) == Flow::Continue {
        n_parked += 1;
    }
    assert_eq!(n_parked, 2, "two fit, the third fills the park");
    assert_eq!(peer.n_resumed(), 0);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(peer.n_resumed(), 0, "one of three has left");
    tokio::time::sleep(Duration::from_millis(1000)).await;
    assert_eq!(peer.n_resumed(), 1);
    assert_eq!(peer.offer(&event), Flow::Continue);
}

#[tokio::test(start_paused = true)]
async fn a_mebibyte_waits_unless_another_limit_is_set() {
    let io = build(Server::builder().max_running_handlers(1));
    io.on("slow", std::future::pending::<()>);
    let mut peer = Peer::join(&io);
    peer.send(r#"2["slow"]"#);
    let event = format!(r#"2["slow","{}"]"#, "x".repeat(64 * 1024));
    for n in 1..16 {
        assert_eq!(peer.offer(&event), Flow::Continue, "{n}");
    }
    assert_eq!(peer.offer(&event), Flow::Pause);
    assert_eq!(peer.notice_close(), None);
}

#[tokio::test(start_paused = true)]
async fn one_event_of_any_size_can_be_parked() {
    let io = build(Server::builder().max_running_handlers(1).max_parked_bytes(10));
    let notes = Notes::default();
    let noted = notes.clone();
    io.on("e", move |Data(text): Data<String>| {
        noted.add(text.len().to_string());
        tokio::time::sleep(Duration::from_secs(1))
    });
    let mut peer = Peer::join(&io);
    let event = format!(r#"2["e","{}"]"#, "x".repeat(100_000));
    assert_eq!(peer.offer(&event), Flow::Continue);
    assert_eq!(peer.offer(&event), Flow::Pause);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!((notes.take().len(), peer.n_resumed()), (2, 1));
}

/// Else a client that never answers would stop its own connection for good.
#[tokio::test(start_paused = true)]
async fn a_full_park_drains_when_the_client_answers_nothing() {
    let io = build(Server::builder().max_running_handlers(1).max_parked_bytes(10));
    io.on("ask", async |socket: Socket| {
        let _ = socket.emit_with_ack::<()>("question", ()).await;
    });
    let mut peer = Peer::join(&io);
    peer.send(r#"2["ask"]"#);
    assert_eq!(peer.offer(r#"2["ask"]"#), Flow::Pause);
    tokio::time::sleep(Duration::from_millis(29_990)).await;
    assert_eq!(peer.n_resumed(), 0);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!((peer.n_resumed(), peer.take().len()), (1, 2));
    assert_eq!(peer.notice_close(), None);
}

#[tokio::test(start_paused = true)]
async fn acks_and_disconnect_do_not_wait_behind_a_full_park() {
    let io = build(Server::builder().max_running_handlers(1).max_parked_bytes(10));
    let notes = Notes::default();
    let noted = notes.clone();
    io.on("ask", move |socket: Socket| {
        let noted = noted.clone();
        async move {
            let answer: String = socket.emit_with_ack("question", ()).await?;
            noted.add(answer);
            Ok::<_, socketio_server::AckError>(())
        }
    });
    let mut peer = Peer::join(&io);
    peer.send(r#"2["ask"]"#);
    assert_eq!(peer.offer(r#"2["ask"]"#), Flow::Pause);
    assert_eq!(peer.take(), [r#"20["question"]"#]);
    peer.send(r#"30["answer"]"#);
    settle().await;
    assert_eq!(notes.take(), ["answer"]);
    assert_eq!(peer.take(), [r#"21["question"]"#]);
    peer.send("1");
    assert_eq!(io.n_sockets(), 0);
}

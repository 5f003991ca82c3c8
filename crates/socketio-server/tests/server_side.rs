//! Events of other servers, as their adapter hands them in.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use socketio_adapter::{Adapter, InMemoryAdapter, JsonArgs, LocalNode, ReplySender};
use socketio_server::handler::{Attachments, EventName};
use socketio_server::{Ack, Args, Binary, Builder, Data, EmitError, Namespace, Reply, Server, State};
use support::{Notes, Peer, build, server, settle};
use tokio::time::Instant;

/// A server, and what its adapter knows of its root namespace.
fn with_node(builder: Builder) -> (Server, Arc<dyn LocalNode>) {
    let slot = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&slot);
    let io = build(builder.adapter(move |node: Arc<dyn LocalNode>| -> Arc<dyn Adapter> {
        kept.lock().expect("no test panics with it").get_or_insert_with(|| Arc::clone(&node));
        Arc::new(InMemoryAdapter::new(node))
    }));
    let node =
        slot.lock().expect("no test panics with it").take().expect("the adapter of the root namespace");
    (io, node)
}

fn args(json: &str) -> JsonArgs {
    JsonArgs::new(json, vec![])
}

/// Hands an event in, and notes the answer.
fn ask(node: &Arc<dyn LocalNode>, event: JsonArgs, notes: &Notes) {
    let notes = notes.clone();
    node.server_side_event(event, Some(ReplySender::new(move |answer| notes.add(answer.json.to_string()))));
}

#[tokio::test(start_paused = true)]
async fn handlers_take_typed_arguments_and_answer() {
    let (io, node) = with_node(Server::builder().state(7_u32));
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_server_side("add", async |Data((a, b)): Data<(u32, u32)>, state: State<u32>| Reply(a + b + *state))
        .on_server_side("two values", async |ack: Ack| {
            assert!(ack.is_requested());
            tokio::time::sleep(Duration::from_secs(1)).await;
            ack.send(("x", [1]))
        })
        .on_server_side(
            "everything",
            move |io: Namespace, name: EventName, args: Args, files: Attachments, _: Server| {
                noted.add(format!("{} {} {} {}", io.name(), name.0, args.len(), files.0.len()));
                async {}
            },
        );
    ask(&node, args(r#"["add",1,2]"#), &notes);
    ask(&node, args(r#"["two values"]"#), &notes);
    assert_eq!(notes.take(), ["[10]"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(notes.take(), [r#"["x",[1]]"#]);
    let file = vec![Bytes::from_static(b"x")];
    ask(&node, JsonArgs::new(r#"["everything",1,{"_placeholder":true,"num":0}]"#, file), &notes);
    assert_eq!(notes.take(), ["/ everything 2 1"], "and no answer");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_answered_who_did_not_ask() {
    let (io, node) = with_node(Server::builder());
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_server_side("e", move |ack: Ack| {
        noted.add(ack.is_requested().to_string());
        ack.send(1);
        async {}
    });
    node.server_side_event(args(r#"["e"]"#), None);
    assert_eq!(notes.take(), ["false"]);
}

#[tokio::test(start_paused = true)]
async fn of_several_handlers_the_first_answer_counts() {
    let (io, node) = with_node(Server::builder());
    let notes = Notes::default();
    io.on_server_side("e", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Reply("slow")
    });
    io.on_server_side("e", async || Reply("fast"));
    ask(&node, args(r#"["e"]"#), &notes);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(notes.take(), [r#"["fast"]"#]);
}

#[tokio::test(start_paused = true)]
async fn handlers_that_fail_cost_their_event() {
    let (io, node) = with_node(Server::builder());
    let notes = Notes::default();
    io.on_server_side("e", async |Data(n): Data<u32>| {
        match n {
            0 => panic!("expected by this test"),
            1 => return Err("no"),
            _ => {}
        }
        Ok(Reply(n))
    });
    for json in [r#"["e",0]"#, r#"["e",1]"#, r#"["e","text"]"#, r#"["e",2]"#] {
        ask(&node, args(json), &notes);
    }
    assert_eq!(notes.take(), ["[2]"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_is_dropped() {
    let (io, node) = with_node(Server::builder());
    let notes = Notes::default();
    for name in ["e", "connect"] {
        let noted = notes.clone();
        io.on_server_side(name, move || {
            noted.add("called");
            async {}
        });
    }
    for json in ["", "[", "{}", "[]", "[[1]]", r#"["connect"]"#, r#"["unknown"]"#] {
        ask(&node, args(json), &notes);
    }
    assert_eq!(notes.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn handlers_start_in_order_and_a_bounded_number_at_a_time() {
    let (io, node) = with_node(Server::builder().max_running_handlers(2).max_parked_bytes(2000));
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_server_side("e", move |Data(n): Data<u32>| {
        noted.add(n.to_string());
        tokio::time::sleep(Duration::from_secs(1))
    });
    for n in 0..6 {
        node.server_side_event(args(&format!(r#"["e",{n}]"#)), None);
    }
    assert_eq!(notes.take(), ["0", "1"]);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(notes.take(), ["2", "3"]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(notes.take(), ["4", "5"]);
    tokio::time::sleep(Duration::from_secs(1)).await;

    // What is past the bound is lost; one event is kept whatever its size.
    let large = "x".repeat(1500);
    for n in 0..9 {
        node.server_side_event(args(&format!(r#"["e",{n},"{large}"]"#)), None);
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(notes.take(), ["0", "1", "2"]);
    node.server_side_event(args(r#"["e",9]"#), None);
    assert_eq!(notes.take(), ["9"]);
}

#[tokio::test(start_paused = true)]
async fn many_events_that_waited_all_start() {
    let (io, node) = with_node(Server::builder().max_running_handlers(1));
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_server_side("slow", || tokio::time::sleep(Duration::from_secs(1)));
    io.on_server_side("e", move |Data(n): Data<u32>| {
        noted.add(n.to_string());
        async {}
    });
    node.server_side_event(args(r#"["slow"]"#), None);
    for n in 0..1000 {
        node.server_side_event(args(&format!(r#"["e",{n}]"#)), None);
    }
    assert_eq!(notes.take(), Vec::<String>::new());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(notes.take(), (0..1000).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_server_alone_asks_nobody_and_does_not_hear_itself() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_server_side("e", move || {
        noted.add("heard");
        async { Reply(1) }
    });
    let noted = notes.clone();
    io.on("e", move || {
        noted.add("heard");
        async {}
    });
    let mut peer = Peer::join(&io);
    io.server_side_emit("e", Binary(Bytes::from_static(b"x"))).await.unwrap();
    let start = Instant::now();
    let replies = io.server_side_emit_with_ack::<u32>("e", ()).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(replies.is_complete());
    assert_eq!(replies.into_values(), Vec::<u32>::new());
    settle().await;
    assert_eq!(notes.take(), Vec::<String>::new());
    assert_eq!(peer.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn reserved_names_are_refused() {
    let io = server();
    let emitted = io.server_side_emit("connect", ()).await.unwrap_err();
    let asked = io.server_side_emit_with_ack::<()>("disconnect", ()).await.unwrap_err();
    for error in [emitted, asked] {
        assert!(matches!(error, EmitError::Encode(_)), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_handler_starts_during_a_shutdown() {
    let (io, node) = with_node(Server::builder());
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_server_side("e", move || {
        noted.add("called");
        async {}
    });
    io.shutdown(Duration::from_secs(1)).await;
    node.server_side_event(args(r#"["e"]"#), None);
    assert_eq!(notes.take(), Vec::<String>::new());
}

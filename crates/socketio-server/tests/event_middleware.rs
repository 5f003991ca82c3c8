//! Middleware that looks at each event before its handlers do.

mod support;

use std::sync::Arc;
use std::time::Duration;

use socketio_server::handler::EventName;
use socketio_server::{Args, Data, DisconnectReason, IncomingEvent, Reply, Server, Socket};
use support::{Notes, Peer, build, server, settle};
use tokio::sync::Semaphore;

fn join(io: &Server) -> (Peer, Socket) {
    let mut peer = Peer::open(io);
    let id = peer.enter("/");
    let socket = io.socket(&id).expect("it has joined");
    (peer, socket)
}

/// Notes the handler's name and its one number.
fn note_numbers(io: &Server, event: &'static str, notes: &Notes) {
    let notes = notes.clone();
    io.on(event, move |Data(n): Data<i32>| {
        notes.add(format!("{event} {n}"));
        async {}
    });
}

#[tokio::test(start_paused = true)]
async fn a_middleware_lets_an_event_pass_changes_it_or_drops_it() {
    let (io, notes) = (server(), Notes::default());
    for event in ["pass", "changed", "dropped", "refused"] {
        note_numbers(&io, event, &notes);
    }
    let (mut peer, socket) = join(&io);
    socket.use_middleware(async |mut event: IncomingEvent| match event.name() {
        "change" => {
            event.set_name("changed");
            event.set_args(7)?;
            Ok(Some(event))
        }
        "dropped" => Ok(None),
        "refused" => Err("no".into()),
        _ => Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Some(event)),
    });
    for event in ["pass", "change", "dropped", "refused", "pass"] {
        peer.send(&format!(r#"2["{event}",1]"#));
    }
    assert_eq!(notes.take(), ["pass 1", "changed 7", "pass 1"]);
}

#[tokio::test(start_paused = true)]
async fn middlewares_run_in_order_each_sees_what_the_one_before_made_of_it() {
    let (io, notes) = (server(), Notes::default());
    let adding = |n: i32| {
        move |mut event: IncomingEvent| async move {
            let before: i32 = event.args().get()?;
            event.set_args(before * 10 + n)?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(event)
        }
    };
    let (mut peer, socket) = join(&io);
    socket.use_middleware(adding(3));
    io.use_event_middleware(adding(1)).use_event_middleware(adding(2));
    note_numbers(&io, "x", &notes);
    peer.send(r#"2["x",0]"#);
    assert_eq!(notes.take(), ["x 123"]);
}

#[tokio::test(start_paused = true)]
async fn an_error_goes_to_the_hook_skips_later_middlewares_and_costs_nothing_else() {
    let (io, notes) = (server(), Notes::default());
    note_numbers(&io, "x", &notes);
    let hooked = notes.clone();
    io.on_error(move |_, event, error| {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        hooked.add(format!("{event}: {error} {cause:?}"));
    });
    let (mut peer, socket) = join(&io);
    socket.use_middleware(async |Data(n): Data<i32>| match n {
        1 => Err("odd"),
        2 => panic!("two"),
        _ => Ok(()),
    });
    let later = notes.clone();
    socket.use_middleware(move || {
        later.add("later");
        async {}
    });
    for n in ["1", "2", "\"not a number\"", "4"] {
        peer.send(&format!(r#"2["x",{n}]"#));
    }
    let expected = [
        r#"x: the handler failed Some("odd")"#,
        "x: the handler panicked: two None",
        r#"x: the handler was not called Some("arguments do not fit `i32`")"#,
        "later",
        "x 4",
    ];
    assert_eq!(notes.take(), expected);
    assert!(socket.is_connected());
}

#[tokio::test(start_paused = true)]
async fn handlers_of_all_events_do_not_wait_for_middleware_and_see_what_came() {
    let (io, notes) = (server(), Notes::default());
    let noted = notes.clone();
    io.on_any(move |EventName(name): EventName| {
        noted.add(format!("any {name}"));
        async {}
    });
    io.use_event_middleware(async || None);
    let (mut peer, _) = join(&io);
    peer.send(r#"2["x"]"#);
    assert_eq!(notes.take(), ["any x"]);
}

#[tokio::test(start_paused = true)]
async fn events_start_in_the_order_of_arrival_however_long_a_middleware_takes() {
    let (io, notes) = (server(), Notes::default());
    note_numbers(&io, "x", &notes);
    io.use_event_middleware(async |Data(n): Data<u64>| {
        tokio::time::sleep(Duration::from_millis(10 - n)).await;
    });
    let (mut peer, _) = join(&io);
    for n in 1..=4 {
        peer.send(&format!(r#"2["x",{n}]"#));
    }
    assert_eq!(notes.take(), Vec::<String>::new());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(notes.take(), ["x 1", "x 2", "x 3", "x 4"]);
}

#[tokio::test(start_paused = true)]
async fn an_ack_goes_through_middleware() {
    let io = server();
    io.use_event_middleware(async |mut event: IncomingEvent| {
        tokio::task::yield_now().await;
        event.set_name("renamed");
        event
    });
    io.on("renamed", async |Data(n): Data<i32>| Reply(n + 1));
    let (mut peer, _) = join(&io);
    peer.send(r#"25["asked",1]"#);
    settle().await;
    assert_eq!(peer.take(), ["35[2]"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_that_left_meanwhile_had_sent_is_dropped() {
    let (io, notes) = (server(), Notes::default());
    note_numbers(&io, "x", &notes);
    let gate = Arc::new(Semaphore::new(0));
    let passes = Arc::clone(&gate);
    io.use_event_middleware(move || {
        let passes = Arc::clone(&passes);
        async move { drop(passes.acquire().await) }
    });
    let (mut peer, _) = join(&io);
    peer.send(r#"2["x",1]"#);
    peer.send(r#"2["x",2]"#);
    peer.hang_up(DisconnectReason::TransportClose);
    gate.add_permits(1);
    settle().await;
    assert_eq!(notes.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_middleware_that_does_not_end_costs_its_event_after_the_timeout() {
    let io = build(Server::builder().middleware_timeout(Duration::from_secs(3)));
    let notes = Notes::default();
    note_numbers(&io, "x", &notes);
    let hooked = notes.clone();
    io.on_error(move |_, event, error| hooked.add(format!("{event}: {error}")));
    io.use_event_middleware(async |Data(n): Data<i32>| {
        if n == 1 {
            std::future::pending::<()>().await;
        }
    });
    let (mut peer, _) = join(&io);
    peer.send(r#"2["x",1]"#);
    peer.send(r#"2["x",2]"#);
    tokio::time::sleep(Duration::from_millis(2_999)).await;
    assert_eq!(notes.take(), Vec::<String>::new());
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(notes.take(), ["x: the middlewares of the event took longer than 3s", "x 2"]);
}

#[tokio::test(start_paused = true)]
async fn binary_arguments_can_be_set() {
    let io = server();
    io.use_event_middleware(async |mut event: IncomingEvent| {
        event.set_args(("bytes", socketio_server::Binary::from(vec![1, 2])))?;
        Ok::<_, socketio_server::EncodeError>(event)
    });
    io.on("x", async |args: Args| Reply(args));
    let (mut peer, _) = join(&io);
    peer.send(r#"21["x"]"#);
    let sent = peer.take();
    assert!(sent[0].starts_with("61-1[\"bytes\",{") && sent[1].starts_with("b:"), "{sent:?}");
}

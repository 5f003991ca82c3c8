//! Namespaces that come into being by patterns and predicates.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socketio_server::{ConnectError, Data, DisconnectReason, Namespace, Reply, Server, Socket};
use support::{Notes, Peer, build, server, settle};
use tokio::sync::Semaphore;

fn names(namespaces: &[Namespace]) -> Vec<&str> {
    let mut names: Vec<&str> = namespaces.iter().map(Namespace::name).collect();
    names.sort_unstable();
    names
}

#[tokio::test(start_paused = true)]
async fn a_namespace_comes_into_being_when_a_client_asks_for_a_name_that_matches() {
    let io = server();
    let orders = io.of_pattern("/orders/{id}/{part}");
    orders.on("which", async |namespace: Namespace| {
        let param = |name| namespace.param(name).unwrap_or("none").to_owned();
        Reply((namespace.name().to_owned(), param("id"), param("part"), param("other")))
    });
    let mut peer = Peer::open(&io);
    peer.enter("/orders/7/lines");
    peer.send(r#"2/orders/7/lines,1["which"]"#);
    assert_eq!(peer.take(), [r#"3/orders/7/lines,1["/orders/7/lines","7","lines","none"]"#]);
    assert_eq!(names(&orders.children()), ["/orders/7/lines"]);
    assert_eq!(orders.children()[0].parent().unwrap().name(), orders.name());
    peer.send("0/orders/7,");
    assert_eq!(peer.take(), [r#"4/orders/7,{"message":"Invalid namespace"}"#]);
}

#[tokio::test(start_paused = true)]
async fn children_have_the_handlers_and_middlewares_of_their_parent_also_later_ones() {
    let (io, notes) = (server(), Notes::default());
    let noting = |note: &'static str| {
        let notes = notes.clone();
        move |namespace: Namespace| {
            notes.add(format!("{note} {}", namespace.name()));
            async {}
        }
    };
    let rooms = io.of_pattern("/rooms/{name}");
    rooms.use_middleware(noting("middleware")).on_connect(noting("connect")).on_disconnect(noting("gone"));
    let mut peer = Peer::open(&io);
    peer.enter("/rooms/a");
    assert_eq!(notes.take(), ["middleware /rooms/a", "connect /rooms/a"]);
    rooms.on("x", noting("event")).use_middleware(noting("later"));
    peer.send(r#"2/rooms/a,["x"]"#);
    peer.enter("/rooms/b");
    let expected = ["event /rooms/a", "middleware /rooms/b", "later /rooms/b", "connect /rooms/b"];
    assert_eq!(notes.take(), expected);
    let mut second = Peer::open(&io);
    second.enter("/rooms/a");
    assert_eq!(notes.take(), ["middleware /rooms/a", "later /rooms/a", "connect /rooms/a"]);
    rooms.off_all("x");
    peer.send(r#"2/rooms/a,["x"]"#);
    assert_eq!(notes.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_is_registered_on_a_child_is_its_own() {
    let io = server();
    let rooms = io.of_pattern("/rooms/{name}");
    let mut peer = Peer::open(&io);
    for name in ["/rooms/a", "/rooms/b"] {
        peer.enter(name);
    }
    rooms.children()[0].on("x", async |namespace: Namespace| Reply(namespace.name().to_owned()));
    let name = rooms.children()[0].name().to_owned();
    peer.send(r#"2/rooms/a,1["x"]"#);
    peer.send(r#"2/rooms/b,1["x"]"#);
    assert_eq!(peer.take(), [format!(r#"3{name},1["{name}"]"#)]);
}

#[tokio::test(start_paused = true)]
async fn parents_are_tried_in_their_order_and_existing_namespaces_come_first() {
    let io = server();
    let answering = |parent: &Namespace, answer: &'static str| {
        parent.on("who", move || async move { Reply(answer) });
    };
    answering(&io.of("/a/made"), "made");
    answering(&io.of_pattern("/a/{x}"), "first");
    answering(&io.of_pattern("/{x}/b"), "second");
    answering(&io.of_matching(async |name| name.starts_with("/c/")), "third");
    answering(&io.of_pattern("/{x}/{y}"), "fourth");
    for (name, answer) in
        [("/a/made", "made"), ("/a/b", "first"), ("/x/b", "second"), ("/c/d", "third"), ("/x/y", "fourth")]
    {
        let mut peer = Peer::open(&io);
        peer.enter(name);
        peer.send(&format!(r#"2{name},1["who"]"#));
        assert_eq!(peer.take(), [format!(r#"3{name},1["{answer}"]"#)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_predicate_is_asked_once_for_a_name_and_not_while_it_exists() {
    let io = server();
    let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (counts, passes) = (Arc::clone(&asked), Arc::clone(&gate));
    let teams = io.of_matching(move |name| {
        counts.fetch_add(1, Ordering::Relaxed);
        let passes = Arc::clone(&passes);
        async move {
            drop(passes.acquire().await);
            name.starts_with("/team-")
        }
    });
    let mut peers: Vec<Peer> = (0..3).map(|_| Peer::open(&io)).collect();
    for peer in &mut peers {
        peer.send("0/team-1,");
        peer.send("0/other,");
    }
    settle().await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    gate.add_permits(1);
    settle().await;
    for peer in &mut peers {
        let mut answers = peer.take();
        answers.sort_unstable();
        assert!(answers[0].starts_with(r#"0/team-1,{"sid":"#), "{answers:?}");
        assert_eq!(answers[1], r#"4/other,{"message":"Invalid namespace"}"#);
    }
    assert_eq!(names(&teams.children()), ["/team-1"], "however many ask at the same time");
    assert_eq!(teams.children()[0].n_sockets(), 3);
    let mut late = Peer::open(&io);
    late.enter("/team-1");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    late.send("0/other,");
    settle().await;
    assert_eq!(asked.load(Ordering::Relaxed), 3, "a refusal is not remembered");
}

#[tokio::test(start_paused = true)]
async fn a_predicate_that_panics_or_does_not_end_refuses() {
    let io = build(Server::builder().middleware_timeout(Duration::from_secs(2)));
    let _ = io.of_matching(async |name| {
        assert!(&*name != "/panic", "as wanted");
        std::future::pending().await
    });
    let mut peer = Peer::open(&io);
    peer.send("0/panic,");
    tokio::time::sleep(Duration::from_millis(2_001)).await;
    assert_eq!(peer.take(), [r#"4/panic,{"message":"Invalid namespace"}"#]);
    peer.send("0/slow,");
    tokio::time::sleep(Duration::from_millis(1_999)).await;
    assert_eq!(peer.take(), Vec::<String>::new());
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(peer.take(), [r#"4/slow,{"message":"Invalid namespace"}"#]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_names_that_no_predicate_knows_is_closed_after_sixteen() {
    let io = server();
    let _ = io.of_matching(async |_| {
        tokio::task::yield_now().await;
        false
    });
    let mut peer = Peer::open(&io);
    for n in 0..16 {
        peer.send(&format!("0/{n},"));
        settle().await;
    }
    assert_eq!((peer.take().len(), peer.notice_close()), (16, None));
    peer.send("0/17,");
    settle().await;
    assert_eq!(peer.notice_close(), Some(DisconnectReason::ForcedClose));
}

#[tokio::test(start_paused = true)]
async fn an_empty_child_goes_and_can_come_again() {
    let (io, notes) = (server(), Notes::default());
    let hooked = notes.clone();
    io.on_new_namespace(move |namespace| hooked.add(namespace.name()));
    let rooms = io.of_pattern("/rooms/{name}");
    let (mut first, mut second) = (Peer::open(&io), Peer::open(&io));
    first.enter("/rooms/a");
    second.enter("/rooms/a");
    let handle = rooms.children()[0].clone();
    first.send("1/rooms/a,");
    assert_eq!(names(&rooms.children()), ["/rooms/a"], "one is still in");
    second.hang_up(DisconnectReason::TransportClose);
    assert_eq!(names(&rooms.children()), Vec::<&str>::new());
    assert_eq!(handle.n_sockets(), 0, "who has kept it may use it, to no effect");
    first.enter("/rooms/a");
    assert_eq!(rooms.children()[0].n_sockets(), 1);
    assert_eq!(notes.take(), ["/rooms/a", "/rooms/a"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_leaves_no_empty_namespace_behind() {
    let io = server();
    let rooms = io.of_pattern("/rooms/{name}");
    let kept = Arc::new(std::sync::Mutex::new(Vec::new()));
    let keeps = Arc::clone(&kept);
    rooms.use_middleware(move |socket: Socket| {
        // Also if the application keeps the socket.
        keeps.lock().unwrap().push(socket);
        async { Err::<(), _>(ConnectError::new("no")) }
    });
    let mut peer = Peer::open(&io);
    peer.send("0/rooms/a,");
    assert_eq!(peer.take(), [r#"4/rooms/a,{"message":"no"}"#]);
    assert_eq!(rooms.children().len(), 0);
    assert_eq!(kept.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_while_another_client_is_in_changes_nothing() {
    let io = server();
    let rooms = io.of_pattern("/rooms/{name}");
    let mut peer = Peer::open(&io);
    peer.enter("/rooms/a");
    rooms.use_middleware(async || Err::<(), _>(ConnectError::new("full")));
    let mut late = Peer::open(&io);
    late.send("0/rooms/a,");
    assert_eq!(late.take(), [r#"4/rooms/a,{"message":"full"}"#]);
    assert_eq!(names(&rooms.children()), ["/rooms/a"]);
}

#[tokio::test(start_paused = true)]
async fn without_cleanup_children_stay() {
    let io = build(Server::builder().cleanup_empty_child_namespaces(false));
    let rooms = io.of_pattern("/rooms/{name}");
    let mut peer = Peer::open(&io);
    peer.enter("/rooms/a");
    rooms.use_middleware(async || Err::<(), _>(ConnectError::new("no")));
    peer.send("0/rooms/b,");
    peer.hang_up(DisconnectReason::TransportClose);
    settle().await;
    assert_eq!(names(&rooms.children()), ["/rooms/a", "/rooms/b"]);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_parent_stays_without_clients() {
    let (io, notes) = (server(), Notes::default());
    let hooked = notes.clone();
    io.on_new_namespace(move |namespace| hooked.add(namespace.name()));
    io.of("/lasting").on("x", async || Reply(1));
    for _ in 0..2 {
        let mut peer = Peer::open(&io);
        peer.enter("/lasting");
        peer.send(r#"2/lasting,1["x"]"#);
        assert_eq!(peer.take(), ["3/lasting,1[1]"]);
        peer.send("1/lasting,");
        settle().await;
    }
    assert_eq!(notes.take(), ["/lasting"], "it was made once");
}

#[tokio::test(start_paused = true)]
async fn what_the_application_made_stays_and_belongs_to_the_parent_it_matches() {
    let io = server();
    let rooms = io.of_pattern("/rooms/{name}");
    rooms.on("x", async |namespace: Namespace| Reply(namespace.param("name").map(ToOwned::to_owned)));
    let made = io.of("/rooms/a");
    assert_eq!(made.parent().unwrap().name(), rooms.name());
    let single = io.of("/other");
    assert!(single.parent().is_none() && single.children().is_empty() && single.param("name").is_none());
    let mut peer = Peer::open(&io);
    peer.enter("/rooms/a");
    peer.send(r#"2/rooms/a,1["x"]"#);
    assert_eq!(peer.take(), [r#"3/rooms/a,1["a"]"#]);
    peer.enter("/rooms/b");
    let _ = io.of("/rooms/b");
    peer.hang_up(DisconnectReason::TransportClose);
    assert_eq!(names(&rooms.children()), ["/rooms/a", "/rooms/b"]);
}

#[tokio::test(start_paused = true)]
async fn there_is_a_limit_to_namespaces_that_clients_bring_about() {
    let io = build(Server::builder().max_dynamic_namespaces(2));
    let rooms = io.of_pattern("/rooms/{name}");
    let mut peer = Peer::open(&io);
    peer.enter("/rooms/a");
    peer.enter("/rooms/b");
    peer.send("0/rooms/c,");
    assert_eq!(peer.take(), [r#"4/rooms/c,{"message":"Too many namespaces"}"#]);
    let mut other = Peer::open(&io);
    other.enter("/rooms/b");
    peer.send("1/rooms/a,");
    peer.enter("/rooms/c");
    assert_eq!(names(&rooms.children()), ["/rooms/b", "/rooms/c"]);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_of_them_are_the_limit_unless_another_is_set() {
    let io = build(Server::builder().max_namespaces_per_connection(20_000));
    let rooms = io.of_pattern("/rooms/{name}");
    let mut peer = Peer::open(&io);
    for n in 0..10_000 {
        peer.enter(&format!("/rooms/{n}"));
    }
    peer.send("0/rooms/more,");
    assert_eq!(peer.take(), [r#"4/rooms/more,{"message":"Too many namespaces"}"#]);
    assert_eq!((rooms.children().len(), peer.notice_close()), (10_000, None));
}

#[tokio::test(start_paused = true)]
async fn hooks_hear_of_new_namespaces_before_their_first_client() {
    let (io, notes) = (server(), Notes::default());
    let hooked = notes.clone();
    io.on_new_namespace(move |namespace| {
        let noted = hooked.clone();
        hooked.add(format!("new {}", namespace.name()));
        namespace.on_connect(move |socket: Socket| {
            noted.add(format!("connect {}", socket.namespace().name()));
            async {}
        });
    });
    io.on_new_namespace(|namespace| {
        assert!(namespace.name() != "/panics", "a hook that panics costs nothing")
    });
    let _ = (io.of("/"), io.of("/made"), io.of("made"), io.of("/panics"));
    let _ = io.of_pattern("/rooms/{name}");
    let mut peer = Peer::open(&io);
    peer.enter("/");
    peer.enter("/rooms/a");
    assert_eq!(notes.take(), ["new /made", "new /panics", "new /rooms/a", "connect /rooms/a"]);
}

async fn answer_to(peer: &mut Peer) -> Vec<String> {
    loop {
        let sent = peer.take();
        if !sent.is_empty() {
            return sent;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clients_that_come_and_go_on_many_threads_meet_in_one_namespace() {
    let io = server();
    let rooms = io.of_pattern("/rooms/{name}");
    rooms.on("sum", async |Data(n): Data<u32>| Reply(n + 1));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let io = io.clone();
            tokio::spawn(async move {
                for n in 0..200 {
                    let mut peer = Peer::open(&io);
                    peer.send("0/rooms/a,");
                    // Another thread may be making the namespace at this moment, and let the client in then.
                    answer_to(&mut peer).await;
                    peer.send(&format!(r#"2/rooms/a,1["sum",{n}]"#));
                    assert_eq!(answer_to(&mut peer).await, [format!("3/rooms/a,1[{}]", n + 1)]);
                    peer.hang_up(DisconnectReason::TransportClose);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(rooms.children().len(), 0);
}

/// A client in each of these namespaces, with its socket's id.
fn join_each(io: &Server, names: &[&str]) -> (Vec<Peer>, Vec<String>) {
    names
        .iter()
        .map(|name| {
            let mut peer = Peer::open(io);
            let id = peer.enter(name);
            (peer, id)
        })
        .unzip()
}

#[tokio::test(start_paused = true)]
async fn what_is_emitted_to_a_parent_reaches_the_sockets_of_all_its_children() {
    let io = server();
    let rooms = io.of_pattern("/rooms/{name}");
    let (mut peers, ids) = join_each(&io, &["/rooms/a", "/rooms/b", "/rooms/b", "/other"][..3]);
    rooms.emit("all", (1, socketio_server::Binary::from(vec![7]))).await.unwrap();
    rooms.socket(&ids[1]).unwrap().join("x");
    rooms.to("x").emit("one", ());
    rooms.except("x").volatile().emit("others", ());
    let binary = |name: &str| {
        [format!(r#"51-{name},["all",1,{{"_placeholder":true,"num":0}}]"#), r#"b:b"\x07""#.to_owned()]
    };
    let got: Vec<_> = peers.iter_mut().map(Peer::take).collect();
    assert_eq!(got[0], [&binary("/rooms/a")[..], &[r#"2/rooms/a,["others"]"#.to_owned()]].concat());
    assert_eq!(got[1], [&binary("/rooms/b")[..], &[r#"2/rooms/b,["one"]"#.to_owned()]].concat());
    assert_eq!(got[2], [&binary("/rooms/b")[..], &[r#"2/rooms/b,["others"]"#.to_owned()]].concat());
}

#[tokio::test(start_paused = true)]
async fn a_parent_reaches_a_new_child_from_within_its_connect_handler() {
    let io = server();
    let rooms = io.of_pattern("/rooms/{name}");
    let parent = rooms.clone();
    rooms.on_connect(move |socket: Socket| {
        socket.join("x");
        parent.emit("all", ());
        parent.to("x").emit("some", ());
        async {}
    });
    let mut peer = Peer::open(&io);
    peer.send("0/rooms/a,");
    assert_eq!(peer.take()[1..], [r#"2/rooms/a,["all"]"#, r#"2/rooms/a,["some"]"#]);
}

#[tokio::test(start_paused = true)]
async fn every_operator_works_on_a_parent() {
    let io = server();
    let rooms = io.of_pattern("/rooms/{name}");
    let (mut peers, ids) = join_each(&io, &["/rooms/a", "/rooms/b"]);
    assert_eq!((rooms.n_sockets(), rooms.sockets().len()), (2, 2));
    assert!(rooms.socket("nobody").is_none());

    rooms.sockets_join(["x", "y"]);
    rooms.sockets_leave("y");
    let mut fetched: Vec<(String, usize)> = rooms
        .fetch_sockets()
        .await
        .into_iter()
        .map(|socket| (socket.id().to_string(), socket.rooms().len()))
        .collect();
    fetched.sort_unstable();
    let mut expected: Vec<(String, usize)> = ids.iter().map(|id| (id.clone(), 2)).collect();
    expected.sort_unstable();
    assert_eq!(fetched, expected);
    assert_eq!(rooms.to("x").all_sockets().await.ids.len(), 2);
    assert_eq!(rooms.to("y").all_sockets().await.ids.len(), 0);

    let asked = rooms.timeout(Duration::from_secs(1)).emit_with_ack::<String>("who", ());
    for peer in &mut peers {
        let question = peer.take().remove(0);
        let answer = question.replacen('2', "3", 1).replace(r#"["who"]"#, r#"["me"]"#);
        peer.send(&answer);
    }
    let acks = asked.await.unwrap();
    assert_eq!(acks.values().collect::<Vec<_>>(), ["me", "me"]);

    rooms.to("x").disconnect_sockets();
    settle().await;
    assert_eq!(rooms.children().len(), 0);
    for (peer, name) in peers.iter_mut().zip(["/rooms/a", "/rooms/b"]) {
        assert_eq!(peer.take(), [format!("1{name},")]);
    }
}

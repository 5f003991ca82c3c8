//! Clients that lost their connection and come back as the sockets they were.

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use socketio_server::{Auth, Binary, ConnectError, DisconnectReason, EmitError, Recovery, Server, Socket};
use support::{Notes, Peer, build, server, settle};
use test_support::polling::Polling;
use test_support::wait;
use test_support::ws::WebSocket;
use tokio::net::TcpListener;

fn recovering() -> Server {
    build(Server::builder().connection_state_recovery(Recovery::default()))
}

/// What a client knows of its session.
#[derive(Clone, Debug)]
struct Session {
    sid: String,
    pid: String,
    /// The last text at the end of an event, as stock clients keep it.
    offset: Option<String>,
}

/// Joins the root namespace, to continue a session or to begin one; returns what came behind the answer.
fn connect(io: &Server, known: Option<&Session>) -> (Peer, Session, Vec<String>) {
    let mut peer = Peer::open(io);
    let auth = known.map(|known| json!({ "pid": known.pid, "offset": known.offset }));
    let auth = auth.map(|mut auth| {
        if auth["offset"].is_null() {
            auth.as_object_mut().map(|auth| auth.remove("offset"));
        }
        auth.to_string()
    });
    peer.send(&format!("0{}", auth.unwrap_or_default()));
    let mut sent = peer.take();
    let answer: Value =
        serde_json::from_str(sent.remove(0).strip_prefix('0').expect("CONNECT first")).expect("JSON");
    let text = |key: &str| answer[key].as_str().expect(key).to_owned();
    let mut session =
        Session { sid: text("sid"), pid: text("pid"), offset: known.and_then(|known| known.offset.clone()) };
    let events = read(&mut session, sent);
    (peer, session, events)
}

/// Reads events as a stock client does: a text at the end is a position. Returns them without it.
fn read(session: &mut Session, sent: Vec<String>) -> Vec<String> {
    sent.into_iter()
        .map(|packet| {
            let Some(json) = packet.strip_prefix('2').filter(|json| json.starts_with('[')) else {
                return packet;
            };
            let mut args: Vec<Value> = serde_json::from_str(json).expect("JSON");
            if let Some(Value::String(offset)) = args.last() {
                session.offset = Some(offset.clone());
                args.pop();
            }
            Value::from(args).to_string()
        })
        .collect()
}

fn lose(peer: &mut Peer) {
    peer.hang_up(DisconnectReason::TransportClose);
}

fn socket_of(io: &Server, session: &Session) -> Socket {
    io.socket(&session.sid).expect("it is here")
}

#[tokio::test(start_paused = true)]
async fn without_the_option_there_is_no_secret_and_no_position() {
    let io = server();
    let mut peer = Peer::open(&io);
    peer.send(r#"0{"pid":"x","offset":"y"}"#);
    let answer: Value = serde_json::from_str(peer.take()[0].strip_prefix('0').unwrap()).unwrap();
    assert_eq!(answer.as_object().unwrap().len(), 1);
    io.emit("a", 1);
    assert_eq!(peer.take(), [r#"2["a",1]"#]);
    assert!(!io.sockets()[0].is_recovered());
    assert_eq!(io.sockets()[0].auth::<Value>().unwrap(), json!({ "pid": "x", "offset": "y" }));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_back_gets_what_it_missed_behind_the_answer() {
    let io = recovering();
    let (mut peer, mut session, _) = connect(&io, None);
    let socket = socket_of(&io, &session);
    assert!(!socket.is_recovered());
    socket.join("room");
    socket.data().set(7_u32).unwrap();
    socket.data().set_shared("user", "ada").unwrap();
    io.emit("before", ());
    let sent = peer.take();
    assert_eq!(read(&mut session, sent), [r#"["before"]"#]);
    lose(&mut peer);
    assert_eq!(io.n_sockets(), 0);

    io.emit("all", 1);
    io.to("room").emit("room", ("x", 2));
    io.to("elsewhere").emit("not for it", ());
    io.except("room").emit("nor this", ());
    socket.emit("direct", 3).await.unwrap();
    io.to(session.sid.as_str()).emit("bytes", Binary::from(vec![1]));

    let (mut peer, mut again, missed) = connect(&io, Some(&session));
    assert_eq!((&again.sid, &again.pid), (&session.sid, &session.pid));
    assert_eq!(missed[..3], [r#"["all",1]"#, r#"["room","x",2]"#, r#"["direct",3]"#]);
    assert!(missed[3].starts_with(r#"51-["bytes",{"_placeholder":true,"num":0},""#), "{missed:?}");
    assert_eq!(missed[4..], [r#"b:b"\x01""#]);
    let socket = socket_of(&io, &again);
    assert!(socket.is_recovered() && socket.rooms().iter().any(|room| &**room == "room"));
    assert_eq!(socket.data().get::<u32>().as_deref(), Some(&7));
    let described = io.fetch_sockets().await.sockets.remove(0);
    assert_eq!(described.data::<Value>().unwrap(), json!({ "user": "ada" }));

    io.to("room").emit("after", ());
    let sent = peer.take();
    assert_eq!(read(&mut again, sent), [r#"["after"]"#]);
    lose(&mut peer);
    let (_, third, missed) = connect(&io, Some(&again));
    assert_eq!((third.sid, missed.len()), (again.sid, 0), "nothing comes twice");
}

#[tokio::test(start_paused = true)]
async fn what_was_for_a_client_that_was_away_is_kept_unless_it_may_be_missed_or_asks() {
    let io = recovering();
    let (mut peer, session, _) = connect(&io, None);
    socket_of(&io, &session).join("mine");
    lose(&mut peer);
    io.emit("kept", 1);
    io.to("mine").emit("kept", 2);
    io.except("another").emit("kept", 3);
    io.to("another").emit("lost", 4);
    io.except("mine").emit("lost", 5);
    io.volatile().emit("lost", 6);
    drop(io.emit_with_ack::<()>("lost", 7));
    io.to("another").to("mine").emit("kept", 8);
    let (_, again, missed) = connect(&io, Some(&session));
    assert_eq!(again.sid, session.sid);
    assert_eq!(missed, [r#"["kept",1]"#, r#"["kept",2]"#, r#"["kept",3]"#, r#"["kept",8]"#]);
}

/// As a client on polling sees it, which reads positions itself.
#[tokio::test]
async fn one_poll_has_the_answer_and_all_that_was_missed_with_positions() {
    let io = recovering();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn({
        let io = io.clone();
        async move { io.serve(listener).await }
    });
    let mut client = Polling::open(address, "/socket.io/").await;
    client.send(&["40"]).await;
    let answer: Value = serde_json::from_str(&client.poll().await[0][2..]).unwrap();
    let socket = io.sockets().remove(0);
    socket.join("room");
    io.emit("first", ());
    let first: (String, String) = serde_json::from_str(&client.poll().await[0][2..]).unwrap();
    client.send(&["1"]).await;
    wait::until("the client is gone", || io.n_sockets() == 0).await;
    io.emit("all", 1);
    io.to("room").emit("room", 2);
    socket.emit("direct", 3).await.unwrap();

    let mut client = Polling::open(address, "/socket.io/").await;
    client.send(&[&format!("40{}", json!({ "pid": answer["pid"], "offset": first.1 }))]).await;
    let payload = client.poll().await;
    assert_eq!(payload.len(), 4, "{payload:?}");
    let again: Value = serde_json::from_str(payload[0].strip_prefix("40").unwrap()).unwrap();
    assert_eq!(again, answer, "the same public and private id");
    for (packet, event) in payload[1..].iter().zip([("all", 1), ("room", 2), ("direct", 3)]) {
        let (name, n, position): (String, u32, String) = serde_json::from_str(&packet[2..]).unwrap();
        assert_eq!((&*name, n), event);
        assert!(position > first.1, "{payload:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_got_no_event_yet_needs_no_position() {
    let io = recovering();
    io.emit("before it came", ());
    let (mut peer, session, _) = connect(&io, None);
    lose(&mut peer);
    io.emit("missed", 1);
    let (_, again, missed) = connect(&io, Some(&session));
    assert_eq!((again.sid, missed), (session.sid, vec![r#"["missed",1]"#.to_owned()]));
}

/// Stock clients send the position of the session before, if the new one had no event yet.
#[tokio::test(start_paused = true)]
async fn a_position_from_before_the_session_counts_from_its_start() {
    let io = recovering();
    let (mut peer, mut first, _) = connect(&io, None);
    io.emit("old", ());
    let sent = peer.take();
    read(&mut first, sent);
    io.emit("while it was another session", ());
    let (mut other, second, _) = connect(&io, None);
    lose(&mut other);
    io.emit("missed", ());
    let stale = Session { offset: first.offset.clone(), ..second.clone() };
    let (_, again, missed) = connect(&io, Some(&stale));
    assert_eq!((again.sid, missed), (second.sid, vec![r#"["missed"]"#.to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_not_known_or_shows_a_position_that_never_was_begins_anew() {
    let io = recovering();
    for (pid, offset) in [(Some("unknown"), None), (None, Some("0.0")), (None, Some("x")), (None, Some(""))] {
        let (mut peer, mut session, _) = connect(&io, None);
        lose(&mut peer);
        io.emit("missed", ());
        let known = session.sid.clone();
        session.pid = pid.map_or(session.pid, ToOwned::to_owned);
        session.offset = offset.map(ToOwned::to_owned);
        let (_peer, again, missed) = connect(&io, Some(&session));
        assert!(again.sid != known && missed.is_empty(), "{pid:?} {offset:?}");
        assert_ne!(again.pid, session.pid);
        assert!(!socket_of(&io, &again).is_recovered());
    }
    // What is no text is no claim.
    let mut peer = Peer::open(&io);
    peer.send(r#"0{"pid":1,"offset":[]}"#);
    assert!(peer.take()[0].starts_with("0{"));
}

#[tokio::test(start_paused = true)]
async fn a_client_may_be_gone_for_two_minutes() {
    let io = recovering();
    for (millis, recovers) in [(119_000, true), (121_000, false)] {
        let (mut peer, session, _) = connect(&io, None);
        lose(&mut peer);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let (_, again, _) = connect(&io, Some(&session));
        assert_eq!(again.sid == session.sid, recovers, "{millis}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_missed_more_than_is_kept_begins_anew_instead_of_missing_a_part() {
    let io = build(Server::builder().connection_state_recovery(Recovery::default().max_events(3)));
    for (n, recovers) in [(3, true), (4, false)] {
        let (mut peer, session, _) = connect(&io, None);
        lose(&mut peer);
        for n in 0..n {
            io.emit("e", n);
        }
        let (_, again, missed) = connect(&io, Some(&session));
        assert_eq!((again.sid == session.sid, missed.len()), (recovers, if recovers { n } else { 0 }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_knows_is_lost_is_taken_over() {
    let io = recovering();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_disconnect(move |reason: DisconnectReason| {
        noted.add(reason.as_str());
        async {}
    });
    let (mut old, session, _) = connect(&io, None);
    socket_of(&io, &session).join("room");
    io.to("room").emit("lost on its way", ());
    let (mut new, again, missed) = connect(&io, Some(&session));
    assert_eq!((&again.sid, missed), (&session.sid, vec![r#"["lost on its way"]"#.to_owned()]));
    assert_eq!(old.notice_close(), Some(DisconnectReason::SessionTakenOver));
    settle().await;
    assert_eq!(notes.take(), ["session taken over"]);
    assert_eq!(io.n_sockets(), 1);
    old.take();
    io.to("room").emit("next", ());
    assert_eq!((old.take().len(), new.take().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn who_has_left_on_purpose_does_not_come_back() {
    let io = recovering();
    let (mut peer, session, _) = connect(&io, None);
    peer.send("1");
    let (_, again, _) = connect(&io, Some(&session));
    assert_ne!(again.sid, session.sid);
    let (_peer, session, _) = connect(&io, None);
    socket_of(&io, &session).disconnect();
    let (_, again, _) = connect(&io, Some(&session));
    assert_ne!(again.sid, session.sid);
}

#[tokio::test(start_paused = true)]
async fn middleware_decides_again_and_a_refused_session_is_gone() {
    let io = recovering();
    let n_asked = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&n_asked);
    io.use_middleware(move |socket: Socket, Auth(auth): Auth<Value>| {
        assert_eq!(auth, json!({}), "what recovery needs is not for the application");
        let n = counts.fetch_add(1, Ordering::Relaxed);
        async move { if n == 1 && socket.is_recovered() { Err(ConnectError::new("banned")) } else { Ok(()) } }
    });
    let (mut peer, session, _) = connect(&io, None);
    lose(&mut peer);
    let mut peer = Peer::open(&io);
    peer.send(&format!(r#"0{{"pid":"{}"}}"#, session.pid));
    assert_eq!(peer.take(), [r#"4{"message":"banned"}"#]);
    let (_, again, _) = connect(&io, Some(&session));
    assert_ne!(again.sid, session.sid);
    assert_eq!(n_asked.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_while_it_is_decided_about_can_still_come_back() {
    let io = recovering();
    let (mut peer, session, _) = connect(&io, None);
    socket_of(&io, &session).join("room");
    lose(&mut peer);
    io.to("room").emit("missed", ());
    io.use_middleware(async |socket: Socket| {
        if socket.is_recovered() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let mut peer = Peer::open(&io);
    peer.send(&format!(r#"0{{"pid":"{}"}}"#, session.pid));
    lose(&mut peer);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut peer = Peer::open(&io);
    peer.send(&format!(r#"0{{"pid":"{}"}}"#, session.pid));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let sent = peer.take();
    assert!(sent[0].contains(&session.sid) && sent[1].starts_with(r#"2["missed""#), "{sent:?}");
    assert!(socket_of(&io, &session).rooms().iter().any(|room| &**room == "room"));
}

/// The close is caused from within the delivery, where the log is locked.
#[tokio::test]
async fn a_client_that_takes_nothing_is_closed_by_a_broadcast_and_may_come_back() {
    let (io, notes) = (recovering(), Notes::default());
    let noted = notes.clone();
    let emits = io.clone();
    io.on_disconnect(move |reason: DisconnectReason| {
        noted.add(reason.as_str());
        emits.emit("gone", ());
        async {}
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn({
        let io = io.clone();
        async move { io.serve(listener).await }
    });
    let mut client = WebSocket::connect(address, "/socket.io/?EIO=4&transport=websocket").await;
    client.text().await;
    client.send_text("40").await;
    client.text().await;
    let text = "x".repeat(1 << 20);
    for _ in 0..40 {
        io.emit("large", &text);
    }
    wait::until("the client is closed", || io.n_sockets() == 0).await;
    wait::until("its end is told", || !notes.take().is_empty()).await;
    io.close().await;
    serving.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn middleware_can_be_left_out_and_connect_handlers_run_all_the_same() {
    let recovery = Recovery::default().skip_middlewares(true);
    let io = build(Server::builder().connection_state_recovery(recovery));
    let notes = Notes::default();
    let (asked, connected) = (notes.clone(), notes.clone());
    io.use_middleware(move || {
        asked.add("middleware");
        async {}
    });
    io.on_connect(move |socket: Socket| {
        connected.add(format!("connect {}", socket.is_recovered()));
        async {}
    });
    let (mut peer, session, _) = connect(&io, None);
    lose(&mut peer);
    connect(&io, Some(&session));
    assert_eq!(notes.take(), ["middleware", "connect false", "connect true"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_else_spoils_the_position() {
    let io = recovering();
    let (mut peer, mut session, _) = connect(&io, None);
    let socket = socket_of(&io, &session);
    io.emit("kept", ());
    for volatile in ["text", "name only"] {
        match volatile {
            "text" => drop(io.volatile().emit("v", "hello")),
            _ => drop(socket.volatile().emit("v", ())),
        }
    }
    io.volatile().emit("number", 1);
    drop(socket.emit_with_ack::<()>("asked", "hello"));
    let sent = peer.take();
    assert!(sent[3].ends_with(r#"["number",1]"#) && sent[4].ends_with(r#"["asked","hello"]"#), "{sent:?}");
    let events = read(&mut session, sent[..4].to_vec());
    assert_eq!(events, [r#"["kept"]"#, r#"["v","hello"]"#, r#"["v"]"#, r#"["number",1]"#]);
    lose(&mut peer);
    io.volatile().emit("v", "missed, as promised");
    io.emit("missed", ());
    let (_, again, missed) = connect(&io, Some(&session));
    assert_eq!((again.sid, missed), (session.sid, vec![r#"["missed"]"#.to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_come_back_in_time_is_told_of_and_forgotten() {
    let notes = Notes::default();
    let hooked = notes.clone();
    let recovery = Recovery::default()
        .max_disconnection_duration(Duration::from_secs(10))
        .on_expired(move |id| hooked.add(id.as_str()));
    let io = build(Server::builder().connection_state_recovery(recovery));
    let (mut stays, staying, _) = connect(&io, None);
    let (mut goes, gone, _) = connect(&io, None);
    let data = Arc::new(());
    let socket = socket_of(&io, &gone);
    socket.data().set(Arc::clone(&data)).unwrap();
    for peer in [&mut stays, &mut goes] {
        lose(peer);
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (_peer, _, _) = connect(&io, Some(&staying));
    assert!(socket.emit("kept", ()).await.is_ok());
    tokio::time::sleep(Duration::from_millis(5_100)).await;
    assert_eq!(notes.take(), [gone.sid]);
    assert!(matches!(socket.emit("too late", ()).await, Err(EmitError::Disconnected)));
    drop(socket);
    settle().await;
    assert_eq!(Arc::strong_count(&data), 1);
}

#[tokio::test(start_paused = true)]
async fn sessions_are_bounded_and_the_oldest_goes_first() {
    let io = build(Server::builder().connection_state_recovery(Recovery::default().max_sessions(2)));
    let sessions: Vec<Session> = (0..3)
        .map(|_| {
            let (mut peer, session, _) = connect(&io, None);
            lose(&mut peer);
            session
        })
        .collect();
    // Those who are back stay, or they would count again.
    let back: Vec<_> = sessions.iter().map(|session| connect(&io, Some(session))).collect();
    let recovered: Vec<bool> =
        back.iter().zip(&sessions).map(|((_, again, _), session)| again.sid == session.sid).collect();
    assert_eq!(recovered, [false, true, true]);
}

#[tokio::test(start_paused = true)]
async fn a_dynamic_namespace_waits_for_those_who_may_come_back() {
    let recovery = Recovery::default().max_disconnection_duration(Duration::from_secs(10));
    let io = build(Server::builder().connection_state_recovery(recovery));
    let rooms = io.of_pattern("/rooms/{name}");
    let mut peer = Peer::open(&io);
    peer.send("0/rooms/a,");
    let answer = peer.take().remove(0);
    let answer: Value = serde_json::from_str(answer.strip_prefix("0/rooms/a,").unwrap()).unwrap();
    lose(&mut peer);
    rooms.emit("missed", ());
    let mut peer = Peer::open(&io);
    peer.send(&format!("0/rooms/a,{}", json!({ "pid": answer["pid"] })));
    let sent = peer.take();
    assert!(sent[0].contains(answer["sid"].as_str().unwrap()), "{sent:?}");
    assert!(sent[1].starts_with(r#"2/rooms/a,["missed",""#), "{sent:?}");
    lose(&mut peer);
    assert_eq!(rooms.children().len(), 1);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(rooms.children().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_listener_of_what_is_sent_may_send_itself() {
    let io = recovering();
    let (mut peer, mut session, _) = connect(&io, None);
    let other = io.clone();
    let socket = socket_of(&io, &session);
    socket.on_any_outgoing(move |event, args| {
        if event == "a" {
            other.emit("b", args.get::<i32>().unwrap());
        }
    });
    io.emit("a", 1);
    socket.emit("a", 2);
    let sent = peer.take();
    assert_eq!(read(&mut session, sent), [r#"["b",1]"#, r#"["a",1]"#, r#"["b",2]"#, r#"["a",2]"#]);
}

/// Events are numbered; clients lose their connections and come back all the time, and check that none is missing, none comes
/// twice and none out of order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_event_is_got_exactly_once() {
    let io = recovering();
    // Before it is in: what is sent to the room between then and a connect handler's turn is not for it.
    io.use_middleware(async |socket: Socket| {
        socket.join("room");
    });
    let sends = Arc::new(Mutex::new(true));
    let sender = {
        let (io, sends) = (io.clone(), Arc::clone(&sends));
        tokio::spawn(async move {
            let mut n = 0_u64;
            while *sends.lock().unwrap() {
                match n % 3 {
                    0 => drop(io.emit("n", n)),
                    1 => drop(io.to("room").emit("n", n)),
                    _ => drop(io.volatile().emit("noise", "text")),
                }
                n += 1;
                if n.is_multiple_of(64) {
                    tokio::task::yield_now().await;
                }
            }
        })
    };
    let clients: Vec<_> = (0..8_u64)
        .map(|client| {
            let io = io.clone();
            tokio::spawn(async move {
                let (mut peer, mut session, mut events) = connect(&io, None);
                let mut last = None::<u64>;
                let mut n_events = 0;
                for round in 0..60 {
                    tokio::time::sleep(Duration::from_micros(300)).await;
                    // What is on its way when the connection breaks is lost to the client, a different part each time.
                    let mut sent = peer.take();
                    sent.truncate(
                        sent.len() - sent.len() * usize::try_from((client + round) % 3).unwrap() / 4,
                    );
                    events.extend(read(&mut session, sent));
                    for event in events.drain(..) {
                        let (name, n): (String, Value) = match serde_json::from_str(&event) {
                            Ok(event) => event,
                            Err(_) => continue,
                        };
                        if let ("n", Some(n)) = (&*name, n.as_u64()) {
                            let next = last.map(|last| last + if last % 3 == 0 { 1 } else { 2 });
                            assert!(next.is_none_or(|next| next == n), "{n} after {last:?} in round {round}");
                            last = Some(n);
                            n_events += 1;
                        }
                    }
                    if round % 2 == 0 {
                        lose(&mut peer);
                    }
                    let known = session.clone();
                    let missed;
                    (peer, session, missed) = connect(&io, Some(&known));
                    assert_eq!(session.sid, known.sid, "it recovers each time");
                    events = missed;
                }
                n_events
            })
        })
        .collect();
    let mut counts = HashMap::new();
    for (idx, client) in clients.into_iter().enumerate() {
        counts.insert(idx, client.await.unwrap());
    }
    *sends.lock().unwrap() = false;
    sender.await.unwrap();
    assert!(counts.values().all(|count| *count > 100), "{counts:?}");
}

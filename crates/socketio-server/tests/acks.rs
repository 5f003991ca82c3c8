//! Answers, in both directions.

mod support;

use std::time::Duration;

use socketio_server::{Ack, AckError, Data, DisconnectReason, Reply, Server, Socket};
use support::{Notes, Peer, build, server, settle};

/// Asks the first socket and notes how it ends.
fn ask(io: &Server, notes: &Notes, timeout: Option<Duration>) {
    let socket = io.sockets().remove(0);
    let notes = notes.clone();
    let mut answer = socket.emit_with_ack::<i32>("add", (1, 2));
    if let Some(timeout) = timeout {
        answer = answer.timeout(timeout);
    }
    tokio::spawn(async move {
        notes.add(match answer.await {
            Ok(sum) => sum.to_string(),
            Err(error) => error.to_string(),
        });
    });
}

#[tokio::test(start_paused = true)]
async fn the_client_answers_once() {
    let io = server();
    let notes = Notes::default();
    let mut peer = Peer::join(&io);
    ask(&io, &notes, None);
    assert_eq!(peer.take(), [r#"20["add",1,2]"#]);
    peer.send("30[3]");
    peer.send("30[4]");
    settle().await;
    assert_eq!(notes.take(), ["3"]);
    assert_eq!(peer.notice_close(), None, "a surplus ack is ignored");
}

#[tokio::test(start_paused = true)]
async fn an_ack_nobody_waits_for_is_ignored() {
    let io = server();
    let mut peer = Peer::join(&io);
    peer.send("37[]");
    peer.send("37");
    assert_eq!(peer.notice_close(), None);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_waited_for_thirty_seconds_or_as_long_as_wanted() {
    let io = server();
    let notes = Notes::default();
    let mut peer = Peer::join(&io);
    ask(&io, &notes, None);
    ask(&io, &notes, Some(Duration::from_secs(2)));
    tokio::time::sleep(Duration::from_millis(1900)).await;
    assert_eq!(notes.take(), Vec::<String>::new());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(notes.take(), ["operation has timed out"]);
    tokio::time::sleep(Duration::from_secs(27)).await;
    assert_eq!(notes.take(), Vec::<String>::new());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(notes.take(), ["operation has timed out"]);
    // Too late.
    peer.send("30[3]");
    peer.send("31[3]");
    settle().await;
    assert_eq!(notes.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_ends_the_wait_at_once() {
    for leave in ["1", ""] {
        let io = server();
        let notes = Notes::default();
        let mut peer = Peer::join(&io);
        ask(&io, &notes, None);
        settle().await;
        match leave {
            "" => peer.hang_up(DisconnectReason::TransportClose),
            packet => peer.send(packet),
        }
        settle().await;
        assert_eq!(notes.take(), ["the client disconnected before it answered"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_left_is_not_asked() {
    let io = server();
    let mut peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    peer.send("1");
    let error = socket.emit_with_ack::<()>("e", ()).await.unwrap_err();
    assert!(matches!(error, AckError::Disconnected));
    assert_eq!(peer.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_waited_for_are_bounded() {
    let io = server();
    let mut peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    let mut waiting: Vec<_> = (0..1024).map(|_| socket.emit_with_ack::<()>("e", ())).collect();
    let error = socket.emit_with_ack::<()>("one too many", ()).await.unwrap_err();
    assert!(matches!(error, AckError::TooMany { max: 1024 }));
    assert_eq!(peer.take().len(), 1024);
    // Dropping a wait makes room.
    drop(waiting.pop());
    waiting.push(socket.emit_with_ack("e", ()));
    assert_eq!(peer.take().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_another_type_is_an_error_of_its_own() {
    let io = server();
    let notes = Notes::default();
    let mut peer = Peer::join(&io);
    ask(&io, &notes, None);
    peer.send(r#"30["three"]"#);
    settle().await;
    assert_eq!(notes.take(), ["the answer does not fit the type that was expected"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_has_any_number_of_arguments() {
    let io = server();
    let mut peer = Peer::join(&io);
    let socket = io.sockets().remove(0);
    let (none, two) = (socket.emit_with_ack::<()>("e", ()), socket.emit_with_ack::<(u8, String)>("e", ()));
    peer.send("30");
    peer.send(r#"31[5,"six"]"#);
    none.await.unwrap();
    assert_eq!(two.await.unwrap(), (5, "six".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn handlers_answer_by_returning_or_by_sending() {
    let io = server();
    io.on("return", async |Data(n): Data<u32>| Reply(n + 1));
    io.on("return two", async || Reply((1, "two")));
    io.on("return none", async || Reply(()));
    io.on("send", async |ack: Ack, Data(n): Data<u32>| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        ack.send(n + 1);
    });
    io.on("neither", async || ());
    io.on("maybe", async |Data(n): Data<u32>| if n > 5 { Ok(Reply("big")) } else { Err("small") });
    let mut peer = Peer::join(&io);
    for (id, event) in [
        r#""return",1"#,
        r#""return two""#,
        r#""return none""#,
        r#""send",3"#,
        r#""neither""#,
        r#""maybe",9"#,
        r#""maybe",1"#,
    ]
    .iter()
    .enumerate()
    {
        peer.send(&format!("2{id}[{event}]"));
    }
    assert_eq!(peer.take(), ["30[2]", r#"31[1,"two"]"#, "32[]", r#"35["big"]"#]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(peer.take(), ["33[4]"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_to_a_client_that_did_not_ask() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on("return", async || Reply(1));
    io.on("send", move |ack: Ack| {
        noted.add(ack.is_requested().to_string());
        ack.send(1);
        async {}
    });
    let mut peer = Peer::join(&io);
    peer.send(r#"2["return"]"#);
    peer.send(r#"2["send"]"#);
    assert_eq!(peer.take(), Vec::<String>::new());
    assert_eq!(notes.take(), ["false"]);
}

#[tokio::test(start_paused = true)]
async fn an_ack_that_is_dropped_is_not_sent() {
    let io = server();
    io.on("e", async |ack: Ack| drop(ack));
    let mut peer = Peer::join(&io);
    peer.send(r#"20["e"]"#);
    settle().await;
    assert_eq!(peer.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn of_several_handlers_the_first_to_answer_wins() {
    let io = server();
    io.on("e", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Reply("late")
    });
    io.on("e", async || Reply("first"));
    let mut peer = Peer::join(&io);
    peer.send(r#"20["e"]"#);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(peer.take(), [r#"30["first"]"#]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_the_client_has_left_goes_nowhere() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on_error(move |_, event, _| noted.add(event));
    io.on("slow", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Reply(1)
    });
    let mut peer = Peer::join(&io);
    peer.send(r#"20["slow"]"#);
    peer.send("1");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(peer.take(), Vec::<String>::new());
    assert_eq!(notes.take(), Vec::<String>::new(), "it is nobody's error");
}

#[tokio::test(start_paused = true)]
async fn sixty_five_handlers_that_each_await_an_ack_all_finish() {
    let io = server();
    let notes = Notes::default();
    let noted = notes.clone();
    io.on("ask", move |socket: Socket, Data(n): Data<u32>| {
        let noted = noted.clone();
        async move {
            let answer: u32 = socket.emit_with_ack("question", n).await?;
            noted.add(answer.to_string());
            Ok::<_, AckError>(())
        }
    });
    let mut peer = Peer::join(&io);
    for n in 0..65 {
        peer.send(&format!(r#"2["ask",{n}]"#));
    }
    let mut n_answered = 0;
    while n_answered < 65 {
        let questions = peer.take();
        assert!(!questions.is_empty(), "stuck after {n_answered}");
        for question in questions {
            let id: u32 = question[1..].split('[').next().unwrap().parse().unwrap();
            peer.send(&format!("3{id}[{n_answered}]"));
            n_answered += 1;
        }
        settle().await;
    }
    assert_eq!(notes.take(), (0..65).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn the_default_time_for_an_answer_is_an_option() {
    let io = build(Server::builder().ack_timeout(Duration::from_secs(1)));
    let notes = Notes::default();
    let _peer = Peer::join(&io);
    ask(&io, &notes, None);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(notes.take(), ["operation has timed out"]);
}

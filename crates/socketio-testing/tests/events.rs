//! Events and acks, both ways.

use std::time::Duration;

use socketio_server::{Ack, AckError, Binary, Data, DisconnectReason, Reply, Server, Socket};
use socketio_testing::{TestClient, settle};

fn server() -> Server {
    Server::builder().build().expect("the defaults fit together")
}

#[tokio::test(start_paused = true)]
async fn an_event_is_handled_when_emit_returns() {
    let io = server();
    io.on("join", async |socket: Socket, Data(room): Data<String>| {
        socket.join(&room);
    });
    let alice = TestClient::connect(&io).await;
    alice.emit("join", "room");
    let rooms = io.sockets().remove(0).rooms();
    assert!(rooms.iter().any(|room| &**room == "room"), "{rooms:?}");
}

#[tokio::test(start_paused = true)]
async fn broadcasts_reach_those_they_are_for() {
    let io = server();
    io.on("say", async |socket: Socket, Data(text): Data<String>| {
        socket.broadcast().emit("said", (socket.id(), text));
    });
    let mut alice = TestClient::connect(&io).await;
    let mut bob = TestClient::connect(&io).await;
    bob.emit("say", "hi");
    let (from, text): (String, String) = alice.expect("said").await;
    assert_eq!((&*from, &*text), (bob.id(), "hi"));
    bob.expect_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn events_keep_their_order() {
    let io = server();
    io.on("echo", async |socket: Socket, Data(n): Data<u32>| {
        socket.emit(if n % 2 == 0 { "even" } else { "odd" }, n);
    });
    let mut alice = TestClient::connect(&io).await;
    for n in 0..100_u32 {
        alice.emit("echo", n);
    }
    assert_eq!(alice.expect::<u32>("odd").await, 1, "those before it stay");
    for n in (0..100).filter(|n| *n != 1) {
        let event = alice.next_event().await;
        assert_eq!((event.name(), event.args()), (if n % 2 == 0 { "even" } else { "odd" }, n));
    }
}

#[tokio::test(start_paused = true)]
async fn taken_events_are_gone() {
    let io = server();
    let mut alice = TestClient::connect(&io).await;
    io.emit("a", 1);
    io.emit("b", ());
    settle().await;
    let taken = alice.take_events();
    assert_eq!(format!("{taken:?}"), r#"["a"(1), "b"()]"#);
    alice.expect_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn binary_values_go_both_ways() {
    let io = server();
    io.on("store", async |socket: Socket, Data((name, file)): Data<(String, Binary)>| {
        socket.emit("stored", (name, file.len(), file));
    });
    let mut alice = TestClient::connect(&io).await;
    alice.emit("store", ("cat.png", Binary::from(vec![1, 2, 3])));
    let (name, len, file): (String, usize, Binary) = alice.expect("stored").await;
    assert_eq!((&*name, len, &*file), ("cat.png", 3, &[1, 2, 3][..]));
}

#[tokio::test(start_paused = true)]
async fn a_packet_has_as_many_attachments_as_the_server_takes() {
    let io = server();
    io.on("count", async |Data(files): Data<Vec<Binary>>| Reply(files.len()));
    let mut alice = TestClient::connect(&io).await;
    let files = |n| vec![Binary::from(vec![1]); n];
    assert_eq!(alice.emit_with_ack::<usize>("count", files(100)).await.unwrap(), 100);
    alice.emit("count", files(101));
    assert_eq!(alice.expect_disconnect().await, DisconnectReason::ForcedClose);
}

#[tokio::test(start_paused = true)]
async fn the_server_answers() {
    let io = server();
    io.on("add", async |Data((a, b)): Data<(i32, i32)>| Reply(a + b));
    io.on("later", async |ack: Ack| {
        tokio::time::sleep(Duration::from_secs(4)).await;
        ack.send(("done", Binary::from(vec![7])));
    });
    let alice = TestClient::connect(&io).await;
    let later = alice.emit_with_ack::<(String, Binary)>("later", ());
    let sum: i32 = alice.emit_with_ack("add", (1, 2)).await.unwrap();
    assert_eq!(sum, 3);
    let (text, bytes) = later.await.unwrap();
    assert_eq!((&*text, &*bytes), ("done", &[7][..]));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_an_error() {
    let io = server();
    io.on("never", async |ack: Ack| drop(ack));
    io.on("leave", async |socket: Socket, _ack: Ack| socket.disconnect());
    io.on("text", async || Reply("text"));
    let mut alice = TestClient::connect(&io).await;
    let answer = alice.emit_with_ack::<i32>("never", ()).await;
    assert!(matches!(answer, Err(AckError::Timeout)), "{answer:?}");
    let answer = alice.emit_with_ack::<i32>("text", ()).await;
    assert!(matches!(answer, Err(AckError::Args(_))), "{answer:?}");
    let answer = alice.emit_with_ack::<i32>("leave", ()).await;
    assert!(matches!(answer, Err(AckError::Disconnected)), "{answer:?}");
    alice.expect_disconnect().await;
    let answer = alice.emit_with_ack::<i32>("text", ()).await;
    assert!(matches!(answer, Err(AckError::Disconnected)), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_can_be_chosen() {
    let io = server();
    io.on("slow", async || {
        tokio::time::sleep(Duration::from_secs(7)).await;
        Reply(())
    });
    let alice = TestClient::builder(&io).deadline(Duration::from_secs(8)).connect().await.unwrap();
    alice.emit_with_ack::<()>("slow", ()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_function_answers_the_server() {
    let io = server();
    let mut alice = TestClient::connect(&io).await;
    let mut n_asked = 0;
    alice.answer("add", move |(a, b): (i32, i32)| {
        n_asked += 1;
        (a + b, n_asked)
    });
    let socket = io.sockets().remove(0);
    // The test waits for the server, and nobody for the client.
    assert_eq!(socket.emit_with_ack::<(i32, i32)>("add", (1, 2)).await.unwrap(), (3, 1));
    assert_eq!(socket.emit_with_ack::<(i32, i32)>("add", (3, 4)).await.unwrap(), (7, 2));
    socket.emit("add", (5, 6));
    assert_eq!(alice.expect::<(i32, i32)>("add").await, (5, 6), "no answer is wanted to this one");
    alice.expect_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_that_came_before_is_answered() {
    let io = server();
    io.on_connect(async |socket: Socket| -> Result<(), AckError> {
        let name: String = socket.emit_with_ack("who are you", ()).await?;
        socket.emit("hello", name);
        Ok(())
    });
    let mut alice = TestClient::connect(&io).await;
    settle().await;
    alice.answer("who are you", |()| "alice");
    assert_eq!(alice.expect::<String>("hello").await, "alice");
}

#[tokio::test(start_paused = true)]
async fn an_event_is_answered_by_hand() {
    let io = server();
    let mut alice = TestClient::connect(&io).await;
    let socket = io.sockets().remove(0);
    let asked = tokio::spawn(socket.emit_with_ack::<(u8, Binary)>("file?", "cat.png"));
    let question = alice.expect_event("file?").await;
    assert!(question.is_ack_requested());
    assert_eq!(question.args::<String>(), "cat.png");
    question.ack((1, Binary::from(vec![9])));
    let (n, bytes) = asked.await.unwrap().unwrap();
    assert_eq!((n, &*bytes), (1, &[9][..]));
}

#[tokio::test(start_paused = true)]
async fn all_clients_answer_a_handler_that_asks_within_a_handler() {
    let io = server();
    io.on("double", async |socket: Socket, Data(n): Data<i32>| -> Result<Reply<i32>, AckError> {
        let other: i32 = socket.emit_with_ack("number?", n).await?;
        Ok(Reply(n + other))
    });
    let mut alice = TestClient::connect(&io).await;
    alice.answer("number?", |n: i32| n);
    assert_eq!(alice.emit_with_ack::<i32>("double", 21).await.unwrap(), 42);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_clock_and_many_threads_will_do() {
    let io = server();
    io.on("echo", async |Data(n): Data<u32>| {
        tokio::task::yield_now().await;
        Reply(n)
    });
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let io = io.clone();
            tokio::spawn(async move {
                let alice = TestClient::connect(&io).await;
                for n in 0..100_u32 {
                    assert_eq!(alice.emit_with_ack::<u32>("echo", n).await.unwrap(), n);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
}

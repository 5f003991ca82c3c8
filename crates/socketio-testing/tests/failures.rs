//! What a failed test says.

use std::panic::AssertUnwindSafe;

use socketio_server::{DisconnectReason, Server, Socket};
use socketio_testing::{TestClient, settle};
use tokio::task::JoinError;

fn server() -> Server {
    let io = Server::builder().build().expect("the defaults fit together");
    io.on_connect(async |socket: Socket| {
        socket.emit("welcome", ("alice", 1));
    });
    io
}

/// Runs a test that must fail, and returns its message without the last line, which names this file.
async fn message<F>(test: impl FnOnce(Server, TestClient) -> F) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let io = server();
    let client = TestClient::connect(&io).await;
    settle().await;
    let failed: JoinError = tokio::spawn(test(io, client)).await.expect_err("the test must fail");
    let panic = failed.into_panic();
    let message = panic.downcast_ref::<String>().expect("a panic with a message");
    let (message, place) = message.split_once("\n  in the test at ").expect("the place is named");
    assert!(place.starts_with(file!()), "{place}");
    message.to_owned()
}

#[tokio::test(start_paused = true)]
async fn an_event_that_does_not_come() {
    let message = message(async |_io, mut client| client.expect::<()>("missing").await).await;
    assert_eq!(message, r#"expected the event "missing" in /; there is "welcome"("alice", 1)"#);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_can_not_come_any_more() {
    let started = tokio::time::Instant::now();
    let message = message(async |io, mut client| {
        drop(client.next_event().await);
        io.sockets()[0].disconnect();
        client.expect::<()>("missing").await;
    })
    .await;
    assert_eq!(
        message,
        r#"expected the event "missing" in /; there is nothing; the client has left: server namespace disconnect"#
    );
    assert!(started.elapsed().as_secs() < 1, "it does not wait for the deadline");
}

#[tokio::test(start_paused = true)]
async fn arguments_of_another_type() {
    let message = message(async |_io, mut client| {
        let _: (u8, u8) = client.expect("welcome").await;
    })
    .await;
    assert!(
        message.starts_with(r#""welcome"("alice", 1) does not fit (u8, u8): arguments do not fit"#),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn something_where_nothing_was_expected() {
    let first = message(async |_io, mut client| client.expect_nothing().await).await;
    assert_eq!(first, r#"expected nothing in /; there is "welcome"("alice", 1)"#);
    let later = message(async |io, mut client| {
        client.take_events();
        let late = tokio::time::Duration::from_secs(3);
        tokio::spawn(async move {
            tokio::time::sleep(late).await;
            io.emit("late", ());
        });
        client.expect_nothing().await;
        client.expect_nothing_for(2 * late).await;
    })
    .await;
    assert_eq!(later, r#"expected nothing in /; there is "late"()"#);
    let gone = message(async |io, mut client| {
        client.take_events();
        io.sockets()[0].disconnect();
        client.expect_nothing().await;
    })
    .await;
    assert_eq!(
        gone,
        "expected nothing in /; there is nothing; the client has left: server namespace disconnect"
    );
    let named = message(async |io, mut client| {
        client.expect_no("said").await;
        io.emit("said", 1);
        client.expect_no("said").await;
    })
    .await;
    assert_eq!(named, r#"expected no event "said" in /; there is "welcome"("alice", 1), "said"(1)"#);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stays() {
    let message = message(async |_io, mut client| {
        client.expect_disconnect().await;
    })
    .await;
    assert_eq!(message, r#"expected a disconnect in /; there is "welcome"("alice", 1)"#);
}

#[tokio::test(start_paused = true)]
async fn an_event_from_a_client_that_has_left() {
    let message = message(async |_io, mut client| {
        client.take_events();
        client.lose(DisconnectReason::PingTimeout);
        client.emit("late", ());
    })
    .await;
    assert_eq!(message, r#""late" can't be sent in /; there is nothing; the client has left: ping timeout"#);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_can_not_be_encoded() {
    let message = message(async |_io, client| drop(client.emit("disconnect", ()))).await;
    assert_eq!(message, r#""disconnect" can't be sent: event name "disconnect" is reserved"#);
}

#[tokio::test(start_paused = true)]
async fn an_answer_nobody_asked_for() {
    let message = message(async |_io, mut client| drop(client.next_event().await.ack(()))).await;
    assert_eq!(message, r#"the server waits for no answer to "welcome"("alice", 1)"#);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_does_not_fit_the_function_that_answers() {
    let expected =
        r#"the event "number?"("x") was not answered: ("x") does not fit i32: arguments do not fit"#;
    let waiting = message(async |io, mut client| {
        client.answer("number?", |n: i32| n);
        let asked = tokio::spawn(io.sockets()[0].emit_with_ack::<i32>("number?", "x"));
        client.expect::<()>("missing").await;
        drop(asked);
    })
    .await;
    assert!(waiting.starts_with(expected), "{waiting}");
    let panicked = message(async |io, mut client| {
        client.answer("number?", |n: i32| assert!(n > 7, "{n} is too small"));
        let asked = io.sockets()[0].emit_with_ack::<()>("number?", 7);
        client.expect::<()>("missing").await;
        drop(asked);
    })
    .await;
    assert_eq!(panicked, r#"the event "number?"(7) was not answered: 7 is too small"#);
    // Even if the test waits for nothing any more.
    let io = server();
    let mut client = TestClient::connect(&io).await;
    client.answer("number?", |n: i32| n);
    let asked = io.sockets()[0].emit_with_ack::<i32>("number?", "x");
    settle().await;
    let panic = std::panic::catch_unwind(AssertUnwindSafe(|| drop(client))).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.starts_with(expected) && message.contains(file!()), "{message}");
    drop(asked);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_not_let_in() {
    let refused = message(async |io, _client| {
        io.use_middleware(async || Err::<(), _>(socketio_server::ConnectError::new("no")));
        drop(TestClient::connect(&io).await);
    })
    .await;
    assert_eq!(refused, "the server refused the client: no");
    let unanswered = message(async |io, _client| {
        io.use_middleware(async || {
            tokio::time::sleep(tokio::time::Duration::from_secs(20)).await;
            Ok::<(), socketio_server::ConnectError>(())
        });
        drop(TestClient::connect(&io).await);
    })
    .await;
    assert_eq!(unanswered, "/ was not joined: no answer within 5s");
    let twice = message(async |_io, client| drop(client.join("/", ()).await)).await;
    assert_eq!(twice, "the client is in / already");
    let closed = message(async |_io, mut client| {
        client.lose(DisconnectReason::TransportClose);
        drop(client.join("/news", ()).await);
    })
    .await;
    assert_eq!(closed, "/news can't be joined, the connection is closed: transport close");
    let no_object = message(async |_io, client| drop(client.join("/news", 7).await)).await;
    assert_eq!(no_object, "credentials are an object, not 7");
}

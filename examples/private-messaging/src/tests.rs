//! The handlers, with clients that need no network.

use serde_json::{Value, json};
use socketio_server::{DisconnectReason, Server};
use socketio_testing::TestClient;

use crate::messaging;

fn app() -> Server {
    messaging::server(Server::builder()).expect("these options fit together")
}

/// Enters under a name; returns the token too.
async fn enter(io: &Server, name: &str) -> (TestClient, String) {
    let mut client = TestClient::builder(io).auth(json!({ "name": name })).connect().await.expect("let in");
    // Recovery adds its position as a last argument.
    let (welcome, _): (Value, Value) = client.expect("welcome").await;
    (client, welcome["token"].as_str().expect("a token").to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_message_reaches_both_and_nobody_else() {
    let io = app();
    let (mut ada, _) = enter(&io, "Ada").await;
    let (mut bob, _) = enter(&io, "Bob").await;
    let (mut eve, _) = enter(&io, "Eve").await;
    let answer: Value =
        ada.emit_with_ack("private", json!({ "to": "Bob", "text": "hello" })).await.expect("an answer");
    let message = json!({ "from": "Ada", "to": "Bob", "text": "hello" });
    assert_eq!(answer, json!({ "ok": message }));
    for client in [&mut ada, &mut bob] {
        let (got, _): (Value, Value) = client.expect("private").await;
        assert_eq!(got, message);
    }
    eve.expect_no("private").await;
    let answer: Value =
        ada.emit_with_ack("private", json!({ "to": "Zoe", "text": "hello" })).await.expect("an answer");
    assert_eq!(answer, json!({ "error": "there is nobody of that name" }));
}

#[tokio::test(start_paused = true)]
async fn a_name_belongs_to_whoever_has_its_token() {
    let io = app();
    let (_ada, token) = enter(&io, "Ada").await;
    let refused = |auth: Value| TestClient::builder(&io).auth(auth).connect();
    let stranger = refused(json!({ "name": "Ada", "token": "guessed" })).await.expect_err("refused");
    assert_eq!(stranger.message(), "this name is taken");
    let nameless = refused(json!({ "name": " " })).await.expect_err("refused");
    assert_eq!(nameless.message(), "a name has 1 to 32 bytes");
    let again = TestClient::builder(&io).auth(json!({ "name": "Ada", "token": token })).connect().await;
    assert!(again.is_ok());
}

#[tokio::test(start_paused = true)]
async fn others_hear_who_comes_and_who_goes() {
    let io = app();
    let (mut ada, _) = enter(&io, "Ada").await;
    let (mut bob, _) = enter(&io, "Bob").await;
    let (name, _): (String, Value) = ada.expect("online").await;
    assert_eq!(name, "Bob");
    bob.lose(DisconnectReason::TransportClose);
    let (name, _): (String, Value) = ada.expect("offline").await;
    assert_eq!(name, "Bob");
}

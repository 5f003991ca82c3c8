//! The handlers, tested with clients that need no network.

use serde::Deserialize;
use socketio_server::{DisconnectReason, Server};
use socketio_testing::TestClient;

/// A member as a client sees it, without the id.
#[derive(Debug, PartialEq, Deserialize)]
struct Member {
    name: String,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Room {
    name: String,
    online: usize,
}

/// The answer to `join`.
type Joined = Result<Members, String>;

#[derive(Debug, PartialEq, Deserialize)]
struct Members {
    members: Vec<Member>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Said {
    name: String,
    text: String,
}

fn chat() -> Server {
    crate::server(Server::builder()).expect("the options fit together")
}

/// A client that has joined a room under this name, and has heard of it.
async fn member(io: &Server, name: &str, room: &str) -> TestClient {
    let mut client = TestClient::connect(io).await;
    let joined: Joined = join(&client, name, room).await;
    assert!(joined.is_ok(), "{joined:?}");
    client.take_events();
    client
}

async fn join(client: &TestClient, name: &str, room: &str) -> Joined {
    let wish = std::collections::HashMap::from([("name", name), ("room", room)]);
    client.emit_with_ack("join", wish).await.expect("an answer")
}

async fn say(client: &TestClient, text: &str) -> Result<(), String> {
    client.emit_with_ack("message", text).await.expect("an answer")
}

#[tokio::test(start_paused = true)]
async fn a_message_reaches_the_room_and_nobody_else() {
    let io = chat();
    let mut alice = member(&io, "alice", "lobby").await;
    let mut bob = member(&io, "bob", "lobby").await;
    let mut carol = member(&io, "carol", "music").await;

    assert_eq!(say(&alice, " hello ").await, Ok(()));
    let said = Said { name: "alice".to_owned(), text: "hello".to_owned() };
    assert_eq!(alice.expect::<Said>("message").await, said);
    assert_eq!(bob.expect::<Said>("message").await, said);
    carol.expect_no("message").await;
}

#[tokio::test(start_paused = true)]
async fn who_has_not_joined_can_not_speak() {
    let io = chat();
    let client = TestClient::connect(&io).await;
    assert_eq!(say(&client, "hello").await, Err("Join a room first.".to_owned()));
    assert_eq!(join(&client, "alice", "attic").await, Err("There is no such room.".to_owned()));
    assert_eq!(join(&client, " ", "lobby").await, Err("The name is empty.".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn members_hear_who_comes_and_who_goes() {
    let io = chat();
    let mut alice = member(&io, "alice", "lobby").await;
    let mut bob = TestClient::connect(&io).await;
    let names = |joined: Joined| joined.map(|joined| joined.members.len());
    assert_eq!(names(join(&bob, "bob", "lobby").await), Ok(2));
    assert_eq!(alice.expect::<Member>("joined").await.name, "bob");

    bob.lose(DisconnectReason::PingTimeout);
    assert_eq!(alice.expect::<Member>("left").await.name, "bob");
}

#[tokio::test(start_paused = true)]
async fn everybody_knows_how_many_are_in_each_room() {
    let io = chat();
    let _alice = member(&io, "alice", "lobby").await;
    let mut bob = TestClient::connect(&io).await;
    let rooms: Vec<Room> = bob.expect("rooms").await;
    assert_eq!(rooms[0], Room { name: "lobby".to_owned(), online: 1 });
    assert!(rooms[1..].iter().all(|room| room.online == 0), "{rooms:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_somebody_types_is_dropped_for_a_slow_client() {
    let io = chat();
    let alice = member(&io, "alice", "lobby").await;
    let mut bob = member(&io, "bob", "lobby").await;
    alice.emit("typing", ());
    assert_eq!(bob.expect::<Member>("typing").await.name, "alice");
    bob.stop_reading();
    alice.emit("typing", ()).await;
    bob.resume_reading();
    bob.expect_nothing().await;
}

//! The adapter of a server that stands alone.

use std::time::Duration;

use socketio_adapter::{
    AckError, AdapterErrorKind, BroadcastOptions, Disconnect, InMemoryAdapterFactory, JsonArgs, LinkState,
    ServerCount, Session,
};

use crate::node::{Node, event};

#[tokio::test]
async fn a_broadcast_is_delivered_when_the_call_returns() {
    let (node, adapter) = Node::start(&InMemoryAdapterFactory);
    let (a, b, c) = (node.connect("a"), node.connect("b"), node.connect("c"));
    node.join_rooms(a, &["r"]);
    node.join_rooms(b, &["r"]);
    let options = BroadcastOptions::new().to("r").except("b");
    let receipt = adapter.broadcast(&event(r#"["x",1]"#), &options);
    assert_eq!(node.received(a), [r#"42["x",1]"#]);
    assert_eq!(node.received(b), [""; 0]);
    assert_eq!(node.received(c), [""; 0]);
    assert_eq!(receipt.local(), 1);
    assert!(receipt.is_ready());
    receipt.await.expect("there is nowhere else to go");
}

#[tokio::test]
async fn every_client_that_is_asked_answers_once() {
    let (node, adapter) = Node::start(&InMemoryAdapterFactory);
    let (a, b, c) = (node.connect("a"), node.connect("b"), node.connect("c"));
    let stream = adapter.broadcast_with_ack(&event(r#"["ask"]"#), &BroadcastOptions::new());
    assert_eq!(node.received(a), [r#"421["ask"]"#]);
    node.answer(c, Ok("[3]"));
    node.answer(a, Err(AckError::Timeout));
    adapter.disconnect_sockets(&BroadcastOptions::new().to("b"), Disconnect::Namespace);
    assert_eq!(node.disconnected(b), Some(Disconnect::Namespace));

    let answers = stream.finish().await;
    let acks: Vec<_> = answers.acks.into_iter().map(|ack| (ack.socket, ack.result)).collect();
    assert_eq!(
        acks,
        [
            (Some("c".into()), Ok(JsonArgs::new("[3]", vec![]))),
            (Some("a".into()), Err(AckError::Timeout)),
            (Some("b".into()), Err(AckError::Disconnected)),
        ]
    );
    assert!(answers.missing.is_empty());
}

#[tokio::test]
async fn a_broadcast_that_asks_nobody_ends_at_once() {
    let (_node, adapter) = Node::start(&InMemoryAdapterFactory);
    let answers = adapter.broadcast_with_ack(&event(r#"["ask"]"#), &BroadcastOptions::new()).finish().await;
    assert_eq!(answers.acks, []);
}

#[tokio::test]
async fn sockets_are_fetched_from_all_rooms_or_one() {
    let (node, adapter) = Node::start(&InMemoryAdapterFactory);
    let (a, _b) = (node.connect("a"), node.connect("b"));
    node.join_rooms(a, &["r"]);
    assert_eq!(adapter.fetch_sockets(&BroadcastOptions::new()).await.sockets.len(), 2);
    let fetched = adapter.fetch_sockets(&BroadcastOptions::new().to("r")).await;
    assert_eq!(fetched.sockets.len(), 1);
    assert_eq!(fetched.sockets[0].id, "a");
    assert_eq!(fetched.sockets[0].rooms, ["a", "r"]);
    assert!(fetched.missing.is_empty());
    assert_eq!(adapter.socket_ids(&BroadcastOptions::new().to("r")).await.ids, ["a"]);
    assert_eq!(adapter.socket_ids(&BroadcastOptions::new()).await.ids.len(), 2);
}

#[tokio::test]
async fn many_sockets_join_and_leave_at_once() {
    let (node, adapter) = Node::start(&InMemoryAdapterFactory);
    let (a, b) = (node.connect("a"), node.connect("b"));
    adapter.sockets_join(&BroadcastOptions::new().except("b"), &["r".into(), "s".into()]);
    assert!(node.is_in(a, "r") && node.is_in(a, "s") && !node.is_in(b, "r"));
    adapter.sockets_leave(&BroadcastOptions::new(), &["r".into()]);
    assert!(!node.is_in(a, "r") && node.is_in(a, "s"));
}

#[tokio::test]
async fn there_are_no_other_servers_to_hear_or_to_answer() {
    let (node, adapter) = Node::start(&InMemoryAdapterFactory);
    node.reply_to_servers("[1]");
    let question = JsonArgs::new(r#"["question"]"#, vec![]);
    adapter.server_side_emit(&question).await.expect("nobody is there to miss it");
    let answers = adapter.server_side_emit_with_ack(&question, Duration::from_secs(1)).await;
    assert_eq!(answers.replies, []);
    assert!(answers.missing.is_empty());
    assert_eq!(node.server_events(), [""; 0], "a server does not hear its own event");
    assert_eq!(adapter.server_count(), ServerCount::Known(1));
    assert_eq!(adapter.status().current(), LinkState::Up);
}

#[tokio::test]
async fn an_adapter_without_recovery_says_so() {
    let (_node, adapter) = Node::start(&InMemoryAdapterFactory);
    assert!(!adapter.supports_recovery());
    let kept = adapter.persist_session(Session::new("secret", "a".into())).await;
    assert_eq!(kept.unwrap_err().kind(), AdapterErrorKind::Unsupported);
    let restored = adapter.restore_session("secret", None).await;
    assert!(restored.expect("looking is no error").is_none());
}

//! A cluster keeps its promises, whoever wrote its adapter.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use socketio_adapter::{
    AckError, Adapter, AdapterErrorKind, BroadcastFlags, BroadcastOptions, Disconnect, Gap, JsonArgs,
    LinkState, ServerCount,
};
use tokio::time::Instant;

use crate::channel_adapter::{Bus, ChannelFactory, OUTBOX_SIZE};
use crate::node::{Node, event};

struct Member {
    node: Arc<Node>,
    adapter: Arc<dyn Adapter>,
    hooks: Arc<Mutex<Vec<String>>>,
}

async fn member(bus: &Arc<Bus>, id: &str) -> Member {
    let hooks = Arc::default();
    let factory = ChannelFactory { bus: Arc::clone(bus), id: id.into(), hooks: Arc::clone(&hooks) };
    let (node, adapter) = Node::start(&factory);
    adapter.init().await.expect("a channel is always there");
    Member { node, adapter, hooks }
}

async fn two_nodes() -> (Arc<Bus>, Member, Member) {
    let bus = Arc::<Bus>::default();
    let (one, two) = (member(&bus, "one").await, member(&bus, "two").await);
    (bus, one, two)
}

/// Lets every task run until none has anything left to do: the paused clock moves only then.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn local() -> BroadcastOptions {
    let mut flags = BroadcastFlags::default();
    flags.local = true;
    BroadcastOptions::new().with_flags(flags)
}

fn args(json: &str) -> JsonArgs {
    JsonArgs::new(json, vec![])
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_reaches_every_client_once() {
    let (_bus, one, two) = two_nodes().await;
    let (a, b) = (one.node.connect("a"), two.node.connect("b"));
    let receipt = one.adapter.broadcast(&event(r#"["x",1]"#), &BroadcastOptions::new());
    assert_eq!(one.node.received(a), [r#"42["x",1]"#], "local delivery does not wait");
    assert_eq!(two.node.received(b), [""; 0]);
    receipt.await.expect("published");
    settle().await;
    assert_eq!(one.node.received(a), [r#"42["x",1]"#], "no echo");
    assert_eq!(two.node.received(b), [r#"42["x",1]"#]);
}

#[tokio::test(start_paused = true)]
async fn rooms_and_exceptions_hold_on_every_node() {
    let (_bus, one, two) = two_nodes().await;
    let (a, b, c) = (one.node.connect("a"), two.node.connect("b"), two.node.connect("c"));
    for (node, slot) in [(&one.node, a), (&two.node, b), (&two.node, c)] {
        node.join_rooms(slot, &["r", "s"]);
    }
    let options = BroadcastOptions::new().to("r").to("s").except("c").except("a");
    one.adapter.broadcast(&event(r#"["x"]"#), &options);
    settle().await;
    assert_eq!(one.node.received(a), [""; 0]);
    assert_eq!(two.node.received(b), [r#"42["x"]"#]);
    assert_eq!(two.node.received(c), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_local_stays_here() {
    let (_bus, one, two) = two_nodes().await;
    let (a, b) = (one.node.connect("a"), two.node.connect("b"));
    one.adapter.broadcast(&event(r#"["x"]"#), &local());
    one.adapter.sockets_join(&local(), &["r".into()]);
    let fetched = one.adapter.fetch_sockets(&local()).await;
    one.adapter.disconnect_sockets(&local(), Disconnect::Namespace);
    settle().await;
    assert_eq!(one.node.received(a).len(), 1);
    assert_eq!(fetched.sockets.len(), 1);
    assert_eq!(two.node.received(b), [""; 0]);
    assert!(!two.node.is_in(b, "r"));
    assert_eq!(two.node.disconnected(b), None);
}

#[tokio::test(start_paused = true)]
async fn the_adapter_hears_of_the_first_and_the_last_member_only() {
    let (_bus, one, _two) = two_nodes().await;
    let (a, b) = (one.node.connect("a"), one.node.connect("b"));
    one.hooks.lock().expect("not poisoned").clear();
    for receipt in one.node.join_rooms(a, &["r"]) {
        receipt.await.expect("a channel needs no subscription");
    }
    one.node.join_rooms(b, &["r"]);
    one.node.leave_room(a, "r");
    assert_eq!(*one.hooks.lock().expect("not poisoned"), ["opened r"]);
    one.node.leave_room(b, "r");
    assert_eq!(*one.hooks.lock().expect("not poisoned"), ["opened r", "closed r"]);
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_closes_the_rooms_it_leaves_empty() {
    let (_bus, one, two) = two_nodes().await;
    let a = one.node.connect("a");
    one.node.join_rooms(a, &["r"]);
    two.adapter.disconnect_sockets(&BroadcastOptions::new().to("r"), Disconnect::Connection);
    settle().await;
    assert_eq!(one.node.disconnected(a), Some(Disconnect::Connection));
    assert_eq!(*one.hooks.lock().expect("not poisoned"), ["opened a", "opened r", "closed r", "closed a"]);
}

#[tokio::test(start_paused = true)]
async fn sockets_of_all_nodes_join_and_leave() {
    let (_bus, one, two) = two_nodes().await;
    let (a, b, c) = (one.node.connect("a"), two.node.connect("b"), two.node.connect("c"));
    one.adapter.sockets_join(&BroadcastOptions::new().except("c"), &["r".into(), "s".into()]);
    settle().await;
    assert!(one.node.is_in(a, "r") && two.node.is_in(b, "r") && two.node.is_in(b, "s"));
    assert!(!two.node.is_in(c, "r"));
    two.adapter.sockets_leave(&BroadcastOptions::new().to("s"), &["r".into()]).await.expect("published");
    settle().await;
    assert!(!one.node.is_in(a, "r") && !two.node.is_in(b, "r"));
    assert!(one.node.is_in(a, "s"));
}

#[tokio::test(start_paused = true)]
async fn sockets_are_fetched_from_all_nodes() {
    let (_bus, one, two) = two_nodes().await;
    one.node.connect("a");
    let b = two.node.connect("b");
    two.node.connect("c");
    two.node.join_rooms(b, &["r"]);
    let fetched = one.adapter.fetch_sockets(&BroadcastOptions::new()).await;
    assert_eq!(fetched.sockets.len(), 3);
    assert!(fetched.missing.is_empty());
    let fetched = one.adapter.fetch_sockets(&BroadcastOptions::new().to("r")).await;
    let [found] = &fetched.sockets[..] else { panic!("one socket is in the room: {fetched:?}") };
    assert_eq!(found.id, "b");
    assert_eq!(found.node.as_deref(), Some("two"));
    assert_eq!(found.rooms, ["b", "r"]);
}

#[tokio::test(start_paused = true)]
async fn ids_are_fetched_from_all_nodes() {
    let (bus, one, two) = two_nodes().await;
    one.node.connect("a");
    let b = two.node.connect("b");
    two.node.join_rooms(b, &["r"]);
    let fetched = one.adapter.socket_ids(&BroadcastOptions::new()).await;
    assert_eq!(fetched.ids, ["a", "b"]);
    assert!(fetched.missing.is_empty());
    assert_eq!(one.adapter.socket_ids(&BroadcastOptions::new().to("r")).await.ids, ["b"]);
    assert_eq!(one.adapter.socket_ids(&local()).await.ids, ["a"]);
    bus.silence("two");
    let fetched = one.adapter.socket_ids(&BroadcastOptions::new()).await;
    assert_eq!((fetched.ids.len(), &fetched.missing.nodes[..]), (1, &["two".into()][..]));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_answer_is_named_and_costs_the_timeout_only() {
    let (bus, one, two) = two_nodes().await;
    let three = member(&bus, "three").await;
    for (node, id) in [(&one.node, "a"), (&two.node, "b"), (&three.node, "c")] {
        node.connect(id);
    }
    bus.silence("two");
    let start = Instant::now();
    let mut flags = BroadcastFlags::default();
    flags.timeout = Some(Duration::from_secs(2));
    let fetched = one.adapter.fetch_sockets(&BroadcastOptions::new().with_flags(flags)).await;
    assert_eq!(start.elapsed().as_secs(), 2);
    assert_eq!(fetched.sockets.len(), 2);
    assert_eq!(fetched.missing.nodes, ["two"]);
}

#[tokio::test(start_paused = true)]
async fn servers_hear_the_events_of_others_and_not_their_own() {
    let (_bus, one, two) = two_nodes().await;
    one.adapter.server_side_emit(&args(r#"["hello",1]"#)).await.expect("published");
    settle().await;
    assert_eq!(one.node.server_events(), [""; 0]);
    assert_eq!(two.node.server_events(), [r#"["hello",1]"#]);
}

#[tokio::test(start_paused = true)]
async fn servers_answer_and_the_silent_one_is_named() {
    let (bus, one, two) = two_nodes().await;
    let three = member(&bus, "three").await;
    two.node.reply_to_servers("[2]");
    let start = Instant::now();
    let question = args(r#"["question"]"#);
    let answers = one.adapter.server_side_emit_with_ack(&question, Duration::from_secs(3)).await;
    assert_eq!(start.elapsed().as_secs(), 3);
    assert_eq!(answers.missing.nodes, ["three"]);
    let [reply] = &answers.replies[..] else { panic!("one server answered: {answers:?}") };
    assert_eq!((reply.node.as_deref(), &reply.args), (Some("two"), &args("[2]")));

    three.node.reply_to_servers("[3]");
    let start = Instant::now();
    let answers = one.adapter.server_side_emit_with_ack(&question, Duration::from_secs(3)).await;
    assert_eq!(answers.replies.len(), 2);
    assert!(answers.missing.is_empty());
    assert_eq!(start.elapsed(), Duration::ZERO, "complete answers do not wait for the timeout");
}

#[tokio::test(start_paused = true)]
async fn clients_of_all_nodes_answer_a_broadcast() {
    let (_bus, one, two) = two_nodes().await;
    let (a, b, _c) = (one.node.connect("a"), two.node.connect("b"), two.node.connect("c"));
    let mut stream = one.adapter.broadcast_with_ack(&event(r#"["ask"]"#), &BroadcastOptions::new());
    settle().await;
    assert_eq!(two.node.received(b), [r#"421["ask"]"#]);
    two.node.answer(b, Ok("[2]"));
    let first = stream.next().await.expect("one client answered");
    assert_eq!((first.socket, first.result), (Some("b".into()), Ok(args("[2]"))));
    one.node.answer(a, Ok("[1]"));
    two.adapter.disconnect_sockets(&BroadcastOptions::new().to("c"), Disconnect::Namespace);

    let rest = stream.finish().await;
    let rest_acks: Vec<_> = rest.acks.into_iter().map(|ack| (ack.socket, ack.result)).collect();
    assert_eq!(
        rest_acks,
        [(Some("a".into()), Ok(args("[1]"))), (Some("c".into()), Err(AckError::Disconnected))]
    );
    assert!(rest.missing.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_with_acks_ends_at_its_timeout_with_what_is_missing() {
    let (bus, one, two) = two_nodes().await;
    let three = member(&bus, "three").await;
    two.node.connect("b");
    three.node.connect("c");
    bus.silence("three");
    let start = Instant::now();
    let answers =
        one.adapter.broadcast_with_ack(&event(r#"["ask"]"#), &BroadcastOptions::new()).finish().await;
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(answers.missing.nodes, ["three"]);
    let [ack] = &answers.acks[..] else { panic!("one client was asked: {answers:?}") };
    assert_eq!(ack.result, Err(AckError::Timeout));
}

#[tokio::test(start_paused = true)]
async fn events_of_one_node_arrive_in_order() {
    let (_bus, one, two) = two_nodes().await;
    let b = two.node.connect("b");
    for n in 0..100 {
        let receipt = one.adapter.broadcast(&event(&format!("[{n}]")), &BroadcastOptions::new().to("b"));
        if n % 7 == 6 {
            receipt.await.expect("published");
        }
    }
    settle().await;
    let expected: Vec<String> = (0..100).map(|n| format!("42[{n}]")).collect();
    assert_eq!(two.node.received(b), expected);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_reported_and_local_clients_are_served() {
    let (_bus, one, two) = two_nodes().await;
    let (a, b) = (one.node.connect("a"), two.node.connect("b"));
    let receipts: Vec<_> = (0..=OUTBOX_SIZE)
        .map(|n| one.adapter.broadcast(&event(&format!("[{n}]")), &BroadcastOptions::new()))
        .collect();
    assert_eq!(one.node.received(a).len(), OUTBOX_SIZE + 1);
    let mut outcomes = Vec::new();
    for receipt in receipts {
        assert_eq!(receipt.local(), 1);
        outcomes.push(receipt.await.map_err(|error| error.kind()));
    }
    let refused = outcomes.pop();
    assert_eq!(refused, Some(Err(AdapterErrorKind::QueueFull)));
    assert_eq!(outcomes, [Ok(()); OUTBOX_SIZE]);
    settle().await;
    assert_eq!(two.node.received(b).len(), OUTBOX_SIZE);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_leaves_is_not_waited_for_and_goes_on_alone() {
    let (_bus, one, two) = two_nodes().await;
    let (a, b) = (one.node.connect("a"), two.node.connect("b"));
    let mut status = two.adapter.status();
    assert_eq!(status.current(), LinkState::Resumed { gap: Gap::Possible });
    assert_eq!(one.adapter.server_count(), ServerCount::Known(2));
    two.adapter.close().await.expect("a channel is left in order");
    let down = status.changed().await;
    assert!(down.is_some_and(|state| !state.is_up()), "{down:?}");
    assert_eq!(one.adapter.server_count(), ServerCount::Known(1));

    let start = Instant::now();
    let fetched = one.adapter.fetch_sockets(&BroadcastOptions::new()).await;
    assert_eq!((fetched.sockets.len(), start.elapsed()), (1, Duration::ZERO));

    settle().await;
    let receipt = two.adapter.broadcast(&event(r#"["x"]"#), &BroadcastOptions::new());
    assert_eq!(receipt.await.unwrap_err().kind(), AdapterErrorKind::Closed);
    assert_eq!(two.node.received(b), [r#"42["x"]"#]);
    assert_eq!(one.node.received(a), [""; 0]);
}

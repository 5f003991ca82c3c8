//! Every transition of a connection's namespaces, one row each.

use std::time::{Duration, Instant};

use super::*;

fn client() -> Namespaces<&'static str> {
    Namespaces::new(Limits::default())
}

fn decide(client: &mut Namespaces<&'static str>, name: &str) -> u64 {
    match client.handle_connect(name) {
        Ok(Connecting::Decide { ticket }) => ticket,
        other => panic!("{name}: {other:?}"),
    }
}

fn joined(name: &str) -> Namespaces<&'static str> {
    let mut client = client();
    let ticket = decide(&mut client, name);
    assert_eq!(client.accept(ticket, "socket"), Accepted::Joined);
    client
}

#[test]
fn an_accepted_client_gets_its_packets() {
    let client = joined("/chat");
    assert_eq!(client.handle_packet("/chat"), Ok(Delivery::To(&"socket")));
    assert_eq!(client.handle_packet("/"), Err(Violation::NeverJoined));
}

#[test]
fn a_packet_before_the_decision_is_a_violation() {
    let mut client = client();
    decide(&mut client, "/");
    assert_eq!(client.handle_packet("/"), Err(Violation::NeverJoined));
}

#[test]
fn a_repeated_connect_is_ignored_until_the_seventeenth() {
    let mut client = client();
    let ticket = decide(&mut client, "/");
    for _ in 0..16 {
        assert_eq!(client.handle_connect("/"), Ok(Connecting::Ignored));
    }
    assert_eq!(client.handle_connect("/"), Err(Violation::TooManyRepeats { max: 16 }));
    assert_eq!(client.accept(ticket, "one"), Accepted::Joined, "there is one decision, and one socket");
}

#[test]
fn connect_for_a_joined_namespace_is_a_violation() {
    assert_eq!(joined("/").handle_connect("/"), Err(Violation::AlreadyJoined));
}

#[test]
fn sixteen_unknown_namespaces_are_answered() {
    let mut client = client();
    for _ in 0..16 {
        assert_eq!(client.handle_unknown(), Ok(()));
    }
    assert_eq!(client.handle_unknown(), Err(Violation::TooManyUnknown { max: 16 }));
}

#[test]
fn sixty_four_namespaces_may_be_joined() {
    let mut client = client();
    for n in 0..64 {
        decide(&mut client, &format!("/{n}"));
    }
    assert_eq!(client.handle_connect("/64"), Err(Violation::TooManyNamespaces { max: 64 }));
}

#[test]
fn a_refused_client_leaves_no_trace() {
    let mut client = client();
    let ticket = decide(&mut client, "/");
    assert!(client.reject(ticket));
    assert!(!client.reject(ticket));
    assert_eq!(client.handle_packet("/"), Err(Violation::NeverJoined));
    decide(&mut client, "/");
}

#[test]
fn packets_that_cross_the_servers_disconnect_are_dropped() {
    let mut client = joined("/");
    assert_eq!(client.leave("/", |_| true), Some("socket"));
    assert_eq!(client.leave("/", |_| true), None);
    assert_eq!(client.handle_packet("/"), Ok(Delivery::Dropped));
    assert_eq!(client.handle_disconnect("/"), Ok(Departure::Nothing));
    decide(&mut client, "/");
}

#[test]
fn a_client_that_leaves_can_come_back() {
    let mut client = joined("/");
    assert_eq!(client.handle_disconnect("/"), Ok(Departure::Socket("socket")));
    assert_eq!(client.handle_packet("/"), Ok(Delivery::Dropped));
    let ticket = decide(&mut client, "/");
    assert_eq!(client.accept(ticket, "again"), Accepted::Joined);
    assert_eq!(client.handle_packet("/"), Ok(Delivery::To(&"again")));
}

#[test]
fn disconnect_from_a_namespace_never_asked_for_is_a_violation() {
    assert_eq!(client().handle_disconnect("/"), Err(Violation::NeverJoined));
}

#[test]
fn a_client_that_gives_up_voids_the_decision_and_may_ask_again() {
    let mut client = client();
    let first = decide(&mut client, "/");
    assert_eq!(client.handle_disconnect("/"), Ok(Departure::Attempt));
    let second = decide(&mut client, "/");
    assert_eq!(client.accept(first, "first"), Accepted::Gone("first"));
    assert!(!client.reject(first));
    assert_eq!(client.accept(second, "second"), Accepted::Joined);
}

#[test]
fn the_servers_leave_spares_a_client_that_came_back() {
    let mut client = joined("/");
    assert_eq!(client.leave("/", |socket| *socket == "an earlier one"), None);
    assert_eq!(client.handle_packet("/"), Ok(Delivery::To(&"socket")));
}

#[test]
fn the_servers_leave_does_not_touch_an_attempt() {
    let mut client = client();
    let ticket = decide(&mut client, "/");
    assert_eq!(client.leave("/", |_| true), None);
    assert_eq!(client.accept(ticket, "socket"), Accepted::Joined);
}

#[test]
fn a_closed_connection_returns_its_sockets_and_voids_its_tickets() {
    let mut client = client();
    for (name, socket) in [("/", "root"), ("/a", "a")] {
        let ticket = decide(&mut client, name);
        assert_eq!(client.accept(ticket, socket), Accepted::Joined);
    }
    let ticket = decide(&mut client, "/b");
    assert!(client.is_deciding());
    assert_eq!(client.joined().copied().collect::<Vec<_>>(), ["root", "a"]);
    assert_eq!(client.close(), ["root", "a"]);
    assert!(client.is_closed() && !client.is_deciding());
    assert_eq!(client.accept(ticket, "late"), Accepted::Gone("late"));
    assert_eq!(client.close(), Vec::<&str>::new());
}

#[test]
fn the_connect_timer_stands_still_while_a_connect_is_decided() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut timer = ConnectTimer::new(Duration::from_secs(45), start);
    assert!(!timer.is_due(at(44)) && timer.is_due(at(45)));
    timer.pause(at(40));
    timer.pause(at(41));
    assert_eq!(timer.poll_timeout(), None);
    assert!(!timer.is_due(at(1000)));
    timer.resume(at(100));
    assert_eq!(timer.poll_timeout(), Some(at(105)));
    timer.stop();
    timer.resume(at(101));
    assert_eq!(timer.poll_timeout(), None);
}

#[test]
fn a_timeout_beyond_the_clock_never_comes() {
    assert_eq!(ConnectTimer::new(Duration::MAX, Instant::now()).poll_timeout(), None);
}

//! Every input in every state: what comes out and which state follows, cell by cell.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;

/// One row per input, one column per state it may find; a cell says `result > next state`, the reason of a session
/// that ends in brackets.
const TABLE: &str = include_str!("table.txt");

type Act = fn(&mut Machine, Instant) -> String;

const INPUTS: [(&str, Act); 24] = [
    ("GET arrives", |m, now| result(m.handle_get(now))),
    ("GET answered", |m, _| silent(|| m.handle_get_answered(GetAnswer::Packets { beat: false }))),
    ("GET answered, finally", |m, _| silent(|| m.handle_get_answered(GetAnswer::Last { noop: false }))),
    ("GET aborted", |m, _| silent(|| m.handle_get_aborted())),
    ("POST arrives", |m, _| result(m.handle_post())),
    ("POST done", |m, _| silent(|| m.handle_post_done())),
    ("POST broke off", |m, _| silent(|| m.handle_post_failed(CloseReason::TransportError))),
    ("open packet", |m, now| text(m.handle_packet(Input::Open, now))),
    ("close packet", |m, now| text(m.handle_packet(Input::Close, now))),
    ("ping packet", |m, now| text(m.handle_packet(Input::Ping, now))),
    ("pong packet", |m, now| text(m.handle_packet(Input::Pong, now))),
    ("message packet", |m, now| text(m.handle_packet(Input::Message, now))),
    ("upgrade packet", |m, now| text(m.handle_packet(Input::Upgrade, now))),
    ("noop packet", |m, now| text(m.handle_packet(Input::Noop, now))),
    ("garbage", |m, _| silent(|| m.handle_garbage())),
    ("WebSocket arrives", |m, now| result(m.handle_websocket(now).map(drop))),
    ("WebSocket says 2probe", |m, _| text(m.handle_probe_packet(m.websocket, Input::Probe))),
    ("WebSocket says 5", |m, _| text(m.handle_probe_packet(m.websocket, Input::Upgrade))),
    ("WebSocket says 4x", |m, _| text(m.handle_probe_packet(m.websocket, Input::Message))),
    ("WebSocket lost", |m, _| silent(|| m.handle_websocket_lost(m.websocket, CloseReason::TransportClose))),
    ("10 s pass", |m, now| silent(|| m.handle_timeout(now + Duration::from_secs(10)))),
    ("30 s pass", |m, now| silent(|| m.handle_timeout(now + Duration::from_secs(30)))),
    ("close()", |m, now| silent(|| m.close(CloseReason::ForcedClose, now))),
    ("abort()", |m, _| silent(|| m.abort(CloseReason::SlowConsumer))),
];

const STATES: [&str; 14] = [
    "Idle",
    "Get",
    "Post",
    "Probing",
    "Probing+Get",
    "Probed",
    "Probed+Get",
    "Probed+Post",
    "Switching",
    "WebSocket",
    "Closing",
    "Closing+Get",
    "ClosingWS",
    "Closed",
];

fn timing() -> Arc<Timing> {
    Arc::new(Timing {
        ping_interval: Duration::from_secs(25),
        ping_timeout: Duration::from_secs(20),
        upgrade_timeout: Duration::from_secs(10),
        grain: Duration::from_millis(20),
    })
}

/// A machine in one of [`STATES`], by inputs alone.
fn machine_in(state: &str, now: Instant) -> Machine {
    let transport = if state.ends_with("WebSocket") || state == "ClosingWS" {
        Transport::WebSocket
    } else {
        Transport::Polling
    };
    let mut machine = Machine::new(transport, Protocol::V4, timing(), 0, now);
    let m = &mut machine;
    if state.starts_with("Prob") || state == "Switching" {
        m.handle_websocket(now).unwrap();
    }
    if state.starts_with("Probed") || state == "Switching" {
        assert_eq!(m.handle_probe_packet(1, Input::Probe), ProbeVerdict::Answer);
    }
    if state.ends_with("Get") {
        m.handle_get(now).unwrap();
    }
    if state.ends_with("Post") || state == "Switching" {
        m.handle_post().unwrap();
    }
    match state {
        "Switching" => assert_eq!(m.handle_probe_packet(1, Input::Upgrade), ProbeVerdict::Wait),
        "Closing" | "Closing+Get" | "ClosingWS" => m.close(CloseReason::ForcedClose, now),
        "Closed" => m.abort(CloseReason::TransportError),
        _ => {}
    }
    let _: Option<CloseReason> = m.poll_closed();
    assert_eq!(name(m), state);
    machine
}

fn name(machine: &Machine) -> String {
    let polling = match &machine.state {
        State::Polling(polling) => polling,
        State::WebSocket => return "WebSocket".into(),
        State::Closing(Closing { way: Way::Polling { get: true, .. }, .. }) => return "Closing+Get".into(),
        State::Closing(Closing { way: Way::Polling { .. }, .. }) => return "Closing".into(),
        State::Closing(Closing { way: Way::WebSocket, .. }) => return "ClosingWS".into(),
        State::Closed { .. } => return "Closed".into(),
    };
    let probe = match polling.probe {
        Probe::None => None,
        Probe::Probing { .. } => Some("Probing"),
        Probe::Probed { .. } => Some("Probed"),
        Probe::Switching { .. } => return "Switching".into(),
    };
    let get = polling.get.is_some().then_some("Get");
    let post = polling.post.then_some("Post");
    let parts: Vec<_> = [probe, get, post].into_iter().flatten().collect();
    if parts.is_empty() { "Idle".into() } else { parts.join("+") }
}

fn result(result: Result<(), RequestError>) -> String {
    result.map_or_else(text, |()| "ok".into())
}

fn text(value: impl Debug) -> String {
    format!("{value:?}").to_lowercase()
}

/// An input without a result.
fn silent(input: impl FnOnce()) -> String {
    input();
    String::new()
}

fn cell(input: Act, state: &str) -> String {
    let now = Instant::now();
    let mut machine = machine_in(state, now);
    let result = input(&mut machine, now);
    let next = name(&machine);
    let reason = machine.poll_closed().map(|reason| format!(" [{reason}]")).unwrap_or_default();
    let arrow = if result.is_empty() { ">" } else { " >" };
    format!("{result}{arrow} {next}{reason}")
}

#[test]
fn every_input_in_every_state_does_what_the_table_says() {
    let rows = INPUTS.map(|(label, input)| {
        let cells = STATES.map(|state| format!("  {state:<12} {}\n", cell(input, state)));
        format!("{label}\n{}", cells.concat())
    });
    let seen = rows.join("\n");
    for (seen, wanted) in seen.lines().zip(TABLE.lines()) {
        assert_eq!(seen, wanted);
    }
    assert_eq!(
        seen.lines().count(),
        TABLE.lines().count(),
        "the table has other rows than the test:\n{seen}"
    );
    println!("{} cells asserted", INPUTS.len() * STATES.len());
}

#[test]
fn a_closed_machine_asks_for_nothing_more() {
    let now = Instant::now();
    let mut machine = machine_in("Closed", now);
    assert_eq!(machine.poll_timeout(), None);
    assert_eq!(machine.poll_closed(), None);
    assert!(!machine.poll_beat() && !machine.may_drain_websocket());
}

#[test]
fn an_old_websocket_has_no_say_about_a_newer_one() {
    let now = Instant::now();
    let mut machine = machine_in("Probing", now);
    machine.handle_websocket_lost(1, CloseReason::TransportClose);
    assert_eq!(machine.handle_websocket(now), Ok(2));
    machine.handle_websocket_lost(1, CloseReason::TransportClose);
    assert_eq!(machine.handle_probe_packet(1, Input::Probe), ProbeVerdict::Fail);
    assert_eq!(machine.poll_probe(1), ProbeVerdict::Fail);
    assert_eq!(machine.handle_probe_packet(2, Input::Probe), ProbeVerdict::Answer);
}

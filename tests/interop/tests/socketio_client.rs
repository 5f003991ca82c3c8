//! The official Socket.IO client in Node.js against this project's Socket.IO server.
//!
//! Each script runs against the official server first, so that it cannot ask for what is not the protocol. Only
//! `socketio-differences.mjs` does not: it has what this server does better.

use interop_tests::{conformance, reference, run_script};

/// Turns each script into a test on every transport, against the official server and ours.
macro_rules! scripts {
    (
        both: [$($both:ident: $both_script:literal)+]
        ours: [$($ours:ident: $ours_script:literal)+]
        on: [$($transport:ident)+]
    ) => {
        mod official {
            scripts!(@each reference [$($both: $both_script)+] [$($transport)+]);
        }
        mod ours {
            scripts!(@each conformance [$($both: $both_script)+ $($ours: $ours_script)+] [$($transport)+]);
        }
    };
    (@each $server:ident $scripts:tt [$($transport:ident)+]) => {
        $(mod $transport { scripts!(@one $server $transport $scripts); })+
    };
    (@one $server:ident $transport:ident [$($name:ident: $script:literal)+]) => {
        $(#[test] fn $name() {
            let server = interop_tests::$server("playground");
            interop_tests::run_script($script, &[&server.url(), stringify!($transport)]);
        })+
    };
}

scripts! {
    both: [
        events: "socketio-events.mjs"
        namespaces: "socketio-namespaces.mjs"
        lifecycle: "socketio-lifecycle.mjs"
    ]
    ours: [
        differences: "socketio-differences.mjs"
    ]
    on: [polling websocket upgrade]
}

#[test]
fn recovery_on_polling() {
    check_recovery("polling");
}

#[test]
fn recovery_on_websocket() {
    check_recovery("websocket");
}

#[test]
fn recovery_after_an_upgrade() {
    check_recovery("upgrade");
}

/// Only ours: the official server does not let back a client that got no event yet.
fn check_recovery(transport: &str) {
    let server = conformance("playground-recovery");
    run_script("socketio-recovery.mjs", &[&server.url(), transport]);
}

#[test]
fn messagepack_on_polling() {
    check_messagepack("polling");
}

#[test]
fn messagepack_on_websocket() {
    check_messagepack("websocket");
}

#[test]
fn messagepack_after_an_upgrade() {
    check_messagepack("upgrade");
}

fn check_messagepack(transport: &str) {
    for server in [reference("playground-msgpack"), conformance("playground-msgpack")] {
        run_script("socketio-msgpack.mjs", &[&server.url(), transport]);
    }
}

#[test]
#[should_panic(expected = "300 events in order")]
fn the_script_for_messagepack_notices_a_lost_event() {
    let server = reference("playground-msgpack-lossy");
    run_script("socketio-msgpack.mjs", &[&server.url(), "websocket"]);
}

#[test]
#[should_panic(expected = "300 events with and without binary in order")]
fn the_scripts_notice_a_lost_event() {
    let server = reference("playground-lossy");
    run_script("socketio-events.mjs", &[&server.url(), "websocket"]);
}

#[test]
fn a_client_on_polling_that_is_sent_away_stays_away() {
    check_sent_away("polling");
}

#[test]
fn a_client_on_websocket_that_is_sent_away_stays_away() {
    check_sent_away("websocket");
}

#[test]
fn an_upgraded_client_that_is_sent_away_stays_away() {
    check_sent_away("upgrade");
}

fn check_sent_away(transport: &str) {
    for server in [reference("playground"), conformance("playground")] {
        run_script("socketio-kick.mjs", &[&server.url(), transport]);
    }
}

#[test]
fn a_payload_over_the_limit_on_polling() {
    check_limits("polling");
}

#[test]
fn a_payload_over_the_limit_on_websocket() {
    check_limits("websocket");
}

#[test]
fn a_payload_over_the_limit_after_an_upgrade() {
    check_limits("upgrade");
}

fn check_limits(transport: &str) {
    for server in [reference("playground"), conformance("playground")] {
        run_script("socketio-limits.mjs", &[&server.url(), transport]);
    }
}

#[test]
fn large_events_reach_a_client_that_takes_compressed_answers() {
    for server in [reference("playground"), conformance("playground")] {
        run_script("socketio-compression.mjs", &[&server.url(), "polling"]);
    }
}

/// What one script leaves behind does not hinder the next.
#[test]
fn one_server_for_all_transports() {
    let server = conformance("playground");
    for transport in ["upgrade", "polling", "websocket"] {
        run_script("socketio-events.mjs", &[&server.url(), transport]);
    }
}

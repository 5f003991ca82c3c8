//! The official clients of Socket.IO 1 and 2, which speak Engine.IO 3: each test has all transports.
//!
//! The scenarios run against the official server first, so that they cannot ask for what is not the protocol.

use interop_tests::{conformance, reference, run_script};

fn check(version: &str) {
    for server in [reference("playground-eio3"), conformance("playground-eio3")] {
        run_script("legacy-clients.mjs", &[&server.url(), version]);
    }
}

#[test]
fn javascript_2() {
    check("2");
}

#[test]
fn javascript_1() {
    check("1");
}

#[test]
#[should_panic(expected = "polling: 100 events in order")]
fn javascript_2_notices_a_lost_event() {
    let server = reference("playground-eio3-lossy");
    run_script("legacy-clients.mjs", &[&server.url(), "2"]);
}

//! What every client can do, for old and new official clients, the Python one, and both parsers: each test has all
//! transports.
//!
//! The scenarios run against the official server first, so that they cannot ask for what is not the protocol.

use interop_tests::{SCRIPT_DEADLINE, conformance, python, reference, run_script};
use test_support::process;

/// The playground that speaks what the parser of that name does.
fn playground(parser: &str) -> &'static str {
    if parser == "msgpack" { "playground-msgpack" } else { "playground" }
}

fn check_javascript(version: &str, parser: &str) {
    let mode = playground(parser);
    for server in [reference(mode), conformance(mode)] {
        run_script("client-matrix.mjs", &[&server.url(), version, parser]);
    }
}

/// Clients know of recovery since 4.6.
fn check_recovery(parser: &str) {
    let mode = format!("{}-recovery", playground(parser));
    for server in [reference(&mode), conformance(&mode)] {
        run_script("client-matrix.mjs", &[&server.url(), "4.8", parser, "recovery"]);
    }
}

fn check_python(parser: &str) {
    let mode = playground(parser);
    for server in [reference(mode), conformance(mode)] {
        let Some(mut script) = python("client_matrix.py", &[&server.url(), parser]) else { return };
        process::run(&mut script, SCRIPT_DEADLINE);
    }
}

#[test]
fn javascript_4_8_with_json() {
    check_javascript("4.8", "json");
}

#[test]
fn javascript_4_8_with_msgpack() {
    check_javascript("4.8", "msgpack");
}

#[test]
fn javascript_4_0_with_json() {
    check_javascript("4.0", "json");
}

#[test]
fn javascript_4_0_with_msgpack() {
    check_javascript("4.0", "msgpack");
}

#[test]
fn javascript_3_1_with_json() {
    check_javascript("3.1", "json");
}

#[test]
fn javascript_3_1_with_msgpack() {
    check_javascript("3.1", "msgpack");
}

#[test]
#[should_panic(expected = "polling: 100 events in order")]
fn javascript_notices_a_lost_event() {
    let server = reference("playground-lossy");
    run_script("client-matrix.mjs", &[&server.url(), "4.0", "json"]);
}

#[test]
fn javascript_4_8_comes_back_with_json() {
    check_recovery("json");
}

#[test]
fn javascript_4_8_comes_back_with_msgpack() {
    check_recovery("msgpack");
}

#[test]
#[should_panic(expected = "polling: a client that comes back has its id")]
fn javascript_notices_a_client_that_does_not_come_back() {
    let server = reference("playground");
    run_script("client-matrix.mjs", &[&server.url(), "4.8", "json", "recovery"]);
}

#[test]
fn python_with_json() {
    check_python("json");
}

#[test]
fn python_with_msgpack() {
    check_python("msgpack");
}

#[test]
fn python_notices_a_lost_event() {
    let server = reference("playground-lossy");
    let Some(mut script) = python("client_matrix.py", &[&server.url(), "json"]) else { return };
    let complaint = process::outcome(&mut script, SCRIPT_DEADLINE).unwrap_err();
    assert!(complaint.contains("FAILED polling: 100 events in order"), "{complaint}");
}

//! The official Engine.IO client in Chromium, against the official server and this project's.

use interop_tests::{patient_conformance, reference, run_script};
use test_support::process::Server;

fn check(server: &Server, transports: &str) {
    run_script("browser-engine-client.mjs", &[&server.url(), transports]);
}

#[test]
fn browser_script_accepts_the_official_server() {
    check(&reference("engine-io"), "upgrade");
}

#[test]
#[should_panic(expected = "message 46")]
fn browser_script_notices_a_lost_message() {
    check(&reference("engine-io-lossy"), "polling");
}

#[test]
fn browser_on_polling() {
    check(&patient_conformance("engine-io"), "polling");
}

#[test]
fn browser_on_websocket() {
    check(&patient_conformance("engine-io"), "websocket");
}

#[test]
fn browser_that_upgrades() {
    check(&patient_conformance("engine-io"), "upgrade");
}

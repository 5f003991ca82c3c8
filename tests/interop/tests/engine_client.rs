//! The official Engine.IO client in Node.js against this project's Engine.IO server.

use std::time::{Duration, Instant};

use interop_tests::{patient_conformance, run_script};

fn check(transports: &str) {
    let server = patient_conformance("engine-io");
    run_script("engine-client.mjs", &[&server.url(), transports]);
}

#[test]
fn stock_client_on_polling() {
    check("polling");
}

#[test]
fn stock_client_on_websocket() {
    check("websocket");
}

#[test]
fn stock_client_that_upgrades() {
    check("upgrade");
}

#[test]
#[ignore = "takes two minutes: cargo xtask soak"]
fn soak_one_server_serves_clients_for_two_minutes() {
    let server = patient_conformance("engine-io");
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(120) {
        for transports in ["upgrade", "polling", "websocket"] {
            run_script("engine-client.mjs", &[&server.url(), transports]);
        }
    }
}

//! The official Engine.IO client against this project's Engine.IO server.

use interop_tests::{conformance, run_script};

fn check(transports: &str) {
    let server = conformance("engine-io");
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

//! `examples/private-messaging` as its users see it: pages in Chromium.

use std::process::Command;

use interop_tests::run_script;
use test_support::process::{self, Server};

#[test]
fn what_is_written_while_one_is_cut_off_arrives() {
    // Where the official client is installed, which the page loads from the server.
    let folder = process::workspace().join("tests/js");
    let server = Server::start(Command::new(process::binary("private-messaging")).current_dir(folder));
    run_script("private-messaging.mjs", &[&server.url()]);
}

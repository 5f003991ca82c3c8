//! `examples/chat` as its users see it: pages in Chromium that talk to each other.

use std::process::Command;

use interop_tests::run_script;
use test_support::process::{self, Server};

fn check(case: &str) {
    let server = Server::start(&mut Command::new(process::binary("chat")));
    run_script("chat.mjs", &[case, &server.url()]);
}

#[test]
fn two_pages_talk() {
    check("talk");
}

#[test]
fn a_room_keeps_what_is_said_in_it() {
    check("rooms");
}

#[test]
fn names_and_messages_have_limits() {
    check("limits");
}

#[test]
fn pages_find_their_way_back_after_a_restart() {
    let program = process::binary("chat");
    run_script("chat.mjs", &["restart", &program.to_string_lossy()]);
}

//! Every reply right, none lost, none out of order, whatever the runtime: `sioload` judges, and its speed does not matter.
#![cfg(target_os = "linux")]

use std::process::Command;

use test_support::load;
use test_support::process::Server;

#[test]
fn on_one_thread() {
    check(&[("RUNTIME", "current_thread")]);
}

#[test]
fn on_several_threads() {
    check(&[("RUNTIME", "multi_thread"), ("WORKERS", "4")]);
}

#[test]
fn passed_on_unread() {
    check(&[("RUNTIME", "multi_thread"), ("WORKERS", "4"), ("LAZY", "1")]);
}

fn check(options: &[(&str, &str)]) {
    let server =
        Server::start(Command::new(env!("CARGO_BIN_EXE_bench-server")).envs(options.iter().copied()));
    load::check(&server);
}

//! Every reply right, none lost, none out of order, whatever the runtime: `sioload` judges, and its speed does not matter.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::Duration;

use test_support::process::{self, Server};

/// What is measured, in small.
const WORKLOADS: &[&str] = &[
    "echo --conns 20",
    "echo --conns 10 --pipeline 16",
    "echo --conns 2 --size 65536",
    "ack --conns 20",
    "bin --conns 20 --size 1024",
    "bcast --conns 50 --depth 8",
    "bcast --conns 20 --depth 100",
    "rooms --conns 50 --rooms 5 --depth 8",
    "mixed --conns 50 --echoers 10 --pause-ms 5",
    "connect --inflight 8",
    "connect-polling --inflight 8",
    "poll-echo --conns 10",
];

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
    let load = process::binary("sioload");
    let (port, pid) = (server.address().port().to_string(), server.id().to_string());
    for workload in WORKLOADS {
        let mut command = Command::new(&load);
        command.args(workload.split(' ')).args(["--port", &port, "--pid", &pid]);
        command.args(["--block", "1", "--warmup", "0.1", "--secs", "0.4"]);
        // A wrong reply ends it with status 2.
        process::run(&mut command, Duration::from_secs(60));
    }
}

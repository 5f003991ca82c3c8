//! What the load generator measures, in small.

use std::process::Command;
use std::time::Duration;

use crate::process::{self, Server};

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

/// Has `sioload` (in `benches/load`, Linux only) run every workload against a server that does what it asks for. Each
/// reply must be right and in its place; the speed does not matter.
pub fn check(server: &Server) {
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

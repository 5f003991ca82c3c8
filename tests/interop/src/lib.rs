//! How the interop tests start the official JavaScript clients and servers, which lie in `tests/js`, and the Python client
//! in `tests/python`.
//!
//! A test starts a server, then runs a script that plays a client against it and ends with status 0 if all went well:
//!
//! ```no_run
//! use interop_tests::{conformance, run_script};
//!
//! let server = conformance("engine-io");
//! run_script("engine-client.mjs", &[&server.url(), "polling"]);
//! ```
#![allow(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "these are helpers of tests: they fail the test"
)]

use std::process::{Command, Stdio};
use std::time::Duration;

use test_support::process::{self, Server};

/// How long one script may take: its own steps have deadlines of 30 s each, this only ends one that hangs.
pub const SCRIPT_DEADLINE: Duration = Duration::from_secs(100);

/// Where `cargo xtask test` puts the interpreter that has the packages of `tests/python`.
const PYTHON: &str = if cfg!(windows) { ".venv/Scripts/python.exe" } else { ".venv/bin/python" };

/// Starts the example server `conformance` in one of its modes.
pub fn conformance(mode: &str) -> Server {
    Server::start(Command::new(process::binary("conformance")).arg(mode))
}

/// As [`conformance`], with a ping timeout that a stock client keeps also on a busy machine.
pub fn patient_conformance(mode: &str) -> Server {
    Server::start(Command::new(process::binary("conformance")).arg(mode).env("PING_TIMEOUT", "5000"))
}

/// Starts the official server with the same contract.
pub fn reference(mode: &str) -> Server {
    Server::start(&mut node("reference-server.mjs", &[mode]))
}

/// Runs a script of `tests/js`, which must succeed; returns what it printed.
pub fn run_script(script: &str, arguments: &[&str]) -> String {
    process::run(&mut node(script, arguments), SCRIPT_DEADLINE)
}

/// The command for a script of `tests/python`; `None` where there is no Python, which only CI must have.
pub fn python(script: &str, arguments: &[&str]) -> Option<Command> {
    let folder = process::workspace().join("tests/python");
    let interpreter = folder.join(PYTHON);
    if !interpreter.is_file() {
        let installed = Command::new("python3").arg("--version").stdout(Stdio::null()).status().is_ok();
        assert!(
            !installed && !is_ci(),
            "tests/python has no packages: run `cargo xtask test` once, which needs Python 3.10 or newer"
        );
        eprintln!("skipped: there is no python3");
        return None;
    }
    let mut command = Command::new(interpreter);
    command.current_dir(folder).arg(script).args(arguments);
    Some(command)
}

/// Whether a missing tool is a failure instead of a shorter run.
fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

fn node(script: &str, arguments: &[&str]) -> Command {
    let folder = process::workspace().join("tests/js");
    assert!(
        folder.join("node_modules").is_dir(),
        "tests/js has no node_modules: run `cargo xtask test` once, or `npm ci` there"
    );
    let mut command = Command::new("node");
    command.current_dir(folder).arg(script).args(arguments);
    command
}

/// Turns each case, an async function of the server's address, into tests: `official::case` and `ours::case`, or
/// `ours::case` alone where we are stricter.
#[macro_export]
macro_rules! protocol_cases {
    (mode: $mode:literal, both: [$($both:ident)+] ours: [$($ours:ident)+]) => {
        mod official {
            $(#[tokio::test] async fn $both() {
                let server = $crate::reference($mode);
                super::$both(server.address()).await;
            })+
        }
        mod ours {
            $(#[tokio::test] async fn $both() { run(super::$both).await; })+
            $(#[tokio::test] async fn $ours() { run(super::$ours).await; })+

            async fn run(case: impl AsyncFnOnce(std::net::SocketAddr)) {
                let server = $crate::conformance($mode);
                case(server.address()).await;
            }
        }
    };
}

/// The example of the workspace's README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

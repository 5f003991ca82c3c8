//! Servers and scripts as child processes, which end with the test.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::wait::PATIENCE;

/// A server in a process of its own, killed when this is dropped.
///
/// It must print `listening on http://HOST:PORT` as the first line of its output. What it prints after that, and on
/// stderr, is shown if the test fails.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    output: Vec<JoinHandle<String>>,
}

impl Server {
    /// Starts `command` on a free port, which it gets as `PORT=0`, and waits until it listens.
    pub fn start(command: &mut Command) -> Self {
        let line = format!("{command:?}");
        command.env("PORT", "0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {line}: {e}"));
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let stderr = child.stderr.take().expect("stderr is piped");

        let (first_line, announced) = sync_channel(1);
        let stdout = std::thread::spawn(move || {
            let mut first = String::new();
            let _ended = stdout.read_line(&mut first);
            let _unheard = first_line.send(first);
            drain(stdout)
        });
        let output = vec![stdout, std::thread::spawn(move || drain(stderr))];
        let mut server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), output };
        server.address = await_address(&announced, &line);
        server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The start of its URLs: `http://HOST:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process id, for memory figures.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it; returns what it printed after its first line, and then what it printed on stderr.
    pub fn stop(mut self) -> String {
        self.end().concat()
    }

    fn end(&mut self) -> Vec<String> {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
        self.output.drain(..).map(|stream| stream.join().unwrap_or_default()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for text in self.end() {
            if std::thread::panicking() && !text.is_empty() {
                eprintln!("--- from the server on {}\n{text}---", self.address);
            }
        }
    }
}

/// Builds the binary of that name in this workspace and returns its path.
///
/// The whole workspace takes part in choosing features, as it does when its tests are built: so nothing is compiled
/// twice, and after `cargo xtask test` has built the binaries this only looks.
pub fn binary(name: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--quiet",
        "--workspace",
        "--message-format",
        "json-render-diagnostics",
        "--bin",
        name,
    ]);
    let build =
        command.current_dir(workspace()).output().unwrap_or_else(|e| panic!("cannot start cargo: {e}"));
    let errors = String::from_utf8_lossy(&build.stderr);
    assert!(build.status.success(), "cannot build the binary {name}:\n{errors}");
    let messages = String::from_utf8_lossy(&build.stdout);
    executable(&messages, name).unwrap_or_else(|| panic!("cargo built no binary {name}:\n{errors}"))
}

/// The folder of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package lies in a folder of the workspace")
}

/// Runs `command` to its end, which must come within `deadline` and with success; returns what it printed.
pub fn run(command: &mut Command, deadline: Duration) -> String {
    outcome(command, deadline).unwrap_or_else(|problem| panic!("{problem}"))
}

/// [`run`] for a command that may fail: the error tells how, and what it printed.
///
/// # Errors
///
/// If the command ends without success, or not within `deadline`.
pub fn outcome(command: &mut Command, deadline: Duration) -> Result<String, String> {
    let line = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {line}: {e}"));
    let stdout = child.stdout.take().expect("stdout is piped");
    let stderr = child.stderr.take().expect("stderr is piped");
    let output = [std::thread::spawn(move || drain(stdout)), std::thread::spawn(move || drain(stderr))];

    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            break Some(status);
        }
        if started.elapsed() > deadline {
            let _ended_already = child.kill();
            let _status = child.wait();
            break None;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let [stdout, stderr] = output.map(|stream| stream.join().unwrap_or_default());
    match status {
        Some(status) if status.success() => Ok(stdout),
        Some(status) => Err(format!("{line} ended with {status}\n{stdout}{stderr}")),
        None => Err(format!("{line} was not done after {deadline:?}\n{stdout}{stderr}")),
    }
}

fn await_address(announced: &Receiver<String>, line: &str) -> SocketAddr {
    let first = match announced.recv_timeout(PATIENCE) {
        Ok(first) => first,
        Err(RecvTimeoutError::Timeout) => panic!("{line} did not listen within {PATIENCE:?}"),
        Err(RecvTimeoutError::Disconnected) => panic!("nobody reads the output of {line}"),
    };
    let address =
        first.trim_end().strip_prefix("listening on http://").and_then(|address| address.parse().ok());
    address.unwrap_or_else(|| panic!("{line} should announce where it listens, it printed {first:?}"))
}

fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let named = artifacts.filter(|message| message["target"]["name"] == name);
    named.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back()
}

fn drain(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    let _ended = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_server_says_where_it_listens_and_ends_with_the_test() {
        let server = Server::start(&mut shell("echo listening on http://127.0.0.1:4$PORT; exec sleep 60"));
        assert_eq!(server.url(), "http://127.0.0.1:40");
        let started = Instant::now();
        drop(server);
        assert!(started.elapsed() < Duration::from_secs(30), "it was waited for, not killed");
    }

    #[test]
    fn what_a_server_printed_can_be_read_when_it_is_stopped() {
        // All is written by the time the server is known to listen.
        let script = r"echo err >&2; printf 'listening on http://127.0.0.1:4%s\nout\n' $PORT; exec sleep 60";
        let server = Server::start(&mut shell(script));
        assert_eq!(server.stop(), "out\nerr\n");
    }

    #[test]
    #[should_panic(expected = "it printed \"error: no port")]
    fn a_server_that_does_not_come_up_fails_at_once() {
        Server::start(&mut shell("echo 'error: no port'"));
    }

    #[test]
    #[should_panic(expected = "ended with exit status: 3\nout\nerr\n")]
    fn a_failed_script_shows_its_output() {
        run(&mut shell("echo out; echo err >&2; exit 3"), PATIENCE);
    }

    #[test]
    #[should_panic(expected = "was not done after 50ms")]
    fn a_script_that_hangs_is_killed() {
        run(&mut shell("exec sleep 60"), Duration::from_millis(50));
    }

    #[test]
    fn the_executable_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"a"},"executable":"/t/a"}
{"reason":"compiler-artifact","target":{"name":"b"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"b"},"executable":"/t/b"}"#;
        assert_eq!(executable(messages, "b"), Some(PathBuf::from("/t/b")));
        assert_eq!(executable(messages, "c"), None);
    }
}

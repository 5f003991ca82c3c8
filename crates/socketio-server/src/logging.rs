//! Logs on standard error, chosen by the environment: for programs that want no more of logging than that.
//!
//! This crate and those below it log through [`tracing`](https://docs.rs/tracing), with the names of the Node server's
//! debug scopes as targets. They read no environment variable and install nothing; whoever wants the logs elsewhere
//! sets up a subscriber of their own, and then needs nothing from here but perhaps [`Scopes`].
//!
//! | scope | what it tells |
//! |---|---|
//! | `engine` | sessions that open, requests that are refused, the listener |
//! | `engine:socket` | upgrades, ends of sessions, clients that are too slow |
//! | `engine:polling` | polls and POSTs that break off or cannot be read |
//! | `engine:ws` | WebSockets that break off, or send what cannot be read |
//! | `socket.io:server` | shutdown, the files of the JavaScript client |
//! | `socket.io:client` | connections that are closed for what they sent, or for joining nothing |
//! | `socket.io:namespace` | who is refused, middlewares and adapters that fail |
//! | `socket.io:parent-namespace` | namespaces that go when they are empty, predicates that fail |
//! | `socket.io:socket` | handlers that fail, events that are not handled |
//!
//! A peer's misbehaviour is logged at the level debug, lost data at warn, our own faults at error.

use std::error::Error;
use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;

/// Logs to standard error what `DEBUG` and `RUST_LOG` ask for.
///
/// `DEBUG` names [`Scopes`] as for the Node server: `DEBUG=socket.io*`, `DEBUG=engine,socket.io:client`,
/// `DEBUG=*,-engine:ws`. What these log is shown up to the level debug.
///
/// `RUST_LOG` has levels as for any program in Rust: `RUST_LOG=info,engine:ws=trace`. Without it, or if it is empty, all
/// warnings and errors are shown.
///
/// Both add up: something is shown if either asks for it. So a scope that `DEBUG` excludes still warns, and with
/// `RUST_LOG=off` there is nothing but what `DEBUG` names.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// socketio_server::logging::init()?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`InitError`] if the program logs elsewhere already, or if `RUST_LOG` cannot be understood.
pub fn init() -> Result<(), InitError> {
    let variable = |name| std::env::var_os(name).unwrap_or_default().to_string_lossy().into_owned();
    let subscriber =
        subscriber(&variable("DEBUG"), &variable("RUST_LOG"), io::stderr, io::stderr().is_terminal())?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| InitError::AlreadySet)
}

/// Why [`init`] did nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// The program has a subscriber already.
    #[error("logs go elsewhere already")]
    AlreadySet,
    /// The variable is not a list of `target=level`.
    #[error("RUST_LOG cannot be understood: {value:?}")]
    RustLog {
        /// The variable as it is.
        value: String,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A choice of scopes, as Node's programs take it from `DEBUG`: names, separated by commas or white space, in which `*`
/// stands for any characters. One with a `-` in front excludes what it names, wherever it stands.
///
/// ```
/// use socketio_server::logging::Scopes;
///
/// let scopes = Scopes::new("engine, socket.io*, -*:ws");
/// assert!(scopes.contains("socket.io:client"));
/// assert!(!scopes.contains("engine:ws") && !scopes.contains("engine:polling"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes {
    included: Vec<String>,
    excluded: Vec<String>,
}

impl Scopes {
    /// Reads a choice. Any text is one; an empty text chooses nothing.
    #[must_use]
    pub fn new(patterns: &str) -> Self {
        let mut scopes = Self::default();
        let is_separator = |c: char| c == ',' || c.is_whitespace();
        for pattern in patterns.split(is_separator).filter(|pattern| !pattern.is_empty()) {
            match pattern.strip_prefix('-') {
                Some(pattern) => scopes.excluded.push(pattern.to_owned()),
                None => scopes.included.push(pattern.to_owned()),
            }
        }
        scopes
    }

    /// Whether a scope is chosen. With `tracing`, this is the target of an event.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        let is_named = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, scope));
        is_named(&self.included) && !is_named(&self.excluded)
    }
}

fn matches(pattern: &str, scope: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == scope };
    let Some(mut scope) = scope.strip_prefix(start) else { return false };
    let (between, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    // The first place where a part fits leaves the most to those behind it.
    for part in between.split('*') {
        match scope.split_once(part) {
            Some((_, behind)) => scope = behind,
            None => return false,
        }
    }
    scope.ends_with(end)
}

fn subscriber<W>(
    debug: &str,
    rust_log: &str,
    writer: W,
    with_colours: bool,
) -> Result<impl Subscriber + Send + Sync + use<W>, InitError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let levels = match rust_log.trim() {
        "" => EnvFilter::new("warn"),
        levels => EnvFilter::try_new(levels)
            .map_err(|error| InitError::RustLog { value: rust_log.to_owned(), source: error.into() })?,
    };
    let scopes = Scopes::new(debug);
    let most = if scopes.included.is_empty() { LevelFilter::OFF } else { LevelFilter::DEBUG };
    let is_chosen =
        move |event: &Metadata<'_>| *event.level() <= Level::DEBUG && scopes.contains(event.target());
    let filter = levels.or(filter_fn(is_chosen).with_max_level_hint(most));
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(with_colours);
    Ok(tracing_subscriber::registry().with(layer.with_filter(filter)))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const ALL: [&str; 8] = [
        "engine",
        "engine:socket",
        "engine:polling",
        "engine:ws",
        "socket.io:server",
        "socket.io:client",
        "socket.io:namespace",
        "hyper::proto::h1",
    ];

    #[test]
    fn patterns_choose_as_in_node() {
        for (patterns, chosen) in [
            ("", &[][..]),
            (" , ", &[]),
            ("1", &[]),
            ("*", &ALL[..]),
            ("engine", &["engine"]),
            ("engine*", &["engine", "engine:socket", "engine:polling", "engine:ws"]),
            ("engine:*", &["engine:socket", "engine:polling", "engine:ws"]),
            ("socket.io*", &["socket.io:server", "socket.io:client", "socket.io:namespace"]),
            ("engine,socket.io:client*", &["engine", "socket.io:client"]),
            ("engine socket.io:client", &["engine", "socket.io:client"]),
            ("engine,\tengine:ws, ,socket.io:client", &["engine", "engine:ws", "socket.io:client"]),
            (
                "*s*",
                &[
                    "engine:socket",
                    "engine:ws",
                    "socket.io:server",
                    "socket.io:client",
                    "socket.io:namespace",
                ],
            ),
            ("*:s*", &["engine:socket", "socket.io:server"]),
            ("s*er", &["socket.io:server"]),
            ("s*o*e*e*r", &["socket.io:server"]),
            ("**client", &["socket.io:client"]),
            ("*client*", &["socket.io:client"]),
            ("*engine", &["engine"]),
            ("engine*engine", &[]),
            ("Engine", &[]),
            ("socketxio*", &[]),
            ("engine*,-engine:ws", &["engine", "engine:socket", "engine:polling"]),
            ("-engine:ws,engine*", &["engine", "engine:socket", "engine:polling"]),
            ("*,-*:*", &["engine"]),
            ("-engine", &[]),
            ("*,-*", &[]),
            ("*,-", &ALL[..]),
        ] {
            let scopes = Scopes::new(patterns);
            let found: Vec<&str> = ALL.into_iter().filter(|scope| scopes.contains(scope)).collect();
            assert_eq!(found, chosen, "{patterns:?}");
        }
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The messages that are shown of those that are logged here.
    fn shown(debug: &str, rust_log: &str) -> Vec<String> {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = subscriber(debug, rust_log, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "engine", "a");
            tracing::warn!(target: "engine:ws", "b");
            tracing::info!(target: "engine:ws", "c");
            tracing::debug!(target: "engine:ws", "d");
            tracing::debug!(target: "socket.io:client", "e");
            tracing::trace!(target: "socket.io:client", "f");
        });
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        log.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect()
    }

    #[test]
    fn what_either_variable_asks_for_is_shown() {
        for (debug, rust_log, expected) in [
            ("", "", "ab"),
            ("", "  ", "ab"),
            ("", "off", ""),
            ("", "info", "abc"),
            ("", "trace", "abcdef"),
            ("", "socket.io:client=trace", "ef"),
            ("", "error,engine:ws=debug", "abcd"),
            ("*", "", "abcde"),
            ("*", "off", "abcde"),
            ("engine*", "off", "abcd"),
            ("socket.io:client", "", "abe"),
            ("socket.io:client", "off", "e"),
            ("engine*,-engine:ws", "", "ab"),
            ("engine*,-engine:ws", "off", "a"),
            ("engine", "socket.io=trace", "aef"),
        ] {
            assert_eq!(shown(debug, rust_log).concat(), expected, "DEBUG={debug} RUST_LOG={rust_log}");
        }
    }

    #[test]
    fn a_line_has_level_scope_and_message() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = subscriber("engine", "", move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "engine", sid = 7, "session opened");
        });
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(log.ends_with(" DEBUG engine: session opened sid=7\n"), "{log}");
    }

    #[test]
    fn nonsense_in_rust_log_is_an_error() {
        let error = subscriber("*", "engine=loud", io::sink, false).err().unwrap();
        assert_eq!(error.to_string(), r#"RUST_LOG cannot be understood: "engine=loud""#);
        assert!(error.source().is_some());
    }

    #[test]
    fn logs_can_only_be_set_up_once() {
        // Another test of this process may have been first.
        let _ = init();
        assert!(matches!(init(), Err(InitError::AlreadySet)));
    }
}

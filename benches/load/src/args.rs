//! The command line: one workload, then `--name value` pairs.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

const USAGE: &str = "\
usage: sioload WORKLOAD --port PORT --pid PID [options]

workloads: echo ack bin bcast rooms mixed connect connect-polling poll-echo idle

  --port N         the server's port on 127.0.0.1                                (3000)
  --pid N          the server's process, whose CPU time and memory are read      (0)
  --conns N        connections                                                   (100)
  --pipeline N     events that one connection has outstanding, sent in one write (1)
  --size N         characters of one payload, at least 16                        (64)
  --warmup S       seconds before the window                                     (2)
  --secs S         length of the window                                          (3)
  --depth N        broadcasts outstanding (bcast, rooms)                         (1)
  --echoers N      further connections that echo meanwhile (mixed)               (100)
  --pause-ms N     from the last delivery to the next broadcast (mixed)          (20)
  --rooms N        rooms (rooms)                                                 (100)
  --inflight N     connections being opened at the same time                     (64)
  --block 1        sleep in epoll_wait instead of polling                        (0)
  --any-order 1    replies to pipelined events may come in any order             (0)
  --server-cpu N   the processor that the server is pinned to                    (0)";

pub(crate) struct Args {
    pub(crate) work: String,
    pub(crate) port: u16,
    pub(crate) pid: i32,
    pub(crate) conns: usize,
    pub(crate) pipeline: usize,
    pub(crate) size: usize,
    pub(crate) warmup: f64,
    pub(crate) secs: f64,
    pub(crate) depth: usize,
    pub(crate) echoers: usize,
    pub(crate) pause_ms: u64,
    pub(crate) rooms: usize,
    pub(crate) inflight: usize,
    pub(crate) block: bool,
    /// replies to pipelined events may come in any order (64 at most)
    pub(crate) any_order: bool,
    pub(crate) server_cpu: usize,
}

impl Args {
    /// Reads the command line; a mistake in it prints the usage and ends the process with status 64.
    pub(crate) fn from_command_line() -> Self {
        Self::parse(std::env::args().skip(1)).unwrap_or_else(|problem| {
            eprintln!("sioload: {problem}\n\n{USAGE}");
            std::process::exit(64)
        })
    }

    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let work = words.next().ok_or("which workload?")?;
        let mut options = Options(HashMap::new());
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or(format!("{word} is not an option"))?;
            let value = words.next().ok_or(format!("--{name} needs a value"))?;
            options.0.insert(name.to_owned(), value);
        }
        let args = Self {
            work,
            port: options.take("port", 3000)?,
            pid: options.take("pid", 0)?,
            conns: options.take("conns", 100)?,
            pipeline: options.take("pipeline", 1)?,
            size: options.take("size", 64)?,
            warmup: options.take("warmup", 2.0)?,
            secs: options.take("secs", 3.0)?,
            depth: options.take("depth", 1)?,
            echoers: options.take("echoers", 100)?,
            pause_ms: options.take("pause-ms", 20)?,
            rooms: options.take("rooms", 100)?,
            inflight: options.take("inflight", 64)?,
            block: options.take("block", 0u8)? == 1,
            any_order: options.take("any-order", 0u8)? == 1,
            server_cpu: options.take("server-cpu", 0)?,
        };
        if let Some(name) = options.0.keys().next() {
            return Err(format!("there is no option --{name}"));
        }
        if args.size < 16 {
            return Err(
                "--size must be at least 16: the payload starts with two numbers of 8 digits".to_owned()
            );
        }
        if args.any_order && args.pipeline > 64 {
            return Err("--any-order 1 allows a --pipeline of at most 64".to_owned());
        }
        if args.echoers == 0 {
            return Err("--echoers must be at least 1: it is their latency that is measured".to_owned());
        }
        Ok(args)
    }
}

struct Options(HashMap<String, String>);

impl Options {
    fn take<T: FromStr<Err: Display>>(&mut self, name: &str, default: T) -> Result<T, String> {
        match self.0.remove(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|e| format!("--{name} {text}: {e}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_override_their_defaults() {
        let args = parse("mixed --echoers 3 --pause-ms 0").unwrap();
        assert_eq!((args.conns, args.echoers, args.pause_ms), (100, 3, 0));
        let args = parse("echo --conns 7 --any-order 1").unwrap();
        assert_eq!((args.work.as_str(), args.conns, args.size, args.any_order), ("echo", 7, 64, true));
    }

    #[test]
    fn mistakes_are_named() {
        let problem = |line| parse(line).err().unwrap();
        assert_eq!(problem(""), "which workload?");
        assert_eq!(problem("echo --conns"), "--conns needs a value");
        assert_eq!(problem("echo conns 3"), "conns is not an option");
        assert_eq!(problem("echo --cons 3"), "there is no option --cons");
        assert_eq!(problem("echo --conns x"), "--conns x: invalid digit found in string");
        assert!(problem("echo --size 15").contains("at least 16"));
        assert!(problem("mixed --echoers 0").contains("at least 1"));
        assert!(problem("echo --any-order 1 --pipeline 65").contains("at most 64"));
    }
}

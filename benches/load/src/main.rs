//! sioload: a single-threaded closed-loop load generator for Socket.IO v5 over Engine.IO v4.
//!
//! It speaks the wire protocol itself: client frames are built once per connection and only a sequence number
//! is patched per message; every reply is compared with the exact bytes that are due, so a server that loses,
//! repeats, reorders or changes a message ends the run with an error and gets no score.
//!
//! Linux only: it polls with epoll and reads the server's CPU time and memory from `/proc`.

#[cfg(target_os = "linux")]
mod args;
#[cfg(target_os = "linux")]
mod http;
#[cfg(target_os = "linux")]
mod link;
#[cfg(target_os = "linux")]
mod meter;
#[cfg(target_os = "linux")]
mod mixed;
#[cfg(target_os = "linux")]
mod net;
#[cfg(target_os = "linux")]
mod shape;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod ws;

#[cfg(target_os = "linux")]
fn main() {
    let args = args::Args::from_command_line();
    sys::raise_nofile();
    match args.work.as_str() {
        "poll-echo" | "connect-polling" => http::run(args),
        "mixed" => mixed::run(args),
        _ => ws::run(args),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("sioload runs on Linux only");
    std::process::exit(64);
}

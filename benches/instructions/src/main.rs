//! Runs one case of the benches a number of times and does nothing else, so that a simulator can count its
//! instructions: `cargo xtask ci instructions` does.
//!
//! ```sh
//! bench-instructions                     # the cases, and how often each is worth running
//! bench-instructions 'session/event' 100
//! ```
//!
//! A case costs the same in every run. What it needs is set up before its loop, so that the difference between a run of
//! `n` and one of `2n` is `n` times the case.

mod cases;

use std::process::ExitCode;

use cases::CASES;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = || {
        eprintln!("usage: bench-instructions [CASE N]");
        ExitCode::from(64)
    };
    match arguments.as_slice() {
        [] => CASES.iter().for_each(|case| println!("{} {}", case.name, case.n)),
        [name, n] => match (CASES.iter().find(|case| case.name == name), n.parse()) {
            (Some(case), Ok(n)) => (case.run)(n),
            _ => return usage(),
        },
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

//! What a developer of this workspace runs: `cargo xtask COMMAND`.

mod ci;
mod demo;
mod instructions;
mod setup;
mod shell;
mod soak;
mod test;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

commands:
  test         install what the tests need, then run all of them
  ci [STEP]    everything a change must pass, or one step of it:
               formatting, tidy, lints, docs, wasm, fuzzing, instructions, tests
  record       write down what the step `instructions` counts, as what
               the benches' cases may cost from now on
  soak         the tests that take long
  tidy         the rules of this repository that no compiler knows
  demo [NAME]  run an example server (default: chat)

A tool that the tests or the counts need is installed or asked for, never done without;
only where there is no Python, and CI is not set, the tests of its client are skipped.
With CI=true Cargo.lock must be up to date.";

/// What a step ends with; the error is a message for the developer.
type Outcome<T = ()> = Result<T, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => test::run_all(),
        ["ci"] => ci::run_all(),
        ["ci", step] => ci::run_one(step),
        ["record"] => instructions::record(),
        ["soak"] => soak::run_all(),
        ["tidy"] => tidy::run(),
        ["demo"] => demo::run_example(demo::DEFAULT),
        ["demo", name] => demo::run_example(name),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(64);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

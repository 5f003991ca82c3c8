//! `cargo xtask ci`: everything a change must pass, cheapest first.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::shell::{cargo, cargo_locked, output, run, succeeds, workspace};
use crate::{Outcome, instructions, test, tidy};

type Step = fn() -> Outcome;

const WASM: &str = "wasm32-unknown-unknown";

/// How long each fuzz target runs.
const FUZZ_SECONDS: u32 = 10;

const STEPS: &[(&str, Step)] = &[
    ("formatting", || run(&mut cargo("fmt --all --check"))),
    ("tidy", tidy::run),
    ("lints", || run(cargo_locked("clippy --workspace --all-targets").args(["--", "-D", "warnings"]))),
    ("docs", || run(cargo_locked("doc --workspace --no-deps").env("RUSTDOCFLAGS", "-Dwarnings"))),
    ("wasm", wasm),
    ("fuzzing", fuzz),
    ("instructions", instructions::check),
    ("tests", test::run_all),
];

pub(crate) fn run_all() -> Outcome {
    let mut took = Vec::new();
    for (name, step) in STEPS {
        let started = Instant::now();
        step().map_err(|problem| format!("{name}: {problem}"))?;
        took.push(format!("{name} {} s", started.elapsed().as_secs()));
    }
    eprintln!("\nall passed: {}", took.join(", "));
    Ok(())
}

pub(crate) fn run_one(wanted: &str) -> Outcome {
    let step = STEPS.iter().find(|(name, _)| *name == wanted);
    let (_, step) = step.ok_or_else(|| format!("there is no step {wanted}"))?;
    step()
}

/// The parsers promise to be free of I/O, clocks and threads: a target that has none of these holds them to it.
fn wasm() -> Outcome {
    let library = output(Command::new("rustc").args(["--print", "target-libdir", "--target", WASM]))?;
    if !Path::new(library.trim()).is_dir() {
        eprintln!("\nwasm: {WASM} is not installed: skipped (rustup target add {WASM})");
        return Ok(());
    }
    run(&mut cargo_locked(&format!(
        "check --package engine-io-parser --package socketio-parser --target {WASM}"
    )))
}

fn fuzz() -> Outcome {
    if !succeeds(&mut cargo("fuzz --version")) {
        eprintln!(
            "\nfuzzing: cargo-fuzz is not installed: the targets are only built (cargo install cargo-fuzz)"
        );
        return run(&mut cargo_locked("build --manifest-path fuzz/Cargo.toml"));
    }
    // Coverage instrumentation is a nightly feature; this opens it on the compiler that is here.
    let instrumented = |words: &str| {
        let mut command = cargo(words);
        command.env("RUSTC_BOOTSTRAP", "1");
        command
    };
    for target in output(&mut instrumented("fuzz list"))?.lines() {
        // What the run finds goes to the first folder, so that the corpus under version control only grows on purpose.
        let found = workspace().join("fuzz/target/smoke").join(target);
        std::fs::create_dir_all(&found).map_err(|e| format!("{}: {e}", found.display()))?;
        let corpus = workspace().join("fuzz/corpus").join(target);
        let mut smoke = instrumented(&format!("fuzz run {target}"));
        smoke
            .arg(&found)
            .args(corpus.is_dir().then_some(&corpus))
            .arg("--")
            .arg(format!("-max_total_time={FUZZ_SECONDS}"));
        run(&mut smoke)?;
    }
    Ok(())
}

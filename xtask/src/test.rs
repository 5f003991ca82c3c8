//! `cargo xtask test`: what the tests need, then all of them.

use crate::shell::{cargo, cargo_locked, is_ci, run, succeeds};
use crate::{Outcome, setup};

/// Installs what is missing and runs all tests but the long ones.
pub(crate) fn run_all() -> Outcome {
    setup::for_tests()?;
    // Tests start example servers: built here, so that no test spends its deadline on compiling.
    run(&mut cargo_locked("build --workspace --bins"))?;
    run(&mut cargo_locked("test --workspace --doc"))?;
    // Last, because its closing line is the one that counts the tests.
    if has_nextest() {
        let profile = if is_ci() { "ci" } else { "default" };
        run(&mut cargo_locked(&format!("nextest run --workspace --profile {profile}")))
    } else {
        run(&mut cargo_locked("test --workspace --lib --bins --tests"))
    }
}

/// Whether cargo-nextest is installed; `cargo test` runs the same tests without it.
pub(crate) fn has_nextest() -> bool {
    succeeds(&mut cargo("nextest --version"))
}

//! `cargo xtask soak`: the tests that take long, which are marked `#[ignore]` and named `soak_…`.

use crate::shell::{cargo_locked, run};
use crate::test::has_nextest;
use crate::{Outcome, setup};

pub(crate) fn run_all() -> Outcome {
    setup::for_tests()?;
    run(&mut cargo_locked("build --workspace --bins"))?;
    if has_nextest() {
        run(&mut cargo_locked(
            "nextest run --workspace --profile soak --run-ignored only -E test(/(^|::)soak_/)",
        ))
    } else {
        run(cargo_locked("test --workspace --tests").args(["--", "--ignored", "soak_"]))
    }
}

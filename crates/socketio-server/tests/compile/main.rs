//! What the compiler takes of an application, and what it says of the rest.

#![allow(clippy::print_stdout, reason = "handlers that are only compiled")]

mod accepted;
#[path = "../support/mod.rs"]
mod support;

/// The first line says what is wrong and what would be right; the rest of each message was read as well.
#[test]
fn what_does_not_fit_is_refused_in_words_that_help() {
    trybuild::TestCases::new().compile_fail("tests/compile/refused/*.rs");
}

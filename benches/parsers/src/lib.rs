//! Inputs and measured closures of the parsers' benches, which the count of instructions (`benches/instructions`)
//! repeats.
//!
//! `cargo bench -p bench-parsers --bench engineio`
// A case that goes wrong measures nothing: it ends the run.
#![allow(clippy::missing_panics_doc)]

pub mod engineio;
pub mod socketio;

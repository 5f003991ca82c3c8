//! Benches of the parser crates, one file in `benches/` for each; there is nothing in the library itself.
//!
//! `cargo bench -p bench-parsers --bench engineio`

//! `cargo xtask tidy`: the rules of this repository that no compiler knows.
//!
//! Each rule is a function from what it looks at to the list of what is wrong, so that a test can show it failing.

mod advisories;
mod dependencies;
mod manifests;
mod metadata;
mod sources;
mod version;

use crate::Outcome;
use crate::shell::{cargo_locked, output, workspace};

use metadata::Workspace;

pub(crate) fn run() -> Outcome {
    let metadata = output(&mut cargo_locked("metadata --all-features --format-version 1"))?;
    let ours = Workspace::read(&metadata)?;
    let root = workspace();
    let read = |path: &str| std::fs::read_to_string(root.join(path)).map_err(|e| format!("{path}: {e}"));

    let mut problems = Vec::new();
    problems.extend(dependencies::direction(&ours));
    problems.extend(dependencies::parsers(&ours));
    problems.extend(dependencies::rust_version(&ours));
    problems.extend(advisories::locked_versions(&read("Cargo.lock")?));
    problems.extend(advisories::requirements(&ours));
    problems.extend(manifests::root(&read("Cargo.toml")?));
    problems.extend(manifests::packages(&ours)?);
    problems.extend(sources::all(&root)?);

    if problems.is_empty() {
        eprintln!("tidy: {} packages, nothing wrong", ours.members().count());
        return Ok(());
    }
    problems.sort();
    Err(format!("not tidy:\n  {}", problems.join("\n  ")))
}

//! `cargo xtask demo`: runs an example server.

use serde_json::Value;

use crate::shell::{cargo, cargo_locked, output, run, workspace};
use crate::{Outcome, setup};

/// The example that a newcomer should see first.
pub(crate) const DEFAULT: &str = "chat";

pub(crate) fn run_example(name: &str) -> Outcome {
    let metadata = output(&mut cargo("metadata --no-deps --format-version 1"))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|e| format!("cargo metadata: {e}"))?;
    let known = examples(&metadata);
    if !known.contains(&name) {
        return Err(format!("there is no example {name}; there are: {}", known.join(", ")));
    }
    let folder = format!("examples/{name}");
    if workspace().join(&folder).join("package-lock.json").is_file() {
        setup::npm_packages(&folder)?;
    }
    run(&mut cargo_locked(&format!("run --package {name}")))
}

/// The names of the packages under `examples/`.
fn examples(metadata: &Value) -> Vec<&str> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let in_folder = |package: &&Value| {
        package["manifest_path"].as_str().is_some_and(|path| path.replace('\\', "/").contains("/examples/"))
    };
    packages.filter(in_folder).filter_map(|package| package["name"].as_str()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn examples_are_the_packages_of_their_folder() {
        let package = |name: &str, path: &str| json!({ "name": name, "manifest_path": path });
        let metadata = json!({ "packages": [
            package("chat", "/w/examples/chat/Cargo.toml"),
            package("load", "/w/benches/load/Cargo.toml"),
            package("echo", "C:\\w\\examples\\echo\\Cargo.toml"),
        ]});
        assert_eq!(examples(&metadata), ["chat", "echo"]);
    }
}

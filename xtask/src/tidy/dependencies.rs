//! Who may depend on whom.

use super::metadata::{Package, Workspace};
use super::version::Version;

/// What each crate of the core may need of ours. Every other published crate, an adapter for instance, may need
/// [`FOR_ADAPTERS`] and adapters.
const DIRECTION: &[(&str, &[&str])] = &[
    ("engine-io-parser", &[]),
    ("engine-io-server", &["engine-io-parser"]),
    ("socketio-parser", &["engine-io-parser"]),
    ("socketio-adapter", &["engine-io-parser", "socketio-parser"]),
    ("socketio-server", &["engine-io-parser", "engine-io-server", "socketio-adapter", "socketio-parser"]),
    ("socketio-testing", &["socketio-parser", "socketio-server"]),
];

const FOR_ADAPTERS: &[&str] = &["engine-io-parser", "socketio-parser", "socketio-adapter"];

const PARSERS: &[&str] = &["engine-io-parser", "socketio-parser"];

/// Nothing in a parser's tree does I/O, reads a clock or draws a random number.
const FOREIGN_TO_PARSERS: &[&str] = &["tokio", "http", "hyper", "rand", "getrandom"];

/// Without those that come with a feature.
const DIRECT_DEPENDENCIES_OF_A_PARSER: usize = 8;

/// The oldest compiler that users of the published crates may have.
const RUST_VERSION: Version = Version([1, 88, 0]);

/// The crates stack on each other one way only, and none that is published needs one that is not.
pub(super) fn direction(workspace: &Workspace) -> Vec<String> {
    let core: Vec<&str> = DIRECTION.iter().map(|(name, _)| *name).collect();
    let mut problems = Vec::new();
    for package in workspace.published() {
        let of_core = DIRECTION.iter().find(|(name, _)| *name == package.name);
        for needed in workspace.direct(package).filter(|needed| needed.is_member) {
            let name = needed.name.as_str();
            let is_allowed = match of_core {
                Some((_, allowed)) => allowed.contains(&name),
                None => FOR_ADAPTERS.contains(&name) || !core.contains(&name),
            };
            if !is_allowed {
                problems
                    .push(format!("{} must not depend on {name}: the arrows go the other way", package.name));
            } else if !needed.is_published {
                problems.push(format!(
                    "{} is published and must not depend on {name}, which is not",
                    package.name
                ));
            }
        }
    }
    problems
}

/// The parsers stay small and pure.
pub(super) fn parsers(workspace: &Workspace) -> Vec<String> {
    let mut problems = Vec::new();
    for &parser in PARSERS {
        let Some(package) = workspace.members().find(|package| package.name == parser) else {
            problems.push(format!("there is no package {parser}"));
            continue;
        };
        let foreign =
            workspace.tree(package).filter(|needed| FOREIGN_TO_PARSERS.contains(&needed.name.as_str()));
        problems.extend(
            foreign.map(|needed| format!("{parser} must not need {}, not even indirectly", needed.name)),
        );
        let n_direct = package.normal.len().saturating_sub(package.n_optional);
        if n_direct > DIRECT_DEPENDENCIES_OF_A_PARSER {
            problems.push(format!(
                "{parser} has {n_direct} dependencies, more than {DIRECT_DEPENDENCIES_OF_A_PARSER}"
            ));
        }
    }
    problems
}

/// No dependency of a published crate asks for a newer compiler than we promise.
pub(super) fn rust_version(workspace: &Workspace) -> Vec<String> {
    let mut problems = Vec::new();
    for package in workspace.published() {
        for needed in std::iter::once(package).chain(workspace.tree(package)) {
            if let Some(version) = needed.rust_version.filter(|version| *version > RUST_VERSION) {
                let Package { name, .. } = needed;
                problems.push(format!(
                    "{}: {name} needs Rust {version}, we promise {RUST_VERSION}",
                    package.name
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::metadata::tests::workspace;
    use super::*;

    #[test]
    fn arrows_go_one_way() {
        let good = workspace(&[
            ("engine-io-parser", &[]),
            ("engine-io-server", &["engine-io-parser", "x-tokio"]),
            ("socketio-parser", &["engine-io-parser"]),
            ("socketio-adapter", &["socketio-parser"]),
            ("socketio-redis", &["socketio-adapter", "socketio-emitter"]),
            ("socketio-emitter", &["socketio-parser"]),
            ("socketio-server", &["engine-io-server", "socketio-adapter"]),
            ("socketio-testing", &["socketio-server", "socketio-parser"]),
            ("x-tokio", &[]),
        ]);
        assert_eq!(direction(&good), Vec::<String>::new());

        let bad = workspace(&[
            ("engine-io-parser", &["socketio-parser"]),
            ("engine-io-server", &["socketio-parser"]),
            ("socketio-parser", &[]),
            ("socketio-adapter", &["socketio-redis"]),
            ("socketio-redis", &["socketio-server", "engine-io-server"]),
            ("socketio-server", &["socketio-redis", "socketio-testing"]),
            ("socketio-testing", &["engine-io-server"]),
        ]);
        let problems = direction(&bad);
        assert_eq!(problems.len(), 8, "{problems:#?}");
        assert_eq!(
            problems[0],
            "engine-io-parser must not depend on socketio-parser: the arrows go the other way"
        );
    }

    #[test]
    fn published_crates_need_published_ones() {
        let mut bad =
            workspace(&[("socketio-redis", &["test-support"]), ("test-support", &["socketio-redis"])]);
        assert_eq!(direction(&bad), Vec::<String>::new());
        bad.packages.get_mut("test-support").unwrap().is_published = false;
        assert_eq!(
            direction(&bad),
            ["socketio-redis is published and must not depend on test-support, which is not"]
        );
    }

    #[test]
    fn parsers_have_a_small_pure_tree() {
        let good =
            workspace(&[("engine-io-parser", &["x-bytes"]), ("socketio-parser", &[]), ("x-bytes", &[])]);
        assert_eq!(parsers(&good), Vec::<String>::new());

        let mut indirect = workspace(&[
            ("engine-io-parser", &["x-http-body"]),
            ("socketio-parser", &["x-a", "x-b", "x-c", "x-d", "x-e", "x-f", "x-g", "x-h", "x-i"]),
            ("x-http-body", &["x-http"]),
            ("x-http", &[]),
        ]);
        assert_eq!(
            parsers(&indirect),
            [
                "engine-io-parser must not need http, not even indirectly",
                "socketio-parser has 9 dependencies, more than 8"
            ]
        );
        indirect.packages.get_mut("socketio-parser").unwrap().n_optional = 1;
        assert_eq!(parsers(&indirect), ["engine-io-parser must not need http, not even indirectly"]);
        assert_eq!(
            parsers(&workspace(&[("engine-io-parser", &[])])),
            ["there is no package socketio-parser"]
        );
    }

    #[test]
    fn dependencies_keep_our_promise_of_a_compiler() {
        let mut ours = workspace(&[("a", &["x-b"]), ("x-b", &["x-c"]), ("x-c", &[])]);
        ours.packages.get_mut("x-c").unwrap().rust_version = Version::parse("1.88");
        assert_eq!(rust_version(&ours), Vec::<String>::new());
        ours.packages.get_mut("x-c").unwrap().rust_version = Version::parse("1.89");
        assert_eq!(rust_version(&ours), ["a: c needs Rust 1.89.0, we promise 1.88.0"]);
    }
}

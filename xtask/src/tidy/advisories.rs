//! No version below the release that fixed a security advisory.
//!
//! `cargo deny` knows all advisories, but asks the network for them; these are the ones that touch what we use.

use super::metadata::Workspace;
use super::version::Version;

/// The first good version of each line of versions; newer lines are good, older ones are not.
struct Floor {
    name: &'static str,
    fixed: &'static [Version],
    advisory: &'static str,
}

const fn v(major: u64, minor: u64, patch: u64) -> Version {
    Version([major, minor, patch])
}

const FLOORS: &[Floor] = &[
    Floor { name: "async-nats", fixed: &[v(0, 29, 0)], advisory: "RUSTSEC-2023-0027" },
    Floor { name: "bytes", fixed: &[v(1, 11, 1)], advisory: "RUSTSEC-2026-0007" },
    Floor { name: "h2", fixed: &[v(0, 4, 16)], advisory: "RUSTSEC-2026-0258" },
    Floor { name: "postgres-protocol", fixed: &[v(0, 6, 12)], advisory: "RUSTSEC-2026-0179" },
    Floor { name: "quinn-proto", fixed: &[v(0, 11, 15)], advisory: "RUSTSEC-2026-0185" },
    Floor { name: "rand", fixed: &[v(0, 9, 3), v(0, 10, 1)], advisory: "RUSTSEC-2026-0097" },
    Floor { name: "rmpv", fixed: &[v(0, 4, 2)], advisory: "RUSTSEC-2017-0006" },
    Floor { name: "rustls", fixed: &[v(0, 23, 18)], advisory: "RUSTSEC-2024-0399" },
    Floor { name: "rustls-webpki", fixed: &[v(0, 103, 13)], advisory: "RUSTSEC-2026-0104" },
    Floor { name: "tokio", fixed: &[v(1, 44, 2)], advisory: "RUSTSEC-2025-0023" },
    Floor { name: "tokio-postgres", fixed: &[v(0, 7, 18)], advisory: "RUSTSEC-2026-0178" },
    Floor { name: "tungstenite", fixed: &[v(0, 20, 1)], advisory: "RUSTSEC-2023-0065" },
    Floor { name: "zlib-rs", fixed: &[v(0, 4, 0)], advisory: "RUSTSEC-2024-0401" },
];

/// What Cargo.lock fixes for everybody who builds this repository.
pub(super) fn locked_versions(lock: &str) -> Vec<String> {
    let value = |line: &str, key: &str| {
        Some(line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned())
    };
    let mut problems = Vec::new();
    let mut n_packages = 0;
    for entry in lock.split("[[package]]").skip(1) {
        let find = |key| entry.lines().find_map(|line| value(line, key));
        let (Some(name), Some(version)) = (find("name"), find("version")) else {
            problems.push(format!("Cargo.lock: not a package: {entry:?}"));
            continue;
        };
        n_packages += 1;
        problems.extend(below_floor(&name, &version).map(|why| format!("Cargo.lock has {why}")));
    }
    if n_packages == 0 {
        problems.push("Cargo.lock names no package".to_owned());
    }
    problems
}

/// What users of the published crates may end up with.
pub(super) fn requirements(workspace: &Workspace) -> Vec<String> {
    let mut problems = Vec::new();
    for package in workspace.published() {
        for (name, requirement) in &package.requirements {
            let lowest = requirement.trim_start_matches(['^', '=', '~', '>', ' ']);
            problems.extend(below_floor(name, lowest).map(|why| format!("{} allows {why}", package.name)));
        }
    }
    problems
}

fn below_floor(name: &str, version: &str) -> Option<String> {
    let floor = FLOORS.iter().find(|floor| floor.name == name)?;
    let Some(found) = Version::parse(version) else {
        return Some(format!("{name} {version}, which is no version"));
    };
    let same_line = floor.fixed.iter().find(|fixed| fixed.line() == found.line());
    let newest = floor.fixed.iter().max()?;
    let needed = same_line.unwrap_or(newest);
    (found < *needed).then(|| format!("{name} {found}, {} is fixed in {needed}", floor.advisory))
}

#[cfg(test)]
mod tests {
    use super::super::metadata::tests::workspace;
    use super::*;

    #[test]
    fn a_version_is_good_from_the_fix_of_its_own_line_on() {
        for good in ["0.9.3", "0.9.9", "0.10.1", "0.11.0", "1.0.0"] {
            assert_eq!(below_floor("rand", good), None, "{good}");
        }
        for bad in ["0.8.5", "0.9.2", "0.10.0"] {
            assert!(below_floor("rand", bad).is_some(), "{bad}");
        }
        assert_eq!(
            below_floor("tokio", "1.44.1").unwrap(),
            "tokio 1.44.1, RUSTSEC-2025-0023 is fixed in 1.44.2"
        );
        assert_eq!(below_floor("unheard-of", "0.0.1"), None);
    }

    #[test]
    fn the_lock_file_is_read_package_by_package() {
        let lock = |version: &str| {
            format!(
                "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"h2\"\nversion = \"{version}\"\n"
            )
        };
        assert_eq!(locked_versions(&lock("0.4.16")), Vec::<String>::new());
        assert_eq!(
            locked_versions(&lock("0.4.15")),
            ["Cargo.lock has h2 0.4.15, RUSTSEC-2026-0258 is fixed in 0.4.16"]
        );
        assert_eq!(locked_versions("version = 4\n"), ["Cargo.lock names no package"]);
    }

    #[test]
    fn a_requirement_may_not_reach_below_the_floor() {
        let mut ours = workspace(&[("a", &[])]);
        let mut check = |requirement: &str| {
            ours.packages.get_mut("a").unwrap().requirements =
                vec![("bytes".to_owned(), requirement.to_owned())];
            requirements(&ours)
        };
        assert_eq!(check("^1.11.1"), Vec::<String>::new());
        assert_eq!(check("^1"), ["a allows bytes 1.0.0, RUSTSEC-2026-0007 is fixed in 1.11.1"]);
        assert_eq!(check("*"), ["a allows bytes *, which is no version"]);
    }
}

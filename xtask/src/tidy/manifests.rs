//! What every package has beside its code.

use super::metadata::Workspace;
use crate::Outcome;

/// The lints that every package inherits must forbid `unsafe`.
pub(super) fn root(manifest: &str) -> Option<String> {
    let lints = section(manifest, "[workspace.lints.rust]").unwrap_or_default();
    let forbids = lints.lines().any(|line| line.trim() == "unsafe_code = \"forbid\"");
    (!forbids).then(|| "Cargo.toml: [workspace.lints.rust] must forbid unsafe_code".to_owned())
}

/// A published package has a readme, a change log and settings for docs.rs, and inherits the lints as all of ours do.
pub(super) fn packages(workspace: &Workspace) -> Outcome<Vec<String>> {
    let mut problems = Vec::new();
    for package in workspace.members() {
        let path = package.folder.join("Cargo.toml");
        let manifest = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        problems.extend(lints(&package.name, &manifest, package.is_published));
        if package.is_published {
            let has = |file: &str| package.folder.join(file).is_file();
            problems.extend(shipped_files(&package.name, has));
            if !package.has_docs_rs {
                problems.push(format!("{}: [package.metadata.docs.rs] is missing", package.name));
            }
        }
    }
    Ok(problems)
}

fn shipped_files(name: &str, has: impl Fn(&str) -> bool) -> Vec<String> {
    let missing = ["README.md", "CHANGELOG.md"].into_iter().filter(|file| !has(file));
    missing.map(|file| format!("{name}: {file} is missing")).collect()
}

/// A package that is not published may have lints of its own instead, and must then say why.
fn lints(name: &str, manifest: &str, is_published: bool) -> Option<String> {
    let inherits = section(manifest, "[lints]")
        .is_some_and(|lints| lints.lines().any(|line| line.trim() == "workspace = true"));
    if inherits {
        return None;
    }
    let own = manifest.find("[lints.").map(|at| &manifest[..at]);
    let explains = own.is_some_and(|before| {
        before.trim_end().lines().next_back().is_some_and(|line| line.starts_with('#'))
    });
    match (is_published, own) {
        (false, Some(_)) if explains => None,
        (false, Some(_)) => {
            Some(format!("{name}: say in a comment above [lints] why the workspace's do not fit"))
        }
        _ => Some(format!("{name}: [lints] workspace = true is missing")),
    }
}

/// What stands below a header of a manifest, up to the next one.
fn section<'a>(manifest: &'a str, header: &str) -> Option<&'a str> {
    let (_, rest) = manifest.split_once(&format!("{header}\n"))?;
    Some(rest.split_once("\n[").map_or(rest, |(section, _)| section))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_is_forbidden_for_all() {
        assert_eq!(
            root("[workspace.lints.rust]\nunsafe_code = \"forbid\"\n\n[workspace.lints.clippy]\n"),
            None
        );
        assert!(root("[workspace.lints.rust]\nunsafe_code = \"warn\"\n").is_some());
        assert!(root("[workspace.lints.rust]\na = \"b\"\n\n[other]\nunsafe_code = \"forbid\"\n").is_some());
        assert!(root("[workspace]\n").is_some());
    }

    #[test]
    fn packages_inherit_the_lints() {
        let inherits = "[package]\n\n[lints]\nworkspace = true\n\n[dependencies]\n";
        assert_eq!(lints("a", inherits, true), None);
        assert!(lints("a", "[package]\n\n[dependencies]\nx.workspace = true\n", true).is_some());
        assert!(lints("a", "[package]\n\n[lints]\n\n[dependencies]\nworkspace = true\n", true).is_some());

        let own = "[package]\n\n# It calls the system.\n[lints.rust]\nunsafe_code = \"warn\"\n";
        assert_eq!(lints("a", own, false), None);
        assert!(lints("a", own, true).is_some());
        assert!(lints("a", "[package]\n\n[lints.rust]\nunsafe_code = \"warn\"\n", false).is_some());
        assert!(lints("a", "[package]\n", false).is_some());
    }

    #[test]
    fn published_packages_have_their_files() {
        assert_eq!(shipped_files("a", |file| file == "README.md"), ["a: CHANGELOG.md is missing"]);
        assert_eq!(shipped_files("a", |_| true), Vec::<String>::new());
    }
}

//! What `cargo metadata` says, in the terms of the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use super::version::Version;
use crate::Outcome;

/// Every package of the dependency tree, by cargo's id.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub(super) packages: BTreeMap<String, Package>,
}

#[derive(Debug, Default)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    /// It belongs to this workspace.
    pub(super) is_member: bool,
    /// It goes to the registry.
    pub(super) is_published: bool,
    pub(super) has_docs_rs: bool,
    pub(super) rust_version: Option<Version>,
    /// Name and version requirement of each normal dependency.
    pub(super) requirements: Vec<(String, String)>,
    /// Ids of the normal dependencies, as resolved, optional ones too.
    pub(super) normal: Vec<String>,
    /// How many of them only come with a feature.
    pub(super) n_optional: usize,
}

impl Workspace {
    pub(super) fn read(metadata: &str) -> Outcome<Self> {
        let json: Value = serde_json::from_str(metadata).map_err(|e| format!("cargo metadata: {e}"))?;
        let members: BTreeSet<&str> = list(&json["workspace_members"]).filter_map(Value::as_str).collect();
        let mut packages: BTreeMap<String, Package> = list(&json["packages"])
            .map(|package| {
                let id = text(&package["id"]);
                let is_member = members.contains(id.as_str());
                (id, Package::read(package, is_member))
            })
            .collect();
        for node in list(&json["resolve"]["nodes"]) {
            if let Some(package) = packages.get_mut(&text(&node["id"])) {
                package.normal =
                    list(&node["deps"]).filter(|dep| is_normal(dep)).map(|dep| text(&dep["pkg"])).collect();
            }
        }
        if packages.is_empty() || members.is_empty() {
            return Err("cargo metadata names no packages".to_owned());
        }
        Ok(Self { packages })
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().filter(|package| package.is_member)
    }

    pub(super) fn published(&self) -> impl Iterator<Item = &Package> {
        self.members().filter(|package| package.is_published)
    }

    /// The packages that `package` needs to be used.
    pub(super) fn direct<'a>(&'a self, package: &'a Package) -> impl Iterator<Item = &'a Package> {
        package.normal.iter().filter_map(|id| self.packages.get(id))
    }

    /// The packages that `package` needs to be used, and all that these need.
    pub(super) fn tree<'a>(&'a self, package: &'a Package) -> impl Iterator<Item = &'a Package> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&String> = package.normal.iter().collect();
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(self.packages.get(id).into_iter().flat_map(|package| &package.normal));
            }
        }
        seen.into_iter().filter_map(|id| self.packages.get(id))
    }
}

impl Package {
    fn read(json: &Value, is_member: bool) -> Self {
        let dependencies = || list(&json["dependencies"]).filter(|dependency| dependency["kind"].is_null());
        Self {
            name: text(&json["name"]),
            folder: PathBuf::from(text(&json["manifest_path"]))
                .parent()
                .map(PathBuf::from)
                .unwrap_or_default(),
            is_member,
            // `publish = false` reads as an empty list of registries.
            is_published: is_member && !json["publish"].as_array().is_some_and(Vec::is_empty),
            has_docs_rs: json["metadata"]["docs"]["rs"].is_object(),
            rust_version: json["rust_version"].as_str().and_then(Version::parse),
            requirements: dependencies().map(|d| (text(&d["name"]), text(&d["req"]))).collect(),
            normal: Vec::new(),
            n_optional: dependencies().filter(|dependency| dependency["optional"] == true).count(),
        }
    }
}

fn is_normal(dependency: &Value) -> bool {
    list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A workspace of packages and what each needs; those whose name starts with `x-` are foreign.
    pub(in super::super) fn workspace(packages: &[(&str, &[&str])]) -> Workspace {
        let package = |(name, needs): &(&str, &[&str])| {
            let is_member = !name.starts_with("x-");
            let package = Package {
                name: name.trim_start_matches("x-").to_owned(),
                is_member,
                is_published: is_member,
                normal: needs.iter().map(|&id| id.to_owned()).collect(),
                ..Package::default()
            };
            ((*name).to_owned(), package)
        };
        Workspace { packages: packages.iter().map(package).collect() }
    }

    #[test]
    fn only_normal_dependencies_count() {
        let kinds = |kind: Value| json!([{ "kind": kind, "target": null }]);
        let metadata = json!({
            "workspace_members": ["ours"],
            "packages": [
                {
                    "id": "ours", "name": "ours", "manifest_path": "/w/ours/Cargo.toml", "publish": null, "rust_version": "1.88",
                    "metadata": { "docs": { "rs": {} } },
                    "dependencies": [
                        { "name": "a", "req": "^1.2", "kind": null, "optional": true },
                        { "name": "b", "req": "^1", "kind": "dev", "optional": false },
                    ],
                },
                { "id": "a", "name": "a", "manifest_path": "/r/a/Cargo.toml", "publish": null },
                { "id": "b", "name": "b", "manifest_path": "/r/b/Cargo.toml", "publish": [] },
            ],
            "resolve": { "nodes": [{ "id": "ours", "deps": [
                { "pkg": "a", "dep_kinds": kinds(Value::Null) },
                { "pkg": "b", "dep_kinds": kinds(json!("dev")) },
            ]}]},
        });
        let workspace = Workspace::read(&metadata.to_string()).unwrap();
        let ours = workspace.members().next().unwrap();
        assert_eq!((ours.name.as_str(), ours.is_published, ours.has_docs_rs), ("ours", true, true));
        assert_eq!(ours.folder, PathBuf::from("/w/ours"));
        assert_eq!(ours.requirements, [("a".to_owned(), "^1.2".to_owned())]);
        assert_eq!(workspace.tree(ours).map(|package| package.name.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!(ours.n_optional, 1);
        assert!(Workspace::read("{}").is_err());
    }

    #[test]
    fn the_tree_has_everything_once() {
        let workspace =
            workspace(&[("a", &["b", "x-c"]), ("b", &["x-c"]), ("x-c", &["x-d"]), ("x-d", &["x-c"])]);
        let names = workspace.tree(&workspace.packages["a"]).map(|package| package.name.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["b", "c", "d"]);
    }
}

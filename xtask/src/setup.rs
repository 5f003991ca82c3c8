//! What the steps need beyond Rust: the official JavaScript clients, the Python client, and Debian packages.

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use crate::Outcome;
use crate::shell::{has_program, is_ci, output, run, succeeds, workspace};

/// A program that a step starts, and the Debian package that brings it.
struct Need {
    /// The names it goes by; one of them is enough.
    programs: &'static [&'static str],
    package: &'static str,
}

const FOR_TESTS: &[Need] =
    &[Need { programs: &["chromium", "chromium-browser", "google-chrome"], package: "chromium" }];

const FOR_PYTHON: &[Need] = &[Need { programs: &["python3"], package: "python3-venv" }];

const FOR_COUNTING: &[Need] = &[Need { programs: &["valgrind"], package: "valgrind" }];

/// Installs what the tests lack, or says how to.
pub(crate) fn for_tests() -> Outcome {
    debian_packages("the tests need", FOR_TESTS)?;
    npm_packages("tests/js")?;
    npm_packages("examples/chat")?;
    python_packages("tests/python")
}

/// Installs what counting instructions lacks, or says how to.
pub(crate) fn for_counting() -> Outcome {
    debian_packages("counting instructions needs", FOR_COUNTING)
}

fn debian_packages(who_needs: &str, needs: &[Need]) -> Outcome {
    let missing: Vec<&str> = missing(needs, has_program);
    if missing.is_empty() { Ok(()) } else { install(&missing, who_needs) }
}

fn install(packages: &[&str], who_needs: &str) -> Outcome {
    let packages = packages.join(" ");
    if !has_program("apt-get") || !is_root() {
        return Err(format!("{who_needs} {packages}; on Debian: sudo apt-get install -y {packages}"));
    }
    let apt = |words: &str| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-qq", "-o", "Acquire::Retries=3"]);
        command.args(words.split_whitespace());
        run(&mut command)
    };
    apt("update")?;
    apt(&format!("install -y --no-install-recommends {packages}"))
}

/// Installs what the `package-lock.json` of this folder of the workspace names, unless it is there.
pub(crate) fn npm_packages(folder: &str) -> Outcome {
    if !has_program("node") || !has_program("npm") {
        return Err(format!("{folder} needs Node.js 20 or newer with npm: https://nodejs.org"));
    }
    let folder = workspace().join(folder);
    let changed = |path: &str| folder.join(path).metadata().and_then(|file| file.modified()).ok();
    if is_current(changed("package-lock.json"), changed("node_modules/.package-lock.json")) {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    run(npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder))
}

/// Installs what the `requirements.txt` of this folder names into its `.venv`, unless it is there. Only CI must have
/// Python: elsewhere the tests of the Python client skip themselves.
fn python_packages(folder: &str) -> Outcome {
    if let Err(problem) = debian_packages("the Python client needs", FOR_PYTHON) {
        if is_ci() {
            return Err(problem);
        }
        eprintln!("\n{problem}: its tests are skipped");
        return Ok(());
    }
    let folder = workspace().join(folder);
    let [wanted, installed] = ["requirements.txt", ".venv/installed.txt"].map(|path| folder.join(path));
    let changed = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    if is_current(changed(&wanted), changed(&installed)) {
        return Ok(());
    }
    // Debian has a Python without the means to make an environment, too.
    if !succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])) {
        install(&["python3-venv"], "the Python client needs")?;
    }
    run(Command::new("python3").args(["-m", "venv", "--clear", ".venv"]).current_dir(&folder))?;
    let python = folder.join(if cfg!(windows) { ".venv/Scripts/python.exe" } else { ".venv/bin/python" });
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"]);
    run(pip.current_dir(&folder))?;
    std::fs::write(&installed, "").map_err(|e| format!("{}: {e}", installed.display()))
}

fn missing(needs: &[Need], is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    needs
        .iter()
        .filter(|need| !need.programs.iter().any(|name| is_there(name)))
        .map(|need| need.package)
        .collect()
}

/// Whether what npm wrote when it was done is at least as new as what it had to install.
fn is_current(lock: Option<SystemTime>, installed: Option<SystemTime>) -> bool {
    matches!((lock, installed), (Some(lock), Some(installed)) if lock <= installed)
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn any_name_of_a_program_will_do() {
        let needs = [
            Need { programs: &["chromium", "google-chrome"], package: "chromium" },
            Need { programs: &["redis-server"], package: "redis-server" },
        ];
        assert_eq!(missing(&needs, |name| name == "google-chrome"), ["redis-server"]);
        assert_eq!(missing(&needs, |_| false), ["chromium", "redis-server"]);
        assert!(missing(&needs, |_| true).is_empty());
    }

    #[test]
    fn packages_are_installed_again_when_the_lock_is_newer() {
        let then = SystemTime::UNIX_EPOCH;
        let now = then + Duration::from_secs(1);
        assert!(is_current(Some(then), Some(now)));
        assert!(is_current(Some(then), Some(then)));
        assert!(!is_current(Some(now), Some(then)));
        assert!(!is_current(Some(now), None));
        assert!(!is_current(None, Some(now)));
    }
}

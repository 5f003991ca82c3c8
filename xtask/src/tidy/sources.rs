//! What no file may say.

use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::shell::output;

/// The state machines: everything reaches them as an argument.
const PURE_FOLDERS: &[&str] = &["session", "client", "cluster"];

const FORBIDDEN_IN_PURE_CODE: &[&str] =
    &["tokio", ".await", "Instant::now", "SystemTime::now", "std::thread", "Mutex", "RwLock"];

/// Files of the crates stay small enough to be read at one go.
const MAX_LINES: usize = 800;

/// Where the names that logs are filtered by are documented, as the rows of a table.
const SCOPES: &str = "crates/socketio-server/src/logging.rs";

/// Folders of one person's machine. Written in two parts, so that this file does not accuse itself.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!("C:\\", "Users\\"),
];

/// Applies every rule to every file that git knows or would add.
pub(super) fn all(root: &Path) -> Outcome<Vec<String>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let machine = output(&mut Command::new("hostname")).unwrap_or_default();
    let listed = output(&mut git)?;
    // A file that was deleted but not yet committed is listed too, and what is no text has nothing to say.
    let read = |path| Some((path, std::fs::read_to_string(root.join(path)).ok()?));
    let files: Vec<(&str, String)> = listed.lines().filter_map(read).collect();
    let tests: Vec<String> = files.iter().flat_map(|(path, text)| test_modules(path, text)).collect();

    let scopes = files.iter().find(|(path, _)| *path == SCOPES).map(|(_, text)| documented_scopes(text));
    let scopes = scopes.unwrap_or_default();

    let mut problems = Vec::new();
    for (path, text) in &files {
        problems.extend(leaks(path, text, machine.trim()));
        if path.ends_with(".rs") && path.starts_with("crates/") {
            problems.extend(length(path, text));
            problems.extend(log_targets(path, text, &scopes));
            if is_pure(path) && !tests.iter().any(|module| path.starts_with(module)) {
                problems.extend(impurities(path, text));
            }
        }
    }
    Ok(problems)
}

fn is_pure(path: &str) -> bool {
    let mut parts = path.split('/').skip_while(|part| *part != "src").skip(1);
    let in_pure_folder = parts.next().is_some_and(|folder| PURE_FOLDERS.contains(&folder));
    in_pure_folder && parts.next().is_some()
}

/// How the paths of those modules start that `text` declares for tests only: `.../name.` and `.../name/`.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let folder = match path.strip_suffix(".rs") {
        Some(module) => ["/mod", "/lib"].iter().find_map(|root| module.strip_suffix(root)).unwrap_or(module),
        None => return Vec::new(),
    };
    let mut lines = text.lines().peekable();
    let mut modules = Vec::new();
    while let Some(line) = lines.next() {
        let declared = lines.peek().and_then(|next| next.strip_prefix("mod ")?.strip_suffix(';'));
        if let (true, Some(name)) = (is_for_tests(line), declared) {
            modules.extend([format!("{folder}/{name}."), format!("{folder}/{name}/")]);
        }
    }
    modules
}

fn is_for_tests(line: &str) -> bool {
    line.starts_with("#[cfg(") && has_word(line, "test")
}

/// Words that a state machine must not use outside of its comments and tests.
fn impurities(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut before = "";
    for (i, line) in text.lines().enumerate() {
        if is_for_tests(before) && line.starts_with("mod ") && line.ends_with('{') {
            break;
        }
        before = line;
        let code = line.split("//").next().unwrap_or_default();
        let found = FORBIDDEN_IN_PURE_CODE.iter().filter(|word| has_word(code, word));
        problems.extend(found.map(|word| format!("{path}:{}: `{word}` in a pure module", i + 1)));
    }
    problems
}

fn length(path: &str, text: &str) -> Option<String> {
    let n_lines = text.lines().count();
    (n_lines > MAX_LINES).then(|| format!("{path}: {n_lines} lines, more than {MAX_LINES}: split it"))
}

fn documented_scopes(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("//! | `")?.split_once('`'))
        .map(|(scope, _)| scope)
        .collect()
}

/// Calls of `tracing` in a crate that do not name a documented scope, in their first line or in the next.
fn log_targets(path: &str, text: &str, documented: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((i, line)) = lines.next() {
        let is_call = ["error!(", "warn!(", "info!(", "debug!(", "trace!("]
            .iter()
            .any(|level| line.contains(&format!("tracing::{level}")));
        if !is_call {
            continue;
        }
        let next = lines.peek().map_or("", |(_, next)| *next);
        let named =
            [line, next].into_iter().find_map(|line| line.split_once("target: \"")?.1.split_once('"'));
        let place = format!("{path}:{}", i + 1);
        match named {
            None => problems.push(format!("{place}: a log without `target`")),
            Some((scope, _)) if !documented.contains(&scope) => {
                problems.push(format!("{place}: the scope {scope} is not in {SCOPES}"));
            }
            Some(_) => {}
        }
    }
    problems
}

/// Traces of the machine that a file was written on.
fn leaks(path: &str, text: &str, machine: &str) -> Vec<String> {
    // A short or common name says nothing and stands in ordinary text.
    let is_telling = machine.len() >= 8 && machine.contains(|c: char| c.is_ascii_digit());
    let mut problems = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let place = format!("{path}:{}", i + 1);
        let starts_here =
            |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}$".contains(c));
        let folder =
            MACHINE_PATHS.iter().find(|folder| line.match_indices(**folder).any(|(at, _)| starts_here(at)));
        problems.extend(folder.map(|folder| format!("{place}: `{folder}` is a path of one machine")));
        if is_telling && line.contains(machine) {
            problems.push(format!("{place}: the name of this machine"));
        }
    }
    problems
}

/// Whether `word` stands in `code` by itself, not as part of a longer name.
fn has_word(code: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + word.len()..]);
        let is_joined = word.starts_with(is_name) && before.ends_with(is_name);
        !is_joined && !after.starts_with(is_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_machines_are_found_by_their_folder() {
        for pure in
            ["crates/a/src/session/mod.rs", "crates/a/src/cluster/sub/x.rs", "crates/a/src/client/acks.rs"]
        {
            assert!(is_pure(pure), "{pure}");
        }
        for other in
            ["crates/a/src/session.rs", "crates/a/src/server/session/mod.rs", "crates/a/tests/session/mod.rs"]
        {
            assert!(!is_pure(other), "{other}");
        }
    }

    #[test]
    fn modules_for_tests_are_found_where_they_are_declared() {
        let text = "mod state;\n#[cfg(test)]\nmod sim;\n#[cfg(any(test, fuzzing))]\nmod ops;\n#[cfg(unix)]\nmod io;\n";
        let starts = ["s/session/sim.", "s/session/sim/", "s/session/ops.", "s/session/ops/"];
        assert_eq!(test_modules("s/session/mod.rs", text), starts);
        assert_eq!(test_modules("s/session.rs", text), starts);
        assert_eq!(test_modules("s/x.md", text), Vec::<String>::new());
    }

    #[test]
    fn state_machines_stay_pure() {
        let check = |text: &str| impurities("x.rs", text);
        assert_eq!(check("use tokio::time;\n"), ["x.rs:1: `tokio` in a pure module"]);
        assert_eq!(check("fn f() {\n    g().await;\n}\n"), ["x.rs:2: `.await` in a pure module"]);
        assert_eq!(
            check("let now = std::time::Instant::now();"),
            ["x.rs:1: `Instant::now` in a pure module"]
        );
        assert_eq!(check("a: parking_lot::Mutex<u8>"), ["x.rs:1: `Mutex` in a pure module"]);
        assert_eq!(check("#[cfg(test)]\nmod sim;\nuse tokio::time;"), ["x.rs:3: `tokio` in a pure module"]);
        for fine in [
            "// tokio drives this",
            "//! Mutex",
            "let awaited = x.awaiting();",
            "fn tokio_like(m: MutexLike) {}",
            "#[cfg(test)]\nmod tests {\n    use tokio::test;\n}",
        ] {
            assert_eq!(check(fine), Vec::<String>::new(), "{fine}");
        }
    }

    #[test]
    fn no_file_names_a_machine() {
        let check = |text: &str| leaks("x", text, "builder-7f3a");
        for folder in MACHINE_PATHS {
            assert_eq!(check(&format!("\"{folder}me/x\"")).len(), 1, "{folder}");
        }
        assert_eq!(check("ran on builder-7f3a"), ["x:1: the name of this machine"]);
        assert_eq!(leaks("x", "runs on main", "main"), Vec::<String>::new());
        let url = format!("https://example.org{}index", MACHINE_PATHS[1]);
        assert_eq!(check(&url), Vec::<String>::new());
    }

    #[test]
    fn logs_name_a_documented_scope() {
        let documented =
            documented_scopes("//! Text.\n//! | scope |\n//! |---|\n//! | `engine:ws` | frames |\n");
        assert_eq!(documented, ["engine:ws"]);
        let check =
            |arguments: &str| log_targets("x.rs", &format!("tracing::debug!({arguments});"), &documented);
        assert_eq!(check("target: \"engine:ws\", \"lost\""), Vec::<String>::new());
        assert_eq!(check("\n    target: \"engine:ws\",\n    \"lost\""), Vec::<String>::new());
        assert_eq!(check("\"lost\""), ["x.rs:1: a log without `target`"]);
        assert_eq!(check("\"lost\"\n\ntarget: \"engine:ws\"").len(), 1);
        let unknown = format!("x.rs:1: the scope engine is not in {SCOPES}");
        assert_eq!(check("target: \"engine\", \"lost\""), [unknown]);
    }

    #[test]
    fn files_have_a_length_one_can_read() {
        assert_eq!(length("x", &"\n".repeat(800)), None);
        assert_eq!(length("x", &"\n".repeat(801)).unwrap(), "x: 801 lines, more than 800: split it");
    }
}

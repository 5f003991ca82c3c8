//! Other programs: how they are found, shown and run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;

/// The folder of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("this package lies in a folder of the workspace").to_owned()
}

/// Whether a missing tool is an error instead of a shorter run.
pub(crate) fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// A cargo command in the workspace's folder; its arguments are separated by blanks.
pub(crate) fn cargo(words: &str) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(words.split_whitespace()).current_dir(workspace());
    command
}

/// [`cargo`], in CI with `--locked` after all its arguments: Cargo.lock must then be up to date.
pub(crate) fn cargo_locked(words: &str) -> Command {
    let mut command = cargo(words);
    if is_ci() {
        command.arg("--locked");
    }
    command
}

/// Shows the command and runs it; its output goes where ours goes.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let line = display(command);
    eprintln!("\n$ {line}");
    let status = command.stdin(Stdio::null()).status().map_err(|e| format!("cannot start `{line}`: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` ended with {status}")) }
}

/// Runs the command quietly and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let line = display(command);
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("cannot start `{line}`: {e}"))?;
    if !output.status.success() {
        return Err(format!(
            "`{line}` ended with {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    String::from_utf8(output.stdout).map_err(|e| format!("`{line}` printed what is no text: {e}"))
}

/// Whether a command runs and ends with success; how we ask whether a tool is there.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Whether a program of that name is on the `PATH`.
pub(crate) fn has_program(name: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    std::env::split_paths(&path)
        .any(|folder| folder.join(name).is_file() || folder.join(format!("{name}.exe")).is_file())
}

fn display(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_else(|| command.get_program());
    let mut line = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_named_with_its_status() {
        let mut command = cargo("no-such-command --flag");
        let message = output(&mut command).unwrap_err();
        assert!(
            message.starts_with("`cargo no-such-command --flag` ended with exit status: 101\n"),
            "{message}"
        );
        assert!(!succeeds(&mut command));
        assert!(succeeds(&mut cargo("--version")));
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(has_program("cargo"));
        assert!(!has_program("no-such-program"));
    }
}

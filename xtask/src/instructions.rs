//! `cargo xtask ci instructions`: no case of the benches may cost notably more instructions than was recorded.
//!
//! Time says little on a shared machine; instructions are the same in every run. Each case runs twice under callgrind,
//! `n` and `2n` times: what the second run costs more is `n` times the case, without its set-up.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::shell::{cargo, cargo_locked, is_ci, output, run, workspace};
use crate::{Outcome, setup};

const PACKAGE: &str = "bench-instructions";
const RECORDED: &str = "benches/instructions/counts.txt";

/// By how many percent a case may differ from what was recorded.
const TOLERANCE: u64 = 3;

/// Instructions per run of a case, in the order of the cases.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    /// Another compiler, or another architecture, makes other instructions of the same code.
    compiler: String,
    cases: Vec<(String, u64)>,
}

/// What a comparison finds, in lines for the developer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Differences {
    wrong: Vec<String>,
    cheaper: Vec<String>,
}

/// Counts, and compares with what was recorded.
pub(crate) fn check() -> Outcome {
    let path = workspace().join(RECORDED);
    let recorded = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let recorded = Counts::parse(&recorded)?;
    let compiler = compiler()?;
    if compiler != recorded.compiler {
        let problem = format!(
            "{RECORDED} was recorded with {}, and counts of {compiler} cannot be compared with it",
            recorded.compiler
        );
        if is_ci() {
            return Err(format!("{problem}: build with that compiler, or record with this one"));
        }
        eprintln!("\ninstructions: {problem}: skipped");
        return Ok(());
    }
    let counted = Counts { compiler, cases: count()? };
    let differences = recorded.compare(&counted);
    if !differences.cheaper.is_empty() {
        let lines = differences.cheaper.join("\n  ");
        eprintln!("\nto be recorded (cargo xtask record), so that they do not grow again unseen:\n  {lines}");
    }
    if differences.wrong.is_empty() {
        eprintln!("\ninstructions: {} cases, none more than {TOLERANCE} % dearer", counted.cases.len());
        return Ok(());
    }
    let lines = differences.wrong.join("\n  ");
    Err(format!("not as recorded in {RECORDED}; if it is meant, cargo xtask record:\n  {lines}"))
}

/// Counts, and writes down the result.
pub(crate) fn record() -> Outcome {
    let counted = Counts { compiler: compiler()?, cases: count()? };
    let path = workspace().join(RECORDED);
    std::fs::write(&path, counted.to_text()).map_err(|e| format!("{}: {e}", path.display()))
}

/// What makes the instructions: the compiler, and what it builds for.
fn compiler() -> Outcome<String> {
    let verbose = output(Command::new("rustc").arg("-vV").current_dir(workspace()))?;
    let host = verbose.lines().find_map(|line| line.strip_prefix("host: "));
    match (verbose.lines().next(), host) {
        (Some(version), Some(host)) => Ok(format!("{version} for {host}")),
        _ => Err(format!("rustc -vV says neither version nor host: {verbose:?}")),
    }
}

fn count() -> Outcome<Vec<(String, u64)>> {
    setup::for_counting()?;
    run(&mut cargo_locked(&format!("build --release --package {PACKAGE}")))?;
    let program = program()?;
    let listed = output(&mut Command::new(&program))?;
    let cases: Vec<(&str, u64)> = listed.lines().filter_map(numbered).collect();
    eprintln!("\n$ valgrind --tool=callgrind {PACKAGE} …, {} cases", cases.len());
    // A run takes one processor, and whatever runs beside it does not change its count.
    let n_threads = thread::available_parallelism().map_or(1, usize::from);
    let mut counts = Vec::new();
    for some in cases.chunks(n_threads) {
        let results: Vec<Outcome<u64>> = thread::scope(|scope| {
            let running: Vec<_> =
                some.iter().map(|(case, n)| scope.spawn(|| per_run(&program, case, *n))).collect();
            running.into_iter().map(|one| one.join().unwrap_or_else(|_| Err("panicked".to_owned()))).collect()
        });
        for ((case, _), result) in some.iter().zip(results) {
            let count = result.map_err(|problem| format!("{case}: {problem}"))?;
            eprintln!("  {case} {count}");
            counts.push(((*case).to_owned(), count));
        }
    }
    Ok(counts)
}

/// The program, wherever cargo was told to build.
fn program() -> Outcome<PathBuf> {
    let metadata = output(&mut cargo("metadata --no-deps --format-version 1"))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|e| format!("cargo metadata: {e}"))?;
    let folder = metadata["target_directory"].as_str().ok_or("cargo metadata names no target_directory")?;
    Ok(Path::new(folder).join("release").join(PACKAGE))
}

/// The instructions of one run of a case, without its set-up.
fn per_run(program: &Path, case: &str, n: u64) -> Outcome<u64> {
    let once = total(program, case, n)?;
    let twice = total(program, case, 2 * n)?;
    let difference = twice.checked_sub(once).ok_or("twice the work took fewer instructions")?;
    Ok(difference / n)
}

/// The instructions of a whole process.
fn total(program: &Path, case: &str, n: u64) -> Outcome<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program).arg(case);
    let result = valgrind.arg(n.to_string()).stdin(Stdio::null()).output();
    let result = result.map_err(|e| format!("cannot start valgrind: {e}"))?;
    let said = String::from_utf8_lossy(&result.stderr);
    match collected(&said) {
        Some(total) if result.status.success() => Ok(total),
        _ => Err(format!("valgrind ended with {}\n{said}", result.status)),
    }
}

/// What callgrind says at its end: `==123== Collected : 456`.
fn collected(said: &str) -> Option<u64> {
    let (_, total) = said.lines().find_map(|line| line.split_once(" Collected : "))?;
    total.trim().parse().ok()
}

/// A line that ends with a number.
fn numbered(line: &str) -> Option<(&str, u64)> {
    let (name, number) = line.rsplit_once(' ')?;
    Some((name.trim_end(), number.parse().ok()?))
}

impl Counts {
    /// Reads the recorded file: the compiler in the first line, then a case in each.
    fn parse(text: &str) -> Outcome<Self> {
        let mut lines = text.lines();
        let compiler = lines.next().ok_or_else(|| format!("{RECORDED} is empty"))?.to_owned();
        let case = |line| {
            let (name, count) = numbered(line).ok_or_else(|| format!("{RECORDED}: not a case: {line}"))?;
            Ok((name.to_owned(), count))
        };
        Ok(Self { compiler, cases: lines.map(case).collect::<Outcome<_>>()? })
    }

    fn to_text(&self) -> String {
        let width = self.cases.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let mut text = format!("{}\n", self.compiler);
        for (name, count) in &self.cases {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:width$} {count:>9}");
        }
        text
    }

    fn of(&self, case: &str) -> Option<u64> {
        self.cases.iter().find(|(name, _)| name == case).map(|(_, count)| *count)
    }

    /// Compares what was recorded with what was counted.
    fn compare(&self, counted: &Self) -> Differences {
        let mut differences = Differences::default();
        for (case, count) in &counted.cases {
            let Some(before) = self.of(case) else {
                differences.wrong.push(format!("{case}: {count}, not recorded yet"));
                continue;
            };
            let line = || format!("{case}: {count}, {before} were recorded ({})", percent(before, *count));
            if count * 100 > before * (100 + TOLERANCE) {
                differences.wrong.push(line());
            } else if count * 100 < before * (100 - TOLERANCE) {
                differences.cheaper.push(line());
            }
        }
        let gone = self.cases.iter().filter(|(case, _)| counted.of(case).is_none());
        differences.wrong.extend(gone.map(|(case, _)| format!("{case}: there is no such case any more")));
        differences
    }
}

fn percent(before: u64, now: u64) -> String {
    let thousandths = (i128::from(now) - i128::from(before)) * 1000 / i128::from(before.max(1));
    format!(
        "{}{}.{} %",
        if thousandths < 0 { '-' } else { '+' },
        thousandths.abs() / 10,
        thousandths.abs() % 10
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(cases: &[(&str, u64)]) -> Counts {
        let cases = cases.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Counts { compiler: "rustc 1.88.0 for x86_64-unknown-linux-gnu".to_owned(), cases }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = counts(&[("a/long_name", 7), ("b", 1_234_567_890)]);
        assert_eq!(Counts::parse(&written.to_text()).unwrap(), written);
        assert_eq!(
            written.to_text(),
            "rustc 1.88.0 for x86_64-unknown-linux-gnu\na/long_name         7\nb           1234567890\n"
        );
        assert!(Counts::parse("").is_err());
        assert!(Counts::parse("rustc\nno number\n").is_err());
    }

    #[test]
    fn a_case_is_wrong_when_it_is_dearer_by_more_than_the_tolerance() {
        let recorded = counts(&[("a", 1000)]);
        let compare = |count| recorded.compare(&counts(&[("a", count)]));
        for fine in [970, 1000, 1030] {
            assert_eq!(compare(fine), Differences::default(), "{fine}");
        }
        assert_eq!(compare(1031).wrong, ["a: 1031, 1000 were recorded (+3.1 %)"]);
        assert_eq!(compare(1031).cheaper, Vec::<String>::new());
        assert_eq!(compare(969).cheaper, ["a: 969, 1000 were recorded (-3.1 %)"]);
        assert_eq!(compare(969).wrong, Vec::<String>::new());
    }

    #[test]
    fn every_case_is_recorded_and_nothing_else() {
        let recorded = counts(&[("a", 1), ("b", 2)]);
        let differences = recorded.compare(&counts(&[("b", 2), ("c", 3)]));
        assert_eq!(differences.wrong, ["c: 3, not recorded yet", "a: there is no such case any more"]);
    }

    #[test]
    fn the_total_stands_at_the_end_of_what_callgrind_says() {
        let said =
            "==7== Events    : Ir\n==7== Collected : 2144305\n==7== \n==7== I   refs:      2,144,305\n";
        assert_eq!(collected(said), Some(2_144_305));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }
}

//! `cargo xtask fuzz`: the fuzz targets of `fuzz/`, built with stable Rust.
//!
//! libFuzzer's coverage comes from LLVM's own pass, switched on by compiler flags ([`FLAGS`]); no nightly and no
//! sanitizer runtime is needed, only a C++ compiler for libFuzzer itself. `fuzz/corpus/<target>` is kept in the
//! repository and small; `fuzz/seeds/<target>` and the folders under `[package.metadata.seeds]` of `fuzz/Cargo.toml`
//! are where a target begins. What a run finds goes to the target directory until `minimise` takes the useful part over.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::failure::{Failure, Finding};
use crate::process;
use crate::workspace::{FUZZ, Workspace};

mod outcome;
mod runs;

use outcome::Outcome;

/// Coverage for libFuzzer on a stable compiler.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg=fuzzing";

/// A target that parses nothing: it exists to be found broken by `planted`.
const TOY: &str = "toy";

/// Every target but [`TOY`].
const ALL: &str = "all";

/// Seconds of a processor that a long run has, unless another number is asked for.
const LONG: u32 = 600;

/// Seconds each of two searches for a planted bug may take, where the host keeps the processors, too: one that finds it ends at once.
const PLANTED_SECONDS: u32 = 240;

/// Largest kept corpus file and number of them.
const KEPT_BYTES: u64 = 8192;
const KEPT_FILES: usize = 300;

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let setup = Setup::find(workspace)?;
    match words.as_slice() {
        ["list"] => {
            for target in &setup.targets {
                println!("{target}");
            }
            Ok(())
        }
        ["smoke"] => setup.smoke(12),
        ["smoke", "--secs", seconds] => setup.smoke(number(seconds)?),
        ["run", target] => setup.long(workspace, target, LONG, false),
        ["run", target, "--write"] => setup.long(workspace, target, LONG, true),
        ["run", target, "--secs", seconds] => setup.long(workspace, target, number(seconds)?, false),
        ["run", target, "--secs", seconds, "--write"] => setup.long(workspace, target, number(seconds)?, true),
        ["minimise", target] => setup.minimise(target),
        ["planted"] => setup.planted(None),
        ["planted", target] => setup.planted(Some(target)),
        _ => Err(Failure::Usage("fuzz takes list, smoke, run, minimise or planted".into())),
    }
}

fn number(text: &str) -> Result<u32, Failure> {
    text.parse().map_err(|_| Failure::Usage(format!("`{text}` is no number of seconds")))
}

/// The fuzz package and where things are.
struct Setup {
    root: PathBuf,
    /// Built programs and found inputs.
    scratch: PathBuf,
    targets: Vec<String>,
    seeds: Value,
    host: String,
}

impl Setup {
    fn find(workspace: &Workspace) -> Result<Self, Failure> {
        let metadata = workspace.fuzz_metadata()?;
        let package = &metadata["packages"][0];
        let bins = package["targets"].as_array().into_iter().flatten().filter(|target| target["kind"][0] == "bin");
        let targets: Vec<String> = bins.filter_map(|target| target["name"].as_str().map(str::to_string)).collect();
        let version = process::output(Command::new("rustc").arg("-vV"))?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("x86_64-unknown-linux-gnu");
        // Not asked of the main workspace: a target can be fuzzed while another crate does not build.
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.path("target"), PathBuf::from);
        Ok(Setup {
            root: workspace.root().to_path_buf(),
            scratch: target.join("fuzz"),
            targets,
            seeds: package["metadata"]["seeds"].clone(),
            host: host.to_string(),
        })
    }

    fn known(&self, target: &str) -> Result<(), Failure> {
        if self.targets.iter().any(|name| name == target) {
            return Ok(());
        }
        Err(Failure::Usage(format!("no fuzz target `{target}`; there are {}", self.targets.join(", "))))
    }

    /// Builds one target or every one and returns the folder of the programs.
    fn build(&self, planted: bool, only: Option<&str>) -> Result<PathBuf, Failure> {
        let mut command = process::cargo();
        // With --target the flags stay away from build scripts, which could not be linked with them.
        command.current_dir(&self.root).env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", &self.scratch);
        command.args(["build", "--release", "--quiet", "--manifest-path", FUZZ, "--target", &self.host]);
        match only {
            Some(target) => command.args(["--bin", target]),
            None => command.arg("--bins"),
        };
        let built = self.scratch.join(&self.host).join("release");
        if !planted {
            process::run(&mut command)?;
            return Ok(built);
        }
        process::run(command.args(["--features", "planted"]))?;
        // The same folder holds those without a bug the next time; what both stand on is built once.
        let apart = folder(self.scratch.join("with-planted-bugs"))?;
        for target in self.targets.iter().filter(|target| only.is_none_or(|only| only == *target)) {
            std::fs::copy(built.join(target), apart.join(target)).map_err(|e| Failure::file(&built.join(target), e))?;
        }
        Ok(apart)
    }

    /// Folders a target begins with: kept corpus, its seeds, the shared ones of the manifest.
    fn begin(&self, target: &str) -> Vec<PathBuf> {
        let own = [format!("fuzz/corpus/{target}"), format!("fuzz/seeds/{target}")];
        let shared = self.seeds[target]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|folder| folder.as_str().map(str::to_string));
        own.into_iter().chain(shared).map(|folder| self.root.join(folder)).filter(|folder| folder.is_dir()).collect()
    }

    /// The target's dictionary, when it has one.
    fn dictionary(&self, target: &str) -> Option<String> {
        let file = self.root.join(format!("fuzz/dictionaries/{target}.dict"));
        file.is_file().then(|| format!("-dict={}", file.display()))
    }

    /// Where a target's finds go.
    fn finds(&self, target: &str) -> Result<PathBuf, Failure> {
        folder(self.scratch.join("finds").join(target))
    }

    fn smoke(&self, seconds: u32) -> Result<(), Failure> {
        let programs = self.build(false, None)?;
        let findings = side_by_side(self.targets.iter().filter(|target| *target != TOY), |target| {
            // The same beginning every time: a smoke run judges the change, not the luck of the day. `run` begins anew.
            let outcome = self.fuzz(&programs, target, seconds, Some(1))?;
            println!("fuzz {target}: {outcome}");
            Ok(self.finding(target, &outcome))
        })?;
        Failure::unless_empty(findings)
    }

    /// A run of each target that is meant, of so many seconds of a processor; with `write` the clean ones get a row in [`runs::FILE`].
    fn long(&self, workspace: &Workspace, target: &str, seconds: u32, write: bool) -> Result<(), Failure> {
        let only = Some(target).filter(|target| *target != ALL);
        only.map_or(Ok(()), |target| self.known(target))?;
        let programs = self.build(false, only)?;
        let commit =
            process::output(Command::new("git").current_dir(&self.root).args(["rev-parse", "--short=7", "HEAD"]))?;
        let page = Mutex::new(());
        let meant = self.targets.iter().filter(|name| only.map_or(*name != TOY, |only| only == *name));
        let findings = side_by_side(meant, |target| {
            let outcome = Outcome::of_runs(seconds, |left| self.fuzz(&programs, target, left, None))?;
            println!("fuzz {target}: {outcome}");
            if write && outcome.crash.is_none() {
                let _one_at_a_time = page.lock().unwrap_or_else(PoisonError::into_inner);
                let told = runs::told(&workspace.read(runs::FILE)?, target, &outcome, commit.trim());
                workspace.write(runs::FILE, &told)?;
            }
            Ok(self.finding(target, &outcome))
        })?;
        Failure::unless_empty(findings)
    }

    fn finding(&self, target: &str, outcome: &Outcome) -> Option<Finding> {
        let why = outcome.crash.as_ref()?;
        let mend =
            format!("{}; then keep the input as a seed and write a test", outcome.again(&self.program_line(target)));
        Some(Finding::new(format!("fuzz target {target}"), why, mend))
    }

    fn program_line(&self, target: &str) -> String {
        self.scratch.join(&self.host).join("release").join(target).display().to_string()
    }

    /// A run of so many seconds of the clock.
    fn fuzz(&self, programs: &Path, target: &str, seconds: u32, seed: Option<u32>) -> Result<Outcome, Failure> {
        let artifacts = folder(self.scratch.join("artifacts").join(target))?;
        let mut command = Command::new(programs.join(target));
        command.arg(self.finds(target)?).args(self.begin(target)).args(self.dictionary(target));
        command.args([format!("-max_total_time={seconds}"), format!("-artifact_prefix={}/", artifacts.display())]);
        command.args(seed.map(|seed| format!("-seed={seed}")));
        command.args([
            "-timeout=5",
            "-rss_limit_mb=1024",
            "-len_control=0",
            // Deeper stacks of mutations mostly destroy a message.
            "-mutate_depth=3",
            "-max_len=65536",
            "-print_final_stats=1",
        ]);
        Outcome::of(&mut command)
    }

    /// Shrinks what the corpus, the seeds and the last runs reached to the fewest files, and keeps those.
    fn minimise(&self, target: &str) -> Result<(), Failure> {
        let only = Some(target).filter(|target| *target != ALL);
        only.map_or(Ok(()), |target| self.known(target))?;
        let programs = self.build(false, only)?;
        let meant = self.targets.iter().filter(|name| only.map_or(*name != TOY, |only| only == *name));
        // One after the other: some begin with what is kept for another.
        meant.map(String::as_str).try_for_each(|target| self.minimised(&programs, target))
    }

    fn minimised(&self, programs: &Path, target: &str) -> Result<(), Failure> {
        let merged = self.scratch.join("merged").join(target);
        if merged.exists() {
            std::fs::remove_dir_all(&merged).map_err(|e| Failure::file(&merged, e))?;
        }
        let merged = folder(merged)?;
        let mut command = Command::new(programs.join(target));
        command.args(["-set_cover_merge=1", "-timeout=5", "-max_len=8192"]).arg(&merged);
        command.args(self.begin(target)).arg(self.finds(target)?);
        let outcome = Outcome::of(&mut command)?;
        Failure::unless_empty(self.finding(target, &outcome).into_iter().collect())?;
        let kept = folder(self.root.join("fuzz/corpus").join(target))?;
        for old in files(&kept)? {
            std::fs::remove_file(&old).map_err(|e| Failure::file(&old, e))?;
        }
        let mut new = files(&merged)?;
        new.retain(|file| std::fs::metadata(file).is_ok_and(|m| m.len() <= KEPT_BYTES));
        // Of too many, some of each size.
        let take = new.len().min(KEPT_FILES);
        let new: Vec<PathBuf> = (0..take).filter_map(|at| new.get(at * new.len() / take).cloned()).collect();
        for file in &new {
            let name = file.file_name().unwrap_or_default();
            std::fs::copy(file, kept.join(name)).map_err(|e| Failure::file(file, e))?;
        }
        println!("fuzz {target}: {} files kept in {}", new.len(), kept.display());
        Ok(())
    }

    /// Each target, built with a bug planted behind what it fuzzes, must find that bug.
    fn planted(&self, only: Option<&str>) -> Result<(), Failure> {
        if let Some(target) = only {
            self.known(target)?;
        }
        let programs = self.build(true, only)?;
        let wanted = self.targets.iter().filter(|target| only.is_none_or(|only| only == *target));
        let findings = side_by_side(wanted, |target| {
            let found = |outcome: &Outcome| outcome.crash.as_deref().is_some_and(|why| why.contains("planted bug"));
            let mut outcome = self.search(&programs, target, false)?;
            if !found(&outcome) {
                outcome = self.search(&programs, target, true)?;
            }
            if found(&outcome) {
                println!("fuzz {target}: found the planted bug; {outcome}");
                return Ok(None);
            }
            let what = format!("the planted bug was not found: {outcome}");
            let mend = "give it seeds that lead there, or mend the target";
            Ok(Some(Finding::new(format!("fuzz target {target}"), what, mend)))
        })?;
        Failure::unless_empty(findings)
    }

    /// One search for a planted bug. `values`: inputs are kept for the values that they bring to comparisons, too, which is slower and finds what
    /// hangs on several numbers.
    fn search(&self, programs: &Path, target: &str, values: bool) -> Result<Outcome, Failure> {
        let scratch = self.scratch.join("planted").join(target);
        if scratch.exists() {
            std::fs::remove_dir_all(&scratch).map_err(|e| Failure::file(&scratch, e))?;
        }
        let finds = folder(scratch.join("finds"))?;
        let mut command = Command::new(programs.join(target));
        command.arg(&finds).args(self.begin(target)).args(self.dictionary(target));
        command.args([
            format!("-max_total_time={PLANTED_SECONDS}"),
            format!("-artifact_prefix={}/", scratch.display()),
            format!("-use_value_profile={}", u8::from(values)),
        ]);
        command.args([
            // The same search every time: it is the target that is judged, not the luck of the day.
            "-seed=1",
            "-timeout=5",
            "-rss_limit_mb=1024",
            "-len_control=0",
            // Deeper stacks of mutations mostly destroy a message.
            "-mutate_depth=3",
            "-max_len=4096",
            "-print_final_stats=1",
        ]);
        Outcome::of(&mut command)
    }
}

/// What is found in the targets, as many at a time as there are processors.
fn side_by_side<'a>(
    targets: impl Iterator<Item = &'a String> + Send,
    search: impl Fn(&str) -> Result<Option<Finding>, Failure> + Sync,
) -> Result<Vec<Finding>, Failure> {
    let targets = Mutex::new(targets);
    let next = || targets.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || std::iter::from_fn(next).filter_map(|target| search(target).transpose()).collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let working: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let found: Result<Vec<Vec<Finding>>, Failure> = working
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect();
        Ok(found?.into_iter().flatten().collect())
    })
}

/// The folder, made when it is not there.
fn folder(path: PathBuf) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(&path).map_err(|e| Failure::file(&path, e))?;
    Ok(path)
}

/// Files of a folder, smallest first.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(folder).map_err(|e| Failure::file(folder, e))?;
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect();
    files.sort_by_key(|file| (std::fs::metadata(file).map_or(0, |m| m.len()), file.clone()));
    Ok(files)
}

//! What a libFuzzer program said.

use std::fmt;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::Failure;
use crate::process;

/// How many times the seconds that a run is to have of a processor it may take by the clock, where others want the processors, too.
const PATIENCE: u32 = 4;

/// The end of one run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Inputs run.
    pub(crate) executions: u64,
    /// Edges of the program that were reached.
    pub(crate) edges: u64,
    /// Inputs that reached something new.
    pub(crate) corpus: u64,
    /// Processor time that it had, by the system's accounting.
    pub(crate) processor: Duration,
    /// Why it ended before its time: panic, time-out, memory.
    pub(crate) crash: Option<String>,
    /// The input that did it.
    pub(crate) artifact: Option<String>,
}

impl Outcome {
    /// Runs the program to its end and reads its report.
    pub(crate) fn of(command: &mut Command) -> Result<Self, Failure> {
        let line = process::line_of(command);
        let failed = |what: &str, error| Failure::Program(line.clone(), format!("{what}: {error}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| failed("did not start", e))?;
        let mut report = Vec::new();
        let read = child.stderr.take().map_or(Ok(0), |mut stderr| stderr.read_to_end(&mut report));
        // It has ended, and is accounted for until it is waited for.
        let processor = processor_time(child.id());
        let status = child.wait().map_err(|e| failed("was not waited for", e))?;
        read.map_err(|e| failed("was not heard", e))?;
        let mut outcome = Outcome { processor: processor?, ..Self::read(&String::from_utf8_lossy(&report)) };
        if !status.success() && outcome.crash.is_none() {
            outcome.crash = Some(format!("ended with {status}"));
        }
        Ok(outcome)
    }

    /// Runs that together have so many seconds of a processor. Each gets what is left as seconds of the clock, [`PATIENCE`] times as many are given in all, and
    /// the first that finds something is the last.
    pub(crate) fn of_runs(seconds: u32, mut run: impl FnMut(u32) -> Result<Self, Failure>) -> Result<Self, Failure> {
        let mut all = Outcome::default();
        let mut patience = seconds.saturating_mul(PATIENCE);
        loop {
            let had = u32::try_from(all.seconds()).unwrap_or(u32::MAX);
            let left = seconds.saturating_sub(had).min(patience);
            // A hundredth is not worth another start.
            if all.crash.is_some() || left <= seconds / 100 {
                return Ok(all);
            }
            patience -= left;
            let one = run(left)?;
            all = Outcome {
                executions: all.executions + one.executions,
                processor: all.processor + one.processor,
                edges: all.edges.max(one.edges),
                ..one
            };
        }
    }

    /// Processor time in whole seconds.
    pub(crate) fn seconds(&self) -> u64 {
        self.processor.as_secs() + u64::from(self.processor.subsec_millis() >= 500)
    }

    /// Reads libFuzzer's lines: `#42 NEW cov: 12 ft: 13 corp: 3/9b ..`, `stat::number_of_executed_units: 42`,
    /// `thread '..' panicked at file:line:column:` with the message below it, `Test unit written to PATH`.
    pub(crate) fn read(text: &str) -> Self {
        let mut outcome = Outcome::default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
                outcome.executions = count.trim().parse().unwrap_or(outcome.executions);
            }
            if line.starts_with('#') {
                let words: Vec<&str> = line.split_whitespace().collect();
                let after = |key: &str| words.iter().position(|word| *word == key).and_then(|at| words.get(at + 1));
                if let Some(edges) = after("cov:").and_then(|word| word.parse().ok()) {
                    outcome.edges = edges;
                }
                if let Some(corpus) = after("corp:").and_then(|word| word.split('/').next()?.parse().ok()) {
                    outcome.corpus = corpus;
                }
                if let Some(count) = words.first().and_then(|word| word.trim_start_matches('#').parse().ok()) {
                    outcome.executions = outcome.executions.max(count);
                }
            }
            if line.contains("panicked at ") && outcome.crash.is_none() {
                let place = line.split("panicked at ").nth(1).unwrap_or_default().trim_end_matches(':');
                let message = lines.next().unwrap_or_default();
                outcome.crash = Some(format!("panic at {place}: {message}"));
            } else if let Some((_, error)) = line.split_once("ERROR: libFuzzer: ") {
                outcome.crash.get_or_insert_with(|| error.to_string());
            }
            if let Some((_, path)) = line.split_once("Test unit written to ") {
                outcome.artifact = Some(path.to_string());
            }
        }
        outcome
    }

    /// The command that shows the crash again.
    pub(crate) fn again(&self, program: &str) -> String {
        format!("{program} {}", self.artifact.as_deref().unwrap_or("INPUT"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} executions, {} edges, corpus {}", self.executions, self.edges, self.corpus)?;
        write!(f, ", {} s of a processor", self.seconds())?;
        if let Some(crash) = &self.crash {
            write!(f, ", {crash}")?;
        }
        Ok(())
    }
}

/// What the process and its children have had of the processors; it may have ended.
fn processor_time(id: u32) -> Result<Duration, Failure> {
    let path = format!("/proc/{id}/stat");
    let text = fs::read_to_string(&path).map_err(|e| Failure::file(Path::new(&path), e))?;
    Ok(read_processor_time(&text))
}

/// Reads `/proc/PID/stat`: utime, stime, cutime and cstime are the fields 14 to 17, in hundredths of a second, and the second one is a name in brackets
/// that may have brackets and spaces in it.
fn read_processor_time(text: &str) -> Duration {
    let behind_name = text.rsplit(')').next().unwrap_or_default();
    let ticks = behind_name.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_run_is_read() {
        let text = "#2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0\n#900\tNEW    cov: 31 ft: 40 corp: 7/90b lim: 4\n\
            #1000\tDONE   cov: 31 ft: 40 corp: 7/90b\nstat::number_of_executed_units: 1000\n";
        let read = Outcome::read(text);
        assert_eq!(read, Outcome { executions: 1000, edges: 31, corpus: 7, ..Outcome::default() });
    }

    #[test]
    fn a_panic_is_read_with_its_place_message_and_input() {
        let text = "#12\tNEW cov: 3 ft: 3 corp: 2/2b\n\nthread '<unnamed>' (17) panicked at src/a.rs:3:5:\nplanted bug\nnote: run with\n\
            ==17== ERROR: libFuzzer: deadly signal\nartifact_prefix='x/'; Test unit written to x/crash-ab\n";
        let read = Outcome::read(text);
        assert_eq!(read.crash.as_deref(), Some("panic at src/a.rs:3:5: planted bug"));
        assert_eq!(read.again("prog"), "prog x/crash-ab");
    }

    #[test]
    fn a_time_out_is_a_crash_too() {
        assert_eq!(
            Outcome::read("==1== ERROR: libFuzzer: timeout after 5 seconds\n").crash.as_deref(),
            Some("timeout after 5 seconds")
        );
    }

    #[test]
    fn the_time_of_the_processor_is_read_behind_any_name() {
        let text = "17 (a) b) S 1 17 17 0 -1 4194304 9 8 7 6 250 31 1020 4 20 0 1 0 99\n";
        assert_eq!(read_processor_time(text), Duration::from_millis(13_050));
    }

    #[test]
    fn a_program_is_accounted_for_what_it_works_and_not_for_what_it_sleeps() {
        let had = |script: &str| Outcome::of(Command::new("sh").args(["-c", script])).expect("a shell").processor;
        let works = had(
            "while [ $(cut -d' ' -f14 /proc/$$/stat) -lt 30 ]; do i=0; while [ $i -lt 9999 ]; do i=$((i+1)); done; done",
        );
        assert!(works >= Duration::from_millis(300), "{works:?}");
        let sleeps = had("sleep 1");
        assert!(sleeps < Duration::from_millis(300), "{sleeps:?}");
    }

    /// Runs of which each has a part of its time; what they were given, and what was told of them.
    fn runs(seconds: u32, of_each: f64, crash_at: Option<usize>) -> (Vec<u32>, Outcome) {
        let mut given = Vec::new();
        let outcome = Outcome::of_runs(seconds, |left| {
            given.push(left);
            let crash = (crash_at == Some(given.len())).then(|| "panic".to_string());
            let processor = Duration::from_secs_f64(f64::from(left) * of_each);
            Ok(Outcome { executions: 10, edges: 7, corpus: given.len() as u64, processor, crash, artifact: None })
        });
        (given, outcome.expect("runs"))
    }

    #[test]
    fn a_run_that_has_a_processor_alone_is_the_only_one() {
        let (given, outcome) = runs(600, 0.995, None);
        assert_eq!(given, [600]);
        assert_eq!((outcome.executions, outcome.seconds()), (10, 597));
    }

    #[test]
    fn what_a_run_has_not_had_of_the_processor_the_next_one_gets() {
        let (given, outcome) = runs(600, 0.5, None);
        assert_eq!(given, [600, 300, 150, 75, 37, 19, 9]);
        assert_eq!((outcome.executions, outcome.edges, outcome.corpus, outcome.seconds()), (70, 7, 7, 595));
    }

    #[test]
    fn where_there_is_next_to_no_processor_four_times_the_seconds_are_given_and_no_more() {
        let (given, outcome) = runs(100, 0.1, None);
        assert_eq!(given.iter().sum::<u32>(), 400, "{given:?}");
        assert!(outcome.seconds() < 50, "{outcome}");
    }

    #[test]
    fn a_run_that_finds_something_is_the_last() {
        let (given, outcome) = runs(600, 0.5, Some(2));
        assert_eq!(given, [600, 300]);
        assert_eq!((outcome.executions, outcome.crash.as_deref()), (20, Some("panic")));
    }
}

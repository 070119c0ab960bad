//! What a libFuzzer program said.

use std::fmt;
use std::process::Command;

use crate::failure::Failure;
use crate::process;

/// The end of one run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Inputs run.
    pub(crate) executions: u64,
    /// Edges of the program that were reached.
    pub(crate) edges: u64,
    /// Inputs that reached something new.
    pub(crate) corpus: u64,
    /// Why it ended before its time: panic, time-out, memory.
    pub(crate) crash: Option<String>,
    /// The input that did it.
    pub(crate) artifact: Option<String>,
}

impl Outcome {
    /// Runs the program to its end and reads its report.
    pub(crate) fn of(command: &mut Command) -> Result<Self, Failure> {
        let output =
            command.output().map_err(|e| Failure::Program(process::line_of(command), format!("did not start: {e}")))?;
        let mut outcome = Self::read(&String::from_utf8_lossy(&output.stderr));
        if !output.status.success() && outcome.crash.is_none() {
            outcome.crash = Some(format!("ended with {}", output.status));
        }
        Ok(outcome)
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
        if let Some(crash) = &self.crash {
            write!(f, ", {crash}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_run_is_read() {
        let text = "#2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0\n#900\tNEW    cov: 31 ft: 40 corp: 7/90b lim: 4\n\
            #1000\tDONE   cov: 31 ft: 40 corp: 7/90b\nstat::number_of_executed_units: 1000\n";
        let read = Outcome::read(text);
        assert_eq!(read, Outcome { executions: 1000, edges: 31, corpus: 7, crash: None, artifact: None });
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
}

//! Why a task ended without success.

use std::fmt;
use std::path::Path;

/// One thing that is wrong: where, what, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// File, file:line or package.
    pub(crate) place: String,
    /// What is wrong there.
    pub(crate) what: String,
    /// The edit or the command that puts it right.
    pub(crate) mend: String,
}

impl Finding {
    pub(crate) fn new(place: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Finding { place: place.into(), what: what.into(), mend: mend.into() }
    }
}

/// The ways a task fails.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// The words on the command line make no sense.
    Usage(String),
    /// The check found these.
    Findings(Vec<Finding>),
    /// A file could not be read or written.
    File(String, std::io::Error),
    /// A program could not be started or ended badly: the command line, and what happened.
    Program(String, String),
    /// A program has told itself what is wrong, and ended with this code.
    Told(u8),
    /// Something the task relies on does not hold; says what and what to do.
    Missing(String),
}

impl Failure {
    pub(crate) fn file(path: &Path, error: std::io::Error) -> Self {
        Failure::File(path.display().to_string(), error)
    }

    /// `Ok` when there is nothing to complain about.
    pub(crate) fn unless_empty(findings: Vec<Finding>) -> Result<(), Failure> {
        if findings.is_empty() { Ok(()) } else { Err(Failure::Findings(findings)) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) => write!(f, "{text}; `cargo xtask help` shows the usage"),
            Failure::File(path, error) => write!(f, "{path}: {error}"),
            Failure::Program(line, how) => write!(f, "`{line}` {how}"),
            Failure::Told(code) => write!(f, "ended with exit code {code}, see above"),
            Failure::Missing(text) => f.write_str(text),
            Failure::Findings(findings) => {
                writeln!(f, "{} finding(s)", findings.len())?;
                for finding in findings {
                    writeln!(f, "  {}: {}\n      mend: {}", finding.place, finding.what, finding.mend)?;
                }
                Ok(())
            }
        }
    }
}

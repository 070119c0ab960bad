//! What is wrong with a configuration.

use std::fmt;
use std::path::PathBuf;

/// A configuration that cannot be used. Its text says where, what, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The text is no TOML, or a value has the wrong type.
    Syntax {
        /// Where; counted from 1.
        at: Place,
        /// What.
        what: String,
    },
    /// A key that means nothing here.
    UnknownKey {
        /// Where; counted from 1.
        at: Place,
        /// The key, with its tables.
        key: String,
        /// The known key that is nearest.
        nearest: Option<String>,
    },
    /// A value that cannot be.
    Value {
        /// Where; counted from 1. `None` when it did not come from a text.
        at: Option<Place>,
        /// The key, with its tables.
        key: String,
        /// What was found; empty where that says nothing or must not be shown.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// `${NAME}` where NAME is not in the environment.
    Environment {
        /// Where; counted from 1.
        at: Option<Place>,
        /// The name.
        name: String,
    },
    /// A file cannot be read.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// A place in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file; `None` for a text that is none.
    pub file: Option<PathBuf>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}:{}:{}", file.display(), self.line, self.column),
            None => write!(f, "line {}, column {}", self.line, self.column),
        }
    }
}

impl ConfigError {
    /// A value that did not come from a text.
    pub(crate) fn value(key: &str, found: &str, expected: &str) -> Self {
        Self::Value { at: None, key: key.to_owned(), found: found.to_owned(), expected: expected.to_owned() }
    }

    /// Where, when it is known.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Syntax { at, .. } | Self::UnknownKey { at, .. } => Some(at),
            Self::Value { at, .. } | Self::Environment { at, .. } => at.as_ref(),
            Self::Unreadable { .. } => None,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place() {
            write!(f, "{place}: ")?;
        }
        match self {
            Self::Syntax { what, .. } => f.write_str(what),
            Self::UnknownKey { key, nearest: Some(nearest), .. } => {
                write!(f, "unknown key `{key}`; did you mean `{nearest}`?")
            }
            Self::UnknownKey { key, nearest: None, .. } => write!(f, "unknown key `{key}`; remove it"),
            Self::Value { key, found, expected, .. } if found.is_empty() => write!(f, "`{key}`: expected {expected}"),
            Self::Value { key, found, expected, .. } => write!(f, "`{key}`: found {found}, expected {expected}"),
            Self::Environment { name, .. } => {
                write!(f, "`${{{name}}}`: the environment has no {name}; set it, or write the value here")
            }
            Self::Unreadable { path, why } => {
                write!(f, "cannot read {}: {why}; name a file that this user may read", path.display())
            }
        }
    }
}

impl std::error::Error for ConfigError {}

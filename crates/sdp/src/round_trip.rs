//! What every description must survive, as a function for fuzzers and tests.

use std::fmt;

use crate::limits::Limits;
use crate::parse_error::ParseError;
use crate::session::Session;

/// How [`round_trip`] found this crate wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoundTripError {
    /// What was printed cannot be read.
    Unreadable(ParseError),
    /// What was printed reads as something else.
    Different {
        /// What was read first.
        first: Box<Session>,
        /// What was read from its printed form.
        again: Box<Session>,
    },
}

impl fmt::Display for RoundTripError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RoundTripError::Unreadable(error) => write!(f, "the printed form cannot be read: {error}"),
            RoundTripError::Different { first, again } => write!(f, "{again:?} read instead of {first:?}"),
        }
    }
}

impl std::error::Error for RoundTripError {}

/// Reads `bytes`, uses every accessor of the result, prints it, reads that under the same limits and compares.
///
/// The entry for fuzzing: it never panics, and any error is a bug of this crate. `Ok(None)` when `bytes` is not a
/// description.
///
/// # Errors
/// [`RoundTripError`].
pub fn round_trip(bytes: &[u8], limits: &Limits) -> Result<Option<Session>, RoundTripError> {
    let Ok(first) = Session::parse_with(bytes, limits) else { return Ok(None) };
    for stream in first.streams() {
        let _ = (stream.direction(), stream.ptime(), stream.maxptime(), stream.rtp_endpoint(), stream.rtcp_endpoint());
        let _ = (stream.codecs(), stream.cryptos().count(), stream.is_held_by_address());
    }
    let printed = first.to_string();
    match Session::parse_with(printed.as_bytes(), limits) {
        Err(error) => Err(RoundTripError::Unreadable(error)),
        Ok(again) if again == first => Ok(Some(first)),
        Ok(again) => Err(RoundTripError::Different { first: first.into(), again: again.into() }),
    }
}

//! Why an offer or answer is not possible. After an error nothing has changed.

use std::fmt;

/// Why we cannot make an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OfferError {
    /// Our last offer is not answered yet. RFC 3264 section 4.
    OursPending,
    /// Their offer is not answered yet. RFC 3264 section 4.
    TheirsPending,
    /// This entry of the capabilities is enabled, but has no transport or no format.
    NothingToOffer {
        /// Position in [`super::LocalCapabilities::media`].
        capability: usize,
    },
}

impl fmt::Display for OfferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OfferError::OursPending => f.write_str("our last offer is not answered yet (RFC 3264 section 4)"),
            OfferError::TheirsPending => f.write_str("their offer is not answered yet (RFC 3264 section 4)"),
            OfferError::NothingToOffer { capability } => {
                write!(f, "local media {capability} has a port but no transport or no format to offer")
            }
        }
    }
}

impl std::error::Error for OfferError {}

/// Why an offer of the peer cannot be taken or answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerError {
    /// There is no offer to answer.
    NoOffer,
    /// Our own offer is waiting for its answer: glare, 491 in SIP (RFC 3261 section 14.2).
    OursPending,
    /// An earlier offer of theirs is not answered yet: 500 with Retry-After in SIP (RFC 3261 section 14.2).
    TheirsPending,
    /// The offer has fewer `m=` lines than the session. RFC 3264 section 8; 488 in SIP.
    FewerMedia {
        /// Lines the session has.
        had: usize,
        /// Lines of the offer.
        got: usize,
    },
    /// No offered stream can be taken. RFC 3264 section 6; 488 in SIP.
    NoCommonCodec,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnswerError::NoOffer => f.write_str("there is no offer to answer (RFC 3264 section 4)"),
            AnswerError::OursPending => f.write_str("our own offer is not answered yet (RFC 3261 section 14.2)"),
            AnswerError::TheirsPending => f.write_str("their last offer is not answered yet (RFC 3261 section 14.2)"),
            AnswerError::FewerMedia { had, got } => {
                write!(f, "offer with {got} m= lines in a session with {had} (RFC 3264 section 8)")
            }
            AnswerError::NoCommonCodec => f.write_str("no common codec in any stream (RFC 3264 section 6)"),
        }
    }
}

impl std::error::Error for AnswerError {}

/// Why an answer of the peer cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptError {
    /// No offer of ours is waiting: a second answer, or one to nothing. The session stays as it is.
    NoOffer,
    /// The answer has another number of `m=` lines. RFC 3264 section 6.
    MediaCount {
        /// Lines of the offer.
        offered: usize,
        /// Lines of the answer.
        answered: usize,
    },
    /// Another media type (RFC 3264 section 6.1), or a transport of other security, in this `m=` line.
    MediaMismatch {
        /// Counted from 0.
        index: usize,
    },
    /// Streams were accepted, but with formats that were not offered. RFC 3264 section 6.1.
    NoCommonCodec,
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcceptError::NoOffer => f.write_str("answer without an offer of ours (RFC 3264 section 4)"),
            AcceptError::MediaCount { offered, answered } => write_count(f, *offered, *answered),
            AcceptError::MediaMismatch { index } => write_mismatch(f, *index),
            AcceptError::NoCommonCodec => {
                f.write_str("the answer accepts none of the offered codecs (RFC 3264 section 6.1)")
            }
        }
    }
}

impl std::error::Error for AcceptError {}

fn write_count(f: &mut fmt::Formatter<'_>, offered: usize, answered: usize) -> fmt::Result {
    write!(f, "answer with {answered} m= lines to an offer with {offered} (RFC 3264 section 6)")
}

fn write_mismatch(f: &mut fmt::Formatter<'_>, index: usize) -> fmt::Result {
    write!(
        f,
        "m= line {}: the answer has another media type or transport than the offer (RFC 3264 section 6.1)",
        index.saturating_add(1)
    )
}

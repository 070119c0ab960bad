//! What can go wrong, in words a person can act on.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::told::Told;

/// Why there is no call, or why something was not done in one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// The other side refused: any final response of 300 and above that has no variant of its own.
    Rejected {
        /// Its status code.
        code: u16,
        /// Its reason phrase.
        reason: String,
        /// What it tells besides: warnings (RFC 3261 section 20.43) and causes (RFC 3326).
        told: Box<Told>,
    },
    /// The other side is elsewhere (RFC 3261 section 21.3): 3xx with addresses. None of them is tried: whom to call instead is for the user to
    /// decide (section 8.1.3.4), since it may cost money or be somebody else's idea.
    Redirected {
        /// The status code.
        code: u16,
        /// Its reason phrase.
        reason: String,
        /// Where to, as the peer wrote it, what it prefers first; at most eight.
        to: Vec<String>,
    },
    /// We gave up before there was an answer.
    Cancelled,
    /// The caller gave up before we answered.
    CallerGone,
    /// The other side hung up before it had answered.
    CalleeGone,
    /// Nobody answered in time.
    NoAnswer {
        /// The time that was allowed; `None` when no response came at all (64*T1, RFC 3261 section 17.1.1.2).
        after: Option<Duration>,
    },
    /// The request could not be brought to the other side.
    Unreachable {
        /// Where it should have gone.
        to: String,
        /// What stood in the way.
        why: String,
    },
    /// The next hop is there, but it is not to be trusted, or there is no TLS with it. Nothing has been sent.
    Untrusted {
        /// Where it should have gone.
        to: String,
        /// What was expected, and what was found.
        why: String,
    },
    /// The server of WebSockets on the way wants to know who we are first, and it could not be proven (RFC 7118 section 7). Nothing has been sent.
    Unauthorized {
        /// Where it should have gone.
        to: String,
        /// What stood in the way.
        why: String,
    },
    /// Our credentials were refused, or there are none for what asked.
    Authentication {
        /// 401 or 407; 403 when it answers our credentials and nothing has shown before that they are good.
        code: u16,
    },
    /// The two sides agree on no audio, or ours could not be set up.
    Media(String),
    /// The endpoint carries as many calls as it may.
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// As many messages as may wait to the same address, or in the same call, do (RFC 3428 section 8: they go one by one).
    TooManyMessages {
        /// The limit.
        limit: usize,
    },
    /// An address that cannot be called.
    BadUri {
        /// What was given.
        uri: String,
        /// What is wrong with it.
        why: String,
    },
    /// A message would be larger than it may where a hop on its way could be UDP (RFC 3428 section 8).
    TooLong {
        /// So many octets it would have, header fields included.
        octets: usize,
        /// So many it may have.
        most: usize,
    },
    /// A header line, digit or body that cannot be sent.
    BadText {
        /// What is wrong.
        why: String,
    },
    /// Another change of the same call is under way.
    Busy,
    /// The state of the call does not allow it.
    NotNow {
        /// What stands in the way.
        why: String,
    },
    /// The call, or the whole endpoint, has ended.
    Ended,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected { code, reason, told } => {
                write!(f, "refused by the other side: {code} {reason}")?;
                told.warnings.iter().try_for_each(|warned| write!(f, "; {warned}"))?;
                told.causes.iter().try_for_each(|cause| write!(f, "; {cause}"))
            }
            Self::Redirected { code, reason, to } => write!(
                f,
                "moved ({code} {reason}) to {}: redirections are not followed, ask for that address if it is one you want",
                to.join(", ")
            ),
            Self::Cancelled => f.write_str("given up before there was an answer"),
            Self::CallerGone => f.write_str("the caller gave up before we answered"),
            Self::CalleeGone => f.write_str("the other side hung up before it had answered"),
            Self::NoAnswer { after: Some(after) } => {
                write!(f, "no answer within {} s: let it ring for longer, or call again later", after.as_secs_f32())
            }
            Self::NoAnswer { after: None } => f.write_str(
                "no response at all: check that the address is right and that nothing filters SIP on the way",
            ),
            Self::Unreachable { to, why } => {
                write!(f, "cannot reach {to}: {why}; check host name, port and transport, or set a proxy")
            }
            Self::Untrusted { to, why } | Self::Unauthorized { to, why } => {
                write!(f, "nothing was sent to {to}: {why}")
            }
            Self::Authentication { code } => {
                write!(f, "credentials refused ({code}): check user name and password of the account")
            }
            Self::Media(why) => write!(f, "no audio: {why}"),
            Self::TooMany { limit } => {
                write!(f, "the endpoint carries as many calls as it may, {limit}: end one, or raise max_calls")
            }
            Self::TooManyMessages { limit } => {
                write!(f, "{limit} messages to the same address wait already: wait for their answers first")
            }
            Self::BadUri { uri, why } => {
                write!(f, "address {uri:?}: {why}; expected one such as sip:bob@example.com")
            }
            Self::BadText { why } => write!(f, "cannot be sent: {why}"),
            Self::TooLong { octets, most } => write!(
                f,
                "the text is too long: with its header the message has {octets} octets, {most} at most (RFC 3428 section 8); send it in parts"
            ),
            Self::Busy => f.write_str("another change of this call is under way: wait for it first"),
            Self::NotNow { why } => write!(f, "not possible in this state of the call: {why}"),
            Self::Ended => f.write_str("the call or its endpoint has ended"),
        }
    }
}

impl std::error::Error for CallError {}

/// Why a registration does not stand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// The registrar refused, for a reason other than credentials.
    Rejected {
        /// Its status code.
        code: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// Credentials were refused, or there are none: 401, 403, 407.
    Authentication {
        /// The status code.
        code: u16,
    },
    /// Nobody has answered in time.
    NoAnswer {
        /// The registrar, or the proxy that everything is sent by.
        first: String,
    },
    /// There is no way there, or nobody at its end.
    Unreachable {
        /// The registrar.
        registrar: String,
        /// The proxy that everything is sent by, where there is one.
        proxy: Option<String>,
        /// What stood in the way.
        why: String,
    },
    /// The next hop is there, but it is not to be trusted, or there is no TLS with it. Nothing has been sent.
    Untrusted {
        /// The registrar, or the proxy that everything is sent by.
        first: String,
        /// What was expected, and what was found.
        why: String,
    },
    /// The server of WebSockets on the way wants to know who we are first, and it could not be proven (RFC 7118 section 7). Nothing has been sent.
    Unauthorized {
        /// The registrar, or the proxy that everything is sent by.
        first: String,
        /// What stood in the way.
        why: String,
    },
    /// The account was unregistered meanwhile, or its endpoint has ended.
    Ended,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected { code, reason } => write!(f, "the registrar refused: {code} {reason}"),
            Self::Authentication { code } => {
                write!(f, "the registrar refused the credentials ({code}): check user name and password of the account")
            }
            Self::NoAnswer { first } => {
                write!(
                    f,
                    "no response at all from {first}: check that the address is right and that nothing filters SIP on the way"
                )
            }
            Self::Unreachable { proxy: Some(proxy), why, .. } => {
                write!(f, "cannot reach the proxy {proxy}: {why}; check its host name, port and transport")
            }
            Self::Unreachable { registrar, proxy: None, why } => {
                write!(f, "cannot reach the registrar {registrar}: {why}; check host name, port and transport")
            }
            Self::Untrusted { first, why } | Self::Unauthorized { first, why } => {
                write!(f, "nothing was sent to {first}: {why}")
            }
            Self::Ended => f.write_str("the account was unregistered, or its endpoint has ended"),
        }
    }
}

impl std::error::Error for RegisterError {}

/// Why a subscription does not stand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The SUBSCRIBE was refused, or brought nothing.
    Refused(CallError),
    /// It was taken, but the state was never told (RFC 6665 section 4.1.2.4).
    NotNotified,
    /// The notifier has ended it.
    Terminated {
        /// Why: `rejected`, `noresource`, `deactivated`, ...
        reason: Option<String>,
    },
    /// It could not be refreshed in time.
    Expired,
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(CallError::Rejected { code: 489, .. }) => {
                f.write_str("the other side does not know this event package (489)")
            }
            Self::Refused(why) => why.fmt(f),
            Self::NotNotified => f.write_str(
                "the subscription was taken, but no NOTIFY came: check that our address can be reached from there",
            ),
            Self::Terminated { reason: Some(reason) } => write!(f, "ended by the other side: {reason}"),
            Self::Terminated { reason: None } => f.write_str("ended by the other side"),
            Self::Expired => f.write_str("it could not be refreshed in time"),
        }
    }
}

impl std::error::Error for SubscribeError {}

/// Why sound was not played or recorded.
#[derive(Debug)]
#[non_exhaustive]
pub enum AudioError {
    /// The file cannot be opened, read or written.
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no WAV file that can be played.
    Format {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The tone cannot be made.
    Tone(audio::tone::ToneError),
    /// The media thread is overloaded, full, or gone.
    Media(String),
}

impl fmt::Display for AudioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Format { path, why } => {
                write!(f, "{}: {why}; expected WAV with PCM of 8 to 32 bit, A-law or u-law", path.display())
            }
            Self::Tone(error) => error.fmt(f),
            Self::Media(why) => write!(f, "the media thread: {why}"),
        }
    }
}

impl std::error::Error for AudioError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Tone(error) => Some(error),
            _ => None,
        }
    }
}

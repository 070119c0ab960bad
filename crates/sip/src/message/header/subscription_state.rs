//! Subscription-State (RFC 6665 section 8.2.3).

use std::fmt;

use super::Header;
use crate::message::class;
use crate::message::lexer::decimal;
use crate::message::{Fault, HeaderId, Lexer, Params};

/// The state of a subscription (RFC 6665 section 8.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionState<'a> {
    /// `active`, `pending`, `terminated` or another token.
    pub state: &'a str,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> SubscriptionState<'a> {
    /// Seconds until the subscription ends.
    pub fn expires(&self) -> Option<u32> {
        seconds(&self.params, "expires")
    }

    /// Seconds after which to subscribe again.
    pub fn retry_after(&self) -> Option<u32> {
        seconds(&self.params, "retry-after")
    }

    /// Why it ended.
    pub fn reason(&self) -> Option<&'a str> {
        self.params.token("reason")
    }
}

/// A parameter that is a number of seconds; what exceeds 32 bit is 2^32-1.
fn seconds(params: &Params<'_>, name: &str) -> Option<u32> {
    let digits = params.token(name)?.as_bytes();
    class::all(digits, class::DIGIT).then(|| decimal(digits).unwrap_or(u32::MAX))
}

impl<'a> Header<'a> for SubscriptionState<'a> {
    const ID: HeaderId = HeaderId::SubscriptionState;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        Ok(SubscriptionState { state: lexer.token()?, params: Params::parse(lexer)? })
    }
}

impl fmt::Display for SubscriptionState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.state, self.params)
    }
}

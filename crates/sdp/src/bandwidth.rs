//! The `b=` line.

use std::fmt;

use crate::print::{Printout, display};
use crate::text::Token;

/// One `b=` line: RFC 8866 section 5.8.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bandwidth {
    /// `AS` and `CT` (RFC 8866), `RS` and `RR` (RFC 3556), `TIAS`, or anything else.
    pub kind: Token,
    /// Kilobits per second for `AS` and `CT`, bits per second for the others named above.
    pub value: u64,
}

impl Bandwidth {
    pub(crate) fn print(&self, out: &mut Printout) {
        out.text(&self.kind);
        out.text(":");
        out.decimal(self.value);
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.print(out))
    }
}

//! When a session takes place: `t=`, `r=` and `z=`. A telephone call has one `t=0 0`.

use std::fmt;

use crate::print::{Printout, display};

/// A length of time with its unit, as in `r=7d 1h 0 25h`. RFC 8866 section 5.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypedTime {
    /// The number.
    pub value: u64,
    /// The unit; `None` stands for seconds too.
    pub unit: Option<TimeUnit>,
}

/// Unit of a [`TypedTime`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    /// `d`
    Days,
    /// `h`
    Hours,
    /// `m`
    Minutes,
    /// `s`
    Seconds,
}

impl TimeUnit {
    fn letter(self) -> &'static str {
        match self {
            TimeUnit::Days => "d",
            TimeUnit::Hours => "h",
            TimeUnit::Minutes => "m",
            TimeUnit::Seconds => "s",
        }
    }

    fn seconds(self) -> u64 {
        match self {
            TimeUnit::Days => 86_400,
            TimeUnit::Hours => 3600,
            TimeUnit::Minutes => 60,
            TimeUnit::Seconds => 1,
        }
    }
}

impl TypedTime {
    /// The length in seconds; `None` when that is more than 2^64 - 1.
    pub fn seconds(self) -> Option<u64> {
        self.value.checked_mul(self.unit.map_or(1, TimeUnit::seconds))
    }

    pub(crate) fn read(text: &str) -> Option<TypedTime> {
        let unit = match text.bytes().last()? {
            b'd' => Some(TimeUnit::Days),
            b'h' => Some(TimeUnit::Hours),
            b'm' => Some(TimeUnit::Minutes),
            b's' => Some(TimeUnit::Seconds),
            _ => None,
        };
        let digits = if unit.is_some() { text.get(..text.len().checked_sub(1)?)? } else { text };
        Some(TypedTime { value: read_digits(digits)?, unit })
    }
}

/// `1*DIGIT` that fits; no sign.
pub(crate) fn read_digits<T: TryFrom<u64>>(text: &str) -> Option<T> {
    let mut number = 0_u64;
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    match text.len() {
        0 => None,
        1..20 => T::try_from(number).ok(),
        // These may not have fitted.
        _ => T::try_from(text.parse().ok()?).ok(),
    }
}

impl TypedTime {
    pub(crate) fn print(self, out: &mut Printout) {
        out.decimal(self.value);
        out.text(self.unit.map_or("", TimeUnit::letter));
    }
}

impl fmt::Display for TypedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.print(out))
    }
}

/// One `r=` line: RFC 8866 section 5.10.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Repeat {
    /// Time between two occurrences.
    pub interval: TypedTime,
    /// Length of an occurrence.
    pub duration: TypedTime,
    /// Starts of the occurrences, counted from the start time. Printed as `0` when empty.
    pub offsets: Vec<TypedTime>,
}

impl Repeat {
    fn print(&self, out: &mut Printout) {
        self.interval.print(out);
        out.text(" ");
        self.duration.print(out);
        if self.offsets.is_empty() {
            out.text(" 0");
        }
        for offset in &self.offsets {
            out.text(" ");
            offset.print(out);
        }
    }
}

/// One pair of a `z=` line: RFC 8866 section 5.11.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ZoneAdjustment {
    /// When the offset begins to hold, in seconds since 1900-01-01 UTC.
    pub at: u64,
    /// Whether the offset is negative.
    pub back: bool,
    /// The offset from the start time.
    pub offset: TypedTime,
}

/// A `t=` line with what belongs to it: RFC 8866 section 5.9.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TimeDescription {
    /// Start in seconds since 1900-01-01 UTC; 0: at any time.
    pub start: u64,
    /// End in seconds since 1900-01-01 UTC; 0: open.
    pub stop: u64,
    /// `r=` lines.
    pub repeats: Vec<Repeat>,
    /// The pairs of the `z=` line. Not printed without a repeat, of which it is a part.
    pub zones: Vec<ZoneAdjustment>,
}

impl TimeDescription {
    pub(crate) fn print(&self, out: &mut Printout) {
        if (self.start, self.stop) == (0, 0) {
            out.text("t=0 0\r\n");
        } else {
            out.line("t=", |out| {
                out.decimal(self.start);
                out.text(" ");
                out.decimal(self.stop);
            });
        }
        for repeat in &self.repeats {
            out.line("r=", |out| repeat.print(out));
        }
        if self.repeats.is_empty() || self.zones.is_empty() {
            return;
        }
        out.line("z=", |out| {
            for (index, zone) in self.zones.iter().enumerate() {
                out.text(if index == 0 { "" } else { " " });
                out.decimal(zone.at);
                out.text(if zone.back { " -" } else { " " });
                zone.offset.print(out);
            }
        });
    }
}

/// The lines of a time description, each with its line end.
impl fmt::Display for TimeDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |out| self.print(out))
    }
}

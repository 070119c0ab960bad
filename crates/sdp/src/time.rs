//! When a session takes place: `t=`, `r=` and `z=`. A telephone call has one `t=0 0`.

use std::fmt;

use crate::print::decimal;

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
    fn letter(self) -> char {
        match self {
            TimeUnit::Days => 'd',
            TimeUnit::Hours => 'h',
            TimeUnit::Minutes => 'm',
            TimeUnit::Seconds => 's',
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
pub(crate) fn read_digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

impl fmt::Display for TypedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value)?;
        self.unit.map_or(Ok(()), |unit| write!(f, "{}", unit.letter()))
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
    pub(crate) fn print(&self, out: &mut impl fmt::Write) -> fmt::Result {
        out.write_str("t=")?;
        decimal(out, self.start)?;
        out.write_str(" ")?;
        decimal(out, self.stop)?;
        out.write_str("\r\n")?;
        for repeat in &self.repeats {
            write!(out, "r={} {}", repeat.interval, repeat.duration)?;
            if repeat.offsets.is_empty() {
                out.write_str(" 0")?;
            }
            for offset in &repeat.offsets {
                write!(out, " {offset}")?;
            }
            out.write_str("\r\n")?;
        }
        if self.repeats.is_empty() || self.zones.is_empty() {
            return Ok(());
        }
        out.write_str("z=")?;
        for (index, zone) in self.zones.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            let sign = if zone.back { "-" } else { "" };
            write!(out, "{space}{} {sign}{}", zone.at, zone.offset)?;
        }
        out.write_str("\r\n")
    }
}

/// The lines of a time description, each with its line end.
impl fmt::Display for TimeDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f)
    }
}

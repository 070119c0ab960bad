//! Date (RFC 3261 section 20.17).

use std::borrow::Cow;
use std::fmt;

use super::Header;
use crate::message::error::{Fault, rule};
use crate::message::quoted::unfold_bytes;
use crate::message::{HeaderId, Lexer};

/// When the message was sent first, in GMT, years 1 to 9999 (RFC 3261 section 20.17, RFC 1123).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// Seconds since 1970-01-01T00:00:00Z; negative before.
    pub unix: i64,
}

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Date {
    /// A date from the wall clock.
    pub fn from_unix(unix: i64) -> Date {
        Date { unix }
    }
}

/// Days since 1970-01-01 of a date in the Gregorian calendar, `month` from 1.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

fn two(bytes: &[u8], at: usize) -> Option<i64> {
    match bytes.get(at..at + 2) {
        Some([a @ b'0'..=b'9', b @ b'0'..=b'9']) => Some(i64::from(a - b'0') * 10 + i64::from(b - b'0')),
        _ => None,
    }
}

/// Reads `Sat, 13 Nov 2010 23:29:00 GMT`, exactly 29 octets.
fn read(text: &[u8]) -> Option<Date> {
    let word = |range: std::ops::Range<usize>| text.get(range).and_then(|word| std::str::from_utf8(word).ok());
    let weekday = DAYS.iter().position(|day| word(0..3).is_some_and(|found| found.eq_ignore_ascii_case(day)))?;
    let month = MONTHS.iter().position(|month| word(8..11).is_some_and(|found| found.eq_ignore_ascii_case(month)))?;
    let month = month as i64 + 1;
    let (day, year) = (two(text, 5)?, two(text, 12)? * 100 + two(text, 14)?);
    let (hour, minute, second) = (two(text, 17)?, two(text, 20)?, two(text, 23)?);
    let frame = word(3..5)? == ", "
        && word(7..8)? == " "
        && word(11..12)? == " "
        && word(16..17)? == " "
        && word(19..20)? == ":"
        && word(22..23)? == ":"
        && word(25..29)?.eq_ignore_ascii_case(" GMT");
    let days = days_from_civil(year, month, day);
    let real = civil_from_days(days) == (year, month, day) && days.rem_euclid(7) == weekday as i64;
    (frame && real && year > 0 && hour < 24 && minute < 60 && second <= 60)
        .then_some(Date { unix: days * 86_400 + hour * 3_600 + minute * 60 + second })
}

impl<'a> Header<'a> for Date {
    const ID: HeaderId = HeaderId::Date;
    const LIST: bool = false;
    fn parse_value(lexer: &mut Lexer<'a>) -> Result<Self, Fault> {
        let rest = lexer.rest();
        let (text, length) = match unfold_bytes(rest) {
            Cow::Borrowed(text) => (Cow::Borrowed(text.get(..29).unwrap_or_default()), 29),
            // A fold counts as one blank; behind a folded date nothing may follow.
            Cow::Owned(text) => (Cow::Owned(text), rest.len()),
        };
        match Some(&text).filter(|text| text.len() == 29).and_then(|text| read(text)) {
            Some(date) => {
                lexer.advance(length);
                Ok(date)
            }
            None => Err(lexer.fault(rule!("a date such as Sat, 13 Nov 2010 23:29:00 GMT", "RFC 3261 20.17"))),
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.unix.div_euclid(86_400);
        let second = self.unix.rem_euclid(86_400);
        let (year, month, day) = civil_from_days(days);
        let weekday = DAYS.get(days.rem_euclid(7) as usize).copied().unwrap_or("Thu");
        let month = MONTHS.get((month - 1) as usize).copied().unwrap_or("Jan");
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }
}

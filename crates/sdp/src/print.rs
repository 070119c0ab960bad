//! Printing lines, and numbers in them: descriptions are printed for each call, so this does without the machinery of [`std::fmt`].

use std::fmt;

use crate::text::known_number;

/// Prints one line.
pub(crate) fn line<W: fmt::Write>(out: &mut W, letter: &str, value: impl FnOnce(&mut W) -> fmt::Result) -> fmt::Result {
    out.write_str(letter)?;
    value(out)?;
    out.write_str("\r\n")
}

/// Prints a number in digits.
pub(crate) fn decimal(out: &mut impl fmt::Write, number: u64) -> fmt::Result {
    if let Some(known) = u8::try_from(number).ok().filter(|number| *number < 128).and_then(known_number) {
        return out.write_str(known);
    }
    let (digits, first) = decimal_digits(number);
    out.write_str(digits.get(first..).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default())
}

/// The digits of a number and where the first one stands.
pub(crate) fn decimal_digits(number: u64) -> ([u8; 20], usize) {
    let mut digits = [b'0'; 20];
    let (mut rest, mut first) = (number, digits.len() - 1);
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
        first = at;
        if rest == 0 {
            break;
        }
    }
    (digits, first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8866_9_decimal_prints_all_digits() {
        for number in [0, 9, 10, 99, 100, 65_535, 1 << 40, u64::MAX] {
            let mut text = String::new();
            decimal(&mut text, number).unwrap();
            assert_eq!(text, number.to_string());
        }
    }
}

//! Printing: descriptions are printed for each call, so this does without the machinery of [`std::fmt`].

use std::fmt;

/// What has been printed so far.
pub(crate) struct Printout(Vec<u8>);

impl Printout {
    /// With room for so many octets.
    pub(crate) fn with_capacity(octets: usize) -> Printout {
        Printout(Vec::with_capacity(octets))
    }

    /// Appends text.
    pub(crate) fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Appends a number in digits.
    pub(crate) fn decimal(&mut self, number: u64) {
        if number < 256 {
            return self.octet(number as u8);
        }
        let mut digits = [b'0'; 20];
        let (mut rest, mut first) = (number, digits.len());
        for (at, digit) in digits.iter_mut().enumerate().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
            first = at;
            if rest == 0 {
                break;
            }
        }
        self.0.extend_from_slice(digits.get(first..).unwrap_or_default());
    }

    /// Appends the digits of 0 to 255.
    fn octet(&mut self, number: u8) {
        if number >= 100 {
            self.0.push(b'0' + number / 100);
        }
        if number >= 10 {
            self.0.push(b'0' + number / 10 % 10);
        }
        self.0.push(b'0' + number % 10);
    }

    /// Appends the digits of four octets with dots between them.
    pub(crate) fn ipv4(&mut self, [a, b, c, d]: [u8; 4]) {
        self.octet(a);
        for octet in [b, c, d] {
            self.0.push(b'.');
            self.octet(octet);
        }
    }

    /// Appends a line: letter and equals sign, the value, the line end.
    pub(crate) fn line(&mut self, letter: &str, value: impl FnOnce(&mut Printout)) {
        self.text(letter);
        value(self);
        self.text("\r\n");
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn into_string(self) -> String {
        // Only text was put there.
        String::from_utf8(self.0).unwrap_or_default()
    }
}

/// Displays what is printed.
pub(crate) fn display(f: &mut fmt::Formatter<'_>, print: impl FnOnce(&mut Printout)) -> fmt::Result {
    let mut out = Printout::with_capacity(64);
    print(&mut out);
    f.write_str(&out.into_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8866_9_an_ipv4_address_is_printed_as_it_is_written() {
        for octets in [[0, 0, 0, 0], [192, 0, 2, 1], [255, 255, 255, 255], [10, 99, 100, 9], [1, 200, 30, 109]] {
            let mut out = Printout::with_capacity(0);
            out.ipv4(octets);
            assert_eq!(out.into_string(), std::net::Ipv4Addr::from(octets).to_string());
        }
    }

    #[test]
    fn rfc8866_9_decimal_prints_all_digits() {
        for number in (0..300).chain([65_535, 1 << 40, u64::MAX]) {
            let mut out = Printout::with_capacity(0);
            out.decimal(number);
            assert_eq!(out.into_string(), number.to_string());
        }
    }
}

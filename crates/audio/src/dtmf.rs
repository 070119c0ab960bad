//! The sixteen DTMF digits and their frequencies (ITU-T Q.23).

use std::fmt;

/// Row frequencies in hertz, from `1 2 3 A` down to `* 0 # D`.
pub const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];

/// Column frequencies in hertz, from `1 4 7 *` to `A B C D`.
pub const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

const KEYS: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// One of `0-9 * # A-D`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digit {
    row: u8,
    column: u8,
}

impl Digit {
    /// The digit of a character; `a-d` count as `A-D`.
    pub fn new(character: char) -> Option<Self> {
        let wanted = character.to_ascii_uppercase();
        (0..4u8).flat_map(|row| (0..4u8).map(move |column| Self { row, column })).find(|d| d.character() == wanted)
    }

    /// The digit where a row and a column cross, each 0 to 3.
    pub(crate) fn at(row: usize, column: usize) -> Option<Self> {
        let (row, column) = (u8::try_from(row).ok()?, u8::try_from(column).ok()?);
        (row < 4 && column < 4).then_some(Self { row, column })
    }

    /// The character on the key.
    pub fn character(self) -> char {
        KEYS[usize::from(self.row & 3)][usize::from(self.column & 3)]
    }

    /// Row and column frequency in hertz.
    pub fn frequencies(self) -> (f64, f64) {
        (ROWS[usize::from(self.row & 3)], COLUMNS[usize::from(self.column & 3)])
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.character())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_digits_and_nothing_else() {
        let valid: String = (0..=0xFFu8).map(char::from).filter(|&c| Digit::new(c).is_some()).collect();
        assert_eq!(valid, "#*0123456789ABCDabcd");
        for character in "0123456789ABCD*#".chars() {
            assert_eq!(Digit::new(character).unwrap().character(), character);
        }
        assert_eq!(Digit::new('d').unwrap().to_string(), "D");
        assert_eq!(Digit::new('5').unwrap().frequencies(), (770.0, 1336.0));
        assert_eq!(Digit::new('#').unwrap().frequencies(), (941.0, 1477.0));
    }
}

//! Whose a binding is, and over which of its flows (RFC 5626 section 4): read from its Contact parameters.
//!
//! The registrar writes both before all other parameters, always in the same way, so that they are compared octet by octet.

use std::fmt::Write as _;

const BEGIN: &str = ";+sip.instance=\"<";
const END: &str = ">\"";
const NUMBER: &str = ";reg-id=";
/// Flow numbers are below this (RFC 5626 section 10).
const NUMBERS: u32 = 1 << 31;

/// The URN between the angle brackets of a `+sip.instance` parameter; `None` where it is none that can be told from another.
pub(crate) fn urn_of(value: &str) -> Option<&str> {
    let urn = value.strip_prefix('<')?.strip_suffix('>')?;
    let plain = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\' | b'<' | b'>');
    (!urn.is_empty() && urn.bytes().all(plain)).then_some(urn)
}

/// A flow number of a `reg-id` parameter (RFC 5626 section 10).
pub(crate) fn number_of(value: &str) -> Option<u32> {
    let digits = value.bytes().all(|octet| octet.is_ascii_digit());
    value.parse().ok().filter(|number| digits && (1..NUMBERS).contains(number))
}

/// Both as the first parameters of a binding.
pub(crate) fn written(urn: &str, number: Option<u32>) -> String {
    let mut text = [BEGIN, urn, END].concat();
    if let Some(number) = number {
        // Writing into a String cannot fail.
        let _ = write!(text, "{NUMBER}{number}");
    }
    text
}

/// The instance that these parameters name.
pub(crate) fn of(params: &str) -> Option<&str> {
    let (urn, _) = params.strip_prefix(BEGIN)?.split_once(END)?;
    Some(urn)
}

/// What tells a flow from all others of an address of record: instance and number, as they are written; `None` for an ordinary binding.
pub(crate) fn flow(params: &str) -> Option<&str> {
    let before = BEGIN.len() + of(params)?.len() + END.len();
    let digits = params.get(before..)?.strip_prefix(NUMBER)?;
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    params.get(..before + NUMBER.len() + length)
}

/// The parameters of an ordinary binding: without the number.
pub(crate) fn without_number(params: &str) -> String {
    match (of(params), flow(params)) {
        (Some(urn), Some(flow)) => [&written(urn, None), params.get(flow.len()..).unwrap_or_default()].concat(),
        _ => params.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc5626_10_what_is_no_urn_or_number_makes_no_flow() {
        assert_eq!(urn_of("<urn:uuid:1>"), Some("urn:uuid:1"));
        for wrong in ["urn:uuid:1", "<>", "<a b>", "<a\"b>", "<a>b>", "", "<a\\>"] {
            assert_eq!(urn_of(wrong), None, "{wrong}");
        }
        assert_eq!(["1", "2147483647", "007"].map(number_of), [Some(1), Some(2_147_483_647), Some(7)]);
        assert_eq!(["0", "2147483648", "", "+1", "x", "99999999999"].map(number_of), [None; 6]);
    }

    #[test]
    fn rfc5626_6_a_flow_is_read_as_it_was_written() {
        let both = written("urn:uuid:1", Some(12));
        let params = format!("{both};methods=\"INVITE\"");
        assert_eq!((of(&params), flow(&params)), (Some("urn:uuid:1"), Some(&*both)));
        let without = without_number(&params);
        assert_eq!((of(&without), flow(&without)), (Some("urn:uuid:1"), None));
        assert!(without.ends_with(";methods=\"INVITE\""), "{without}");
        assert_ne!(flow(&written("urn:uuid:1", Some(1))), flow(&both));
        for other in ["", ";expires=1", ";x;+sip.instance=\"<urn:uuid:1>\";reg-id=1"] {
            assert_eq!((of(other), flow(other), without_number(other)), (None, None, other.to_owned()));
        }
    }
}

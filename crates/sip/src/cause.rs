//! Cause values of Q.850 for what SIP says by a status code (RFC 3398 section 8.2.6.1): who stands between SIP and telephone networks reads them in a
//! Reason (RFC 3326 section 2).

use crate::message::StatusCode;

/// Normal, unspecified: for refusals that have no cause value of their own.
const UNSPECIFIED: u8 = 31;

/// The cause value for a refusal; `None` for what refuses nothing, and for 487, which only says that somebody has given up.
pub fn of_status(code: StatusCode) -> Option<u8> {
    Some(match code.get() {
        ..300 | 487 => return None,
        404 | 485 | 604 => 1,
        486 | 600 => 17,
        480 => 18,
        401..=403 | 407 | 603 => 21,
        410 => 22,
        482 | 483 => 25,
        484 => 28,
        502 => 38,
        400 | 481 | 500 | 503 => 41,
        405 => 63,
        // Mostly for want of a codec: bearer capability not implemented.
        488 | 606 => 65,
        406 | 415 | 501 => 79,
        408 | 504 => 102,
        413 | 414 | 416 | 420 | 421 | 423 | 505 | 513 => 127,
        _ => UNSPECIFIED,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3398_8_2_6_1_each_refusal_has_its_cause() {
        for (code, cause) in [
            (180, None),
            (200, None),
            (302, Some(31)),
            (400, Some(41)),
            (401, Some(21)),
            (403, Some(21)),
            (404, Some(1)),
            (405, Some(63)),
            (406, Some(79)),
            (408, Some(102)),
            (410, Some(22)),
            (413, Some(127)),
            (415, Some(79)),
            (423, Some(127)),
            (433, Some(31)),
            (480, Some(18)),
            (481, Some(41)),
            (482, Some(25)),
            (483, Some(25)),
            (484, Some(28)),
            (485, Some(1)),
            (486, Some(17)),
            (487, None),
            (488, Some(65)),
            (500, Some(41)),
            (501, Some(79)),
            (502, Some(38)),
            (503, Some(41)),
            (504, Some(102)),
            (505, Some(127)),
            (513, Some(127)),
            (600, Some(17)),
            (603, Some(21)),
            (604, Some(1)),
            (606, Some(65)),
        ] {
            assert_eq!(of_status(StatusCode::new(code).unwrap()), cause, "{code}");
        }
    }
}

//! What the fuzz targets share.

use event::xml::XmlError;
use sdp::{Limits, Session};

pub mod play;

/// What parts the steps of a script: a line with three dashes.
const PART: &[u8] = b"\n---\n";

/// A bug put there on purpose: with the `planted` feature it panics when `reached` holds, otherwise it does nothing.
/// `reached` names a state deep inside what a target parses, so that finding it shows that the target gets there.
pub fn plant(reached: bool) {
    if cfg!(feature = "planted") && reached {
        panic!("planted bug");
    }
}

/// The steps of a script.
pub fn steps(script: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(script);
    std::iter::from_fn(move || {
        let current = rest?;
        let cut = current.windows(PART.len()).position(|window| window == PART);
        rest = cut.and_then(|at| current.get(at + PART.len()..));
        Some(cut.and_then(|at| current.get(..at)).unwrap_or(current))
    })
}

/// What was written reads as the same. Escapes may lengthen a text and wrappers add elements, so those limits do not hold here.
pub fn again<T: PartialEq + std::fmt::Debug>(read: Result<T, XmlError>, one: &T, written: &str) {
    match read {
        Ok(again) => assert_eq!(again, *one, "written as {written:?}"),
        Err(XmlError::TooLarge | XmlError::TooManyElements) => {}
        Err(error) => panic!("{error}; written as {written:?}"),
    }
}

/// A description as we would send it reads as the same. Printing may lengthen a line, so the usual limits do not hold here.
pub fn readable(session: &Session) {
    let mut wide = Limits::default();
    wide.session_bytes = usize::MAX;
    wide.line_bytes = usize::MAX;
    wide.lines = usize::MAX;
    let printed = session.to_string();
    match Session::parse_with(printed.as_bytes(), &wide) {
        Ok(again) => assert_eq!(again, *session, "printed as {printed:?}"),
        Err(error) => panic!("{error}; printed as {printed:?}"),
    }
}

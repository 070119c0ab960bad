//! The ladder: who said what to whom, and when, as the phones' taps see it.
//!
//! ```text
//!             1001                       pbx                        1002
//!   0.004 s    |-------- REGISTER ------->|                          |
//! ```

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use ua::{Direction, Seen};

use crate::out::{Out, Tint};

/// Characters between two lines of the ladder.
const STEP: usize = 28;
/// In front of the first.
const MARGIN: usize = 12;

/// A message that passed.
struct Passed {
    at: Duration,
    /// 0: the phone on the left; 1: the one on the right.
    phone: usize,
    direction: Direction,
    label: String,
}

/// Collects messages from the loops of both phones and prints them.
pub(super) struct Ladder {
    names: [String; 2],
    began: Instant,
    sender: Sender<Passed>,
    passed: Receiver<Passed>,
    printed: bool,
}

impl Ladder {
    /// A ladder of two phones with the PBX between them.
    pub(super) fn new(names: [&str; 2]) -> Self {
        let (sender, passed) = channel();
        Self { names: names.map(str::to_owned), began: Instant::now(), sender, passed, printed: false }
    }

    /// A tap for the phone on the left (0) or on the right (1).
    pub(super) fn tap(&self, phone: usize) -> impl FnMut(&Seen<'_>) + Send + 'static {
        let (sender, began) = (self.sender.clone(), self.began);
        move |seen| {
            let passed = Passed { at: began.elapsed(), phone, direction: seen.direction, label: label(seen.bytes) };
            // The ladder ends with the demonstration.
            let _ = sender.send(passed);
        }
    }

    /// Prints what has passed since the last time.
    pub(super) fn print(&mut self, out: &mut Out) {
        let mut batch: Vec<Passed> = self.passed.try_iter().collect();
        batch.sort_by_key(|passed| passed.at);
        for passed in batch {
            if !std::mem::replace(&mut self.printed, true) {
                let [left, right] = &self.names;
                let blank = " ".repeat(MARGIN);
                out.text(&out.tinted(&format!("{blank}{left:<STEP$} {:<STEP$} {right}", "pbx"), Tint::Faint));
            }
            self.print_one(&passed, out);
        }
    }

    fn print_one(&self, passed: &Passed, out: &mut Out) {
        let secs = passed.at.as_secs_f64();
        let to_pbx = matches!(passed.direction, Direction::Out(_));
        let name = self.names.get(passed.phone).map_or("", String::as_str);
        let (from, to) = if to_pbx { (name, "pbx") } else { ("pbx", name) };
        let fields = [
            ("event", "sip".into()),
            ("at_secs", secs.into()),
            ("from", from.into()),
            ("to", to.into()),
            ("message", passed.label.as_str().into()),
        ];
        let to_the_right = to_pbx == (passed.phone == 0);
        out.event(&rung(secs, passed.phone, to_the_right, &passed.label), &fields);
    }
}

/// One line of the ladder.
fn rung(secs: f64, phone: usize, to_the_right: bool, label: &str) -> String {
    let label: String = label.chars().take(STEP - 6).collect();
    let dashes = STEP - label.chars().count() - 3;
    let (before, after) = (dashes / 2, dashes - dashes / 2);
    let (before, after) = ("-".repeat(before), "-".repeat(after));
    let arrow = if to_the_right { format!("{before} {label} {after}>") } else { format!("<{before} {label} {after}") };
    let blank = " ".repeat(STEP);
    if phone == 0 { format!("{secs:7.3} s   |{arrow}|{blank}|") } else { format!("{secs:7.3} s   |{blank}|{arrow}|") }
}

/// `INVITE`, `200 INVITE`; with the direction of its audio where that is not the usual one.
fn label(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut words = text.lines().next().unwrap_or_default().split(' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let method = text.lines().find_map(|line| line.strip_prefix("CSeq: ")?.split(' ').next_back());
    let name = match (first, method) {
        ("SIP/2.0", Some(method)) => format!("{second} {method}"),
        (method, _) => method.to_owned(),
    };
    let direction = ["sendonly", "recvonly", "inactive"].into_iter().find(|one| text.contains(&format!("\na={one}")));
    match direction {
        Some(direction) => format!("{name} {direction}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_have_one_width_and_point_where_the_message_goes() {
        let line = rung(0.0042, 0, true, "REGISTER");
        assert_eq!(line, format!("  0.004 s   |-------- REGISTER --------->|{}|", " ".repeat(28)));
        let answer = rung(1.5, 1, false, "200 REGISTER");
        assert_eq!(answer.len(), line.len());
        assert!(answer.contains("|<------ 200 REGISTER -------|"), "{answer}");
        assert_eq!(rung(0.0, 0, true, &"X".repeat(99)).len(), line.len());
    }

    #[test]
    fn labels_name_method_code_and_direction() {
        assert_eq!(label(b"INVITE sip:a@b SIP/2.0\r\nCSeq: 2 INVITE\r\n\r\nv=0\r\na=sendonly\r\n"), "INVITE sendonly");
        assert_eq!(label(b"SIP/2.0 200 OK\r\nCSeq: 2 BYE\r\n\r\n"), "200 BYE");
        assert_eq!(label(b"\xFF"), "\u{FFFD}");
    }
}

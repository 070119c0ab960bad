//! What the person or program in front of us sees: lines, or JSON objects a line.

use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal, Write};
use std::time::Duration;

use net::{shown, without_passwords};
use serde_json::{Map, Value};

use crate::args::Color;
use crate::exit::{Exit, Fault};

/// The version of the JSON schema: additions only.
pub(crate) const SCHEMA: u64 = 1;

/// Octets of lines that wait at most.
const MOST: usize = 32 << 10;

/// Standard output and standard error of a verb.
pub(crate) struct Out {
    json: bool,
    color: bool,
    /// A line on the terminal that is drawn over and over.
    live: bool,
    drawn: bool,
    /// Whether lines wait to be printed together.
    holding: bool,
    /// Those that wait. Kept between two rounds: its memory is warm.
    held: String,
    /// Something could not be printed.
    failed: bool,
}

/// A number of things, as people say it: `1 call`, `2 calls`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Whether what goes there has colours.
pub(crate) fn coloured(when: Color, terminal: bool) -> bool {
    match when {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && !is_dumb() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

/// A terminal that shows control sequences instead of obeying them.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|name| name == "dumb")
}

/// What is said with a colour, where there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tint {
    /// Green.
    Good,
    /// Red.
    Bad,
    /// Grey.
    Faint,
}

impl Out {
    /// Lines for people, or with `json` objects for programs.
    pub(crate) fn new(json: bool, color: Color) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self {
            json,
            color: coloured(color, terminal) && !json,
            live: terminal && !is_dumb() && !json,
            drawn: false,
            holding: false,
            held: String::new(),
            failed: false,
        }
    }

    /// Something happened: `text` for people, in one line whatever peers put into it, `fields` for programs.
    pub(crate) fn event(&mut self, text: &str, fields: &[(&str, Value)]) {
        self.event_in_lines(&[text], fields);
    }

    /// As [`Out::event`], with as many lines for people as are given.
    pub(crate) fn event_in_lines<T: AsRef<str>>(&mut self, lines: &[T], fields: &[(&str, Value)]) {
        if self.json {
            return self.line(&object(fields));
        }
        for line in lines {
            self.line(&shown(line.as_ref()));
        }
    }

    /// As [`Out::event`], for what happens thousands of times a second: only what is printed is made.
    pub(crate) fn often<const N: usize>(
        &mut self,
        text: std::fmt::Arguments<'_>,
        fields: impl FnOnce() -> [(&'static str, Value); N],
    ) {
        if self.json {
            return self.line(&object(&fields()));
        }
        self.wipe();
        let start = self.held.len();
        // Writing to a String cannot fail.
        let _ = self.held.write_fmt(text);
        let written = self.held.get(start..).unwrap_or_default();
        // Most often it is plain: that is seen for many octets at once.
        if written.bytes().fold(false, |other, byte| other | !(b' '..=b'~').contains(&byte)) {
            let safe = shown(written).into_owned();
            self.held.truncate(start);
            self.held.push_str(&safe);
        }
        self.held.push('\n');
        self.keep();
    }

    /// A line for people only, with colours of ours: nothing that peers wrote goes into it.
    pub(crate) fn text(&mut self, text: &str) {
        if !self.json {
            self.line(text);
        }
    }

    /// `text` in a colour, where there are colours.
    pub(crate) fn tinted(&self, text: &str, tint: Tint) -> String {
        let code = match tint {
            Tint::Good => "32",
            Tint::Bad => "31",
            Tint::Faint => "2",
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Draws the line that changes, on a terminal only. What does not fit is cut off: on a second line it could not be taken away again.
    pub(crate) fn progress(&mut self, line: &str) {
        if !self.live {
            return;
        }
        let mut out = std::io::stdout().lock();
        let _ = write!(out, "\r\x1b[?7l{}\x1b[K\x1b[?7h", shown(line));
        let _ = out.flush();
        self.drawn = true;
    }

    /// A verb ends badly.
    pub(crate) fn fault(&mut self, fault: &Fault) -> Exit {
        self.wipe();
        if self.json {
            let mut fields = vec![
                ("event", "error".into()),
                ("error", fault.what.as_str().into()),
                ("exit", (fault.exit as u8).into()),
            ];
            fields.extend(fault.status.map(|status| ("code", status.into())));
            if !fault.moved_to.is_empty() {
                fields.push(("moved_to", fault.moved_to.clone().into()));
            }
            let line = object(&fields);
            self.line(&line);
        }
        let _ = writeln!(std::io::stderr().lock(), "offhook: {}", shown(&fault.what));
        fault.exit
    }

    /// Takes the line that changes away, at once: what comes next may be written to standard error.
    fn wipe(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(b"\r\x1b[K").and_then(|()| out.flush());
        }
    }

    /// What went wrong: on standard error, and as an object where objects are printed.
    pub(crate) fn error(&mut self, what: &str) {
        self.wipe();
        if self.json {
            let line = object(&[("event", "error".into()), ("error", what.into())]);
            self.line(&line);
        }
        let _ = writeln!(std::io::stderr().lock(), "offhook: {}", shown(what));
    }

    /// A registration does not stand; `next`: after so long it is tried again.
    pub(crate) fn not_registered(&mut self, why: &str, next: Option<Duration>) {
        // Rounded up: at once is not what it means.
        let secs = next.map(|wait| wait.as_millis().div_ceil(1_000) as u64);
        let again = secs.map(|secs| format!("; next try in {secs} s")).unwrap_or_default();
        self.wipe();
        if self.json {
            let fields = [("event", "registration_failed".into()), ("why", why.into()), ("retry_secs", secs.into())];
            let line = object(&fields);
            self.line(&line);
        }
        let _ = writeln!(std::io::stderr().lock(), "offhook: not registered: {}{again}", shown(why));
    }

    /// Keeps lines back until [`Out::release`]: a write for each would cost more than a call.
    pub(crate) fn hold(&mut self) {
        self.holding = true;
    }

    /// Prints what was held.
    pub(crate) fn release(&mut self) {
        self.holding = false;
        self.print_held();
    }

    /// The code to end with: a verb that could not print what it found has not done all that was asked.
    pub(crate) fn conclude(&mut self, exit: Exit) -> Exit {
        self.wipe();
        self.release();
        if self.failed && exit == Exit::Ok { Exit::General } else { exit }
    }

    fn print_held(&mut self) {
        if !self.held.is_empty() {
            self.failed |= !print(self.held.as_bytes(), self.failed);
            self.held.clear();
        }
    }

    fn line(&mut self, line: &str) {
        self.wipe();
        self.held.push_str(line);
        self.held.push('\n');
        self.keep();
    }

    /// Keeps what is held where lines are held back and few wait; prints it else.
    fn keep(&mut self) {
        if !self.holding || self.held.len() > MOST {
            self.print_held();
        }
    }
}

/// False when it cannot be written; said once. Where nobody reads any more, as behind `| head`, there is nothing better to do than to go on.
fn print(bytes: &[u8], said: bool) -> bool {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            if !said {
                let _ = writeln!(std::io::stderr().lock(), "offhook: the output cannot be written: {error}");
            }
            false
        }
        _ => true,
    }
}

fn object(fields: &[(&str, Value)]) -> String {
    let mut object = Map::new();
    object.insert("v".into(), SCHEMA.into());
    for (name, value) in fields {
        let value = if *name == "text" { value.clone() } else { printable(value) };
        object.insert((*name).to_owned(), value);
    }
    Value::Object(object).to_string()
}

/// Passwords of URIs belong into no log; what somebody wrote to somebody (`text`) stays as it was. Of a fraction six decimals are told: what comes behind them
/// is what reckoning in powers of two has left.
fn printable(value: &Value) -> Value {
    match value {
        Value::String(text) => without_passwords(text).into_owned().into(),
        Value::Array(values) => values.iter().map(printable).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), printable(value))).collect())
        }
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(fraction) => ((fraction * 1e6).round() / 1e6).into(),
            None => value.clone(),
        },
        other => other.clone(),
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_told_as_people_would_write_them() {
        for (number, told) in [
            (Value::from(0.003_26 * 1_000.0), "3.26"),
            (Value::from(3.260_000_000_000_000_2), "3.26"),
            (Value::from(0.002_700_4), "0.0027"),
            (Value::from(1.0 / 3.0), "0.333333"),
            (Value::from(-0.25), "-0.25"),
            (Value::from(5.0), "5.0"),
            (Value::from(u64::MAX), "18446744073709551615"),
            (Value::from(vec![0.1 + 0.2]), "[0.3]"),
        ] {
            assert_eq!(object(&[("x", number)]), format!(r#"{{"v":1,"x":{told}}}"#));
        }
    }
}

//! What the person or program in front of us sees: lines, or JSON objects a line.

use std::io::Write;

use serde_json::{Map, Value};

/// The version of the JSON schema: additions only.
pub const SCHEMA: u64 = 1;

/// Standard output and standard error of a verb.
pub struct Out {
    json: bool,
    /// Lines that wait to be printed together.
    held: Option<Vec<u8>>,
}

impl Out {
    /// Lines for people, or with `json` objects for programs.
    pub fn new(json: bool) -> Self {
        Self { json, held: None }
    }

    /// Whether objects are printed.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Something happened: `text` for people, `fields` for programs.
    pub fn event(&mut self, text: &str, fields: &[(&str, Value)]) {
        let line = if self.json { object(fields) } else { text.to_owned() };
        self.line(&line);
    }

    /// A line for people only.
    pub fn text(&mut self, text: &str) {
        if !self.json {
            self.line(text);
        }
    }

    /// What went wrong: on standard error, and as an object where objects are printed.
    pub fn error(&mut self, what: &str) {
        if self.json {
            let line = object(&[("event", "error".into()), ("error", what.into())]);
            self.line(&line);
        }
        let _ = writeln!(std::io::stderr().lock(), "offhook: {what}");
    }

    /// Keeps lines back until [`Out::release`]: a write for each would cost more than a call.
    pub(crate) fn hold(&mut self) {
        self.held.get_or_insert_with(Vec::new);
    }

    /// Prints what was held.
    pub(crate) fn release(&mut self) {
        if let Some(held) = self.held.take().filter(|held| !held.is_empty()) {
            print(&held);
        }
    }

    fn line(&mut self, line: &str) {
        match &mut self.held {
            Some(held) => {
                held.extend_from_slice(line.as_bytes());
                held.push(b'\n');
            }
            None => print(format!("{line}\n").as_bytes()),
        }
    }
}

fn print(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    // Nobody reads any more: there is nothing better to do than to go on.
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

fn object(fields: &[(&str, Value)]) -> String {
    let mut object = Map::new();
    object.insert("v".into(), SCHEMA.into());
    for (name, value) in fields {
        object.insert((*name).to_owned(), value.clone());
    }
    Value::Object(object).to_string()
}

impl Drop for Out {
    fn drop(&mut self) {
        self.release();
    }
}

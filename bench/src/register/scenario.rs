//! What a registrar must still do right after it was measured.

use crate::phone::{Dialog, Line, NO_BODY, Seen, authorization};
use crate::server::{load, offhook};

/// As many bindings as `count`; the binding of a user is found, a wrong password is refused, and the binding is gone when it was taken back
/// (and is made again, for the next measurement of the same state).
pub(super) fn registered(port: u16, state: &str, count: u32) -> Result<(), String> {
    let status = load(&[&offhook()?, "status", "--json", "--state", state])?;
    let found = serde_json::from_str::<serde_json::Value>(&status).ok().and_then(|json| json["registrations"].as_u64());
    if found != Some(u64::from(count)) {
        return Err(format!("{found:?} registrations, expected {count}"));
    }
    let mut device = Device { line: Line::open(([127, 0, 0, 1], port).into())?, cseq: 0 };
    let answer = device.register("secret-u7", "")?;
    let contact = answer.contact().filter(|_| answer.status() == Some(200)).map(str::to_owned);
    let contact = contact.ok_or_else(|| format!("no binding of u7: {}", answer.0))?;
    let refused = device.register("wrong", "")?;
    if !matches!(refused.status(), Some(401 | 403)) {
        return Err(format!("a wrong password was answered {:?}", refused.status()));
    }
    let gone = device.register("secret-u7", &format!("Contact: <{contact}>;expires=0\r\n"))?;
    if gone.status() != Some(200) || gone.contact().is_some() {
        return Err(format!("the binding stays: {}", gone.0));
    }
    let again = device.register("secret-u7", &format!("Contact: <{contact}>;expires=3600\r\n"))?;
    again.contact().map(|_| ()).ok_or_else(|| format!("no new binding: {}", again.0))
}

struct Device {
    line: Line,
    cseq: u32,
}

impl Device {
    /// A REGISTER of u7 and its answer, through the challenge.
    fn register(&mut self, password: &str, contact: &str) -> Result<Seen, String> {
        let challenge = self.ask(contact)?;
        let lines = authorization(&challenge, "u7", password, "REGISTER", "sip:bench.invalid")?;
        self.ask(&format!("{contact}{lines}"))
    }

    fn ask(&mut self, lines: &str) -> Result<Seen, String> {
        self.cseq += 1;
        let call_id = format!("device-{}", self.line.local.port());
        let address = "<sip:u7@bench.invalid>";
        let dialog = Dialog { from: &format!("{address};tag=device"), to: address, call_id: &call_id, cseq: self.cseq };
        let rest = format!("{lines}{NO_BODY}");
        self.line.send(&self.line.request("REGISTER", "sip:bench.invalid", &dialog, &rest))?;
        self.line.receive()
    }
}

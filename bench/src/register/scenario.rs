//! What a registrar must still do right after it was measured.

use crate::phone::{Device, Line};
use crate::server::status;

/// As many bindings as `count`; the binding of a user is found, a wrong password is refused, and the binding is gone when it was taken back
/// (and is made again, for the next measurement of the same state).
pub(crate) fn registered(port: u16, state: &str, count: u32) -> Result<(), String> {
    let found = status(state)?["registrations"].as_u64();
    if found != Some(u64::from(count)) {
        return Err(format!("{found:?} registrations, expected {count}"));
    }
    let line = Line::open(([127, 0, 0, 1], port).into())?;
    let mut device = Device { line: &line, user: "u7", cseq: 0 };
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

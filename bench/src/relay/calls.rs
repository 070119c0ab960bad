//! Four hundred telephones on one socket: they register with digest and call each other, the even the odd.

use std::net::SocketAddr;

use crate::phone::{Device, Dialog, Line, NO_BODY, authorization, described, media_address};

/// The telephones, as the PBX sees them.
pub(crate) struct Pbx {
    line: Line,
    /// Where each hears.
    ports: Vec<u16>,
    calls: Vec<Call>,
    made: usize,
}

/// A call that stands, as its caller knows it.
struct Call {
    id: String,
    from: String,
    to: String,
    contact: String,
}

impl Pbx {
    pub(crate) fn new(port: u16, ports: &[u16]) -> Result<Self, String> {
        let line = Line::open(([127, 0, 0, 1], port).into())?;
        Ok(Self { line, ports: ports.to_vec(), calls: Vec::new(), made: 0 })
    }

    /// Where the telephones hear from now on.
    pub(crate) fn use_ports(&mut self, ports: &[u16]) {
        self.ports = ports.to_vec();
    }

    /// Registers one, through the challenge.
    pub(crate) fn register(&self, user: usize) -> Result<(), String> {
        let contact = format!("Contact: <sip:u{user}@{}>\r\nExpires: 3600\r\n", self.line.local);
        let mut device = Device { line: &self.line, user: &format!("u{user}"), cseq: 0 };
        match device.register(&format!("secret-u{user}"), &contact)?.status() {
            Some(200) => Ok(()),
            status => Err(format!("u{user} registers: {status:?}")),
        }
    }

    /// A call from one to another; where each of them sends its packets.
    pub(crate) fn call(&mut self, caller: usize, callee: usize) -> Result<[SocketAddr; 2], String> {
        self.made += 1;
        let uri = format!("sip:u{callee}@bench.invalid");
        let mut call = Call {
            id: format!("call{}", self.made),
            from: format!("<sip:u{caller}@bench.invalid>;tag=c{caller}"),
            to: format!("<{uri}>"),
            contact: String::new(),
        };
        let port = |user: usize| self.ports.get(user).copied().unwrap_or_default();
        let body = format!("Contact: <sip:u{caller}@{}>\r\n{}", self.line.local, described(port(caller)));
        self.line.send(&self.line.request("INVITE", &uri, &call.dialog(1), &body))?;
        let (mut from_caller, mut from_callee, mut acknowledged) = (None, None, false);
        loop {
            if let (Some(caller), Some(callee), true) = (from_caller, from_callee, acknowledged) {
                self.calls.push(call);
                return Ok([caller, callee]);
            }
            let seen = self.line.receive().map_err(|why| format!("call from u{caller} to u{callee}: {why}"))?;
            match (seen.status(), seen.method()) {
                (Some(401 | 407), "INVITE") => {
                    self.line.refused(&uri, &call.dialog(seen.cseq()), &seen)?;
                    let (user, password) = (format!("u{caller}"), format!("secret-u{caller}"));
                    let lines = authorization(&seen, &user, &password, "INVITE", &uri)?;
                    self.line.send(&self.line.request("INVITE", &uri, &call.dialog(2), &format!("{lines}{body}")))?;
                }
                (Some(200), "INVITE") => {
                    call.to = seen.header("To").unwrap_or_default().to_owned();
                    call.contact = seen.contact().unwrap_or_default().to_owned();
                    from_caller = media_address(seen.body());
                    self.line.send(&self.line.request("ACK", &call.contact, &call.dialog(2), NO_BODY))?;
                }
                (Some(100..200), _) => {}
                (None, "INVITE") => {
                    from_callee = media_address(seen.body());
                    let contact = format!("Contact: <sip:u{callee}@{}>\r\n", self.line.local);
                    let tag = format!("d{}", self.made);
                    self.line.answer(&seen, "180 Ringing", &tag, &format!("{contact}{NO_BODY}"))?;
                    self.line.answer(&seen, "200 OK", &tag, &format!("{contact}{}", described(port(callee))))?;
                }
                (None, "ACK") => acknowledged = true,
                _ => return Err(format!("in a call from u{caller} to u{callee} came:\n{}", seen.0)),
            }
        }
    }

    /// Every caller hangs up; the callees are told.
    pub(crate) fn hang_up_all(&mut self) -> Result<(), String> {
        for call in std::mem::take(&mut self.calls) {
            self.line.send(&self.line.request("BYE", &call.contact, &call.dialog(3), NO_BODY))?;
            let (mut confirmed, mut told) = (false, false);
            while !(confirmed && told) {
                let seen = self.line.receive().map_err(|why| format!("BYE of {}: {why}", call.id))?;
                match (seen.status(), seen.method()) {
                    (Some(200), "BYE") => confirmed = true,
                    (None, "BYE") => {
                        self.line.answer(&seen, "200 OK", "", NO_BODY)?;
                        told = true;
                    }
                    _ => return Err(format!("after the BYE of {} came:\n{}", call.id, seen.0)),
                }
            }
        }
        Ok(())
    }
}

impl Call {
    fn dialog(&self, cseq: u32) -> Dialog<'_> {
        Dialog { from: &self.from, to: &self.to, call_id: &self.id, cseq }
    }
}

//! The PBX (ids tb..), by `offhook serve` with devices that write their messages themselves.

mod addresses;
mod beside;
mod calling;
mod contacts;
mod forking;
mod order;
mod registering;
mod timers;
mod transfers;
mod watching;

use super::wire::{Ask, Wire, challenged, code, field, fields, number, response, with_credentials};
use crate::program::PATIENCE;
use crate::program::offhook::{self, Server};

/// The devices of the server: alice with `a`, bob with `b`.
const USERS: [&str; 4] = ["--user", "alice:a", "--user", "bob:b"];

/// A server with these lines of configuration; its realm is `test`.
fn server(configuration: &str) -> Server {
    server_that(configuration, &[])
}

/// The same with these arguments.
fn server_that(configuration: &str, arguments: &[&str]) -> Server {
    let file = offhook::configuration(&format!("realm = \"test\"\n{configuration}"));
    offhook::serve(&[&["--config", file.path().to_str().unwrap()], &USERS[..], arguments].concat())
}

/// A device of a user, on a socket of its own.
struct Device {
    wire: Wire,
    user: &'static str,
    password: &'static str,
    server: String,
}

impl Device {
    fn new(server: &Server, user: &'static str) -> Self {
        let wire = Wire::to(&server.address);
        Self { wire, user, password: &user[..1], server: server.address.clone() }
    }

    /// One that has registered.
    fn registered(server: &Server, user: &'static str) -> Self {
        let mut device = Self::new(server, user);
        let answer = device.register(&[]);
        assert_eq!(code(&answer), 200, "{answer}");
        device
    }

    /// Where it takes calls.
    fn contact(&self) -> String {
        format!("sip:{}@{}", self.user, self.wire.local())
    }

    /// A REGISTER of its own contact, or with these lines in place of that. Not sent.
    fn registration(&mut self, lines: &[&str]) -> Ask {
        let mut ask = self.wire.ask("REGISTER");
        let address = format!("<sip:{}@{}>", self.user, self.server);
        (ask.uri, ask.from) = (format!("sip:{}", self.server), format!("{address};tag=tester"));
        (ask.to, ask.without) = (address, vec!["Contact"]);
        ask.more = lines.iter().map(|line| (*line).to_owned()).collect();
        if lines.is_empty() {
            ask.more.push(format!("Contact: <{}>", self.contact()));
        }
        ask
    }

    /// The final response to that.
    fn register(&mut self, lines: &[&str]) -> String {
        let ask = self.registration(lines);
        let signed = self.wire.signed(&ask, self.user, self.password);
        self.wire.final_of(&signed)
    }

    /// An INVITE to a number. Not sent.
    fn invite(&mut self, number: &str) -> Ask {
        let mut invite = self.wire.ask("INVITE");
        invite.uri = format!("sip:{number}@{}", self.server);
        invite.to = format!("<{}>", invite.uri);
        invite.from = format!("<sip:{}@{}>;tag=tester", self.user, self.server);
        invite
    }

    /// The same, sent again with credentials for its challenge.
    fn dial(&mut self, number: &str) -> Ask {
        let invite = self.invite(number);
        let signed = self.wire.signed(&invite, self.user, self.password);
        self.wire.send(&signed);
        signed
    }

    /// A request to somebody, with these lines and this body, and credentials. Not sent.
    fn signed(&mut self, method: &'static str, to: &str, lines: &[&str], body: &str) -> Ask {
        let mut ask = self.wire.ask(method);
        ask.uri = format!("sip:{to}@{}", self.server);
        ask.to = format!("<{}>", ask.uri);
        ask.more = lines.iter().map(|line| (*line).to_owned()).collect();
        body.clone_into(&mut ask.body);
        self.wire.signed(&ask, self.user, self.password)
    }

    /// The final response to what has been sent; one to an INVITE is acknowledged.
    fn ends(&mut self, ask: &Ask) -> String {
        let response = self.wire.answer_within(ask, PATIENCE).unwrap_or_else(|| panic!("no end of {}", ask.method));
        if ask.method == "INVITE" {
            let mut ack = self.wire.within(&response, "ACK", number(&response));
            if code(&response) >= 300 {
                (ack.branch, ack.uri) = (ask.branch.clone(), ask.uri.clone());
            }
            self.wire.send(&ack);
        }
        response
    }

    /// The next request of this method.
    fn asked(&self, method: &str) -> String {
        self.wire.expect(&format!("{method} "))
    }

    /// Answers a request; a 2xx to an INVITE describes a phone.
    fn reply(&self, request: &str, status: &str) {
        let describes = request.starts_with("INVITE ") && status.starts_with('2');
        let body = if describes { self.wire.offer() } else { String::new() };
        self.wire.reply(request, status, "", &body);
    }

    /// Answers a call: the INVITE, once its ACK is there.
    fn takes(&self) -> String {
        let invite = self.asked("INVITE");
        self.reply(&invite, "200 OK");
        self.asked("ACK");
        invite
    }
}

/// A call between two devices, and what made it.
struct Pair {
    caller: Device,
    callee: Device,
    /// The 200 that the caller got.
    answer: String,
    /// The INVITE that the callee got.
    invite: String,
}

impl Pair {
    fn up(server: &Server) -> Self {
        let (mut caller, callee) = (Device::registered(server, "alice"), Device::registered(server, "bob"));
        let dialled = caller.dial("bob");
        let invite = callee.takes();
        let answer = caller.ends(&dialled);
        assert_eq!(code(&answer), 200, "{answer}");
        Self { caller, callee, answer, invite }
    }

    /// A request of the caller in the call. Not sent.
    fn of_caller(&mut self, method: &'static str, cseq: u32) -> Ask {
        self.caller.wire.within(&self.answer, method, cseq)
    }

    /// A request of the callee in the call. Not sent.
    fn of_callee(&mut self, method: &'static str, cseq: u32) -> Ask {
        self.callee.wire.within_called(&self.invite, method, cseq)
    }
}

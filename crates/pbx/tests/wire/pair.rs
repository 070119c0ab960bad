//! A call that stands.

use std::net::SocketAddr;

use audio::codec::Codec;
use pbx::Config;
use sdp::{Direction, Session};
use sip::message::{HeaderId, Method, Request, Response};

use crate::phone::{Dialog, Phone};
use crate::setup::{config, nothing_left, with_config};
use crate::sound::{Sound, address};

const ALLOW: &str = "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n";

/// Two telephones in a call.
pub(crate) struct Pair {
    pub(crate) running: pbx::Running,
    pub(crate) caller: Phone,
    pub(crate) callee: Phone,
    pub(crate) sounds: (Sound, Sound),
    pub(crate) dialogs: (Dialog, Dialog),
    /// What the callee was asked, and the caller answered.
    pub(crate) said: (Request, Response),
    /// Where each of them sends its audio.
    pub(crate) ports: (SocketAddr, SocketAddr),
}

/// A call that stands; whether each of them takes UPDATE.
pub(crate) fn pair(caller_takes: bool, callee_takes: bool) -> Pair {
    let lines = |takes| if takes { ALLOW } else { "" };
    pair_with(config(), lines(caller_takes), lines(callee_takes))
}

/// The same; what the INVITE of the caller and the 200 of the callee say besides.
pub(crate) fn pair_with(config: Config, caller_says: &str, callee_says: &str) -> Pair {
    pair_of(config, ("1001", caller_says), callee_says)
}

/// The same; besides, whom the caller says to be.
pub(crate) fn pair_of(config: Config, (from, caller_says): (&str, &str), callee_says: &str) -> Pair {
    let (running, mut phones) = with_config(config, &["1001", "1002"]);
    let (mut callee, mut caller) = (phones.remove(1), phones.remove(0));
    let sounds = (Sound::new(Codec::Pcmu), Sound::new(Codec::Pcmu));
    (caller.says, caller.extra) = (from.to_owned(), caller_says.to_owned());
    let (dialogs, said) = std::thread::scope(|scope| {
        let answering = scope.spawn(|| {
            let invite = callee.request(Method::Invite);
            let dialog = callee.respond_with(&invite, 200, callee_says, Some(&sounds.1.describe()));
            callee.request(Method::Ack);
            (invite, dialog)
        });
        let (dialog, response) = caller.call_through("1002", &sounds.0.describe());
        assert!(response.headers().text(HeaderId::Allow).unwrap().contains("UPDATE"));
        let (invite, called) = answering.join().unwrap();
        ((dialog, called), (invite, response))
    });
    caller.extra.clear();
    let ports = (address(said.1.body()), address(said.0.body()));
    Pair { running, caller, callee, sounds, dialogs, said, ports }
}

impl Pair {
    /// The caller hangs up.
    pub(crate) fn end(mut self) {
        self.caller.hang_up(&mut self.dialogs.0);
        self.callee.hung_up();
        nothing_left(&self.running);
    }
}

/// The direction of the audio of a description.
pub(crate) fn direction(body: &[u8]) -> Direction {
    Session::parse(body).unwrap().audio().unwrap().direction()
}

//! The handshake of a WebSocket, both sides, a step at a time: one head of HTTP each way (RFC 6455 section 4).

use std::io;
use std::sync::Arc;

use tungstenite::protocol::Role;

use super::web::Web;
use super::{accept, connect};
use crate::config::WebSockets;
use crate::octets::{Octets, Shaking, Taken, Trouble};

/// The largest head of HTTP that is read.
pub(super) const HEAD: usize = 8_192;
/// What is read at a time.
const PIECE: usize = 1_024;

/// A handshake under way.
pub(crate) struct Handshake {
    stage: Stage,
    role: Role,
    /// The longest message that will be taken.
    message: usize,
    /// What came behind the other side's head.
    early: Vec<u8>,
}

enum Stage {
    /// The head of who has connected is being read.
    Asked {
        head: Vec<u8>,
        rules: Arc<WebSockets>,
    },
    /// Ours leaves; what is said when it has left.
    Answering {
        head: Vec<u8>,
        written: usize,
        then: Result<(), String>,
    },
    /// Our own head leaves, and then the other's is read.
    Asking {
        head: Vec<u8>,
        written: usize,
        key: String,
    },
    Answered {
        head: Vec<u8>,
        key: String,
    },
}

impl Handshake {
    /// With somebody who has connected.
    pub(crate) fn accepting(rules: Arc<WebSockets>, message: usize) -> Self {
        Self { stage: Stage::Asked { head: Vec::new(), rules }, role: Role::Server, message, early: Vec::new() }
    }

    /// With the server `host`, a name or an address and a port unless it is the usual one, that we have connected to; with a proof of who we are where it has asked
    /// for one.
    pub(crate) fn connecting(host: &str, resource: &str, message: usize, proof: Option<&str>) -> Self {
        let (head, key) = connect::request(host, resource, proof);
        Self { stage: Stage::Asking { head, written: 0, key }, role: Role::Client, message, early: Vec::new() }
    }

    /// As much as can be done at once.
    pub(crate) fn step(&mut self, octets: &mut Octets) -> Result<Shaking, Trouble> {
        match &mut self.stage {
            Stage::Asked { head, rules } => {
                let end = match read(octets, head)? {
                    Reading::End(end) => Some(end),
                    Reading::TooLong => None,
                    Reading::More(shaking) => return Ok(shaking),
                };
                let (answer, then) = match end.and_then(|end| head.split_at_checked(end)) {
                    None => accept::refuse(accept::TOO_LONG),
                    Some((head, behind)) => accept::answer(head, behind, rules),
                };
                self.stage = Stage::Answering { head: answer, written: 0, then };
                Ok(Shaking::Going)
            }
            Stage::Answering { head, written, then } => {
                if !write(octets, head, written)? {
                    return Ok(Shaking::Writing);
                }
                then.clone().map(|()| Shaking::Done).map_err(Trouble::Web)
            }
            Stage::Asking { head, written, key } => {
                if !write(octets, head, written)? {
                    return Ok(Shaking::Writing);
                }
                self.stage = Stage::Answered { head: Vec::new(), key: std::mem::take(key) };
                Ok(Shaking::Going)
            }
            Stage::Answered { head, key } => {
                let end = match read(octets, head)? {
                    Reading::End(end) => end,
                    Reading::TooLong => return Err(Trouble::Web("its answer is too long".into())),
                    Reading::More(shaking) => return Ok(shaking),
                };
                self.early = head.split_off(end);
                connect::judge(head, key).map(|()| Shaking::Done)
            }
        }
    }

    /// The WebSocket that both sides have agreed on.
    pub(crate) fn done(&mut self) -> Web {
        Web::new(self.role, std::mem::take(&mut self.early), self.message)
    }
}

/// What came of reading a head.
enum Reading {
    /// It ends there.
    End(usize),
    /// It does not end where it should.
    TooLong,
    /// Something is still to come.
    More(Shaking),
}

/// Takes one piece of a head. In linear time, however small the pieces are.
fn read(octets: &mut Octets, head: &mut Vec<u8>) -> Result<Reading, Trouble> {
    let mut piece = [0; PIECE];
    match octets.read(&mut piece).map_err(|_| Trouble::Broken)? {
        Taken::Empty => return Ok(Reading::More(Shaking::Reading)),
        Taken::Nothing => return Ok(Reading::More(Shaking::Going)),
        Taken::Octets(length) => {
            let looked_at = head.len().saturating_sub(3);
            head.extend_from_slice(piece.get(..length).unwrap_or_default());
            let fresh = head.get(looked_at..).unwrap_or_default();
            if let Some(end) = fresh.windows(4).position(|four| four == b"\r\n\r\n") {
                return Ok(Reading::End(looked_at + end + 4));
            }
        }
    }
    Ok(if head.len() > HEAD { Reading::TooLong } else { Reading::More(Shaking::Going) })
}

/// Sends what is left of a head; whether that was all.
fn write(octets: &mut Octets, head: &[u8], written: &mut usize) -> Result<bool, Trouble> {
    while let Some(left) = head.get(*written..).filter(|left| !left.is_empty()) {
        match octets.write(left) {
            Ok(more) => *written += more,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(_) => return Err(Trouble::Broken),
        }
    }
    octets.flush().map_err(|_| Trouble::Broken)
}

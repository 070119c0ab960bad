//! A response whose way back has failed: to whom the Via says, by name servers where it is a name (RFC 3263 section 5, RFC 3261 section 18.2.2).
//!
//! Whether a datagram has met nobody the driver tells for requests; for responses, of which there are many more, only where the system refuses at once.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::id::{Id, ServerTx};
use crate::message::header::Via;
use crate::message::{Limits, Message};
use crate::outbox::{Answer, Cause, Path, Question, SendError};
use crate::stack::Asker;
use crate::transaction::server::Server;
use crate::transaction::way_back::Stamp;
use crate::turn::Turn;

/// Questions under way beside which no other is put for a response: who has many requests answered and is gone keeps nobody else waiting.
const MOST_ASKS: usize = 32;

/// Where responses go when that is not where the request came from.
#[derive(Debug)]
pub(super) struct Detour {
    path: Path,
    /// Where they went at first, and go again when all else has failed: who repeats his request is there after all.
    first: Path,
    /// Where they go when the present way fails, too.
    rest: VecDeque<Path>,
    /// The sent-by has been asked about.
    asked: bool,
}

impl Detour {
    /// To another address on the flow of the request.
    pub(super) fn to(remote: SocketAddr, origin: &Path) -> Box<Self> {
        let path = Path { remote, ..*origin };
        Box::new(Self { path, first: path, rest: VecDeque::new(), asked: false })
    }

    pub(super) fn path(&self) -> Path {
        self.path
    }
}

impl Turn<'_> {
    /// A send failed: the transaction stays (RFC 6026 section 7.1). A response whose connection is gone is sent once more, over a new one to the port
    /// in the Via (RFC 3261 section 18.2.2); then, and over UDP at once, to where the sent-by leads. By a WebSocket there is no other way than the one that
    /// has failed (RFC 7118 section 5.3).
    pub(crate) fn server_unsent(&mut self, id: Id, why: SendError) {
        let Some(server) = self.stack.servers.get_mut(id) else { return };
        let origin = server.origin();
        let no_more = origin.transport.is_web() || server.detour.as_ref().is_some_and(|detour| detour.asked);
        let home = SocketAddr::new(origin.remote.ip(), server.home);
        if let Some(detour) = server.detour.as_mut().filter(|detour| detour.asked) {
            let next = detour.rest.pop_front();
            detour.path = next.unwrap_or(detour.first);
            if next.is_some() {
                return self.server_again(id, Cause::Retry);
            }
        }
        if !no_more && server.is_reliable() && server.path().remote != home {
            server.detour = Some(Detour::to(home, &origin));
            return self.server_again(id, Cause::Retry);
        }
        // A full queue is a lost datagram, which a repeat mends, and another way carries no more octets.
        let is_fatal = !matches!(why, SendError::NoBuffer | SendError::TooBig);
        if !no_more
            && is_fatal
            && let Some(question) = self.question_about_sent_by(id)
        {
            self.ask(Asker::Response(id, why), question);
            return;
        }
        if let Some(owner) = self.stack.servers.get(id).map(|server| server.owner) {
            self.deliver_unsent(owner, ServerTx(id), why);
        }
    }

    /// What is asked about the sent-by of a response; `None` where it leads to where the response has failed.
    fn question_about_sent_by(&mut self, id: Id) -> Option<Question> {
        if !self.stack.config.follow_maddr || self.stack.asks.len() >= MOST_ASKS {
            return None;
        }
        let server = self.stack.servers.get_mut(id)?;
        let (path, question) = (server.path(), sent_by(server, &self.stack.config.limits)?);
        // An address in the Via of who asks to be answered where he sends from is that behind his translator (RFC 3581 section 4).
        if let Question::Route { host, port, transport, .. } = &question
            && let (Ok(ip), Some(transport)) = (host.parse(), transport)
            && (server.stamp == Stamp::ReceivedAndRport
                || path.remote == SocketAddr::new(ip, port.unwrap_or(transport.default_port())))
        {
            return None;
        }
        match &mut server.detour {
            Some(detour) => detour.asked = true,
            none => {
                let mut detour = Detour::to(path.remote, &path);
                detour.asked = true;
                *none = Some(detour);
            }
        }
        Some(question)
    }

    /// The driver's answer.
    pub(crate) fn response_answered(&mut self, id: Id, why: SendError, answer: Answer) {
        let limit = self.stack.config.max_routes;
        let Some(server) = self.stack.servers.get_mut(id) else { return };
        let (failed, owner) = (server.path().remote, server.owner);
        let mut paths: VecDeque<Path> = match answer {
            Answer::Routes(paths) => paths.into_iter().filter(|path| path.remote != failed).take(limit).collect(),
            _ => VecDeque::new(),
        };
        match (paths.pop_front(), &mut server.detour) {
            (Some(first), Some(detour)) => {
                (detour.path, detour.rest) = (first, paths);
                self.server_again(id, Cause::Retry);
            }
            _ => self.deliver_unsent(owner, ServerTx(id), why),
        }
    }
}

/// The question: SRV for a name without a port, A and AAAA for one with it. The transport is that of the request, which the Via names too: what came over
/// TLS is answered over TLS or not at all.
fn sent_by(server: &Server, limits: &Limits) -> Option<Question> {
    let last = Bytes::copy_from_slice(server.last()?);
    let Ok(Message::Response(response)) = Message::parse(last, limits) else { return None };
    let via = response.headers().get::<Via<'_>>()?.ok()?;
    let transport = server.origin().transport;
    if !via.transport.eq_ignore_ascii_case(transport.as_str()) {
        return None;
    }
    let host = match via.host.ip() {
        Some(ip) => ip.to_string(),
        None => via.host.name()?.to_owned(),
    };
    let secure = transport.is_secured();
    Some(Question::Route { host, port: via.port, transport: Some(transport), secure, lot: None })
}

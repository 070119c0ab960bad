//! Requests that have been passed on, and where their answers belong: MESSAGE between users (RFC 3428), and what devices say within a call.
//!
//! One MESSAGE at a time goes to a device, whoever sends it: the next ones wait for its answer (RFC 3428 section 8), each loop's for its own. A
//! device that does not answer one is given up for those that wait, and what has waited for half of the time that senders have is not sent any more.
//! Where one flow to a device leads nowhere its copy goes along the next (RFC 5626 section 7), as long: so none waits for longer than that half and an answer take.

mod queues;

use std::collections::{BTreeSet, HashMap, VecDeque};

use sip::message::{HeaderId, Method, Response, StatusCode};
use sip::uas;
use sip::{ClientTx, Draft, Failure, Id, IdMap, Reply, ServerTx, SessionId, Time, Turn};

use queues::{Queues, Waiting};

use crate::body;

/// No handle is less.
const FIRST: ClientTx = ClientTx(Id::from_u64(0));

/// Where the answer to a request of ours belongs.
#[derive(Debug)]
enum Passed {
    /// A request within a call.
    Within {
        /// To be answered.
        tx: ServerTx,
        /// The leg it was passed on to: with it goes the hope for an answer.
        over: SessionId,
    },
    /// An UPDATE that tells this leg what the other side takes: nobody waits for the answer.
    Told { over: SessionId },
    /// One of the copies of a MESSAGE.
    Copy {
        /// Of which.
        message: u64,
        /// The device that others wait for.
        device: String,
        /// The same along other flows to it.
        flows: VecDeque<Draft>,
        /// Of the message.
        since: Time,
        /// It has gone along another flow before.
        again: bool,
    },
}

/// A copy of a MESSAGE for a device.
#[derive(Debug)]
pub(crate) struct Copy {
    draft: Draft,
    /// The same along other flows to it.
    flows: VecDeque<Draft>,
    /// It has gone along another flow before.
    again: bool,
}

impl Copy {
    /// By these flows, the first of them first. `None` without any.
    pub(crate) fn by(flows: impl IntoIterator<Item = Draft>) -> Option<Self> {
        let mut flows: VecDeque<Draft> = flows.into_iter().collect();
        flows.pop_front().map(|draft| Self { draft, flows, again: false })
    }
}

/// A MESSAGE on its way to the devices of a user.
#[derive(Debug)]
struct Message {
    tx: ServerTx,
    /// Copies without a final answer, sent or not.
    open: usize,
    best: Option<StatusCode>,
}

/// What has been passed on and not been answered yet.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Messages under way at a time.
    most: usize,
    passed: IdMap<ClientTx, Passed>,
    /// Those within calls, by the leg they were passed on to.
    by_leg: BTreeSet<(SessionId, ClientTx)>,
    messages: HashMap<u64, Message>,
    queues: Queues,
    last: u64,
}

/// What to answer, and to whom.
pub(crate) type Replies = Vec<(ServerTx, Reply)>;

impl Relay {
    /// With room for so many messages.
    pub(crate) fn new(most: usize) -> Self {
        let (messages, queues) = (HashMap::new(), Queues::default());
        Self { most, passed: IdMap::default(), by_leg: BTreeSet::new(), messages, queues, last: 0 }
    }

    /// How much waits for an answer.
    pub(crate) fn len(&self) -> usize {
        self.passed.len() + self.messages.len() + self.queues.waiting()
    }

    /// Whether one more MESSAGE may be under way.
    pub(crate) fn has_room(&self) -> bool {
        self.messages.len() < self.most
    }

    /// A request within a call has been passed on over this leg.
    pub(crate) fn within(&mut self, tx: ServerTx, client: ClientTx, over: SessionId) {
        self.passed.insert(client, Passed::Within { tx, over });
        self.by_leg.insert((over, client));
    }

    /// A leg is being told what the other side takes.
    pub(crate) fn tells(&mut self, client: ClientTx, over: SessionId) {
        self.passed.insert(client, Passed::Told { over });
        self.by_leg.insert((over, client));
    }

    /// The leg that has been told something by this request, while that is under way.
    pub(crate) fn told(&self, client: ClientTx) -> Option<SessionId> {
        match self.passed.get(&client) {
            Some(Passed::Told { over }) => Some(*over),
            _ => None,
        }
    }

    /// Passes a MESSAGE on in these copies, each to a device of its own: at once, or when the device has answered the one before. False when
    /// there was room or a way for none.
    pub(crate) fn message(&mut self, tx: ServerTx, copies: Vec<Copy>, turn: &mut Turn<'_>) -> bool {
        self.last += 1;
        let (message, since) = (self.last, turn.now().mono);
        let mut open = 0;
        for copy in copies {
            let device = copy.draft.uri.to_string();
            let waiting = Waiting { message, copy, since };
            if self.queues.is_busy(&device) {
                open += usize::from(self.queues.wait(&device, waiting));
            } else if self.send(&device, waiting, turn) {
                open += 1;
            }
        }
        if open > 0 {
            self.messages.insert(message, Message { tx, open, best: None });
        }
        open > 0
    }

    /// Sends a copy to a device that has nothing else to answer, along the first flow by which anything can be sent.
    fn send(&mut self, device: &str, waiting: Waiting, turn: &mut Turn<'_>) -> bool {
        let Waiting { message, copy: Copy { draft, mut flows, again }, since } = waiting;
        let mut along = Some(draft);
        while let Some(draft) = along {
            match turn.send_request(draft) {
                Ok(client) => {
                    let device = device.to_owned();
                    self.queues.engage(&device);
                    self.passed.insert(client, Passed::Copy { message, device, flows, since, again });
                    return true;
                }
                Err(error) => tracing::warn!(%error, "a message is not passed on"),
            }
            along = flows.pop_front();
        }
        false
    }

    /// Nothing has reached the device by one flow: sends the copy along the next, as long as its sender waits for it.
    fn send_along_next(
        &mut self,
        (message, device): (u64, &str),
        mut flows: VecDeque<Draft>,
        since: Time,
        turn: &mut Turn<'_>,
    ) -> bool {
        turn.now().mono.since(since) < queues::PATIENCE
            && flows
                .pop_front()
                .map(|draft| Copy { draft, flows, again: true })
                .is_some_and(|copy| self.send(device, Waiting { message, copy, since }, turn))
    }

    /// The device has answered: the next copy for it leaves.
    fn next(&mut self, device: &str, turn: &mut Turn<'_>, replies: &mut Replies) {
        while let Some(waiting) = self.queues.next(device) {
            let (message, in_time) = (waiting.message, turn.now().mono.since(waiting.since) < queues::PATIENCE);
            if in_time && self.send(device, waiting, turn) {
                return;
            }
            replies.extend(self.copy_answered(message, StatusCode::TEMPORARILY_UNAVAILABLE));
        }
    }

    /// A leg has ended: what was passed on over it will not be answered. Who waits for that.
    pub(crate) fn leg_ended(&mut self, session: SessionId) -> Vec<ServerTx> {
        let mut waiting = Vec::new();
        while let Some(&(over, client)) =
            self.by_leg.range((session, FIRST)..).next().filter(|(over, _)| *over == session)
        {
            self.by_leg.remove(&(over, client));
            if let Some(Passed::Within { tx, .. }) = self.passed.remove(&client) {
                waiting.push(tx);
            }
        }
        waiting
    }

    /// What was passed on as `client`, which has come to its end.
    fn take(&mut self, client: ClientTx) -> Option<Passed> {
        let passed = self.passed.remove(&client)?;
        if let Passed::Within { over, .. } | Passed::Told { over } = passed {
            self.by_leg.remove(&(over, client));
        }
        Some(passed)
    }

    /// A response to a request that was passed on: what to answer now.
    pub(crate) fn response(&mut self, client: ClientTx, response: &Response, turn: &mut Turn<'_>) -> Replies {
        let mut replies = Replies::new();
        if response.code().is_provisional() {
            return replies;
        }
        match self.take(client) {
            None | Some(Passed::Told { .. }) => {}
            Some(Passed::Within { tx, over }) => {
                let mut reply = Reply::new(response.code());
                // RFC 6086 section 4.2.2: it names what is taken.
                if response.code() == StatusCode::BAD_INFO_PACKAGE {
                    reply.lines.copy(response.headers(), HeaderId::RecvInfo);
                    if !reply.lines.has(HeaderId::RecvInfo) {
                        uas::recv_info(&mut reply.lines, turn.info_packages(over).unwrap_or_default().split(','));
                    }
                }
                // RFC 3428 section 7: no body in a 2xx to MESSAGE.
                let is_message = response.headers().cseq().method == Method::Message;
                // RFC 6086 section 4.3.2: nor one of a package in the answer to an INFO.
                let bare = response.code().is_success() && is_message || body::is_of_package(response.headers());
                reply.body = if bare { None } else { body::whole(response.headers()) };
                replies.push((tx, reply));
            }
            // A device has it already, by the flow that seemed to lead nowhere (RFC 3261 section 8.2.2.2).
            Some(Passed::Copy { message, device, again: true, .. }) if response.code() == StatusCode::LOOP_DETECTED => {
                replies.extend(self.copy_answered(message, StatusCode::ACCEPTED));
                self.next(&device, turn, &mut replies);
            }
            Some(Passed::Copy { message, device, flows, since, .. }) => {
                let unreached = matches!(response.code(), StatusCode::FLOW_FAILED | StatusCode::REQUEST_TIMEOUT);
                if unreached && self.send_along_next((message, &device), flows, since, turn) {
                    return replies;
                }
                replies.extend(self.copy_answered(message, response.code()));
                self.next(&device, turn, &mut replies);
            }
        }
        replies
    }

    /// No response came to a request that was passed on: what to answer now.
    pub(crate) fn failure(&mut self, client: ClientTx, why: &Failure, turn: &mut Turn<'_>) -> Replies {
        let mut replies = Replies::new();
        // What says nothing of the device, and nothing of other messages to it.
        let own = match why {
            Failure::TooLarge { .. } => Some(StatusCode::REQUEST_ENTITY_TOO_LARGE),
            Failure::Overloaded => Some(StatusCode::SERVICE_UNAVAILABLE),
            _ => None,
        };
        match (self.take(client), own) {
            (None | Some(Passed::Told { .. }), _) => {}
            (Some(Passed::Within { tx, .. }), own) => {
                replies.push((tx, Reply::new(own.unwrap_or(StatusCode::REQUEST_TIMEOUT))));
            }
            (Some(Passed::Copy { message, device, flows, since, .. }), own) => {
                if why.is_unreached() && self.send_along_next((message, &device), flows, since, turn) {
                    return replies;
                }
                replies.extend(self.copy_answered(message, own.unwrap_or(StatusCode::TEMPORARILY_UNAVAILABLE)));
                if own.is_some() {
                    self.next(&device, turn, &mut replies);
                    return replies;
                }
                // Who does not answer this one answers those that wait for it no sooner.
                while let Some(waiting) = self.queues.next(&device) {
                    replies.extend(self.copy_answered(waiting.message, StatusCode::TEMPORARILY_UNAVAILABLE));
                }
            }
        }
        replies
    }

    /// The first device that takes a message makes it delivered; when none does, the last word is the lowest code.
    fn copy_answered(&mut self, number: u64, code: StatusCode) -> Option<(ServerTx, Reply)> {
        let message = self.messages.get_mut(&number)?;
        message.open = message.open.saturating_sub(1);
        let code = match code.get() {
            // Between us and the device: nothing the sender could answer or change.
            300..=399 | 401 | 407 | 408 | 430 | 500..=599 => StatusCode::TEMPORARILY_UNAVAILABLE,
            _ => code,
        };
        let best = message.best.map_or(code, |best| best.min(code));
        message.best = Some(best);
        if !code.is_success() && message.open > 0 {
            return None;
        }
        let message = self.messages.remove(&number)?;
        Some((message.tx, Reply::new(best)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> Id {
        Id::from_u64(number)
    }

    fn text() -> Draft {
        let path = sip::Path {
            flow: sip::FlowId(1),
            transport: sip::Transport::Udp,
            local: ([192, 0, 2, 1], 5_060).into(),
            remote: ([192, 0, 2, 2], 5_060).into(),
        };
        let mut draft = Draft::new(Method::Message, "sip:1002@192.0.2.2".parse().unwrap());
        draft.from = "<sip:1001@192.0.2.1>;tag=a".to_owned();
        draft.to = "<sip:1002@192.0.2.2>".to_owned();
        draft.call_id = "call".to_owned();
        draft.hop = sip::Hop::Path(path);
        draft
    }

    #[test]
    fn rfc7339_5_10_a_text_that_is_left_out_refuses_none_of_those_that_wait_for_the_device() {
        for (why, answered, sent) in [(Failure::Overloaded, vec![1_u64], 2), (Failure::Timeout, vec![1, 2], 1)] {
            let mut stack = sip::Stack::new(sip::Config::default(), [1; 32]);
            let mut out = sip::Outbox::new();
            let mut relay = Relay::new(10);
            let mut turn = stack.at(sip::Now::default(), &mut out);
            for number in [1, 2] {
                let copy = Copy { draft: text(), flows: VecDeque::new(), again: false };
                assert!(relay.message(ServerTx(id(number)), vec![copy], &mut turn));
            }
            let client = *relay.passed.keys().next().unwrap();
            let replies = relay.failure(client, &why, &mut turn);
            let told: Vec<(u64, u16)> = replies.iter().map(|(tx, reply)| (tx.0.to_u64(), reply.code.get())).collect();
            assert_eq!(told, answered.into_iter().map(|number| (number, 480_u16)).collect::<Vec<_>>(), "{why:?}");
            assert_eq!(turn.usage().requests, sent, "{why:?}");
        }
    }

    #[test]
    fn rfc7339_5_10_what_is_left_out_within_a_call_is_503() {
        for (why, code) in [(Failure::Overloaded, 503), (Failure::Timeout, 408)] {
            let mut stack = sip::Stack::new(sip::Config::default(), [1; 32]);
            let mut out = sip::Outbox::new();
            let mut relay = Relay::new(1);
            relay.within(ServerTx(id(1)), ClientTx(id(2)), SessionId(id(3)));
            let replies = relay.failure(ClientTx(id(2)), &why, &mut stack.at(sip::Now::default(), &mut out));
            assert_eq!(replies.iter().map(|(_, reply)| reply.code.get()).collect::<Vec<_>>(), [code], "{why:?}");
        }
    }

    #[test]
    fn what_went_over_a_leg_goes_with_it_and_nothing_else() {
        let mut relay = Relay::new(1);
        for number in 1..=6 {
            relay.within(ServerTx(id(number)), ClientTx(id(10 + number)), SessionId(id(100 + number % 2)));
        }
        assert!(relay.take(ClientTx(id(11))).is_some());
        assert_eq!(relay.leg_ended(SessionId(id(101))), [3, 5].map(|number| ServerTx(id(number))));
        assert_eq!((relay.len(), relay.by_leg.len()), (3, 3));
        for number in 1..=6 {
            assert_eq!(relay.take(ClientTx(id(10 + number))).is_some(), number % 2 == 0, "{number}");
        }
        assert_eq!((relay.len(), relay.by_leg.len()), (0, 0));
    }
}

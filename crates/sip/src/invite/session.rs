//! The states of one session.

use bytes::Bytes;

use super::reliable::Reliable;
use super::session_ids::Ids;
use super::session_timer::Lifetime;
use crate::dialog::Record;
use crate::digest;
use crate::header::Allow;
use crate::id::{ClientTx, DialogId, ServerTx};
use crate::message::{Body, HeaderId, Headers, Lines, Method};
use crate::outbox::{Origin, Path};
use crate::time::Time;
use crate::wheel::TimerId;

/// One INVITE session: a call attempt and, once answered, its dialog. A standing call without anything under way is this and a
/// [`crate::dialog::Dialog`], no more.
#[derive(Debug)]
pub(crate) struct Session {
    pub(super) state: State,
    /// The dialog it speaks in; with several early ones the first.
    pub(super) dialog: Option<DialogId>,
    pub(super) exchange: Exchange,
    /// What is under way beside the exchange; let go of when nothing is.
    pub(super) work: Option<Box<Work>>,
    /// For challenges to our requests in the dialog.
    pub(super) keys: Option<Box<Keys>>,
    /// Whether the peer's Allow has UPDATE (RFC 3311 section 4).
    pub(super) update: Update,
    /// How long it lasts without a refresh (RFC 4028).
    pub(super) lifetime: Option<Box<Lifetime>>,
    /// The packages of INFO that the peer takes, parted by commas; `None` as long as it has told nothing (RFC 6086). Before the final response to an INVITE of ours
    /// each early dialog has its own.
    pub(super) packages: Option<Box<str>>,
    /// Those that we take in this session, parted by commas; `None`: those of the configuration ([`crate::Turn::take_info`]).
    pub(super) taken: Option<Box<str>>,
}

/// How far the session has come.
///
/// ```text
///          invite                                        session
///            |                                              |
///            v  3xx-6xx, failure                 3xx-6xx    v
///         Calling -------------> (gone) <---------------- Ringing
///          |   |                    ^    CANCEL, hangup,    |
///   hangup |   | 2xx: ACK           |    BYE, Expires       | 2xx
///          v   |                    |                       v
///  Cancelling  +----------------> Standing <----------------+
///    |   | 2xx: ACK                 | hangup, BYE, 481, NoAck
///    |   +-----------------------> Leaving --- all settled ---> (gone)
///    | 3xx-6xx, failure
///    v
///  (gone)
/// ```
#[derive(Debug)]
pub(super) enum State {
    /// Our INVITE has no final response.
    Calling(Box<Calling>),
    /// Hung up in Calling: the CANCEL is on its way, or held until a 1xx has come (RFC 3261 section 9.1).
    Cancelling(Box<Calling>),
    /// The peer's INVITE has no final response from us.
    Ringing(Box<Ringing>),
    /// The dialog is confirmed.
    Standing,
    /// Over for the application; what the network is owed comes first.
    Leaving(Bye),
}

/// An INVITE of ours without a final response.
#[derive(Debug)]
pub(super) struct Calling {
    /// The transaction; `None` only while it is being made.
    pub(super) tx: Option<ClientTx>,
    pub(super) forks: Forked,
    /// When our Expires has passed.
    pub(super) expires: Option<TimerId>,
}

/// What responses to one INVITE make dialogs of.
#[derive(Debug)]
pub(super) struct Forked {
    /// Everything but remote tag, target and route set.
    pub(super) template: Record,
    /// Our INVITE carries the offer.
    pub(super) offered: bool,
    /// It says that reliable provisional responses are understood (RFC 3262 section 4).
    pub(super) reliable: bool,
    pub(super) early: Vec<Early>,
    /// How many dialogs there have been.
    pub(super) count: usize,
}

/// A dialog made by a provisional response.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) dialog: DialogId,
    /// Its BYE came before its 2xx.
    pub(super) bye: bool,
    /// The RSeq of the last reliable provisional response (RFC 3262 section 4).
    pub(super) rseq: Option<u32>,
    /// RSeq and CSeq of the one whose PRACK waits for the application.
    pub(super) due: Option<(u32, u32)>,
    /// The answer in its PRACK.
    pub(super) answer: Option<Body>,
    /// That PRACK was refused: the next repeat of the response gets another.
    pub(super) again: bool,
    pub(super) offer: Offer,
    /// As in [`Session::packages`]: each fork takes what it says (RFC 6086 section 4.2.1).
    pub(super) packages: Option<Box<str>>,
}

/// How far the first offer has come, counting only what is sent reliably (RFC 3262 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// There is none yet.
    None,
    /// Ours has no answer.
    Ours,
    /// Theirs has no answer.
    Theirs,
    /// It is answered.
    Settled,
}

/// An INVITE of the peer without a final response.
#[derive(Debug)]
pub(super) struct Ringing {
    pub(super) tx: ServerTx,
    /// Its CSeq.
    pub(super) cseq: u32,
    pub(super) offer: Offer,
    /// A response with our tag has been sent: the peer knows the dialog.
    pub(super) told: bool,
    /// Repeats the provisional response each minute (RFC 3261 section 13.3.1.1).
    pub(super) again: Option<TimerId>,
    /// When its Expires has passed (section 13.3.1).
    pub(super) expires: Option<TimerId>,
}

/// The BYE of a session that is over.
#[derive(Debug)]
pub(super) enum Bye {
    /// It must wait for the ACK to our 2xx (RFC 3261 section 15). `tell`: the application wants to know what becomes of it.
    Owed { lines: Box<Lines>, tell: bool },
    /// Sent, unanswered.
    Sent { tell: bool },
    /// Answered, given up, or not needed.
    Settled,
}

/// The INVITE transaction within the dialog: one at a time, of either side (RFC 3261 section 14).
///
/// ```text
///           reinvite          2xx with offer
///    Idle ----------> Sent ------------------> AckDue --ack--> Idle
///     ^ ^               | 2xx: ACK; 3xx-6xx, failure
///     | +---------------+
///     |     their INVITE            2xx
///    Idle --------------> Received -----> Unacked --ACK, 64*T1--> Idle
///     ^                      | 3xx-6xx, CANCEL      (the 2xx of the first
///     +----------------------+                       INVITE comes here too)
/// ```
#[derive(Debug)]
pub(super) enum Exchange {
    /// None.
    Idle,
    /// Ours, without a final response.
    Sent(Box<Sent>),
    /// Ours, with a 2xx whose offer the application has not answered.
    AckDue { cseq: u32 },
    /// Theirs, without a final response.
    Received { tx: ServerTx, cseq: u32, offered: bool },
    /// Theirs, with a 2xx that has not been acknowledged.
    Unacked(Box<Unacked>),
}

/// A re-INVITE of ours.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) tx: Option<ClientTx>,
    pub(super) offered: bool,
    pub(super) change: Change,
}

/// What a re-INVITE or UPDATE of ours says; kept for the one retry after 491.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) method: Method,
    pub(super) body: Option<Body>,
    pub(super) lines: Lines,
    /// This is the retry.
    pub(super) again: bool,
}

/// A 2xx of ours without its ACK (RFC 3261 section 13.3.1.4).
#[derive(Debug)]
pub(super) struct Unacked {
    pub(super) tx: ServerTx,
    pub(super) cseq: u32,
    /// The offer is in the 2xx.
    pub(super) late: bool,
    /// It answers a re-INVITE.
    pub(super) again: bool,
    /// The interval that runs.
    pub(super) interval: std::time::Duration,
    pub(super) give_up: Time,
    pub(super) timer: TimerId,
}

/// What is under way beside the INVITE exchange.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Our ACKs, for repeats of the 2xx.
    pub(super) acks: Vec<Acked>,
    /// Runs while there are `acks`.
    pub(super) acks_timer: Option<TimerId>,
    /// The first INVITE was answered less than 64*T1 ago: more of its 2xx may come (RFC 3261 section 13.2.2.4).
    pub(super) forks: Option<(Box<Forked>, Time)>,
    /// Requests of ours in the dialog that have no final response; the BYE is not among them.
    pub(super) asked: Vec<Asked>,
    /// Requests of the peer in the dialog that have no final response; INVITEs are not among them.
    pub(super) heard: Vec<Heard>,
    /// Changes refused with 491, to be tried once more (RFC 3261 section 14.1): a re-INVITE and an UPDATE at the most.
    pub(super) glare: Vec<Glare>,
    /// Our reliable provisional responses (RFC 3262).
    pub(super) reliable: Option<Box<Reliable>>,
}

impl Asked {
    /// The stack's own PRACK or refresh, a PRACK without an offer, or what has come to nothing: nobody wants to know its response.
    pub(super) fn is_quiet(&self) -> bool {
        self.told || self.refresh || self.method == Method::Prack && !self.offered
    }
}

impl Work {
    /// A session description of ours in a reliable provisional response has no PRACK.
    pub(super) fn is_description_open(&self) -> bool {
        self.reliable.as_ref().is_some_and(|reliable| reliable.is_description_open())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.owes_nothing() && self.glare.is_empty()
    }

    /// Nothing is owed to the network. A change that waits for its second try is not: what is over changes no more.
    fn owes_nothing(&self) -> bool {
        self.acks.is_empty()
            && self.forks.is_none()
            && self.asked.is_empty()
            && self.heard.is_empty()
            && self.reliable.is_none()
    }
}

/// The ACK for a 2xx of the peer, kept for 64*T1.
#[derive(Debug)]
pub(super) struct Acked {
    pub(super) cseq: u32,
    /// `None` until its way is known.
    pub(super) sent: Option<(Path, Bytes)>,
    pub(super) until: Time,
}

/// A request of ours in the dialog.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) tx: ClientTx,
    pub(super) dialog: DialogId,
    pub(super) method: Method,
    /// It carries an offer (UPDATE, PRACK).
    pub(super) offered: bool,
    /// The peer knew of the dialog for sure: it had acknowledged our 2xx, or has made the dialog itself. Before, a 481 only says that it has
    /// not heard of the dialog yet, and ends nothing; without an ACK the session ends all the same (RFC 3261 section 13.3.1.4).
    pub(super) known: bool,
    /// For [`crate::Turn::update`].
    pub(super) change: Option<Box<Change>>,
    /// The stack's own refresh (RFC 4028).
    pub(super) refresh: bool,
    /// The application has been told already what becomes of it.
    pub(super) told: bool,
}

/// A request of the peer in the dialog.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) tx: ServerTx,
    pub(super) dialog: DialogId,
    pub(super) method: Method,
    /// It carries an offer.
    pub(super) offered: bool,
    /// The Contact it brings and where it came from, for when we accept (UPDATE).
    pub(super) contact: Option<String>,
    pub(super) origin: Origin,
}

/// Waiting after a 491.
#[derive(Debug)]
pub(super) struct Glare {
    /// `None`: the time has come, another transaction is in the way.
    pub(super) timer: Option<TimerId>,
    pub(super) change: Change,
    /// Of the call, or of one of those that are early.
    pub(super) dialog: Option<DialogId>,
}

/// What our requests in the dialog authenticate with, and what the session is called in them.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    pub(super) credentials: digest::Credentials,
    pub(super) auth: Option<Box<digest::Client>>,
    /// The credentials of the last INVITE: its ACK shows the same (RFC 3261 section 13.2.2.4).
    pub(super) shown: Lines,
    /// Where we are an end of it: what it is called by both (RFC 7989).
    pub(super) ids: Option<Ids>,
}

/// What is known of the peer's UPDATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Update {
    /// It has sent no Allow.
    Unknown,
    Allowed,
    Refused,
}

impl Session {
    pub(super) fn new(state: State) -> Self {
        Self {
            state,
            dialog: None,
            exchange: Exchange::Idle,
            work: None,
            keys: None,
            update: Update::Unknown,
            lifetime: None,
            packages: None,
            taken: None,
        }
    }

    pub(super) fn work(&mut self) -> &mut Work {
        self.work.get_or_insert_default()
    }

    /// Lets go of what is not used.
    pub(super) fn tidy(&mut self) {
        if self.work.as_ref().is_some_and(|work| work.is_empty() && work.acks_timer.is_none()) {
            self.work = None;
        }
    }

    /// What the responses to the first INVITE have made.
    pub(super) fn forks(&self) -> Option<&Forked> {
        match &self.state {
            State::Calling(calling) | State::Cancelling(calling) => Some(&calling.forks),
            _ => self.work.as_ref()?.forks.as_ref().map(|(forks, _)| &**forks),
        }
    }

    /// The same, to add to.
    pub(super) fn forked(&mut self) -> Option<&mut Forked> {
        match &mut self.state {
            State::Calling(calling) | State::Cancelling(calling) => Some(&mut calling.forks),
            _ => self.work.as_mut()?.forks.as_mut().map(|(forks, _)| &mut **forks),
        }
    }

    /// Whether there has been more than one dialog.
    pub(super) fn has_forked(&self) -> bool {
        self.forks().is_some_and(|forks| forks.count > 1)
    }

    /// For [`crate::Stack::states`].
    pub(super) fn state_name(&self) -> &'static str {
        match &self.state {
            State::Calling(_) => "session: calling",
            State::Cancelling(_) => "session: cancelling",
            State::Ringing(_) => "session: ringing",
            State::Standing => "session: standing",
            State::Leaving(Bye::Owed { .. }) => "session: BYE owed",
            State::Leaving(Bye::Sent { .. }) => "session: BYE sent",
            State::Leaving(Bye::Settled) => "session: settled",
        }
    }

    /// The same for the exchange.
    pub(super) fn exchange_name(&self) -> Option<&'static str> {
        match &self.exchange {
            Exchange::Idle => None,
            Exchange::Sent(_) => Some("exchange: sent"),
            Exchange::AckDue { .. } => Some("exchange: ACK due"),
            Exchange::Received { .. } => Some("exchange: received"),
            Exchange::Unacked(_) => Some("exchange: unacknowledged"),
        }
    }

    /// Reads the peer's Allow (RFC 3311 section 4).
    pub(super) fn learn_allow(&mut self, headers: &Headers) {
        if headers.has(HeaderId::Allow) {
            let update = headers.list::<Allow<'_>>().flatten().any(|allow| allow.method() == Method::Update);
            self.update = if update { Update::Allowed } else { Update::Refused };
        }
    }

    /// True when nothing is owed to the network.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.state, State::Leaving(Bye::Settled))
            && matches!(self.exchange, Exchange::Idle)
            && self.work.as_ref().is_none_or(|work| work.owes_nothing())
    }

    /// How far the first offer has come in one of the early dialogs of an INVITE of ours.
    fn offer_in(&self, dialog: Option<DialogId>) -> Option<Offer> {
        let forks = self.forks()?;
        let early = forks.early.iter().find(|early| Some(early.dialog) == dialog);
        Some(early.map_or(if forks.offered { Offer::Ours } else { Offer::None }, |early| early.offer))
    }

    /// An offer of ours in a dialog that has no answer (RFC 3264 section 4, RFC 3311 section 5).
    pub(super) fn our_offer_pending(&self, dialog: Option<DialogId>) -> bool {
        let invite = match (&self.state, &self.exchange) {
            (State::Calling(_) | State::Cancelling(_), _) => self.offer_in(dialog) == Some(Offer::Ours),
            (State::Ringing(ringing), _) => ringing.offer == Offer::Ours,
            (_, Exchange::Sent(sent)) => sent.offered,
            (_, Exchange::Unacked(unacked)) => unacked.late,
            _ => false,
        };
        let here = |asked: &Asked| dialog.is_none_or(|dialog| asked.dialog == dialog);
        invite || self.work.as_ref().is_some_and(|work| work.asked.iter().any(|asked| asked.offered && here(asked)))
    }

    /// An offer of theirs in a dialog that has no answer.
    pub(super) fn their_offer_pending(&self, dialog: Option<DialogId>) -> bool {
        let invite = match (&self.state, &self.exchange) {
            (State::Calling(_) | State::Cancelling(_), _) => self.offer_in(dialog) == Some(Offer::Theirs),
            (State::Ringing(ringing), _) => ringing.offer == Offer::Theirs,
            (_, Exchange::Received { offered, .. }) => *offered,
            (_, Exchange::AckDue { .. }) => true,
            _ => false,
        };
        let here = |heard: &Heard| dialog.is_none_or(|dialog| heard.dialog == dialog);
        invite || self.work.as_ref().is_some_and(|work| work.heard.iter().any(|heard| heard.offered && here(heard)))
    }
}

//! The robot on the SIP loop: every call is answered in the turn that brings it, without a task or a thread of its own.
//!
//! ```text
//!   INVITE -- checks --> Ringing --(unless --ring)--> Standing --BYE, --for--> gone
//!                |           +--CANCEL--> gone
//!                +-- --reject, 4xx --> gone
//! ```
//!
//! A robot that has nothing to say opens no sockets for a call: one pair that nobody reads serves all of them, and the answer says
//! `recvonly`. That is what makes it cheap enough to answer a thousand calls a second.
//!
//! | file | what stands there |
//! |---|---|
//! | `calls` | calls, from the INVITE to the end, and other requests |
//! | `describing` | their session descriptions |
//! | `sound` | their streams |
//! | `registering` | the registration of an account |
//! | `transferring` | calls that others want the robot to place |
//! | `watched` | who is told of its calls |

mod calls;
mod describing;
mod registering;
mod sound;
mod transferring;
mod watched;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use audio::codec::Codec;
use media::{Key, MediaEvent};
use net::App;
use net::media::{MediaHandle, PortRange};
use sip::digest::Credential;
use sip::message::{Lines, Method, Request, StatusCode};
use sip::register::{RegisterSpec, Removal};
use sip::uas::{self, Capabilities};
use sip::{Application, Event, IdMap, RegistrationId, Reply, SessionId, Turn};
use ua::composing;

use super::board::Board;
use super::voice::{Ears, Voice};
use crate::exit::Exit;
use describing::{Described, Here, Ready};
use sound::Sound;
use transferring::{Own, Transfer};
use watched::Watchers;

/// What the robot does with calls.
pub(super) struct Conduct {
    pub(super) reject: Option<StatusCode>,
    pub(super) ring_only: bool,
    /// Calls that ask for it are answered all the same.
    pub(super) auto_answer: bool,
    /// Who may say who a caller is (RFC 3325).
    pub(super) believed: Vec<net::Network>,
    pub(super) reliable: bool,
    /// Session timers are understood (RFC 4028).
    pub(super) timed: bool,
    /// The other side of a call may have somebody else called.
    pub(super) allow_transfer: bool,
    /// Others may watch its presence and its calls.
    pub(super) allow_watchers: bool,
    pub(super) hang_up_after: Option<Duration>,
    pub(super) echo: bool,
    pub(super) voice: Option<Voice>,
    pub(super) ears: Option<Ears>,
    pub(super) account: Option<Account>,
}

/// Who registers.
pub(super) struct Account {
    /// One for each way by which we are reached.
    pub(super) specs: Vec<RegisterSpec>,
    pub(super) credentials: Option<Credential>,
}

/// Media threads, when the robot speaks or listens.
pub(super) struct Studio {
    pub(super) media: MediaHandle,
    pub(super) ports: PortRange,
}

/// Orders from other threads.
pub(super) enum Order {
    /// Something happened to a stream.
    Media(MediaEvent),
    /// Register, when there is an account.
    Begin,
    /// End every call and registration, and then the robot.
    Leave,
}

/// News for the terminal.
#[derive(Debug)]
pub(super) enum News {
    Registered {
        expires: Duration,
    },
    /// With the exit code when the robot ends with it, otherwise with the time after which it is tried again.
    RegistrationFailed {
        why: String,
        next: Result<Duration, Exit>,
    },
    Ringing {
        call: u64,
        from: String,
        /// What the INVITE tells besides.
        told: Option<Box<ua::Told>>,
    },
    Refused {
        call: u64,
        code: u16,
        why: String,
    },
    Answered {
        call: u64,
        codec: Option<Codec>,
    },
    /// Somebody else is called, since the other side wants it.
    Transfer {
        call: u64,
        to: String,
    },
    Digit {
        call: u64,
        digit: char,
    },
    /// `lasted`: from its answer; `None` where there was none.
    Ended {
        call: u64,
        by: &'static str,
        lasted: Option<Duration>,
        heard: Option<Box<media::StreamReport>>,
        /// Why, as the caller tells it.
        why: Option<Box<ua::Told>>,
    },
    Recorded {
        call: u64,
        file: String,
        secs: f64,
    },
    Message {
        from: String,
        text: String,
    },
    /// Whether somebody is writing (RFC 3994).
    Composing {
        from: String,
        active: bool,
    },
    Trouble {
        what: String,
    },
    Left,
}

struct Live {
    number: u64,
    media: Described,
    sound: Option<Sound>,
    since: sip::Time,
    standing: bool,
    /// What accepts it, once its description was sent in a reliable provisional response.
    promised: Option<Box<Ready>>,
    /// What is answered at its alarm: a call that has asked for it (RFC 5373 and its kin).
    waiting: Option<Box<Request>>,
    /// Why it ends, as the caller tells it.
    why: Option<Box<ua::Told>>,
    transfer: Option<Box<Transfer>>,
}

/// The application of `offhook answer`.
pub(super) struct Robot {
    conduct: Conduct,
    studio: Option<Studio>,
    news: Board<News>,
    capabilities: Capabilities,
    /// The same for text messages: what they may hold.
    texts: Capabilities,
    /// Allow and Supported of a 200, printed once.
    abilities: Lines,
    calls: IdMap<SessionId, Live>,
    streams: HashMap<Key, SessionId>,
    registrations: Vec<RegistrationId>,
    /// Who calls, where there is an account.
    own: Option<Own>,
    /// It has stood once.
    registered: bool,
    /// Where the REGISTER goes, for a person, and whether it has a password.
    registrar: (String, bool),
    /// What calls at each of our addresses have in common.
    places: HashMap<IpAddr, Arc<Here>>,
    watchers: Watchers,
    counted: u64,
    leaving: bool,
}

impl Robot {
    /// What it takes; session timers where they are wanted.
    pub(super) fn capabilities(timed: bool, watched: bool) -> Capabilities {
        use Method::{Ack, Bye, Cancel, Info, Invite, Message, Options, Prack, Refer, Subscribe, Update};
        let allow = [Invite, Ack, Cancel, Bye, Options, Info, Message, Prack, Update, Refer];
        Capabilities {
            allow: allow.into_iter().chain(watched.then_some(Subscribe)).collect(),
            supported: [uas::RELIABLE].into_iter().chain(timed.then_some(uas::TIMER)).map(str::to_owned).collect(),
            schemes: ["sip", "sips", "tel"].map(str::to_owned).to_vec(),
            ..Capabilities::default()
        }
    }

    pub(super) fn new(conduct: Conduct, studio: Option<Studio>, news: Board<News>) -> Self {
        let capabilities = Self::capabilities(conduct.timed, conduct.allow_watchers);
        Self {
            conduct,
            studio,
            news,
            texts: Capabilities {
                accept: ["text/plain", composing::TYPE].map(str::to_owned).to_vec(),
                ..capabilities.clone()
            },
            abilities: uas::capability_lines(&Method::Invite, StatusCode::OK, &capabilities),
            capabilities,
            calls: IdMap::default(),
            streams: HashMap::new(),
            registrations: Vec::new(),
            own: None,
            registered: false,
            registrar: (String::new(), false),
            places: HashMap::new(),
            watchers: Watchers::default(),
            counted: 0,
            leaving: false,
        }
    }

    /// News that nobody reads are dropped: calls do not wait for a terminal.
    fn tell(&self, news: News) {
        self.news.put(news);
    }
}

impl Application for Robot {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        match event {
            Event::Request { tx, request, origin } if *request.method() == Method::Invite => {
                self.invited(tx, &request, &origin, turn);
            }
            // RFC 3261 section 12.2.2: within a dialog, but of none that there is.
            Event::Request { tx, request, .. } if request.headers().to_tag().is_some() => {
                let _ = turn.respond(tx, Reply::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST));
            }
            Event::Request { tx, request, .. } if *request.method() == Method::Subscribe => {
                self.watched(tx, &request, turn);
            }
            Event::Watcher(id, event) => self.watcher_event(id, &event, turn),
            Event::Request { tx, request, .. } => self.asked(tx, &request, turn),
            Event::Session(session, event) => self.session(session, event, turn),
            Event::Registration(id, event) => self.registration(id, event),
            Event::Alarm { token, .. } => {
                let session = SessionId(sip::Id::from_u64(token));
                let waiting = self.calls.get_mut(&session).and_then(|live| live.waiting.take());
                if let Some(request) = waiting {
                    self.accept(session, &request, turn);
                } else if self.calls.contains_key(&session) {
                    let _ = turn.hangup(session, None, Lines::default());
                }
            }
            _ => {}
        }
    }
}

impl App for Robot {
    type Command = Order;

    fn command(&mut self, order: Order, turn: &mut Turn<'_>) {
        match order {
            Order::Media(MediaEvent::DigitEnded { stream, digit, .. }) => {
                if let Some(live) = self.streams.get(&stream).and_then(|session| self.calls.get(session)) {
                    self.tell(News::Digit { call: live.number, digit });
                }
            }
            Order::Media(_) => {}
            Order::Begin => self.register(turn),
            Order::Leave => {
                self.leaving = true;
                let sessions: Vec<_> = self.calls.keys().copied().collect();
                for session in sessions {
                    // Of a call that stands it becomes a BYE.
                    let _ = turn.hangup(session, Some(StatusCode::TEMPORARILY_UNAVAILABLE), Lines::default());
                }
                self.registrations.retain(|id| turn.unregister(*id, Removal::Ours).is_ok());
                self.end_watchers(turn);
                self.leave_when_empty();
            }
        }
    }

    fn settle(&mut self, turn: &mut Turn<'_>) {
        self.tell_watchers(turn);
    }
}

//! What the phones of a run write down, for the verdict.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::plan::Target;

/// How a side of a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Refused, or no answer.
    Failed(u16),
    /// The caller gave up.
    Cancelled,
    /// We hung up or refused.
    Us,
    /// The peer hung up.
    Peer,
    /// A request that failed ended it.
    Error,
}

/// One side of a call.
#[derive(Clone, Debug)]
pub struct Side {
    /// It called, whom.
    pub called: Option<Target>,
    /// It was answered.
    pub stood: bool,
    /// Refused by this side, with what.
    pub refused: Option<u16>,
    /// Hung up by this side before an answer.
    pub gave_up: bool,
    /// With a wrong password.
    pub stranger: bool,
    /// To take the place of another call, which may be over.
    pub replacing: bool,
    /// Its last event.
    pub end: Option<End>,
}

/// What the phones of one run wrote down.
#[derive(Debug, Default)]
pub struct Book {
    /// How many reliable provisional responses were acknowledged.
    pub pracked: u64,
    /// How often a session was refreshed.
    pub refreshed: u64,
    /// How many sessions ended because nobody did.
    pub expired: u64,
    /// How many transfers were told to have come to an end.
    pub reported: u64,
    /// How many calls were taken over by a caller who named them.
    pub replaced: u64,
    /// How often a flow over UDP was formed anew.
    pub recovered: u64,
    /// By Call-ID and phone.
    pub sides: BTreeMap<(String, String), Side>,
    /// OPTIONS and MESSAGE: to whom, and what came.
    pub asked: BTreeMap<String, (Target, Option<Result<u16, String>>)>,
    /// Sessions without a last event.
    pub open: BTreeSet<String>,
    /// Media ports in use, by phone, with the call.
    pub ports: BTreeMap<(String, u16), String>,
    /// Registrations, by phone and flow: what became of them.
    pub registered: BTreeMap<String, Vec<String>>,
    /// Bindings left at the registrar.
    pub bindings: usize,
    /// Requests that the proxy has passed on and that have no final response.
    pub passing: usize,
    /// Calls whose 2xx nobody acknowledged.
    pub unacknowledged: BTreeSet<String>,
    /// What must not happen at all.
    pub wrong: BTreeSet<String>,
}

/// A book in several hands.
pub type Shared = Rc<RefCell<Book>>;

//! Calls that stand: what each of them keeps resident, and whether it still is a dialog: OPTIONS within it is answered 200, with another tag 481.
//!
//! The calls offer audio and are answered, and no packet is ever sent.

use std::cell::Cell;
use std::time::Duration;

use crate::figure::{Bound, Check, Figure, Peer, Row};
use crate::phone::{Dialog, Line, NO_BODY, Seen, described};
use crate::server::Server;

const CALLS: usize = 10_000;
/// Calls that come and go before anything is counted, so that what is made once is made by then: few, for what they leave is used again.
const BEFORE: usize = 1;
/// How long a server may take to give back what it does not need.
const SETTLED: Duration = Duration::from_millis(500);
/// How long the transaction of an INVITE that was answered is kept: timer L, 32 s (RFC 6026 section 7.1), and a little more.
const TIMER_L: Duration = Duration::from_secs(34);
const RUNS: usize = 3;
/// Requests without an answer at a time.
const WINDOW: usize = 32;
/// Octets of 10,000 calls that SIPp and we may take each.
const EXPECTED: f64 = 2_800.0;
const BOUND: f64 = 2_000.0;

/// Memory of calls just answered and of standing ones, ours and SIPp's in turn, and whether each of ours answers as a dialog does.
pub(super) fn measured(ours: &[&str], sipp: &[&str], port: u16) -> Result<([Row; 2], Check), String> {
    let (mut fresh, mut standing, mut peers, mut right) = (Vec::new(), Vec::new(), Vec::new(), Ok(()));
    for _ in 0..RUNS {
        let server = Server::start(ours, port)?;
        let mut calls = Calls::new(port)?;
        let before = calls.before(&server)?;
        fresh.push(calls.memory(&server, before)?);
        std::thread::sleep(TIMER_L);
        standing.push((server.resident()? - before) / CALLS as f64);
        right = right.and(calls.are_dialogs());
        drop(server);
        let server = Server::start(sipp, port)?;
        let mut calls = Calls::new(port)?;
        let before = calls.before(&server)?;
        peers.push(calls.memory(&server, before)?);
    }
    // It keeps no transactions: its calls are the same at once and later.
    let row = |load: String, figures, bound| Row {
        load,
        unit: "octets of resident memory a call",
        ours: Figure(figures),
        peer: Some(Peer { name: "SIPp uas", figure: Figure(peers.clone()), expected: Some(EXPECTED) }),
        null: None,
        bound,
    };
    let rows = [
        row(format!("{CALLS} standing calls, their transactions over"), standing, Bound::Units(BOUND)),
        row(format!("{CALLS} calls just answered, each with its transaction"), fresh, Bound::Units(BOUND)),
    ];
    let check = Check::of(
        format!("each of {CALLS} standing calls: OPTIONS within it 200, with another tag 481, BYE 200"),
        right,
    );
    Ok((rows, check))
}

/// One call from beginning to end, for a server that has just been measured and answers an INVITE by a 100 before anything else, or does not.
pub(super) fn a_whole_call(port: u16, trying: bool) -> Result<(), String> {
    let mut calls = Calls::new(port)?;
    calls.stand(1)?;
    calls.are_dialogs()?;
    if calls.trying.get() == trying { Ok(()) } else { Err(format!("a 100 came: {}", !trying)) }
}

struct Calls {
    line: Line,
    /// To, with the callee's tag.
    to: Vec<String>,
    /// Tells the Call-IDs of one server's calls apart.
    set: &'static str,
    /// Whether a 100 came.
    trying: Cell<bool>,
}

impl Calls {
    fn new(port: u16) -> Result<Self, String> {
        Ok(Self {
            line: Line::open(([127, 0, 0, 1], port).into())?,
            to: Vec::new(),
            set: "first",
            trying: Cell::new(false),
        })
    }

    /// What the server uses before the calls that are counted.
    fn before(&mut self, server: &Server) -> Result<f64, String> {
        self.stand(BEFORE)?;
        self.all("BYE", 2, "", 200)?;
        self.set = "second";
        std::thread::sleep(SETTLED);
        server.resident()
    }

    /// Octets each call has added soon after the last was answered.
    fn memory(&mut self, server: &Server, before: f64) -> Result<f64, String> {
        self.stand(CALLS)?;
        std::thread::sleep(SETTLED);
        Ok((server.resident()? - before) / CALLS as f64)
    }

    /// Begins so many calls, whose answers are acknowledged.
    fn stand(&mut self, count: usize) -> Result<(), String> {
        self.to = vec!["<sip:robot@127.0.0.1>".to_owned(); count];
        let body = format!("Contact: <sip:load@{}>\r\n{}", self.line.local, described(6_000));
        let mut open = vec![true; count];
        let mut to = std::mem::take(&mut self.to);
        self.flow(
            count,
            |calls, n| calls.request("INVITE", n, 1, "<sip:robot@127.0.0.1>", &body),
            |calls, n, response| {
                let tagged = response.header("To").unwrap_or_default().to_owned();
                match response.status() {
                    Some(200) => calls.line.send(&calls.request("ACK", n, 1, &tagged, NO_BODY))?,
                    status => return Err(format!("an INVITE was answered {status:?}")),
                }
                // The 200 is repeated when its ACK is late.
                let first = open.get_mut(n).is_some_and(std::mem::take);
                if let Some(place) = to.get_mut(n) {
                    *place = tagged;
                }
                Ok(first)
            },
        )?;
        self.to = to;
        Ok(())
    }

    /// OPTIONS within each, with another tag, BYE, and OPTIONS after it.
    fn are_dialogs(&self) -> Result<(), String> {
        self.all("OPTIONS", 2, "", 200)?;
        self.all("OPTIONS", 3, "x", 481)?;
        self.all("BYE", 4, "", 200)?;
        self.all("OPTIONS", 5, "", 481)
    }

    /// Sends a request in every call, `more` behind the callee's tag; all must be answered so.
    fn all(&self, method: &str, cseq: u32, more: &str, wanted: u16) -> Result<(), String> {
        let to = |n: usize| self.to.get(n).map_or("", String::as_str);
        self.flow(
            self.to.len(),
            |calls, n| calls.request(method, n, cseq, &format!("{}{more}", to(n)), NO_BODY),
            |_, _, response| match (response.method(), response.cseq(), response.status()) {
                (of, number, _) if of != method || number != cseq => Ok(false),
                (_, _, Some(status)) if status == wanted => Ok(true),
                (_, _, status) => Err(format!("{method} {more} was answered {status:?}, expected {wanted}")),
            },
        )
    }

    /// Makes and sends `count` requests, [`WINDOW`] at a time; `take` is given each final response and says whether it ends one.
    fn flow(
        &self,
        count: usize,
        make: impl Fn(&Self, usize) -> String,
        mut take: impl FnMut(&Self, usize, &Seen) -> Result<bool, String>,
    ) -> Result<(), String> {
        let (mut begun, mut done) = (0, 0);
        while done < count {
            while begun < count && begun < done + WINDOW {
                self.line.send(&make(self, begun))?;
                begun += 1;
            }
            let response = self.line.receive().map_err(|why| format!("{why}, {done} of {count} done"))?;
            self.trying.set(self.trying.get() || response.status() == Some(100));
            let n = response.header("Call-ID").and_then(|id| id.split('.').next_back()?.parse::<usize>().ok());
            if let (Some(n), Some(200..)) = (n, response.status()) {
                done += usize::from(take(self, n, &response)?);
            }
        }
        Ok(())
    }

    fn request(&self, method: &str, n: usize, cseq: u32, to: &str, rest: &str) -> String {
        let from = format!("<sip:load@127.0.0.1>;tag=load{n}");
        let call_id = format!("{}.{}.{n}", self.line.local.port(), self.set);
        let dialog = Dialog { from: &from, to, call_id: &call_id, cseq };
        self.line.request(method, &format!("sip:robot@{}", self.line.server), &dialog, rest)
    }
}

//! Requests and calls that begin and end, so many a second: each must be answered, none is repeated.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::phone::{Dialog, Line, NO_BODY, Seen, authorization, described};

/// Requests beside each call.
pub(super) const REQUESTS: usize = 10;
/// Calls a second where there is nothing else.
const ALONE: f64 = 2_000.0;
/// Requests and calls a second: what is kept at a time goes by this, and has to stay below what a server takes ([`sip::Config::max_kept_octets`]).
pub(super) const PACE: f64 = 6_600.0;
/// Of them under way at a time.
const WINDOW: usize = 64;
/// Who calls, in turn.
pub(super) const USERS: usize = 10;

/// Whoever asks and calls: one socket for all.
pub(super) struct Load {
    line: Line,
    /// What has been begun so far, for names that no two have in common.
    begun: usize,
    /// Calls that are not over.
    calls: HashMap<usize, Call>,
}

/// A call that was answered.
struct Call {
    to: String,
    contact: String,
}

/// What becomes of a call that was answered.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    End,
    Stand,
}

impl Load {
    pub(super) fn new(port: u16) -> Result<Self, String> {
        Ok(Self { line: Line::open(([127, 0, 0, 1], port).into())?, begun: 0, calls: HashMap::new() })
    }

    /// So many calls, all answered and over.
    pub(super) fn call(&mut self, calls: usize) -> Result<(), String> {
        self.pass(calls, ALONE, Then::End, |load, n| load.invite(n, 1, ""))
    }

    /// So many calls and [`REQUESTS`] times as many requests, all answered and over.
    pub(super) fn come_and_go(&mut self, calls: usize) -> Result<(), String> {
        let every = REQUESTS + 1;
        self.pass(calls * every, PACE, Then::End, |load, n| match n % every {
            0 => load.invite(n, 1, ""),
            _ => load.options(n),
        })
    }

    /// So many calls that stand.
    pub(super) fn stand(&mut self, calls: usize) -> Result<(), String> {
        self.pass(calls, PACE, Then::Stand, |load, n| load.invite(n, 1, ""))
    }

    /// Ends those.
    pub(super) fn hang_up(&mut self) -> Result<(), String> {
        let mut standing: Vec<usize> = self.calls.keys().copied().collect();
        self.pass(standing.len(), PACE, Then::End, |load, _| match standing.pop() {
            Some(n) => load.bye(n),
            None => Err("fewer calls stand than are to end".into()),
        })?;
        if self.calls.is_empty() { Ok(()) } else { Err(format!("{} calls do not end", self.calls.len())) }
    }

    /// Begins `count`, so many a second, and takes what comes until all are over.
    fn pass(
        &mut self,
        count: usize,
        pace: f64,
        then: Then,
        mut begin: impl FnMut(&Self, usize) -> Result<(), String>,
    ) -> Result<(), String> {
        let (began, first) = (Instant::now(), self.begun);
        let (mut begun, mut done) = (0, 0);
        while done < count {
            let due = began.elapsed().as_secs_f64() * pace;
            while begun < count && begun < done + WINDOW && (begun as f64) < due {
                begin(self, first + begun)?;
                begun += 1;
            }
            if begun == done {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            let seen = self.line.receive().map_err(|why| format!("{why}, {done} of {count} over"))?;
            done += usize::from(self.take(&seen, then)?);
        }
        self.begun = first + count;
        Ok(())
    }

    /// Goes on with what a response belongs to; whether that is over, or stands as it should.
    fn take(&mut self, seen: &Seen, then: Then) -> Result<bool, String> {
        let n = seen.header("Call-ID").and_then(|id| id.split('.').next_back()?.parse::<usize>().ok());
        let n = n.ok_or_else(|| format!("not ours:\n{}", seen.0))?;
        match (seen.status(), seen.method()) {
            (Some(100..200), _) => Ok(false),
            (Some(401), "INVITE") => {
                let user = user(n);
                self.line.refused(&self.echo(), &self.dialog(n, 1, &self.to_echo()).as_dialog(), seen)?;
                let lines = authorization(seen, &user, &format!("secret-{user}"), "INVITE", &self.echo())?;
                self.invite(n, 2, &lines)?;
                Ok(false)
            }
            (Some(200), "INVITE") => {
                let (to, contact) = (seen.header("To").unwrap_or_default(), seen.contact().unwrap_or_default());
                let call = Call { to: to.to_owned(), contact: contact.to_owned() };
                self.send("ACK", &call.contact, &self.dialog(n, 2, to), NO_BODY)?;
                // A 200 is repeated when its ACK is late.
                let first = self.calls.insert(n, call).is_none();
                if first && then == Then::End {
                    self.bye(n)?;
                }
                Ok(first && then == Then::Stand)
            }
            (Some(200), "BYE") => Ok(self.calls.remove(&n).is_some()),
            (Some(200), "OPTIONS") => Ok(true),
            _ => Err(format!("unexpected:\n{}", seen.0)),
        }
    }

    fn options(&self, n: usize) -> Result<(), String> {
        let uri = format!("sip:{}", self.line.server);
        self.send("OPTIONS", &uri, &self.dialog(n, 1, &format!("<{uri}>")), NO_BODY)
    }

    fn invite(&self, n: usize, cseq: u32, lines: &str) -> Result<(), String> {
        let rest = format!("{lines}Contact: <sip:{}@{}>\r\n{}", user(n), self.line.local, described(6_000));
        self.send("INVITE", &self.echo(), &self.dialog(n, cseq, &self.to_echo()), &rest)
    }

    fn bye(&self, n: usize) -> Result<(), String> {
        let call = self.calls.get(&n).ok_or("no such call")?;
        self.send("BYE", &call.contact, &self.dialog(n, 3, &call.to), NO_BODY)
    }

    fn send(&self, method: &str, uri: &str, named: &Named, rest: &str) -> Result<(), String> {
        self.line.send(&self.line.request(method, uri, &named.as_dialog(), rest))
    }

    fn echo(&self) -> String {
        format!("sip:600@{}", self.line.server)
    }

    fn to_echo(&self) -> String {
        format!("<{}>", self.echo())
    }

    fn dialog(&self, n: usize, cseq: u32, to: &str) -> Named {
        Named {
            from: format!("<sip:{}@{}>;tag=load{n}", user(n), self.line.server),
            to: to.to_owned(),
            call_id: format!("{}.{n}", self.line.local.port()),
            cseq,
        }
    }
}

fn user(n: usize) -> String {
    format!("u{}", n / (REQUESTS + 1) % USERS)
}

/// What names a dialog, kept.
struct Named {
    from: String,
    to: String,
    call_id: String,
    cseq: u32,
}

impl Named {
    fn as_dialog(&self) -> Dialog<'_> {
        Dialog { from: &self.from, to: &self.to, call_id: &self.call_id, cseq: self.cseq }
    }
}

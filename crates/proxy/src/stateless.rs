//! The proxy without transactions (RFC 3261 section 16.11): each message is passed on as it comes, and nothing is kept of it.
//!
//! * What repeats a request, acknowledges its refusal or cancels it gets the branch of the request, since that is reckoned from the branch that it came
//!   with, and goes to the same target as long as the bindings are the same: the one of the highest preference, the first of several.
//! * The way back is in our Via, under a proof: the flow that the request came by, whatever stands in the Via below. So responses find devices behind
//!   address translators and at the other end of streams, and whoever makes a Via up reaches nobody by it. It is good for the branch of that Via, for
//!   half an hour at most: whoever has one sends nothing else by it, and not for ever. No `maddr` is followed.
//! * A request that comes round is known by its mark, which stands there too (section 16.3 step 4).
//! * Nothing is answered 100, tried again or told when it fails: that is for the neighbours, who have transactions.

use std::sync::Arc;

use sip::header::Via;
use sip::message::{Request, Response, StatusCode};
use sip::outbox::Origin;
use sip::{Forward, Reply, Token, Turn};

use crate::arrival::Arrival;
use crate::fork::{Target, Vouched};
use crate::passing::{Original, Proxy, forward, identity, wish};

/// The parameter of our Via that says where responses go and, behind a dot, what request it was ([`crate::tokens::Tokens::mark`]).
const BACK: &str = "b";

impl Proxy {
    /// Passes a request on to the best of its targets: any method, ACK and CANCEL too. `vouched` as in [`crate::Job::vouched`]. Its transaction, where it
    /// has one, is to be forgotten ([`Turn::forget`]).
    ///
    /// # Errors
    /// The answer when there is no target (480), or no way there (503).
    pub fn pass_stateless(
        &self,
        (request, origin): (&Arc<Request>, &Origin),
        arrival: &Arrival,
        vouched: &Vouched,
        targets: Vec<Target>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Box<Reply>> {
        let refused = |code| Box::new(Reply::new(code).stateless());
        // The first of those preferred most: the same for each message of a transaction.
        let best = targets.into_iter().reduce(|best, other| if other.q > best.q { other } else { best });
        let target = best.ok_or_else(|| refused(StatusCode::TEMPORARILY_UNAVAILABLE))?;
        let identity = identity(vouched, wish(vouched, request), request, target.trusted);
        let original = Original { request, origin, arrival, tx: None, edge: false, identity, prioritized: false };
        let breadth = arrival.breadth.min(self.config.max_breadth);
        let branch = turn.stateless_branch(request);
        let back = self.tokens.back(&turn.way_back(request, origin), &branch, turn.now().mono);
        let history = self.told_once(request, arrival, &target);
        let copy = forward(&original, target, breadth, &self.config, &self.tokens);
        // The mark has no part in the branch, which an ACK and a CANCEL have to share; beside the way back it is found as well.
        let via = Some(format!(";{BACK}={back}.{}", Token::from_u64(arrival.mark)));
        let copy = Forward { mark: None, via, history, ..copy };
        turn.forward_stateless(copy).map_err(|_| refused(StatusCode::SERVICE_UNAVAILABLE))
    }

    /// Passes a response back that belongs to nothing we know; dropped unless our Via has the proof of a way back.
    pub fn response_stateless(&self, response: &Response, turn: &mut Turn<'_>) {
        let (headers, now) = (response.headers(), turn.now().mono);
        let top = headers.list::<Via<'_>>().next().and_then(Result::ok);
        let back = top.and_then(|via| {
            let (back, _mark) = via.params.token(BACK)?.split_once('.')?;
            self.tokens.back_of(back, headers.branch()?, now)
        });
        if let Some(path) = back {
            // One that names nobody but us is for nobody.
            let _ = turn.pass_back_stateless(response, path);
        }
    }
}

#[cfg(test)]
mod tests;

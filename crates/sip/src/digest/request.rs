//! [`Server`] on whole requests.

use super::algorithm::Algorithm;
use super::ha1::Ha1;
use super::server::{Presented, Server, Verdict};
use crate::message::{HeaderId, Lines, Request};
use crate::outbox::Origin;
use crate::time::Now;

impl Server {
    /// The lines of a 401 (`proxy` false) or 407: RFC 3261 sections 22.2 and 22.3. Never challenge an ACK or a CANCEL (section 22.1).
    pub fn challenge(&mut self, now: Now, origin: &Origin, proxy: bool, stale: bool) -> Lines {
        let id = if proxy { HeaderId::ProxyAuthenticate } else { HeaderId::WwwAuthenticate };
        let mut lines = Lines::new();
        self.challenges(now.mono, origin.remote.ip(), stale).for_each(|value| lines.push_text(id, &value));
        lines
    }

    /// Judges the Authorization (`proxy` false) or Proxy-Authorization of a request. `lookup` gives the HA1 of a user for an algorithm; it is called at most
    /// once, and not at all for a request without credentials.
    pub fn verify<'a>(
        &mut self,
        now: Now,
        request: &'a Request,
        origin: &Origin,
        proxy: bool,
        lookup: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> Verdict<'a> {
        let headers = request.headers();
        let id = if proxy { HeaderId::ProxyAuthorization } else { HeaderId::Authorization };
        if !headers.has(id) {
            return Verdict::Challenge { stale: false };
        }
        let presented = Presented { method: request.method().as_str(), uri: request.uri_text(), body: request.body() };
        let values = headers.all(id).map(|header| header.value);
        self.judge(now.mono, origin.remote.ip(), presented, values, lookup)
    }
}

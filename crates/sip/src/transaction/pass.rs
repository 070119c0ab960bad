//! A proxy's part: requests passed on, and their responses passed back (RFC 3261 sections 16.6 and 16.7).

use bytes::Bytes;

use crate::config::Config;
use crate::digest;
use crate::draft::Draft;
use crate::forward::{Forward, Identity, PathTo, Record, Told};
use crate::id::{ClientTx, ServerTx};
use crate::message::{HeaderId, Headers, Lines, Method, Request, Response, Writer, splice};
use crate::outbox::{Cause, Origin, Path, Transport};
use crate::overload;
use crate::rng::Token;
use crate::stack::StackError;
use crate::transaction::outgoing::{Kept, Passing};
use crate::transaction::print::{self, Try};
use crate::transaction::way_back::Way;
use crate::turn::{Sender, Turn};

impl Turn<'_> {
    /// Passes a request on, in a client transaction of its own (RFC 3261 section 16.6 step 10). What comes of it is told as for
    /// [`Turn::send_request`].
    ///
    /// # Errors
    /// [`StackError::Full`] at the limit; [`StackError::NoHop`] when the target says nowhere to go; [`StackError::Forbidden`] for ACK and CANCEL.
    pub fn forward(&mut self, forward: Forward) -> Result<ClientTx, StackError> {
        match forward.request.method() {
            Method::Ack => {
                return Err(StackError::Forbidden("an ACK is passed on without a transaction (RFC 3261 17)"));
            }
            Method::Cancel => return Err(StackError::Forbidden("a CANCEL is a proxy's own (RFC 3261 16.10)")),
            _ => {}
        }
        self.pass_on(forward, Kept::Transaction)
    }

    /// Passes the ACK of a 2xx on, which has no transaction. Of several servers it goes to one that is not known to have failed, as its INVITE went (RFC 3263
    /// section 4.3). Our branch is the same whenever the same ACK comes.
    ///
    /// # Errors
    /// As [`Turn::forward`].
    pub fn forward_ack(&mut self, forward: Forward) -> Result<(), StackError> {
        self.pass_on(forward, Kept::OfOthers).map(|_| ())
    }

    /// Passes a request on and keeps nothing of it nor of any other of its transaction, as a stateless proxy (RFC 3261 section 16.11). Our branch is the same
    /// whenever the same request comes, and so is which of several servers of one priority it goes to.
    ///
    /// # Errors
    /// As [`Turn::forward`].
    pub fn forward_stateless(&mut self, forward: Forward) -> Result<(), StackError> {
        self.pass_on(forward, Kept::Nothing).map(|_| ())
    }

    fn pass_on(&mut self, forward: Forward, kept: Kept) -> Result<ClientTx, StackError> {
        let draft = draft(&forward);
        self.outgoing_pass(draft, Passing { forward, kept })
    }

    /// Passes a response back to where the request came from, without our Via and with further lines (RFC 3261 section 16.7 steps 3, 7 and 9), and
    /// where `identity` says so with what it asserts of the callee (RFC 3325 section 5). What is `told` of where the request has been stands in place of what
    /// came (RFC 7044 section 9.4); `None`: as it came. After a 2xx to an INVITE any number of further 2xx may follow.
    ///
    /// # Errors
    /// [`StackError::Gone`]; [`StackError::State`] after a final response; [`StackError::Forbidden`] where RFC 4320 section 4 does, or when no Via but
    /// ours is left.
    pub fn pass_back(
        &mut self,
        tx: ServerTx,
        response: &Response,
        lines: &Lines,
        identity: &Identity,
        told: Option<&Told>,
    ) -> Result<(), StackError> {
        let code = response.code();
        let load = self.load_told(response.headers());
        if load.is_some() {
            self.server_told(tx);
        }
        let page = std::mem::take(&mut self.stack.page);
        let Some(writer) = splice::response(page, response, lines, identity, told, load.as_deref()) else {
            return Err(StackError::Forbidden("a response with our Via alone is for nobody else (RFC 3261 16.7)"));
        };
        let page = writer.into_page();
        let stepped = self.server_step(tx, code);
        let bytes = Bytes::copy_from_slice(&page);
        self.stack.page = page;
        stepped?;
        self.server_challenged(tx, code);
        self.server_challenged_beyond(tx, code);
        let server = self.stack.servers.get_mut(tx.0).ok_or(StackError::Gone)?;
        let path = server.path();
        // Nothing sends the 2xx to an INVITE again but the one who made it.
        let repeated = !(code.is_success() && server.is_invite());
        server.keep(repeated.then(|| bytes.as_ref().into()), &mut self.stack.kept);
        self.stack.counters.responses_out += 1;
        if code.is_final() {
            let tag = response.headers().to_tag_octets().unwrap_or_default();
            self.server_close(tx.0, tag);
        }
        self.send(Sender::Server(tx.0), path, bytes, Cause::Response);
        self.server_rearm(tx.0);
        Ok(())
    }
}

impl Turn<'_> {
    /// What a response that is passed back says of our load to whom it goes to, where a Via behind ours may ask for it.
    fn load_told(&self, response: &Headers) -> Option<String> {
        self.stack.config.overload?;
        let mut lines = response.values(HeaderId::Via);
        let has_more = lines.next().is_some_and(|first| first.contains(&b','));
        (has_more || lines.any(overload::is_mentioned)).then(|| self.stack.config.load.words(self.now.mono))
    }
}

/// The way of a proxy without transactions (RFC 3261 section 16.11).
impl Turn<'_> {
    /// Where responses to a request go (section 18.2.2), but for `maddr`: this is written down and told to others, and nothing bounds how many responses
    /// come by it. So they go nowhere but to where the request came from.
    pub fn way_back(&self, request: &Request, origin: &Origin) -> Path {
        Path { remote: Way::of(request.headers(), origin, &self.stack.config).source(origin), ..*origin }
    }

    /// The branch that [`Turn::forward_stateless`] gives a request.
    pub fn stateless_branch(&self, request: &Request) -> String {
        self.stack.keys.stateless_branch(request).to_string()
    }

    /// Lets go of a request that is neither answered nor remembered: it was passed on by [`Turn::forward_stateless`], or is dropped.
    pub fn forget(&mut self, tx: ServerTx) {
        self.server_end(tx.0);
    }

    /// Whether an ACK is that to an answer of ours of which nothing was kept (section 8.2.7): it goes no further.
    pub fn is_acked_here(&self, ack: &Request) -> bool {
        let tag = self.stack.keys.server(ack, &Method::Invite).tag();
        ack.headers().to_tag_octets() == Some(tag.as_bytes())
    }

    /// Passes a response back along a path, without our Via, and without what only those may know whom we trust: what it asserts of who answers (RFC 3325
    /// section 5), and where the request has been (RFC 7044 section 10.1.2).
    ///
    /// # Errors
    /// [`StackError::Forbidden`] when no Via but ours is left.
    pub fn pass_back_stateless(&mut self, response: &Response, path: Path) -> Result<(), StackError> {
        let load = self.load_told(response.headers());
        let page = std::mem::take(&mut self.stack.page);
        let (lines, untold) = (Lines::default(), Told::default());
        let (whose, told) = (&Identity::Withheld, Some(&untold));
        let Some(writer) = splice::response(page, response, &lines, whose, told, load.as_deref()) else {
            return Err(StackError::Forbidden("a response with our Via alone is for nobody else (RFC 3261 16.7)"));
        };
        let page = writer.into_page();
        let bytes = Bytes::copy_from_slice(&page);
        self.stack.page = page;
        self.stack.counters.responses_out += 1;
        self.send_raw(path, bytes, Cause::Response);
        Ok(())
    }
}

/// What the machinery of requests has to know of it.
fn draft(forward: &Forward) -> Draft {
    let mut draft = Draft::new(forward.request.method().clone(), forward.uri.clone());
    draft.hop = forward.hop.clone();
    draft
}

/// One try.
pub(super) fn request(forward: &Forward, this: &Try<'_>, config: &Config) -> Bytes {
    let request = &forward.request;
    let mut writer = Writer::request(request.method(), this.uri);
    let params = forward.via.as_deref().unwrap_or_default();
    print::via(&mut writer, this, forward.mark.map(Token::from_u64), params, config);
    if let Some(PathTo { user, outbound }) = &forward.path {
        writer.octets(b"Path: ");
        // What is registered by `sips` is led to by nothing else (RFC 5630 section 5.2).
        address(&mut writer, request.is_secure(), Some(user), this.path, config);
        writer.octets(if *outbound { b";lr;ob>\r\n" } else { b";lr>\r\n" });
    }
    if let Some(record) = &forward.record {
        record_route(&mut writer, record, forward, this.path, config);
    }
    for route in this.routes {
        writer.line(HeaderId::Route, route);
    }
    writer.octets(b"Max-Forwards: ").number(usize::from(forward.max_forwards)).octets(b"\r\n");
    if let Some(breadth) = forward.max_breadth {
        writer.line(HeaderId::MaxBreadth, breadth);
    }
    if let Identity::Asserted { value, privacy } = &forward.identity {
        writer.line(HeaderId::PAssertedIdentity, value);
        if let Some(privacy) = privacy {
            writer.line(HeaderId::Privacy, privacy);
        }
    }
    let headers = request.headers();
    let received = Way::of(headers, &forward.origin, config).stamp.values(&forward.origin);
    let ours = |value: &[u8]| forward.authorized.as_deref().is_some_and(|realm| digest::is_for(value, realm));
    if let Some(told) = &forward.history {
        writer.lines(&told.lines);
    }
    splice::request(&mut writer, headers, received, &forward.identity, forward.history.as_deref(), ours);
    Bytes::from(writer.into_page())
}

/// The value of the side that the request goes to stands above the other (RFC 5658 section 3).
fn record_route(writer: &mut Writer, record: &Record, forward: &Forward, path: &Path, config: &Config) {
    let origin = &forward.origin;
    let differ = path.transport != origin.transport || path.local != origin.local;
    if differ || record.inward.is_some() || record.outward.is_some() {
        record_value(writer, record, record.outward.as_deref(), path, config);
    }
    record_value(writer, record, record.inward.as_deref(), origin, config);
}

fn record_value(writer: &mut Writer, record: &Record, user: Option<&str>, side: &Path, config: &Config) {
    writer.octets(b"Record-Route: ");
    address(writer, record.secure, user, side, config);
    writer.octets(b";lr;d=").octets(record.token.as_bytes()).octets(b">\r\n");
}

/// Where we are on one side of us, its bracket not closed: over TLS by the name that our certificate is for, where there is one to be written (RFC 5922 section
/// 7.5). Without a port where that is the usual one, so that it leads where the name is served (RFC 3263 section 4.2).
fn address(writer: &mut Writer, secure: bool, user: Option<&str>, side: &Path, config: &Config) {
    writer.octets(if secure { b"<sips:" } else { b"<sip:" });
    if let Some(user) = user {
        writer.text(user.as_bytes()).octets(b"@");
    }
    let transport: &[u8] = match (side.transport, secure) {
        (Transport::Udp, _) | (Transport::Tls, true) => b"",
        (Transport::Tcp, _) => b";transport=tcp",
        (Transport::Tls, false) => b";transport=tls",
        (Transport::Ws | Transport::Wss, _) => b";transport=ws",
    };
    let named = config.secured_as.as_ref().filter(|named| named.is_written_on(side));
    match named {
        None => writer.host_port(side.local),
        Some(named) if side.transport == Transport::Tls && side.local.port() == Transport::Tls.default_port() => {
            writer.text(named.host.as_bytes())
        }
        Some(named) => writer.text(named.host.as_bytes()).octets(b":").number(usize::from(side.local.port())),
    };
    writer.octets(transport);
}

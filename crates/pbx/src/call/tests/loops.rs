//! SIP loops without threads and sockets: the test hands messages and commands over one by one, so it says what comes before what.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use media::Key;
use net::{App as _, Clock, Handle, Seat};
use sip::digest::{self, Client, Credential, Credentials};
use sip::message::{HeaderId, Limits, Message, Response};
use sip::{
    Action, Answer, Application as _, FlowId, Now, Outbox, Path, Question, Shard, Spread, Stack, Transport, Turn,
};
use tokio::sync::mpsc::Receiver;

use crate::command::Command;
use crate::config::{Config, MediaConfig, Secret, User};
use crate::switch::{Given, Switch};

/// Commands that may wait for a loop.
pub(super) const QUEUE: usize = 8;

pub(super) struct One {
    stack: Stack,
    out: Outbox,
    pub(super) switch: Switch,
    inbox: Receiver<Command>,
}

pub(super) struct Loops {
    pub(super) all: Vec<One>,
    pub(super) handles: Vec<Handle<Command>>,
    spread: Spread,
    now: Now,
    /// What has been sent and nobody has read: to whom, and what.
    sent: Vec<(SocketAddr, Message)>,
    count: u32,
    /// All is said by `sips`, over TLS.
    pub(super) secured: bool,
    _media: Vec<net::media::MediaThread>,
}

/// A dialog as its telephone sees it.
#[derive(Clone, Debug)]
pub(super) struct Dialog {
    pub(super) at: SocketAddr,
    pub(super) call_id: String,
    from: String,
    to: String,
    cseq: u32,
}

fn config(ports: std::ops::RangeInclusive<u16>) -> Config {
    let user = |name: &str| User { secret: Secret::Password(format!("secret-{name}")), ..User::default() };
    let users = ["1001", "1002"].map(|name| (name.to_owned(), user(name)));
    Config {
        listen: Vec::new(),
        realm: Some("offhook".to_owned()),
        users: BTreeMap::from(users),
        media: MediaConfig { threads: Some(1), ports, ..MediaConfig::default() },
        ..Config::default()
    }
}

fn server() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 5060))
}

pub(super) fn path(remote: SocketAddr) -> Path {
    Path { flow: FlowId(1), transport: Transport::Udp, local: server(), remote }
}

/// Where a telephone is.
pub(super) fn telephone(number: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 10_000 + number))
}

/// A description with one codec.
pub(super) const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

impl Loops {
    /// Three loops, whose stacks have this changed.
    pub(super) fn new(ports: std::ops::RangeInclusive<u16>, change: impl Fn(usize, &mut sip::Config)) -> Self {
        let config = config(ports);
        let (tls, _) = crate::certificate::open(&config).unwrap();
        let (accounts, told) = crate::accounts::Accounts::load(&config).unwrap();
        let started = crate::studio::start(&config, 3).unwrap();
        let rules = digest::ServerConfig {
            algorithms: accounts.common(&config.digest).unwrap(),
            ..digest::ServerConfig::new("offhook")
        };
        let given = Given {
            home: crate::bindings::open(&config).unwrap(),
            tally: crate::tally::Tally::new(told.len()),
            board: crate::board::Board::new(),
            accounts: Arc::new(accounts),
            secret: rand::random(),
            run: 0,
            load: sip::Load::default(),
            called: None,
            config,
        };
        let (clock, spread) = (Clock::start(), Spread::new(3, rand::random()));
        let (handles, inboxes): (Vec<_>, Vec<_>) = (0..3).map(|_| Handle::channel(QUEUE)).unzip();
        let make = |((studio, inbox), me): ((_, _), u8)| {
            let trace = net::trace::Trace::default();
            let (looped, make) = crate::server::member(given.clone(), &rules, (tls.clone(), trace), studio).unwrap();
            let seat = Seat { shard: Shard(me), spread, bound: &[], clock, loops: &handles };
            let mut settings = sip::Config { shard: Shard(me), spread, ..looped.stack };
            change(usize::from(me), &mut settings);
            One { stack: Stack::new(settings, rand::random()), out: Outbox::new(), switch: make(seat), inbox }
        };
        let all = started.studios.into_iter().zip(inboxes).zip(0..).map(make).collect();
        Self {
            all,
            handles,
            spread,
            now: clock.now(),
            sent: Vec::new(),
            count: 0,
            secured: false,
            _media: started.threads,
        }
    }

    /// What a loop does in a turn, and what comes of it.
    pub(super) fn turn<R>(&mut self, at: usize, act: impl FnOnce(&mut Switch, &mut Turn<'_>) -> R) -> R {
        let done = self.step(at, act);
        self.step(at, net::App::settle);
        done
    }

    /// The same, where more may come that is looked at together with it.
    pub(super) fn step<R>(&mut self, at: usize, act: impl FnOnce(&mut Switch, &mut Turn<'_>) -> R) -> R {
        let transport = self.transport();
        let One { stack, out, switch, .. } = &mut self.all[at];
        let done = act(switch, &mut stack.at(self.now, out));
        while let Some(action) = out.pop() {
            let mut turn = stack.at(self.now, out);
            match action {
                Action::Send { path, bytes, .. } => {
                    self.sent.push((path.remote, Message::parse(bytes, &Limits::default()).unwrap()));
                }
                Action::Event(event) => switch.event(event, &mut turn),
                Action::Ask { id, question: Question::Route { host, port, .. }, .. } => {
                    let remote = SocketAddr::new(host.parse().unwrap(), port.unwrap_or(5060));
                    turn.answered(id, Answer::Routes(vec![Path { transport, ..path(remote) }]));
                }
                Action::HandOver { to, from, bytes, hops } => {
                    if let Err((from, bytes)) = switch.hand_over(to, from, bytes, hops) {
                        turn.shed(&from, bytes);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        done
    }

    /// Time passes.
    pub(super) fn pass(&mut self, span: Duration) {
        let until = self.now.mono + span;
        while let Some((at, deadline)) = (0..self.all.len())
            .filter_map(|at| Some((at, self.all[at].stack.deadline()?)))
            .min_by_key(|(_, deadline)| *deadline)
            .filter(|(_, deadline)| *deadline <= until)
        {
            self.now.mono = self.now.mono.max(deadline);
            self.turn(at, |_, turn| turn.timeout());
            self.settle();
        }
        self.now.mono = until;
    }

    /// A loop carries one command out that waits; false when none does.
    pub(super) fn carry_out(&mut self, at: usize) -> bool {
        let Ok(command) = self.all[at].inbox.try_recv() else { return false };
        self.turn(at, |switch, turn| switch.command(command, turn));
        true
    }

    /// All loops carry out what waits.
    pub(super) fn settle(&mut self) {
        while (0..self.all.len()).any(|at| self.carry_out(at)) {}
    }

    /// The same where it ends: so many commands are enough.
    pub(super) fn settle_within(&mut self, most: usize) {
        let carried = (0..most).take_while(|_| (0..self.all.len()).any(|at| self.carry_out(at))).count();
        assert!(carried < most, "it goes on and on");
    }

    /// The loop that keeps the bindings of a user.
    pub(super) fn of_user(&self, user: &str) -> usize {
        usize::from(self.spread.of_user(user).0)
    }

    /// How many commands wait for a loop.
    pub(super) fn waiting(&self, at: usize) -> usize {
        self.handles[at].waiting()
    }

    /// A Call-ID that falls to this loop.
    pub(super) fn call_id(&mut self, at: usize) -> String {
        loop {
            self.count += 1;
            let call_id = format!("call{}", self.count);
            if self.falls_to(&call_id, at) {
                return call_id;
            }
        }
    }

    /// Whether a Call-ID falls to this loop.
    pub(super) fn falls_to(&self, call_id: &str, at: usize) -> bool {
        usize::from(self.spread.of_call(call_id.as_bytes()).0) == at
    }

    /// A message comes: to the loop it falls to.
    pub(super) fn say(&mut self, from: SocketAddr, text: String) {
        let at = usize::from(self.spread.of_message(text.as_bytes()).unwrap().0);
        let way = Path { transport: self.transport(), ..path(from) };
        self.turn(at, |_, turn| turn.receive(&way, text.into_bytes().into()));
    }

    fn transport(&self) -> Transport {
        if self.secured { Transport::Tls } else { Transport::Udp }
    }

    fn scheme(&self) -> &'static str {
        if self.secured { "sips" } else { "sip" }
    }

    /// What has come to a telephone since it was asked last, but for 100: `200 BYE`, `BYE`.
    pub(super) fn heard(&mut self, at: SocketAddr) -> Vec<String> {
        let (mine, others) = std::mem::take(&mut self.sent).into_iter().partition(|(to, _)| *to == at);
        self.sent = others;
        let kind = |(_, message): &(SocketAddr, Message)| match message {
            Message::Request(request) => request.method().as_str().to_owned(),
            Message::Response(response) => format!("{} {}", response.code().get(), response.headers().method()),
        };
        let mine: Vec<(SocketAddr, Message)> = mine;
        mine.iter().map(kind).filter(|kind| !kind.starts_with("100 ")).collect()
    }

    /// Whether a request of this method has come to a telephone and nobody has taken it.
    pub(super) fn heard_of(&self, at: SocketAddr, method: &str) -> bool {
        let is = |message: &Message| matches!(message, Message::Request(one) if one.method().as_str() == method);
        self.sent.iter().any(|(to, message)| *to == at && is(message))
    }

    /// The next of what has come to a telephone that is wanted.
    pub(super) fn take(&mut self, at: SocketAddr, wanted: impl Fn(&Message) -> bool) -> Message {
        let found = self.sent.iter().position(|(to, message)| *to == at && wanted(message));
        self.sent.remove(found.unwrap_or_else(|| panic!("nothing of that: {:?}", self.sent))).1
    }

    /// The final response to the last request of a method.
    pub(super) fn answer(&mut self, at: SocketAddr, method: &str) -> Response {
        let is = |message: &Message| matches!(message, Message::Response(one) if one.code().is_final() && one.headers().method().as_str() == method);
        let Message::Response(response) = self.take(at, is) else { panic!() };
        response
    }

    /// A request of a telephone, sent; the response to it is not waited for.
    pub(super) fn request(&mut self, dialog: &mut Dialog, method: &str, lines: &str, body: &str) {
        let text = self.written(dialog, method, lines, body);
        self.say(dialog.at, text);
    }

    /// A request of a telephone.
    pub(super) fn written(&mut self, dialog: &mut Dialog, method: &str, lines: &str, body: &str) -> String {
        if method != "ACK" {
            dialog.cseq += 1;
        }
        self.count += 1;
        let Dialog { at, call_id, from, to, cseq } = dialog;
        let uri = to.split(['<', '>']).nth(1).unwrap().to_owned();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{by} {at};branch=z9hG4bK{count}\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <{scheme}:x@{at}>\r\n{lines}{kind}Content-Length: {length}\r\n\r\n{body}",
            by = self.transport().as_str(),
            scheme = self.scheme(),
            count = self.count,
            length = body.len(),
        )
    }

    /// What goes with the last request of a telephone, under its branch and number: a CANCEL, or the ACK of a refusal.
    pub(super) fn goes_with_it(&mut self, dialog: &mut Dialog, method: &str) {
        self.count -= 1;
        if method != "ACK" {
            dialog.cseq -= 1;
        }
        self.request(dialog, method, "", "");
    }

    /// A request outside a dialog, with credentials, sent by the user of this name: the commands that come of it wait.
    pub(super) fn ask(
        &mut self,
        by: (SocketAddr, &str),
        request: (&str, &str, String),
        lines: &str,
        body: &str,
    ) -> Dialog {
        self.ask_anew("", by, request, lines, body)
    }

    /// The same, by another From tag than others of this Call-ID.
    pub(super) fn ask_anew(
        &mut self,
        tag: &str,
        by: (SocketAddr, &str),
        request: (&str, &str, String),
        lines: &str,
        body: &str,
    ) -> Dialog {
        let method = request.0;
        let (mut dialog, lines) = self.challenged(tag, by, request, lines, body);
        self.request(&mut dialog, method, &lines, body);
        dialog
    }

    /// A request that has been challenged: with these lines it shows who has sent it.
    pub(super) fn challenged(
        &mut self,
        tag: &str,
        (at, name): (SocketAddr, &str),
        (method, number, call_id): (&str, &str, String),
        lines: &str,
        body: &str,
    ) -> (Dialog, String) {
        let scheme = self.scheme();
        let from = format!("<{scheme}:{name}@127.0.0.1>;tag=f{tag}{call_id}");
        let mut dialog = Dialog { at, call_id, from, to: format!("<{scheme}:{number}@127.0.0.1>"), cseq: 0 };
        self.request(&mut dialog, method, lines, body);
        if !self.sent.iter().any(|(to, message)| *to == at && matches!(message, Message::Response(_))) {
            // It has gone after others of its Call-ID.
            self.settle();
        }
        let challenge = self.answer(at, method);
        assert_eq!(challenge.code().get(), 401);
        let mut credentials = Credentials::new();
        credentials.add(Credential::password(None, name, &format!("secret-{name}")).unwrap());
        let mut client = Client::new(credentials);
        let challenges = challenge.headers().all(HeaderId::WwwAuthenticate).map(|one| (false, one.value));
        client.take_challenges(challenges).unwrap();
        let uri = format!("{scheme}:{number}@127.0.0.1");
        let shown = client.lines_for(method, &uri, body.as_bytes(), 7).remove(0).1;
        (dialog, format!("{lines}Authorization: {shown}\r\n"))
    }

    /// A call that is answered at once: its dialog.
    pub(super) fn call(&mut self, (at, name): (SocketAddr, &str), number: &str, call_id: String) -> Dialog {
        let mut dialog = self.ask((at, name), ("INVITE", number, call_id), "", SDP);
        self.settle();
        dialog.answered(self);
        dialog
    }

    /// 1001 at telephone 1 calls 1002 at telephone 2 with this loop, who answers: both dialogs.
    pub(super) fn pair(&mut self, at: usize) -> (Dialog, Dialog) {
        let (near, far) = (telephone(1), telephone(2));
        let register = self.call_id(0);
        let contact = ("REGISTER", "1002", register);
        self.ask((far, "1002"), contact, "Expires: 3600\r\n", "");
        self.settle();
        assert_eq!(self.answer(far, "REGISTER").code().get(), 200);
        let call_id = self.call_id(at);
        let mut dialog = self.ask((near, "1001"), ("INVITE", "1002", call_id), "", SDP);
        self.settle();
        let is_invite =
            |message: &Message| matches!(message, Message::Request(one) if one.method().as_str() == "INVITE");
        let Message::Request(invite) = self.take(far, is_invite) else { panic!() };
        let other = self.respond(far, &invite, 200, SDP);
        self.settle();
        dialog.answered(self);
        assert_eq!((self.heard(near), self.heard(far)), (vec![], vec!["ACK".to_owned()]));
        (dialog, other)
    }

    /// A telephone answers a request: its dialog.
    pub(super) fn respond(&mut self, at: SocketAddr, request: &sip::message::Request, code: u16, body: &str) -> Dialog {
        let text = |id| request.headers().text(id).unwrap().into_owned();
        let (from, mut to, call_id) =
            (text(HeaderId::From), text(HeaderId::To), request.headers().call_id().to_owned());
        if request.headers().to_tag().is_none() {
            to.push_str(";tag=t");
        }
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        self.say(
            at,
            format!(
                "SIP/2.0 {code} X\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\nContact: <{scheme}:x@{at}>\r\n\
                 {kind}Content-Length: {length}\r\n\r\n{body}",
                scheme = self.scheme(),
                via = text(HeaderId::Via),
                cseq = text(HeaderId::CSeq),
                length = body.len(),
            ),
        );
        Dialog { at, call_id, from: to, to: from, cseq: 100 }
    }

    /// A BYE: its answer.
    pub(super) fn hang_up(&mut self, dialog: &mut Dialog) -> u16 {
        self.request(dialog, "BYE", "", "");
        self.settle();
        self.answer(dialog.at, "BYE").code().get()
    }

    /// Answers the BYE that has come to a telephone; its Reason.
    pub(super) fn is_hung_up(&mut self, at: SocketAddr) -> String {
        let is_bye = |message: &Message| matches!(message, Message::Request(one) if one.method().as_str() == "BYE");
        let Message::Request(bye) = self.take(at, is_bye) else { panic!() };
        self.respond(at, &bye, 200, "");
        self.settle();
        bye.headers().text(HeaderId::Reason).unwrap_or_default().into_owned()
    }

    /// A NOTIFY that has come to a telephone, answered: its line.
    pub(super) fn is_told(&mut self, at: SocketAddr) -> String {
        let is_notify =
            |message: &Message| matches!(message, Message::Request(one) if one.method().as_str() == "NOTIFY");
        let Message::Request(notify) = self.take(at, is_notify) else { panic!() };
        self.respond(at, &notify, 200, "");
        String::from_utf8(notify.body().to_vec()).unwrap().trim_end().to_owned()
    }

    /// What a stream is called that a leg has, for what is done to its media thread.
    pub(super) fn stream(&self, at: usize) -> Key {
        self.all[at].switch.calls.iter().next().unwrap().caller.line.key()
    }

    /// 64*T1 and more have passed, and nothing is held for any call.
    pub(super) fn nothing_left(&mut self) {
        self.pass(Duration::from_secs(200));
        for at in 0..self.all.len() {
            let (held, usage) = self.turn(at, |switch, turn| (switch.calls.held(), turn.usage()));
            assert_eq!((held, usage.away, usage.sessions, usage.dialogs), (0, 0, 0, 0), "loop {at}");
        }
    }
}

impl Dialog {
    /// The INVITE is answered: its ACK.
    pub(super) fn answered(&mut self, loops: &mut Loops) {
        let answer = loops.answer(self.at, "INVITE");
        assert_eq!(answer.code().get(), 200);
        self.to = answer.headers().text(HeaderId::To).unwrap().into_owned();
        loops.request(self, "ACK", "", "");
    }

    /// Somebody else who knows its Call-ID.
    pub(super) fn stranger(&self) -> Self {
        Self { at: telephone(9), from: "<sip:stranger@127.0.0.1>;tag=stranger".to_owned(), ..self.clone() }
    }

    /// As Replaces names it in the Refer-To of another call, or in an INVITE.
    pub(super) fn named(&self, escaped: bool) -> String {
        let tag = |value: &str| value.split(";tag=").nth(1).unwrap().to_owned();
        let (to, from, call_id) = (tag(&self.to), tag(&self.from), self.call_id.replace('@', "%40"));
        match escaped {
            true => format!("{call_id}%3Bto-tag%3D{to}%3Bfrom-tag%3D{from}"),
            false => format!("{};to-tag={to};from-tag={from}", self.call_id),
        }
    }
}

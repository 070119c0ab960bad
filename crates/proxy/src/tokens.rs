//! What we write into our own Record-Route and Path, to know it again: proofs under a secret that nobody else can make.
//!
//! * The *dialog token* shows that a request with this Call-ID and From tag has passed through us and was let in: later requests of the dialog have that
//!   tag on one side and another on the other side, and are passed on wherever they go. Nobody makes it for a dialog of his own choice by writing us
//!   into a Route. What it cannot show is that the other tag is a callee's: who has a token may invent one, and whoever gets his request answers it
//!   with 481 (section 12.2.2). So it counts for no method that has its effect outside a dialog too, see [`Tokens::is_within`], and not for ever: after
//!   thirty days it opens nothing any more.
//! * The *flow token* (RFC 5626 section 5.2) names a flow: what arrives with it leaves by that flow.
//! * The *mark* of a request is in the branch of our Via or, where nothing is kept of it, in a parameter of it: who finds it in a request that arrives has sent this very request (RFC 5393 section 4).

use std::net::{IpAddr, SocketAddr};

use sip::message::{HeaderId, Headers, Method, Request};
use sip::outbox::Origin;
use sip::{FlowId, Path, TextHash, Time, Token, Transport, WallTime};

/// Makes and checks them.
#[derive(Clone, Debug)]
pub struct Tokens {
    hash: TextHash,
    run: u64,
    /// Since 1970, in steps of [`STEP`].
    step: u64,
}

/// The token of a dialog is good for this many seconds, ten days, the rest of as many again, and as many more as [`KEPT`] says.
const STEP: u64 = 864_000;
/// Steps before that of today whose tokens of dialogs still count: a call may last for thirty days at least.
const KEPT: u64 = 3;

/// A way back is good for this many microseconds, a quarter of an hour, and the rest of as many again: as long as somebody lets it ring.
const BACK: u64 = 900_000_000;
/// Characters of one word of a token.
const WORD: usize = 13;
const TRANSPORTS: [Transport; 5] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];

impl Tokens {
    /// Under this secret.
    pub fn new(secret: [u8; 16]) -> Self {
        Self { hash: TextHash::new(secret), run: 0, step: 0 }
    }

    /// In this run of the process, which is a random number: for what counts in none but that.
    pub fn in_run(self, run: u64) -> Self {
        Self { run, ..self }
    }

    /// The date from here on: what is made has it in it, what is checked must not be older than thirty to forty days.
    pub fn set_date(&mut self, today: WallTime) {
        self.step = today.0 / STEP;
    }

    /// The token of the dialog that a request with these header fields makes.
    pub fn dialog(&self, headers: &Headers) -> Token {
        self.made_by(headers, headers.from_tag().unwrap_or_default(), self.step)
    }

    /// The token of the dialog of a NOTIFY: whoever gets it has made that dialog. No younger than the one that has let the NOTIFY in, which was made in
    /// this step: or who has one renewed it for ever.
    pub fn dialog_of_receiver(&self, headers: &Headers, step: u64) -> Token {
        self.made_by(headers, headers.to_tag().unwrap_or_default(), step)
    }

    fn made_by(&self, headers: &Headers, tag: &str, step: u64) -> Token {
        let made = [&b"dialog"[..], headers.call_id().as_bytes(), tag.as_bytes(), &step.to_le_bytes()];
        Token::from_u64(self.hash.of_all(made))
    }

    /// The step in which a text was made as the token of the dialog that a request with these header fields is of: it has a To tag, and one of its tags
    /// is that of the caller (RFC 3261 section 12.2). `None` for what is no such token, of more than thirty to forty days ago, or of the future: but a clock that was
    /// set back a little refuses nothing of what it has just made.
    pub fn dialog_of(&self, token: &str, headers: &Headers) -> Option<u64> {
        let to = headers.to_tag()?;
        let from = headers.from_tag().unwrap_or_default();
        let mut steps = (self.step.saturating_sub(KEPT)..=self.step).rev().chain([self.step + 1]);
        steps.find(|step| [from, to].iter().any(|tag| token == self.made_by(headers, tag, *step).as_str()))
    }

    /// Whether the token of a dialog opens the way for a request of this method. Not for what is done without a dialog just as well: its To tag may be
    /// made up.
    pub fn is_within(method: &Method) -> bool {
        use Method::{Ack, Bye, Info, Invite, Notify, Options, Prack, Refer, Subscribe, Update};
        matches!(method, Ack | Bye | Info | Invite | Notify | Options | Prack | Refer | Subscribe | Update)
    }

    /// The mark of a request: all that says where it goes from here, and nothing that a proxy it has passed adds (RFC 5393 section 4.2.1). The method
    /// has no part in it (RFC 3261 section 16.6 step 8).
    pub fn mark(&self, request: &Request) -> u64 {
        let headers = request.headers();
        let number = headers.cseq().number.to_le_bytes();
        let fixed = [
            b"mark",
            request.uri_text().as_bytes(),
            headers.call_id().as_bytes(),
            headers.from_tag().unwrap_or_default().as_bytes(),
            headers.to_tag().unwrap_or_default().as_bytes(),
            &number[..],
        ];
        let others = [HeaderId::Route, HeaderId::ProxyRequire, HeaderId::ProxyAuthorization];
        self.hash.of_all(fixed.into_iter().chain(others.into_iter().flat_map(|id| headers.values(id))))
    }

    /// Whether a request with this mark has been here: one of its Vias is ours and has it.
    pub fn has_passed(&self, mark: u64, request: &Request) -> bool {
        let mark = Token::from_u64(mark);
        let mut vias = request.headers().values(HeaderId::Via);
        vias.any(|via| memchr::memmem::find_iter(via, mark.as_str()).any(|at| at > 0 && via.get(at - 1) == Some(&b'.')))
    }

    /// The token of a flow by which a device has registered: the user part of a Path.
    pub fn flow(&self, path: &Path) -> String {
        self.written(&[b"flow"], path)
    }

    /// The flow of such a token; `None` for what we have not made.
    pub fn flow_of(&self, token: &str) -> Option<Path> {
        self.read(&[b"flow"], token)
    }

    /// The token of a flow to one side of a dialog: the user part of a Record-Route. The other side learns it, and so it proves nothing without the
    /// token of the dialog.
    pub fn side(&self, path: &Path) -> String {
        self.written(&[b"side"], path)
    }

    /// The flow of such a token.
    pub fn side_of(&self, token: &str) -> Option<Path> {
        self.read(&[b"side"], token)
    }

    /// The token of the way that responses to a request take: in our Via, where we keep nothing of the request. It is good for that Via's branch alone,
    /// for a quarter of an hour to half of one, and in this run alone: the clock that it is held against begins with it.
    pub fn back(&self, path: &Path, branch: &str, now: Time) -> String {
        self.written(&[b"back", branch.as_bytes(), &self.run.to_le_bytes(), &(now.0 / BACK).to_le_bytes()], path)
    }

    /// The way of such a token; `None` for what we have not made, or for another branch, or too long ago.
    pub fn back_of(&self, token: &str, branch: &str, now: Time) -> Option<Path> {
        let (step, run) = (now.0 / BACK, self.run.to_le_bytes());
        let made_at = |step: u64| self.read(&[b"back", branch.as_bytes(), &run, &step.to_le_bytes()], token);
        made_at(step).or_else(|| made_at(step.checked_sub(1)?))
    }

    /// A path, and the proof that we have written it: for what these texts say.
    fn written(&self, kind: &[&[u8]], path: &Path) -> String {
        let octets = octets(path);
        let words = octets.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            u64::from_le_bytes(word)
        });
        let proof = self.prove(kind, &octets);
        words.chain([proof]).map(|word| Token::from_u64(word).to_string()).collect()
    }

    fn prove(&self, kind: &[&[u8]], octets: &[u8]) -> u64 {
        self.hash.of_all(kind.iter().copied().chain([octets]))
    }

    fn read(&self, kind: &[&[u8]], token: &str) -> Option<Path> {
        let words: Option<Vec<u64>> = token.as_bytes().chunks(WORD).take(16).map(Token::parse).collect();
        let words = words?;
        let (proof, words) = words.split_last()?;
        let mut octets: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let length = if *octets.get(9)? == 4 { V4 } else { V6 };
        let padding = octets.len().checked_sub(length).filter(|padding| *padding < 8)?;
        let padded = octets.split_off(octets.len() - padding);
        if padded.iter().any(|octet| *octet != 0) {
            return None;
        }
        (*proof == self.prove(kind, &octets)).then(|| path(&octets)).flatten()
    }
}

/// Octets of a flow, by the version of its addresses.
const V4: usize = 10 + 2 * 6;
const V6: usize = 10 + 2 * 18;

fn octets(path: &Path) -> Vec<u8> {
    let mut octets = Vec::with_capacity(V6);
    octets.extend(path.flow.0.to_le_bytes());
    octets.push(TRANSPORTS.iter().position(|one| *one == path.transport).unwrap_or_default() as u8);
    let v4 = path.local.is_ipv4() && path.remote.is_ipv4();
    octets.push(if v4 { 4 } else { 6 });
    for address in [path.local, path.remote] {
        match (address.ip(), v4) {
            (IpAddr::V4(ip), true) => octets.extend(ip.octets()),
            (IpAddr::V4(ip), false) => octets.extend(ip.to_ipv6_mapped().octets()),
            (IpAddr::V6(ip), _) => octets.extend(ip.octets()),
        }
        octets.extend(address.port().to_be_bytes());
    }
    octets
}

fn path(octets: &[u8]) -> Option<Path> {
    let (flow, rest) = octets.split_first_chunk::<8>()?;
    let ([transport, version], rest) = rest.split_first_chunk::<2>()?;
    let (local, remote) = rest.split_at_checked(rest.len() / 2)?;
    let address = |octets: &[u8]| -> Option<SocketAddr> {
        let (ip, port) = octets.split_last_chunk::<2>()?;
        let ip = match version {
            4 => IpAddr::from(<[u8; 4]>::try_from(ip).ok()?),
            _ => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
        };
        Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
    };
    Some(Origin {
        flow: FlowId(u64::from_le_bytes(*flow)),
        transport: *TRANSPORTS.get(usize::from(*transport))?,
        local: address(local)?,
        remote: address(remote)?,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sip::message::{Limits, Message};

    use super::*;

    fn request(text: &str) -> Request {
        let text =
            format!("{text}From: <sip:a@a>;tag=1\nTo: <sip:b@b>\nCall-ID: c\nCSeq: 1 INVITE\n\n").replace('\n', "\r\n");
        match Message::parse(Bytes::from(text), &Limits::default()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rfc5626_5_2_a_flow_token_names_its_flow_and_no_other_can_be_made() {
        let tokens = Tokens::new([1; 16]);
        let addresses: [SocketAddr; 3] =
            ["192.0.2.1:5060", "[2001:db8::1]:65535", "255.255.255.255:1"].map(|text| text.parse().unwrap());
        for transport in TRANSPORTS {
            for (local, remote) in [(0, 2), (1, 1)] {
                let (local, remote) = (addresses[local], addresses[remote]);
                let path = Path { flow: FlowId(u64::MAX - 5), transport, local, remote };
                let token = tokens.flow(&path);
                assert_eq!(tokens.flow_of(&token), Some(path), "{token}");
                assert_eq!(Tokens::new([2; 16]).flow_of(&token), None);
                assert_eq!(tokens.side_of(&token), None, "a Path is no Record-Route");
                assert_eq!(tokens.flow_of(&tokens.side(&path)), None, "nor the other way round");
                assert_eq!(tokens.side_of(&tokens.side(&path)), Some(path));
                for at in 0..token.len() {
                    let mut broken = token.clone().into_bytes();
                    broken[at] = if broken[at] == b'b' { b'c' } else { b'b' };
                    let broken = String::from_utf8(broken).unwrap();
                    assert_eq!(tokens.flow_of(&broken), None, "{broken}");
                    assert_eq!(tokens.flow_of(&token[..at]), None);
                }
                assert_eq!(tokens.flow_of(&format!("{token}{token}")), None);
            }
        }
        for text in ["", "a", "aaaaaaaaaaaaa", &"a".repeat(1_000), "\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}"] {
            assert_eq!(tokens.flow_of(text), None, "{text}");
        }
    }

    #[test]
    fn rfc5626_5_2_tokens_outlive_the_process_and_ways_back_do_not() {
        let (before, after) = (Tokens::new([1; 16]).in_run(7), Tokens::new([1; 16]).in_run(8));
        let address: SocketAddr = "192.0.2.1:5060".parse().unwrap();
        let path = Path { flow: FlowId(1), transport: Transport::Udp, local: address, remote: address };
        assert_eq!(after.flow_of(&before.flow(&path)), Some(path));
        assert_eq!(after.side_of(&before.side(&path)), Some(path));
        let invite = request("INVITE sip:b@b SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\n");
        assert_eq!(after.dialog(invite.headers()).as_str(), before.dialog(invite.headers()).as_str());
        assert_eq!(after.mark(&invite), before.mark(&invite));
        // Both clocks begin at the same time.
        let (back, now) = (before.back(&path, "z9hG4bK1", Time(5)), Time(9));
        assert_eq!(before.back_of(&back, "z9hG4bK1", now), Some(path));
        assert_eq!(after.back_of(&back, "z9hG4bK1", now), None);
    }

    #[test]
    fn rfc3261_12_2_the_token_of_a_dialog_is_good_for_thirty_days_and_not_for_forty() {
        const DAY: u64 = 86_400;
        let at = |day: u64| {
            let mut tokens = Tokens::new([1; 16]);
            tokens.set_date(WallTime(day * DAY));
            tokens
        };
        let invite = request("INVITE sip:b@b SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\n");
        let text = "BYE sip:b@b SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK2\nTo: <sip:b@b>;tag=2\nFrom: <sip:a@a>;tag=1\nCall-ID: c\nCSeq: 2 BYE\n\n";
        let bye = match Message::parse(Bytes::from(text.replace('\n', "\r\n")), &Limits::default()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        };
        // Whichever day of its ten it is made on.
        for made in 20_000..20_010 {
            let token = at(made).dialog(invite.headers());
            let counts = |day: u64| at(day).dialog_of(token.as_str(), bye.headers()).is_some();
            for later in 0..=30 {
                assert!(counts(made + later), "{made}, {later} days on");
            }
            for later in [40, 41, 400, 40_000] {
                assert!(!counts(made + later), "{made}, {later} days on");
            }
            // The clock was set back.
            for earlier in [1, 10] {
                assert!(counts(made - earlier), "{made}, {earlier} days before");
            }
            for earlier in [20, 400] {
                assert!(!counts(made - earlier), "{made}, {earlier} days before: of the future");
            }
        }
    }

    #[test]
    fn rfc5393_4_2_1_the_mark_depends_on_what_routes_and_on_no_via() {
        let tokens = Tokens::new([1; 16]);
        let mark = |text: &str| tokens.mark(&request(text));
        let first = mark("INVITE sip:b@b SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\n");
        assert_eq!(
            first,
            mark(
                "INVITE sip:b@b SIP/2.0\nVia: SIP/2.0/UDP p;branch=z9hG4bK2\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\nMax-Forwards: 3\n"
            )
        );
        for other in [
            "INVITE sip:b@c SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\n",
            "INVITE sip:b@b SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\nRoute: <sip:p;lr>\n",
            "INVITE sip:b@b SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\nProxy-Require: x\n",
            "INVITE sip:b@b SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\nProxy-Authorization: Digest x=1\n",
        ] {
            assert_ne!(first, mark(other), "{other}");
        }
    }

    #[test]
    fn rfc5393_4_2_2_a_request_that_has_been_here_is_known() {
        let tokens = Tokens::new([1; 16]);
        let fresh = request("INVITE sip:b@b SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\n");
        let mark = tokens.mark(&fresh);
        assert!(!tokens.has_passed(mark, &fresh));
        let word = Token::from_u64(mark);
        for (vias, passed) in [
            (format!("Via: SIP/2.0/UDP x;branch=z9hG4bK3, SIP/2.0/UDP p;branch=z9hG4bKaa.{word}\n"), true),
            (
                format!(
                    "Via: SIP/2.0/UDP x;branch=z9hG4bK3\nVia: SIP/2.0/UDP p;branch=z9hG4bKaa.{word};received=1.2.3.4\n"
                ),
                true,
            ),
            (format!("Via: SIP/2.0/UDP p;branch=z9hG4bK{word}\n"), false),
            (format!("Via: SIP/2.0/UDP p;branch=z9hG4bKaa.{}\n", Token::from_u64(mark ^ 1)), false),
        ] {
            let back = request(&format!("INVITE sip:b@b SIP/2.0\n{vias}"));
            assert_eq!(tokens.has_passed(tokens.mark(&back), &back), passed, "{vias}");
        }
    }
}

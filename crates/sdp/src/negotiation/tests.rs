//! Offer/answer tests by rule. The helpers write and read descriptions in a short form: one stream is
//! `audio 49170 0 97 sendonly`, and numbers stand for the codecs in [`codec`].

mod answers;
mod direction_and_hold;
mod formats;
mod rfc3264;
mod rfc4317;
mod states;
mod streams;

use crate::*;

/// A host name as address.
fn host(name: &str) -> Address {
    Address::Name { family: Family::V4, name: Token::new(name).unwrap() }
}

fn ip(text: &str) -> Address {
    Address::Ip(text.parse().unwrap())
}

/// The codecs of the tests, by the number they are offered with.
fn codec(number: u8) -> Codec {
    let (name, rate) = match number {
        97 | 99 => ("iLBC", 8000),
        98 | 101 => ("telephone-event", 8000),
        111 => ("opus", 48_000),
        _ => return Codec::from_static(PayloadType::new(number).unwrap()).unwrap(),
    };
    let codec = Codec::new(number, name, rate).unwrap();
    if number == 111 { codec.with_channels(2) } else { codec }
}

fn codecs(numbers: &[u8]) -> Vec<Codec> {
    numbers.iter().map(|number| codec(*number)).collect()
}

/// Audio without events.
fn audio(port: u16, numbers: &[u8]) -> LocalMedia {
    LocalMedia::new(MediaKind::Audio, port, codecs(numbers))
}

fn video(port: u16, numbers: &[u8]) -> LocalMedia {
    LocalMedia::new(MediaKind::Video, port, codecs(numbers))
}

/// A stream of its own for events, as number 98.
fn events(port: u16, direction: Direction) -> LocalMedia {
    let mut media = LocalMedia::audio(port, Vec::new());
    media.telephone_event_payload_type = PayloadType::new(98).unwrap();
    media.direction = direction;
    media
}

/// One side of a session.
struct Party {
    negotiation: Negotiation,
    capabilities: LocalCapabilities,
}

impl Party {
    fn new(id: u64, name: &str, media: Vec<LocalMedia>) -> Party {
        let negotiation = Negotiation::new(Origin::new(id, id, host(name)));
        Party { negotiation, capabilities: LocalCapabilities::new(host(name), media) }
    }

    fn alice(media: Vec<LocalMedia>) -> Party {
        Party::new(2_890_844_526, "host.atlanta.example.com", media)
    }

    fn bob(media: Vec<LocalMedia>) -> Party {
        Party::new(2_808_844_564, "host.biloxi.example.com", media)
    }

    fn offer(&mut self) -> Session {
        let offer = self.negotiation.offer(&self.capabilities).expect("an offer").clone();
        reread(&offer)
    }

    fn answer(&mut self, offer: &Session) -> Session {
        let first = self.negotiation.last_sent.is_none().then(|| self.negotiation.origin.clone());
        let answer = self.negotiation.answer(offer, &self.capabilities).expect("an answer");
        assert_eq!(&answer.agreement, self.negotiation.agreement());
        check_answer(offer, &answer.session);
        check_plans(offer, &answer);
        if let Some(origin) = first {
            let printed = self.capabilities.answer(offer, origin).expect("an answer");
            assert_eq!(printed, (answer.session.to_bytes(), answer.agreement), "the same answer when nothing is kept");
        }
        reread(&answer.session)
    }

    fn accept(&mut self, answer: &Session) {
        self.negotiation.accept_answer(answer).expect("a fitting answer");
    }

    /// The stream `index` must exist.
    fn plan(&self, index: usize) -> &StreamPlan {
        self.negotiation.agreement().streams[index].as_ref().expect("a stream")
    }

    fn media(&mut self, index: usize) -> &mut LocalMedia {
        &mut self.capabilities.media[index]
    }
}

/// What is agreed is what the two descriptions say, whoever reads them.
fn check_plans(offer: &Session, answer: &Answer) {
    for (index, (ours, theirs)) in answer.session.streams().zip(offer.streams()).enumerate() {
        let plan = answer.agreement.streams[index].clone();
        let (hold, capability) = plan.as_ref().map_or((HoldState::Active, None), |plan| (plan.hold, plan.capability));
        let read = StreamPlan::between(index, ours, theirs, Role::Answerer, Direction::SendRecv);
        // The descriptions do not say what our side would have liked.
        assert_eq!(read.map(|read| StreamPlan { hold, capability, ..read }), plan, "{}", answer.session);
    }
}

/// Over the wire and back.
fn reread(session: &Session) -> Session {
    let again = Session::parse(session.to_string().as_bytes()).expect("what we print can be read");
    assert_eq!(&again, session);
    again
}

/// One exchange; returns offer and answer.
fn exchange(offerer: &mut Party, answerer: &mut Party) -> (Session, Session) {
    let offer = offerer.offer();
    let answer = answerer.answer(&offer);
    offerer.accept(&answer);
    assert_mirrored(offerer, answerer);
    (offer, answer)
}

/// Both ends must have come to the same conclusion.
fn assert_mirrored(one: &Party, other: &Party) {
    let (one, other) = (one.negotiation.agreement(), other.negotiation.agreement());
    assert_eq!(one.streams.len(), other.streams.len());
    for (a, b) in one.streams.iter().zip(&other.streams) {
        let (Some(a), Some(b)) = (a, b) else {
            assert!(a.is_none() && b.is_none());
            continue;
        };
        assert_eq!(a.codecs.len(), b.codecs.len());
        for (a, b) in a.codecs.iter().zip(&b.codecs) {
            assert_eq!((&a.local, &a.remote), (&b.remote, &b.local));
        }
        assert!(!a.direction.sends() || b.direction.receives());
        assert!(!b.direction.sends() || a.direction.receives());
    }
}

/// What RFC 3264 section 6 wants of every answer.
fn check_answer(offer: &Session, answer: &Session) {
    assert_eq!(offer.media.len(), answer.media.len());
    assert_eq!(offer.times, answer.times);
    for (offered, answered) in offer.streams().zip(answer.streams()) {
        assert_eq!(offered.kind, answered.kind);
        assert_eq!(offered.protocol, answered.protocol);
        assert!(!answered.formats.is_empty());
        if offered.is_rejected() || answered.is_rejected() {
            assert!(answered.is_rejected());
            continue;
        }
        assert!(answered.formats.iter().all(|format| offered.formats.contains(format)));
        let allowed = offered.direction().reversed();
        assert_eq!(answered.direction().and(allowed), answered.direction());
    }
}

/// The short form of every stream: kind, port, formats, and the direction when it is not `sendrecv`.
fn shape(session: &Session) -> Vec<String> {
    let one = |stream: MediaView<'_>| {
        let formats: Vec<&str> = stream.formats.iter().map(Token::as_str).collect();
        let direction = match stream.direction() {
            Direction::SendRecv => String::new(),
            other => format!(" {other}"),
        };
        format!("{} {} {}{direction}", stream.kind, stream.port, formats.join(" "))
    };
    session.streams().map(one).collect()
}

fn version(session: &Session) -> u64 {
    session.origin.version.value().expect("a version of ours")
}

/// A description of the peer from its short form.
fn written(version: u64, address: &str, streams: &[&str]) -> Session {
    let mut text = format!("v=0\r\no=- 7 {version} IN IP4 peer.example.com\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n");
    for stream in streams {
        let mut words: Vec<&str> = stream.split(' ').collect();
        let direction = words.pop_if(|word| Direction::from_name(word).is_some());
        let numbers: Vec<u8> = words.iter().skip(2).map(|number| number.parse().unwrap()).collect();
        text += &format!("m={} {} RTP/AVP {}\r\n", words[0], words[1], words[2..].join(" "));
        for codec in codecs(&numbers) {
            text += &format!("a={}\r\n", codec.rtpmap());
        }
        text += &direction.map(|direction| format!("a={direction}\r\n")).unwrap_or_default();
    }
    Session::parse(text.as_bytes()).unwrap()
}

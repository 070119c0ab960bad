//! The system's resolver against a name server that fails in every way, octet by octet.

#![cfg(feature = "dns")]
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use net::{Names, Resolve, SystemResolver};
use sip::locate::{Found, Naptr, Query, Record, Srv};

/// How long the resolver has.
const LONGEST: Duration = Duration::from_secs(2);

const A: u16 = 1;
const CNAME: u16 = 5;
const SRV: u16 = 33;
const NAPTR: u16 = 35;

/// A record: name, type, time to live, data.
type Data = (String, u16, u32, Vec<u8>);

/// What a name server says to a question about a name.
enum Says {
    Nothing,
    Garbage,
    Code(u8),
    Truncated,
    Records(Vec<Data>),
    /// So many records, as they stand behind the question.
    Octets(u16, Vec<u8>),
    /// What it says by the type of the records that are asked for.
    To(fn(u16) -> Says),
}

/// Asked with a name and whether it was over TCP.
type Script = fn(&str, bool) -> Says;

/// A name server on a free port, which counts its questions.
fn server(script: impl Fn(&str, bool) -> Says + Copy + Send + 'static, tcp: bool) -> (SocketAddr, Arc<AtomicUsize>) {
    let (listener, socket) = (0..64)
        .find_map(|_| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let socket = UdpSocket::bind(listener.local_addr().unwrap()).ok()?;
            Some((listener, socket))
        })
        .unwrap();
    let address = socket.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            counted.fetch_add(1, Ordering::Relaxed);
            if let Some(answer) = answer(&buffer[..length], script, false) {
                socket.send_to(&answer, from).unwrap();
            }
        }
    });
    if tcp {
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let mut length = [0; 2];
                while stream.read_exact(&mut length).is_ok() {
                    let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
                    stream.read_exact(&mut question).unwrap();
                    let Some(answer) = answer(&question, script, true) else { break };
                    let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                    stream.write_all(&[&length[..], &answer].concat()).unwrap();
                }
            }
        });
    }
    (address, count)
}

/// The answer to a question (RFC 1035 section 4.1).
fn answer(question: &[u8], script: impl Fn(&str, bool) -> Says, tcp: bool) -> Option<Vec<u8>> {
    let mut at = 12;
    let mut labels = Vec::new();
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        labels.push(String::from_utf8(question[at + 1..end].to_vec()).unwrap().to_lowercase());
        at = end;
    }
    let says = match script(&labels.join("."), tcp) {
        Says::To(kind) => kind(u16::from_be_bytes([question[at + 1], question[at + 2]])),
        says => says,
    };
    let (truncated, code, count, records) = match says {
        Says::Nothing | Says::To(_) => return None,
        Says::Garbage => return Some([&question[..2], &[0xff; 40]].concat()),
        Says::Code(code) => (false, code, 0, Vec::new()),
        Says::Truncated => (true, 0, 0, Vec::new()),
        Says::Records(records) => {
            let octets = records.iter().flat_map(|(owner, kind, ttl, data)| record(&name(owner), *kind, *ttl, data));
            (false, 0, u16::try_from(records.len()).unwrap(), octets.collect())
        }
        Says::Octets(count, records) => (false, 0, count, records),
    };
    let mut bytes = question[..2].to_vec();
    bytes.extend([0x81 | u8::from(truncated) << 1, 0x80 | code, 0, 1]);
    bytes.extend(count.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(&question[12..at + 5]);
    bytes.extend(records);
    Some(bytes)
}

/// A record of who is named by these octets.
fn record(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [owner, &kind.to_be_bytes(), &[0, 1], &ttl.to_be_bytes(), &length, data].concat()
}

fn name(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn srv(priority: u16, port: u16, target: &str) -> Vec<u8> {
    [&priority.to_be_bytes()[..], &[0, 7], &port.to_be_bytes(), &name(target)].concat()
}

fn alias(of: &str, to: &str) -> Says {
    Says::Records(vec![(of.to_owned(), CNAME, 60, name(to))])
}

/// What the resolver makes of it, how long that took, and how many datagrams it sent.
fn ask(
    query: &Query,
    script: impl Fn(&str, bool) -> Says + Copy + Send + 'static,
    tcp: bool,
) -> (Found, Duration, usize) {
    let (address, count) = server(script, tcp);
    let (found, took) = ask_at(address, query);
    (found, took, count.load(Ordering::Relaxed))
}

fn ask_at(address: SocketAddr, query: &Query) -> (Found, Duration) {
    ask_in_turn(address, [query]).remove(0)
}

/// The same for several questions to one resolver.
fn ask_in_turn<const N: usize>(address: SocketAddr, queries: [&Query; N]) -> Vec<(Found, Duration)> {
    let names = Names { servers: vec![address], timeout: LONGEST };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let resolver = SystemResolver::new(&names).unwrap();
    let look_up = |query| {
        let begun = Instant::now();
        (runtime.block_on(async { resolver.look_up(query).await }), begun.elapsed())
    };
    queries.into_iter().map(look_up).collect()
}

fn servers() -> Query {
    Query::Srv("_sip._udp.e.test.".into())
}

/// What the name server knows of [`servers`], and what somebody else would like to have believed.
const TRUE: Script = |owner, _| Says::Records(vec![(owner.into(), SRV, 60, srv(3, 5070, "a.e.test"))]);
const FORGED: Script = |_, _| Says::Records(vec![("_sip._udp.e.test".into(), SRV, 60, srv(0, 9, "forged.test"))]);

/// That answer to a question for [`servers`], each wrong in one thing: an octet of the id, the name, the type or the class that was asked for, all of the
/// question, or that there is nothing at all.
fn forgeries(question: &[u8]) -> Vec<Vec<u8>> {
    let whole = answer(question, FORGED, false).unwrap();
    let ids = (0..16).map(|bit| {
        let mut forged = whole.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        forged
    });
    let asked = |at: usize, octet: u8| {
        let mut question = question.to_vec();
        question[at] = octet;
        answer(&question, FORGED, false).unwrap()
    };
    // The question begins behind twelve octets: a name of 18, type and class.
    let questions = [asked(14, b'x'), asked(31, 16), asked(33, 3)];
    let none = [&whole[..4], &[0, 0], &whole[6..12], &whole[34..]].concat();
    ids.chain(questions).chain([none, Vec::new(), vec![0]]).collect()
}

/// A name server whose answers come late, if at all: those of others come first, from another port, another address, and from its own, wrong in one thing.
fn beset(knows: bool) -> SocketAddr {
    let (socket, others) = (0..64)
        .find_map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let port = socket.local_addr().unwrap().port();
            Some((socket, [UdpSocket::bind(("127.0.0.2", port)).ok()?, UdpSocket::bind("127.0.0.1:0").unwrap()]))
        })
        .unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let question = &buffer[..length];
            for other in &others {
                other.send_to(&answer(question, FORGED, false).unwrap(), from).unwrap();
            }
            let own = if knows { answer(question, TRUE, false) } else { None };
            for message in forgeries(question).into_iter().chain(own) {
                socket.send_to(&message, from).unwrap();
            }
        }
    });
    address
}

#[test]
fn cve_forged_answers_of_the_wrong_id_source_or_question_change_nothing() {
    let target = |found: &Found| match found {
        Found::Records(records, _) => match &records[..] {
            [Record::Srv(srv)] => srv.target.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let (found, took) = ask_at(beset(true), &servers());
    assert_eq!(target(&found), "a.e.test.");
    assert!(took < LONGEST, "{took:?}");
    let (found, took) = ask_at(beset(false), &servers());
    assert!(matches!(found, Found::Failed(_)), "{found:?}");
    assert!(took < LONGEST * 2, "{took:?}");
    // The control: right in all of that it would be believed.
    let (found, ..) = ask(&servers(), FORGED, false);
    assert_eq!(target(&found), "forged.test.");
}

#[test]
fn rfc1035_7_3_what_an_answer_says_of_other_names_is_not_taken() {
    let own = [Record::Address("192.0.2.1".parse().unwrap())];
    for script in [
        (|_, _| {
            let address = |owner: &str, last| (owner.to_owned(), A, 60, vec![192, 0, 2, last]);
            Says::Records(vec![address("b.test", 66), address("a.test", 1), address("c.test", 67)])
        }) as Script,
        |_, _| {
            let address = |owner: &str, last| (owner.to_owned(), A, 60, vec![192, 0, 2, last]);
            let alias = |owner: &str, to: &str| (owner.to_owned(), CNAME, 60, name(to));
            let aliases = [alias("a.test", "b.test"), alias("x.test", "y.test")];
            Says::Records([&aliases[..], &[address("b.test", 1), address("y.test", 66)]].concat())
        },
    ] {
        let (found, ..) = ask(&Query::Addresses("a.test".into()), script, false);
        assert!(matches!(&found, Found::Records(records, _) if records == &own), "{found:?}");
    }
}

#[test]
fn rfc2782_and_3403_records_come_as_they_were_written_with_their_time() {
    let (found, ..) =
        ask(&servers(), |owner, _| Says::Records(vec![(owner.into(), SRV, 60, srv(3, 5070, "a.e.test"))]), false);
    let Found::Records(records, ttl) = found else { panic!("{found:?}") };
    assert_eq!(records, [Record::Srv(Srv { priority: 3, weight: 7, port: 5070, target: "a.e.test.".into() })]);
    assert!(ttl <= Duration::from_secs(60) && ttl > Duration::from_secs(50), "{ttl:?}");
    let (found, ..) = ask(
        &Query::Naptr("e.test.".into()),
        |owner, _| {
            let data = [&[0, 10, 0, 20, 1, b's', 7][..], b"SIP+D2U", &[0], &name("_sip._udp.e.test")].concat();
            Says::Records(vec![(owner.into(), NAPTR, 60, data)])
        },
        false,
    );
    let naptr = Naptr {
        order: 10,
        preference: 20,
        flags: "s".into(),
        services: "SIP+D2U".into(),
        regexp: String::new(),
        replacement: "_sip._udp.e.test.".into(),
    };
    assert!(matches!(&found, Found::Records(records, _) if records == &[Record::Naptr(naptr)]), "{found:?}");
}

#[test]
fn rfc1035_4_1_1_name_servers_that_fail_and_names_that_are_not_there_are_told_apart() {
    for (what, script) in [
        ("SERVFAIL", (|_, _| Says::Code(2)) as Script),
        ("REFUSED", |_, _| Says::Code(5)),
        ("silence", |_, _| Says::Nothing),
        ("garbage", |_, _| Says::Garbage),
    ] {
        for query in [servers(), Query::Addresses("e.test".into())] {
            let (found, took, count) = ask(&query, script, true);
            assert!(matches!(&found, Found::Failed(why) if !why.is_empty()), "{what}: {found:?}");
            assert!(took < LONGEST * 2 && (1..30).contains(&count), "{what}: {took:?}, {count} questions");
        }
    }
    for script in [(|_, _| Says::Code(3)) as Script, |_, _| Says::Records(Vec::new())] {
        let (found, ..) = ask(&servers(), script, true);
        assert_eq!(found, Found::None(Duration::ZERO), "no SOA record says how long that holds");
    }
}

#[test]
fn rfc1035_4_2_1_a_truncated_answer_is_asked_for_by_tcp_and_may_have_a_thousand_records() {
    let script: Script = |owner, tcp| match tcp {
        false => Says::Truncated,
        true => Says::Records((0..1_000).map(|n| (owner.into(), SRV, 60, srv(n, n, "a.e.test"))).collect()),
    };
    let (found, ..) = ask(&servers(), script, true);
    let Found::Records(records, ttl) = found else { panic!("{found:?}") };
    assert_eq!(records.len(), 1_000);
    // Whoever asks takes the best of them.
    let Found::Records(records, _) = Found::Records(records, ttl).limited() else { panic!("records") };
    assert_eq!(records.len(), sip::locate::MOST_RECORDS);
    assert!(matches!(records.last(), Some(Record::Srv(srv)) if srv.priority == 63));
    // The control: nobody to ask by TCP, so nothing is known.
    let (found, took, _) = ask(&servers(), |_, _| Says::Truncated, false);
    assert!(!matches!(found, Found::Records(..)), "{found:?}");
    assert!(took < LONGEST * 2, "{took:?}");
}

#[test]
fn rfc1034_3_6_2_aliases_are_followed_and_those_that_go_round_end() {
    let host = Query::Addresses("a.test".into());
    let (found, ..) = ask(
        &host,
        |owner, _| match owner {
            "a.test" => alias("a.test", "b.test"),
            _ => Says::Records(vec![("b.test".into(), A, 60, vec![192, 0, 2, 1])]),
        },
        false,
    );
    assert!(matches!(&found, Found::Records(records, _) if records.len() == 1), "{found:?}");
    for script in [
        (|owner, _| alias(owner, if owner == "a.test" { "b.test" } else { "a.test" })) as Script,
        |owner, _| alias(owner, owner),
        |owner, _| alias(owner, &format!("x{owner}")),
    ] {
        let (found, took, count) = ask(&host, script, false);
        assert!(!matches!(found, Found::Records(..)), "{found:?}");
        assert!(took < LONGEST * 2 && count < 40, "{took:?}, {count} questions");
    }
}

/// A name of a service and the one that it is an alias of.
const SERVICE: [&str; 2] = ["_sip._udp.e.test", "_sip._udp.p.test"];

fn behind() -> Data {
    (SERVICE[1].into(), SRV, 60, srv(3, 5070, "a.p.test"))
}

#[test]
fn rfc1034_3_6_2_the_servers_of_a_service_behind_an_alias_are_found() {
    // In one answer, and in two.
    for script in [
        (|owner, _| match owner {
            "a.p.test" => Says::Records(Vec::new()),
            owner if owner == SERVICE[0] => Says::Records(vec![(owner.into(), CNAME, 30, name(SERVICE[1])), behind()]),
            _ => Says::Records(vec![behind()]),
        }) as Script,
        |owner, _| match owner {
            "a.p.test" => Says::Records(Vec::new()),
            owner if owner == SERVICE[0] => Says::Records(vec![(owner.into(), CNAME, 30, name(SERVICE[1]))]),
            _ => Says::Records(vec![behind()]),
        },
    ] {
        let (found, took, count) = ask(&servers(), script, false);
        let right = Srv { priority: 3, weight: 7, port: 5070, target: "a.p.test.".into() };
        let Found::Records(records, ttl) = &found else { panic!("{found:?}") };
        assert_eq!(records, &[Record::Srv(right)]);
        assert!(*ttl <= Duration::from_secs(30), "as long as the alias: {ttl:?}");
        assert!(took < LONGEST * 2 && count < 10, "{took:?}, {count} questions");
    }
    // A service that is not there costs no question more.
    let (found, _, count) = ask(&servers(), |_, _| Says::Records(Vec::new()), false);
    assert!(matches!(found, Found::None(_)), "{found:?}");
    assert_eq!(count, 1);
    // Nor do aliases that go round go on for ever.
    for script in
        [(|owner, _| alias(owner, if owner == SERVICE[0] { SERVICE[1] } else { SERVICE[0] })) as Script, |owner, _| {
            alias(owner, &format!("x.{owner}"))
        }]
    {
        let (found, took, count) = ask(&servers(), script, false);
        assert!(!matches!(found, Found::Records(..)), "{found:?}");
        assert!(took < LONGEST * 2 && count < 60, "{took:?}, {count} questions");
    }
}

#[test]
fn rfc1034_4_3_2_a_service_is_not_known_to_be_missing_while_nobody_says_whether_it_has_an_alias() {
    for (what, script) in [
        (
            "of the service",
            (|owner, _| match owner {
                "a.p.test" => Says::Records(Vec::new()),
                owner if owner == SERVICE[0] => Says::To(|kind| match kind {
                    CNAME => Says::Code(2),
                    _ => Says::Records(vec![(SERVICE[0].into(), CNAME, 30, name(SERVICE[1])), behind()]),
                }),
                _ => Says::Records(vec![behind()]),
            }) as Script,
        ),
        ("of what it is an alias of", |owner, _| match owner {
            "a.p.test" => Says::Records(Vec::new()),
            owner if owner == SERVICE[0] => Says::Records(vec![(owner.into(), CNAME, 30, name(SERVICE[1])), behind()]),
            _ => Says::To(|kind| match kind {
                CNAME => Says::Nothing,
                _ => Says::Records(vec![behind()]),
            }),
        }),
    ] {
        let (found, took, count) = ask(&servers(), script, true);
        assert!(matches!(&found, Found::Failed(why) if !why.is_empty()), "{what}: {found:?}");
        assert!(took < LONGEST * 2 && count < 30, "{what}: {took:?}, {count} questions");
    }
}

/// A pointer to this place of a message (RFC 1035 section 4.1.4).
fn pointer(to: u16) -> Vec<u8> {
    (0xc000 | to).to_be_bytes().to_vec()
}

/// A name of so many octets, in labels of 63.
fn long(octets: usize) -> Vec<u8> {
    let (mut name, mut left) = (Vec::new(), octets - 1);
    while left > 0 {
        let label = left.min(64) - 1;
        name.push(u8::try_from(label).unwrap());
        name.extend(vec![b'x'; label]);
        left -= label + 1;
    }
    name.push(0);
    name
}

/// The octets of a name that stands at this place of a message.
type Named = fn(u16) -> Vec<u8>;

/// Such that are none (RFC 1035 sections 2.3.4 and 4.1.4).
const NONE: [(&str, Named); 8] = [
    ("a pointer to itself", pointer),
    ("a label and a pointer to it", |at| [&[1, b'x'][..], &pointer(at)].concat()),
    ("a pointer past the end", |_| pointer(0x3fff)),
    ("a pointer to what comes behind it", |at| pointer(at + 2)),
    ("a label of 64 octets", |_| [&[64][..], &[b'x'; 64], &[0]].concat()),
    ("256 octets", |_| long(256)),
    ("900 octets", |_| long(900)),
    ("a label that goes on behind the end", |_| vec![63, b'x']),
];

/// Where a name stands: the question, the kind of the record, and what of its data comes before the name, unless it is that of its owner.
type Place = (fn() -> Query, u16, Option<&'static [u8]>);

const SRV_BEFORE: &[u8] = &[0, 3, 0, 7, 0x13, 0xce];
const PLACES: [Place; 4] = [
    (|| Query::Addresses("a.test".into()), A, None),
    (|| Query::Addresses("a.test".into()), CNAME, Some(b"")),
    (servers, SRV, Some(SRV_BEFORE)),
    (|| Query::Naptr("e.test.".into()), NAPTR, Some(b"\0\x0a\0\x14\x01s\x07SIP+D2U\0")),
];

/// Behind twelve octets the question: name, type and class.
fn behind_question(owner: &str) -> u16 {
    u16::try_from(12 + name(owner).len() + 4).unwrap()
}

/// An answer of one record with such a name.
fn holding(owner: &str, kind: u16, before: Option<&[u8]>, named: Named) -> Says {
    let start = behind_question(owner);
    let record = match before {
        None => record(&named(start), kind, 60, &[192, 0, 2, 66]),
        // Its owner is a pointer to the question: twelve octets come before the data.
        Some(before) => {
            let at = start + 12 + u16::try_from(before.len()).unwrap();
            record(&pointer(12), kind, 60, &[before, &named(at)].concat())
        }
    };
    Says::Octets(1, record)
}

/// Asks what has this answer, and then the same resolver for another host.
fn fails_and_others_are_found(what: &str, query: &Query, script: impl Fn(&str) -> Says + Copy + Send + 'static) {
    let (address, count) = server(
        move |owner, _| match owner {
            "good.test" => Says::Records(vec![("good.test".into(), A, 60, vec![192, 0, 2, 1])]),
            _ => script(owner),
        },
        true,
    );
    let found = ask_in_turn(address, [query, &Query::Addresses("good.test".into())]);
    let [(bad, took), (good, _)] = &found[..] else { panic!("{found:?}") };
    let count = count.load(Ordering::Relaxed);
    assert!(matches!(bad, Found::Failed(why) if !why.is_empty()), "{what}: {bad:?}");
    assert!(*took < LONGEST * 2 && count < 30, "{what}: {took:?}, {count} questions");
    assert!(matches!(good, Found::Records(records, _) if records.len() == 1), "{what}: {good:?}");
}

#[test]
fn cve_dns_names_that_go_round_or_past_the_end_or_are_too_long_fail_in_time() {
    thread::scope(|scope| {
        for (what, named) in NONE {
            for (query, kind, before) in PLACES {
                scope.spawn(move || {
                    let what = format!("{what} in a record of type {kind}");
                    fails_and_others_are_found(&what, &query(), move |owner| holding(owner, kind, before, named));
                });
            }
        }
    });
    // The data of the first record begin twelve octets behind it, and fourteen further those of the second.
    fails_and_others_are_found("two pointers to each other", &Query::Addresses("a.test".into()), |owner| {
        let first = behind_question(owner) + 12;
        let records = [pointer(first + 14), pointer(first)].map(|data| record(&pointer(12), CNAME, 60, &data));
        Says::Octets(2, records.concat())
    });
    // The controls: what points at the question, and the longest name that there is.
    for named in [(|_| pointer(12)) as Named, |_| long(255)] {
        let (found, ..) = ask(&servers(), move |owner, _| holding(owner, SRV, Some(SRV_BEFORE), named), true);
        assert!(matches!(&found, Found::Records(records, _) if matches!(records[..], [Record::Srv(_)])), "{found:?}");
    }
}

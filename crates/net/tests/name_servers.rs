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
}

/// Asked with a name and whether it was over TCP.
type Script = fn(&str, bool) -> Says;

/// A name server on a free port, which counts its questions.
fn server(script: Script, tcp: bool) -> (SocketAddr, Arc<AtomicUsize>) {
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
fn answer(question: &[u8], script: Script, tcp: bool) -> Option<Vec<u8>> {
    let mut at = 12;
    let mut labels = Vec::new();
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        labels.push(String::from_utf8(question[at + 1..end].to_vec()).unwrap().to_lowercase());
        at = end;
    }
    let (truncated, code, records) = match script(&labels.join("."), tcp) {
        Says::Nothing => return None,
        Says::Garbage => return Some([&question[..2], &[0xff; 40]].concat()),
        Says::Code(code) => (false, code, Vec::new()),
        Says::Truncated => (true, 0, Vec::new()),
        Says::Records(records) => (false, 0, records),
    };
    let mut bytes = question[..2].to_vec();
    bytes.extend([0x81 | u8::from(truncated) << 1, 0x80 | code, 0, 1]);
    bytes.extend(u16::try_from(records.len()).unwrap().to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(&question[12..at + 5]);
    for (owner, kind, ttl, data) in records {
        bytes.extend(name(&owner));
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1]);
        bytes.extend(ttl.to_be_bytes());
        bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(data);
    }
    Some(bytes)
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
fn ask(query: &Query, script: Script, tcp: bool) -> (Found, Duration, usize) {
    let (address, count) = server(script, tcp);
    let names = Names { servers: vec![address], timeout: LONGEST };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = Instant::now();
    let found = runtime.block_on(async { SystemResolver::new(&names).unwrap().look_up(query).await });
    (found, begun.elapsed(), count.load(Ordering::Relaxed))
}

fn servers() -> Query {
    Query::Srv("_sip._udp.e.test.".into())
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

//! The rules of RFC 3263 section 4 with RFC 2782, against zones written down here.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::outbox::Transport::{Tcp, Tls, Udp, Ws, Wss};

const OURS: &[Transport] = &[Udp, Tcp, Tls];
const HOUR: Duration = Duration::from_secs(3_600);

/// A zone, and what was asked of it.
#[derive(Default)]
struct Zone {
    of: BTreeMap<Query, Found>,
    asked: Vec<Query>,
}

impl Zone {
    /// From lines such as `example.com NAPTR 10 50 s SIP+D2U _sip._udp.example.com`, `_sip._udp.example.com SRV 0 1 5060 a.example.com`,
    /// `a.example.com A 192.0.2.1`, `b.example.com FAILS`.
    fn new(text: &str) -> Self {
        let mut zone = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split(' ').collect();
            let (name, number) = (format!("{}.", words[0]), |at: usize| words[at].parse().expect("a number"));
            let (query, record) = match words[1] {
                "NAPTR" => (
                    Query::Naptr(name),
                    Record::Naptr(Naptr {
                        order: number(2),
                        preference: number(3),
                        flags: words[4].trim_matches('-').into(),
                        services: words[5].into(),
                        regexp: words.get(7).copied().unwrap_or_default().into(),
                        replacement: words[6].into(),
                    }),
                ),
                "SRV" => (Query::Srv(name), srv(number(2), number(3), number(4), words[5])),
                "A" => (Query::Addresses(name), Record::Address(words[2].parse().expect("an address"))),
                "ALIAS" => (Query::Addresses(name), Record::Alias(words[2].into())),
                "FAILS" => {
                    for query in [Query::Naptr(name.clone()), Query::Srv(name.clone()), Query::Addresses(name)] {
                        zone.of.insert(query, Found::Failed(words[2].into()));
                    }
                    continue;
                }
                other => panic!("{other}"),
            };
            match zone.of.entry(query).or_insert(Found::Records(Vec::new(), HOUR)) {
                Found::Records(records, _) => records.push(record),
                other => panic!("{other:?}"),
            }
        }
        zone
    }

    /// Answers until nothing is asked any more.
    fn serve(&mut self, locate: &mut Locate) -> Located {
        for _ in 0..100 {
            for query in locate.questions() {
                let complete = query.about(complete(query.name()));
                let found = self.of.get(&complete).cloned().unwrap_or(Found::None(HOUR));
                locate.answer(&query, found);
                self.asked.push(query);
            }
            if let Some(located) = locate.located() {
                return located.clone();
            }
        }
        panic!("it goes on for ever: {locate:?}");
    }

    fn locate(&mut self, wanted: Wanted) -> Located {
        self.serve(&mut Locate::new(wanted, OURS, 7))
    }

    fn names_asked(&self) -> Vec<&str> {
        self.asked.iter().map(Query::name).collect()
    }
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Record {
    Record::Srv(Srv { priority, weight, port, target: target.into() })
}

/// `[sip|sips] host [:port] [;transport]`, as in `sips example.com :5061 ;tcp`.
fn wanted(text: &str) -> Wanted {
    let mut wanted = Wanted { host: String::new(), port: None, transport: None, secure: false };
    for word in text.split(' ') {
        match (word, word.strip_prefix(':'), word.strip_prefix(';')) {
            ("sip", ..) => {}
            ("sips", ..) => wanted.secure = true,
            (_, Some(port), _) if !port.contains(':') => wanted.port = port.parse().ok(),
            (_, _, Some(name)) => {
                wanted.transport = [Udp, Tcp, Tls, Ws, Wss].into_iter().find(|t| t.as_str().eq_ignore_ascii_case(name));
            }
            _ => wanted.host = word.into(),
        }
    }
    wanted
}

fn targets(transport: Transport, addresses: &[&str]) -> Located {
    let target = |text: &&str| Target { transport, address: text.parse().expect("an address") };
    Located::Targets(addresses.iter().map(target).collect())
}

/// The domain of RFC 3263 section 4.1, with addresses.
const EXAMPLE: &str = "
    example.com NAPTR 50 50 s SIPS+D2T _sips._tcp.example.com
    example.com NAPTR 90 50 s SIP+D2T _sip._tcp.example.com
    example.com NAPTR 100 50 s SIP+D2U _sip._udp.example.com
    _sips._tcp.example.com SRV 0 1 5061 server1.example.com
    _sip._tcp.example.com SRV 0 1 5060 server1.example.com
    _sip._tcp.example.com SRV 1 2 5070 server2.example.com
    _sip._udp.example.com SRV 0 1 5080 server3.example.com
    server1.example.com A 192.0.2.1
    server2.example.com A 192.0.2.2
    server3.example.com A 192.0.2.3
    example.com A 192.0.2.80";

#[test]
fn rfc3263_4_1_numeric_hosts_take_udp_for_sip_and_tls_for_sips_and_ask_nobody() {
    for (uri, transport, address) in [
        ("sip 192.0.2.9", Udp, "192.0.2.9:5060"),
        ("sip 192.0.2.9 :5080", Udp, "192.0.2.9:5080"),
        ("sip 192.0.2.9 ;tcp", Tcp, "192.0.2.9:5060"),
        ("sip 192.0.2.9 ;tls", Tls, "192.0.2.9:5061"),
        ("sips 192.0.2.9", Tls, "192.0.2.9:5061"),
        ("sips 192.0.2.9 :7000 ;tcp", Tls, "192.0.2.9:7000"),
        ("sip 2001:db8::1", Udp, "[2001:db8::1]:5060"),
        ("sip [2001:db8::1] :6000", Udp, "[2001:db8::1]:6000"),
    ] {
        let mut zone = Zone::default();
        assert_eq!(zone.locate(wanted(uri)), targets(transport, &[address]), "{uri}");
        assert!(zone.asked.is_empty(), "{uri}");
        let target = wanted(uri).numeric(OURS).expect("a target").expect("an address");
        assert_eq!(targets(transport, &[address]), Located::Targets(vec![target]), "{uri}");
    }
    assert_eq!(wanted("sip 192.0.2.9").numeric(&[Tcp, Tls]).expect("a target").expect("an address").transport, Tcp);
    assert_eq!(wanted("sip 192.0.2.256").numeric(OURS), Ok(None), "a name after all");
}

#[test]
fn rfc3261_26_2_2_sips_over_udp_leads_nowhere() {
    for uri in ["sips 192.0.2.9 ;udp", "sips example.com ;udp"] {
        let mut zone = Zone::new(EXAMPLE);
        let located = zone.locate(wanted(uri));
        assert!(matches!(&located, Located::Failed(told) if told.contains("TLS")), "{uri}: {located:?}");
        assert!(zone.asked.is_empty(), "{uri}");
    }
}

#[test]
fn rfc7118_5_5_and_9_2_websockets_are_at_the_ports_of_the_web_and_secure_ones_where_sips_asks() {
    for (uri, transport, port) in [
        ("sip example.com ;ws", Ws, 80),
        ("sip example.com :8080 ;ws", Ws, 8080),
        ("sip example.com ;wss", Wss, 443),
        ("sips example.com ;ws", Wss, 443),
        ("sips example.com :8443 ;wss", Wss, 8443),
    ] {
        let mut zone = Zone::new(EXAMPLE);
        assert_eq!(zone.locate(wanted(uri)), targets(transport, &[&format!("192.0.2.80:{port}")]), "{uri}");
        assert_eq!(zone.asked, [Query::Addresses("example.com".into())], "{uri}");
    }
}

#[test]
fn rfc3263_4_1_naptr_gives_the_transport_that_the_domain_prefers_and_we_have() {
    for (ours, transport, address) in [
        (OURS, Tls, &["192.0.2.1:5061"][..]),
        (&[Udp, Tcp], Tcp, &["192.0.2.1:5060", "192.0.2.2:5070"]),
        (&[Udp], Udp, &["192.0.2.3:5080"]),
    ] {
        let mut zone = Zone::new(EXAMPLE);
        let located = zone.serve(&mut Locate::new(wanted("sip example.com"), ours, 1));
        assert_eq!(located, targets(transport, address), "{ours:?}");
    }
    // Preference counts within an order, and order before it.
    let mut zone = Zone::new(
        "e.com NAPTR 2 1 s SIP+D2U a.com\n e.com NAPTR 1 9 S SIP+D2U b.com\n e.com NAPTR 1 8 s sip+d2t c.com
         a.com SRV 0 0 1 h.com\n b.com SRV 0 0 2 h.com\n c.com SRV 0 0 3 h.com\n h.com A 192.0.2.1",
    );
    assert_eq!(zone.locate(wanted("sip e.com")), targets(Tcp, &["192.0.2.1:3"]));
}

#[test]
fn rfc3263_4_1_for_sips_all_services_but_sips_are_left_out() {
    let mut zone = Zone::new(EXAMPLE);
    assert_eq!(zone.locate(wanted("sips example.com")), targets(Tls, &["192.0.2.1:5061"]));
    assert!(!zone.names_asked().iter().any(|name| name.starts_with("_sip.")), "{:?}", zone.asked);
    // A domain without SIPS has no other way: not even its SRV records for SIP are asked for.
    let mut zone = Zone::new(&EXAMPLE.replace("SIPS+D2T", "SIP+D2S").replace("_sips._tcp.example.com SRV", "x SRV"));
    assert_eq!(zone.locate(wanted("sips example.com")), targets(Tls, &["192.0.2.80:5061"]));
    assert_eq!(zone.names_asked(), ["example.com.", "_sips._tcp.example.com.", "example.com"]);
}

#[test]
fn rfc3263_4_1_records_of_other_services_flags_and_with_a_regexp_are_left_out() {
    for odd in [
        "e.com NAPTR 1 1 s SIP+D2S a.com",
        "e.com NAPTR 1 1 s SIPS+D2U a.com",
        "e.com NAPTR 1 1 s E2U+sip a.com",
        "e.com NAPTR 1 1 u SIP+D2U a.com",
        "e.com NAPTR 1 1 - SIP+D2U e.com",
        "e.com NAPTR 1 1 s SIP+D2U a.com !^.*$!sip:x!",
        "e.com NAPTR 1 1 s SIP+D2U .",
    ] {
        let mut zone = Zone::new(&format!("{odd}\n a.com SRV 0 0 1 h.com\n h.com A 192.0.2.1\n e.com A 192.0.2.2"));
        assert_eq!(zone.locate(wanted("sip e.com")), targets(Udp, &["192.0.2.2:5060"]), "{odd}");
        assert_eq!(zone.asked.iter().filter(|query| matches!(query, Query::Naptr(_))).count(), 1, "{odd}");
        assert!(!zone.names_asked().contains(&"a.com."), "{odd}");
    }
}

#[test]
fn rfc3263_4_1_a_replacement_may_be_of_another_domain() {
    let mut zone = Zone::new(
        "school.edu NAPTR 1 1 s SIP+D2T _sip._tcp.host.com\n _sip._tcp.host.com SRV 0 0 5066 h.com\n h.com A 192.0.2.7",
    );
    assert_eq!(zone.locate(wanted("sip school.edu")), targets(Tcp, &["192.0.2.7:5066"]));
}

#[test]
fn rfc3263_4_1_without_naptr_srv_is_asked_for_each_transport_and_ours_decides() {
    let both = "_sip._udp.e.com SRV 0 0 5071 h.com\n _sip._tcp.e.com SRV 0 0 5072 h.com\n h.com A 192.0.2.1";
    assert_eq!(Zone::new(both).locate(wanted("sip e.com")), targets(Udp, &["192.0.2.1:5071"]));
    let mut tcp = Zone::new(&both.replace("_udp", "_sctp"));
    assert_eq!(tcp.locate(wanted("sip e.com")), targets(Tcp, &["192.0.2.1:5072"]));
    assert_eq!(tcp.names_asked(), ["e.com.", "_sip._udp.e.com.", "_sip._tcp.e.com.", "h.com."]);
    let mut none = Zone::new("e.com A 192.0.2.1");
    assert_eq!(none.locate(wanted("sip e.com")), targets(Udp, &["192.0.2.1:5060"]));
    assert_eq!(Zone::new("").locate(wanted("sip e.com")), Located::NoSuchHost);
}

#[test]
fn rfc3263_4_2_with_a_port_only_addresses_are_asked_for() {
    for (uri, transport, address) in [
        ("sip example.com :5060", Udp, "192.0.2.80:5060"),
        ("sip example.com :9 ;tcp", Tcp, "192.0.2.80:9"),
        ("sips example.com :9", Tls, "192.0.2.80:9"),
    ] {
        let mut zone = Zone::new(EXAMPLE);
        assert_eq!(zone.locate(wanted(uri)), targets(transport, &[address]), "{uri}");
        assert_eq!(zone.asked, [Query::Addresses("example.com".into())], "{uri}");
    }
}

#[test]
fn rfc3263_4_2_a_transport_that_was_given_is_asked_for_without_naptr() {
    for (uri, name, located) in [
        ("sip example.com ;udp", "_sip._udp.example.com.", targets(Udp, &["192.0.2.3:5080"])),
        ("sip example.com ;tcp", "_sip._tcp.example.com.", targets(Tcp, &["192.0.2.1:5060", "192.0.2.2:5070"])),
        ("sip example.com ;tls", "_sips._tcp.example.com.", targets(Tls, &["192.0.2.1:5061"])),
        ("sips example.com ;tcp", "_sips._tcp.example.com.", targets(Tls, &["192.0.2.1:5061"])),
    ] {
        let mut zone = Zone::new(EXAMPLE);
        assert_eq!(zone.locate(wanted(uri)), located, "{uri}");
        assert_eq!(zone.names_asked()[0], name, "{uri}");
    }
    let mut without = Zone::new("e.com A 192.0.2.1");
    assert_eq!(without.locate(wanted("sip e.com ;tls")), targets(Tls, &["192.0.2.1:5061"]));
}

#[test]
fn rfc3263_4_2_a_host_of_one_label_is_looked_up_as_a_host() {
    let mut zone = Zone::new("pbx A 192.0.2.1");
    assert_eq!(zone.locate(wanted("sip pbx")), targets(Udp, &["192.0.2.1:5060"]));
    assert_eq!(zone.asked, [Query::Addresses("pbx".into())]);
}

#[test]
fn rfc2782_usage_servers_go_by_priority_and_each_has_all_its_addresses() {
    let mut zone = Zone::new(
        "_sip._udp.e.com SRV 20 0 5062 b.com\n _sip._udp.e.com SRV 10 0 5061 a.com\n _sip._udp.e.com SRV 30 0 5063 c.com
         a.com A 192.0.2.1\n a.com A 2001:db8::1\n b.com A 192.0.2.2\n c.com A 192.0.2.3",
    );
    let expected = ["192.0.2.1:5061", "[2001:db8::1]:5061", "192.0.2.2:5062", "192.0.2.3:5063"];
    assert_eq!(zone.locate(wanted("sip e.com")), targets(Udp, &expected));
    // A server without addresses is passed over; where none has any there is nobody.
    let mut zone = Zone::new("_sip._udp.e.com SRV 1 0 1 a.com\n _sip._udp.e.com SRV 2 0 2 b.com\n b.com A 192.0.2.2");
    assert_eq!(zone.locate(wanted("sip e.com")), targets(Udp, &["192.0.2.2:2"]));
    let mut zone = Zone::new("_sip._udp.e.com SRV 1 0 1 a.com\n e.com A 192.0.2.2");
    assert_eq!(zone.locate(wanted("sip e.com")), Located::NoSuchHost);
}

#[test]
fn rfc2782_usage_a_target_of_the_root_says_that_there_is_no_such_service() {
    let located = Zone::new("_sip._udp.e.com SRV 0 0 0 .\n e.com A 192.0.2.1").locate(wanted("sip e.com ;udp"));
    assert!(matches!(&located, Located::Failed(why) if why.contains("no SIP service over UDP")), "{located:?}");
    // Another transport still serves.
    let mut zone = Zone::new("_sip._udp.e.com SRV 0 0 0 .\n _sip._tcp.e.com SRV 0 0 5 h.com\n h.com A 192.0.2.1");
    assert_eq!(zone.locate(wanted("sip e.com")), targets(Tcp, &["192.0.2.1:5"]));
    // UDP, of which nothing is said, is what it would have been without any record.
    let mut zone = Zone::new("_sip._tcp.e.com SRV 0 0 0 .\n e.com A 192.0.2.1");
    assert_eq!(zone.locate(wanted("sip e.com")), targets(Udp, &["192.0.2.1:5060"]));
    // Who wants a transport that was refused gets none.
    let located = Zone::new("_sip._tcp.e.com SRV 0 0 0 .\n e.com A 192.0.2.1").locate(wanted("sip e.com ;tcp"));
    assert!(matches!(&located, Located::Failed(why) if why.contains("no SIP service over TCP")), "{located:?}");
    let both = "_sip._udp.e.com SRV 0 0 0 .\n _sip._tcp.e.com SRV 0 0 0 .\n e.com A 192.0.2.1";
    assert!(matches!(Zone::new(both).locate(wanted("sip e.com")), Located::Failed(_)));
}

/// How often each server comes first in so many lots.
fn firsts(records: &[Record], lots: u64) -> BTreeMap<u16, u64> {
    let records: Vec<Srv> = records
        .iter()
        .map(|record| match record {
            Record::Srv(srv) => srv.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    let mut firsts = BTreeMap::new();
    for lot in 0..lots {
        let ordered = order::servers(records.clone(), 8, &mut Rng::new((lot, 3263)));
        assert_eq!(ordered.len(), records.len());
        *firsts.entry(ordered[0].port).or_default() += 1;
    }
    firsts
}

#[test]
fn rfc2782_weight_each_comes_first_as_often_as_its_weight_says() {
    let records = [srv(1, 60, 1, "a"), srv(1, 20, 2, "b"), srv(1, 20, 3, "c"), srv(2, 1_000, 4, "d")];
    let firsts = firsts(&records, 20_000);
    // Of 0 to 100, both included, 61 draws fall to the first or to nobody before it: 20 for each of the others, and one more for who stands first.
    for (port, least, most) in [(1, 11_500, 12_400), (2, 3_800, 4_400), (3, 3_600, 4_200)] {
        let times = firsts[&port];
        assert!((least..=most).contains(&times), "{port}: {times} of 20000");
    }
    assert!(!firsts.contains_key(&4), "a later priority never comes first");
}

#[test]
fn rfc2782_weight_zero_is_rarely_first_beside_others_and_by_turns_among_its_like() {
    let rare = firsts(&[srv(0, 0, 1, "a"), srv(0, 99, 2, "b")], 20_000);
    let times = rare.get(&1).copied().unwrap_or(0);
    assert!((100..=320).contains(&times), "1 of 100 draws: {times} of 20000");
    let only = firsts(&[srv(0, 0, 1, "a"), srv(0, 0, 2, "b")], 1_000);
    assert_eq!(only.values().sum::<u64>(), 1_000);
}

#[test]
fn rfc3263_4_4_the_same_lot_gives_the_same_order_however_the_records_came() {
    let mut records: Vec<Srv> =
        (0..20_u16).map(|n| Srv { priority: n % 3, weight: n % 5, port: n, target: format!("h{n}") }).collect();
    let mut seen = std::collections::BTreeSet::new();
    for lot in 0..50 {
        let first = order::servers(records.clone(), 20, &mut Rng::new((lot, 1)));
        records.reverse();
        assert_eq!(order::servers(records.clone(), 20, &mut Rng::new((lot, 1))), first);
        records.rotate_left(7);
        assert!(first.is_sorted_by_key(|srv| srv.priority));
        seen.insert(first.iter().map(|srv| srv.port).collect::<Vec<_>>());
    }
    assert!(seen.len() > 25, "other lots give other orders: {}", seen.len());
}

#[test]
fn rfc3263_4_4_addresses_come_in_the_order_of_the_lot_however_name_servers_turn_them() {
    let addresses = ["A 192.0.2.1", "A 192.0.2.2", "A 192.0.2.3", "A 2001:db8::1", "A 2001:db8::2"];
    let by_lot = |lot: u64, turned: usize| {
        let mut addresses = addresses;
        addresses.rotate_left(turned);
        let mut zone = Zone::new(&addresses.map(|address| format!("e.com {address}")).join("\n"));
        match zone.serve(&mut Locate::new(wanted("sip e.com ;udp"), OURS, lot).steady()) {
            Located::Targets(targets) => targets.iter().map(|target| target.address.ip()).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    let mut firsts = std::collections::BTreeSet::new();
    for lot in 0..20 {
        let first = by_lot(lot, 0);
        assert!(first.len() == 5 && first.iter().take(3).all(std::net::IpAddr::is_ipv4), "{first:?}");
        (1..5).for_each(|turned| assert_eq!(by_lot(lot, turned), first, "lot {lot}, turned by {turned}"));
        firsts.insert(first[0]);
    }
    assert_eq!(firsts.len(), 3, "each has its lots");
}

#[test]
fn dns_that_fails_is_told_unless_something_else_leads_on() {
    // A name server that knows no NAPTR and no SRV: the host itself (RFC 2782, "Usage rules").
    let mut zone = Zone::new("_sip._udp.e.com FAILS SERVFAIL\n _sip._tcp.e.com FAILS SERVFAIL\n e.com A 192.0.2.1");
    zone.of.insert(Query::Naptr("e.com.".into()), Found::Failed("SERVFAIL".into()));
    assert_eq!(zone.locate(wanted("sip e.com")), targets(Udp, &["192.0.2.1:5060"]));
    // Without anything else what failed first is told, and not that there is no such host.
    zone.of.remove(&Query::Addresses("e.com.".into()));
    assert_eq!(zone.locate(wanted("sip e.com")), Located::Failed("SERVFAIL".into()));
    // One server that cannot be looked up leaves the others.
    let mut zone = Zone::new(
        "_sip._udp.e.com SRV 0 0 1 a.com\n _sip._udp.e.com SRV 1 0 2 b.com\n a.com FAILS SERVFAIL\n b.com A 192.0.2.2",
    );
    assert_eq!(zone.locate(wanted("sip e.com")), targets(Udp, &["192.0.2.2:2"]));
}

#[test]
fn dns_that_says_nothing_is_given_up_stage_by_stage() {
    let mut locate = Locate::new(wanted("sip e.com"), OURS, 1);
    for stage in [vec!["e.com."], vec!["_sip._udp.e.com.", "_sip._tcp.e.com."], vec!["e.com"]] {
        let names: Vec<String> = locate.questions().iter().map(|query| query.name().to_owned()).collect();
        assert_eq!(names, stage);
        assert_eq!(locate.located(), None);
        locate.give_up();
    }
    assert_eq!(locate.located(), Some(&Located::Failed("no answer in time about e.com".into())));
    // What is known by then is not thrown away.
    let mut locate = Locate::new(wanted("sip e.com ;udp"), OURS, 1);
    let srv = locate.questions().remove(0);
    let servers = vec![srv_of("a.com"), srv_of("b.com")];
    locate.answer(&srv, Found::Records(servers, HOUR));
    let asked = locate.questions();
    assert_eq!(asked.len(), 2);
    assert!(!locate.has_first());
    let ip = Record::Address("192.0.2.1".parse().expect("an address"));
    asked.iter().take(1).for_each(|query| locate.answer(query, Found::Records(vec![ip.clone()], HOUR)));
    locate.give_up();
    assert_eq!(locate.located(), Some(&targets(Udp, &["192.0.2.1:5"])));
}

fn srv_of(target: &str) -> Record {
    srv(0, 0, 5, target)
}

#[test]
fn limit_of_aliases_ends_those_that_go_round_or_on_for_ever() {
    let mut zone = Zone::new("a.com ALIAS b.com\n b.com ALIAS h.com\n h.com A 192.0.2.1");
    assert_eq!(zone.locate(wanted("sip a.com :1")), targets(Udp, &["192.0.2.1:1"]), "two are followed");
    for round in ["a.com ALIAS a.com", "a.com ALIAS b.com\n b.com ALIAS a.com"] {
        let mut zone = Zone::new(round);
        let located = zone.locate(wanted("sip a.com :1"));
        assert!(matches!(&located, Located::Failed(why) if why.contains("lead nowhere")), "{located:?}");
        assert!(zone.asked.len() <= MOST_ALIASES + 1, "{}", zone.asked.len());
    }
}

#[test]
fn limit_of_records_of_a_thousand_the_best_are_taken() {
    let records: Vec<Record> = (0..1_000_u16).map(|n| srv(1_000 - n, 1, n, &format!("h{n}.com"))).collect();
    let Found::Records(kept, _) = Found::Records(records.clone(), HOUR).limited() else { panic!("records") };
    assert_eq!((kept.len(), &kept[0]), (MOST_RECORDS, &records[999]));
    let mut locate = Locate::new(wanted("sip e.com ;udp"), OURS, 1);
    let query = locate.questions().remove(0);
    locate.answer(&query, Found::Records(records, HOUR));
    let asked = locate.questions();
    let names: Vec<&str> = asked.iter().map(Query::name).collect();
    assert_eq!(names[..2], ["h999.com.", "h998.com."]);
    assert_eq!(names.len(), MOST_TARGETS);
    // And a thousand addresses of each.
    let many: Vec<Record> = (0..1_000_u32).map(|n| Record::Address(IpAddr::from(n.to_be_bytes()))).collect();
    for query in &asked {
        locate.answer(query, Found::Records(many.clone(), HOUR));
    }
    let Some(Located::Targets(found)) = locate.located() else { panic!("{locate:?}") };
    assert_eq!(found.len(), MOST_TARGETS);
    assert!(found.iter().any(|target| target.address.port() == 998), "the second server has its share: {found:?}");
}

#[test]
fn answers_of_the_wrong_kind_or_to_no_question_change_nothing() {
    let mut locate = Locate::new(wanted("sip e.com ;udp"), OURS, 1);
    let query = locate.questions().remove(0);
    locate.answer(&Query::Srv("other.".into()), Found::Records(vec![srv_of("x.com")], HOUR));
    assert_eq!(locate.located(), None);
    let ip = Record::Address("192.0.2.66".parse().expect("an address"));
    locate.answer(&query, Found::Records(vec![ip], HOUR));
    assert_eq!(locate.questions(), [Query::Addresses("e.com".into())], "no SRV record: the host itself");
}

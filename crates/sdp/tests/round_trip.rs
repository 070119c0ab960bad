//! `parse(print(session)) == session` for descriptions made up from the grammar of RFC 8866.

#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sdp::{
    Address, Attribute, Attributes, Bandwidth, Connection, Direction, EventSet, Family, Media, MediaKind, Number,
    Origin, Protocol, Repeat, Session, Text, TimeDescription, TimeUnit, Token, TypedTime, ZoneAdjustment,
};

fn token() -> impl Strategy<Value = Token> {
    "[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,12}".prop_map(|text| Token::new(&text).unwrap())
}

fn text() -> impl Strategy<Value = Text> {
    "[^\r\n\0]{1,30}".prop_map(|text| Text::new(&text).unwrap())
}

fn name() -> impl Strategy<Value = Token> {
    "[a-z][a-z0-9_.-]{0,20}".prop_map(|text| Token::new(&text).unwrap())
}

fn unicast() -> impl Strategy<Value = Address> {
    prop_oneof![
        any::<u32>().prop_map(|bits| Address::from(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| Address::from(Ipv6Addr::from_bits(bits))),
        name().prop_map(|name| Address::Name { family: Family::V4, name }),
        name().prop_map(|name| Address::Name { family: Family::V6, name }),
    ]
}

fn connection() -> impl Strategy<Value = Connection> {
    prop_oneof![
        4 => unicast().prop_map(Connection::from),
        1 => (0u32..0x1000_0000, any::<u8>(), option::of(1u32..)).prop_map(|(low, ttl, count)| Connection {
            address: Ipv4Addr::from_bits(0xe000_0000 | low).into(),
            ttl: Some(ttl),
            count,
        }),
        1 => (any::<u32>(), option::of(1u32..)).prop_map(|(low, count)| Connection {
            address: Ipv6Addr::from_bits((0xff15 << 112) | u128::from(low)).into(),
            ttl: None,
            count,
        }),
        1 => ("[A-Z]{3}", name()).prop_map(|(kind, rest)| Connection::from(Address::Other {
            network: Token::new("TN").unwrap(),
            kind: Token::new(&kind).unwrap(),
            address: rest.into(),
        })),
    ]
}

fn typed_time() -> impl Strategy<Value = TypedTime> {
    let unit =
        prop_oneof![Just(TimeUnit::Days), Just(TimeUnit::Hours), Just(TimeUnit::Minutes), Just(TimeUnit::Seconds)];
    (any::<u64>(), option::of(unit)).prop_map(|(value, unit)| TypedTime { value, unit })
}

fn time() -> impl Strategy<Value = TimeDescription> {
    let repeat = (typed_time(), typed_time(), vec(typed_time(), 1..4))
        .prop_map(|(interval, duration, offsets)| Repeat { interval, duration, offsets });
    let zone =
        (any::<u64>(), any::<bool>(), typed_time()).prop_map(|(at, back, offset)| ZoneAdjustment { at, back, offset });
    (any::<u64>(), any::<u64>(), vec(repeat, 0..3), vec(zone, 0..3)).prop_map(|(start, stop, repeats, zones)| {
        let zones = if repeats.is_empty() { Vec::new() } else { zones };
        TimeDescription { start, stop, repeats, zones }
    })
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let attribute = prop_oneof![
        (token(), option::of(text())).prop_map(|(name, value)| Attribute { name, value }),
        Just(Attribute::from(Direction::SendOnly)),
    ];
    vec(attribute, 0..6).prop_map(Attributes::from_iter)
}

fn bandwidths() -> impl Strategy<Value = Vec<Bandwidth>> {
    vec((token(), any::<u64>()).prop_map(|(kind, value)| Bandwidth { kind, value }), 0..3)
}

fn media() -> impl Strategy<Value = Media> {
    let kind = prop_oneof![
        Just(MediaKind::Audio),
        Just(MediaKind::Video),
        Just(MediaKind::Image),
        "[a-z]{7}x".prop_map(|text| MediaKind::Other(Token::new(&text).unwrap())),
    ];
    let protocol =
        "(RTP/AVP|RTP/SAVPF|udptl|[A-Z]{1,4}(/[A-Z]{1,4}){0,3})".prop_map(|text| Protocol::new(&text).unwrap());
    let head = (kind, any::<u16>(), option::of(1u32..), protocol, vec(token(), 1..6));
    let rest = (option::of(text()), vec(connection(), 0..3), bandwidths(), attributes());
    (head, rest).prop_map(
        |((kind, port, port_count, protocol, formats), (information, connections, bandwidths, attributes))| {
            let mut media = Media::new(kind, port, protocol);
            (media.port_count, media.formats, media.information) = (port_count, formats, information);
            (media.connections, media.bandwidths, media.attributes) = (connections, bandwidths, attributes);
            media
        },
    )
}

fn session() -> impl Strategy<Value = Session> {
    let origin = (token(), any::<u64>(), any::<u64>(), unicast()).prop_map(|(username, id, version, address)| Origin {
        username: username.into(),
        session_id: Number::from(id),
        version: Number::from(version),
        address,
    });
    let head = (origin, text(), option::of(text()), option::of(text()), vec(text(), 0..3), vec(text(), 0..3));
    let rest = (connection(), bandwidths(), vec(time(), 1..3), attributes(), vec(media(), 0..4));
    (head, rest).prop_map(|((origin, name, information, uri, emails, phones), rest)| {
        let mut session = Session::new(origin);
        (session.name, session.information, session.uri) = (name, information, uri);
        (session.emails, session.phones) = (emails, phones);
        session.connection = Some(Connection { count: None, ..rest.0 });
        (session.bandwidths, session.times, session.attributes, session.media) = (rest.1, rest.2, rest.3, rest.4);
        session
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rfc8866_9_printed_descriptions_read_as_themselves(session in session()) {
        let printed = session.to_string();
        prop_assert_eq!(Session::parse(printed.as_bytes()), Ok(session.clone()), "{}", printed);
        let bare = printed.replace("\r\n", "\n");
        prop_assert_eq!(Session::parse(bare.trim_end_matches('\n').as_bytes()), Ok(session), "{}", bare);
    }

    #[test]
    fn rfc4733_2_4_1_event_lists_read_as_themselves(events in vec(any::<u8>(), 1..20)) {
        let mut set = EventSet::NONE;
        events.iter().for_each(|event| set.insert(*event));
        prop_assert_eq!(EventSet::read(&set.to_string()), Some(set));
        prop_assert!(events.iter().all(|event| set.contains(*event)));
        let listed: Vec<u8> = set.events().collect();
        prop_assert_eq!(listed, (0..=255).filter(|event| set.contains(*event)).collect::<Vec<u8>>());
    }

    #[test]
    fn bytes_of_any_kind_do_no_harm(bytes in vec(any::<u8>(), 0..400)) {
        prop_assert!(sdp::round_trip(&bytes, &sdp::Limits::DEFAULT).is_ok());
    }
}

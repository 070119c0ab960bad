//! What may wait on connections whose peers do not read, at the limit and one past it.

use super::*;

/// What a message weighs beside its octets.
const ENTRY: usize = 64;
const HUNDRED: &[u8] = &[b'x'; 100];

fn send() -> SendId {
    SendId(sip::Id::from_u64(1))
}

/// `count` connections that are still being made, so that everything waits.
fn connecting(count: u64, backlog: usize, backlogs: usize) -> (Streams, Vec<FlowId>) {
    let limits = StreamLimits { backlog, backlogs, ..StreamLimits::default() };
    let mut streams = Streams::new(Vec::new(), limits, Limits::default(), Shard(0)).unwrap();
    let flows = (0..count)
        .map(|number| {
            let flow = streams.new_flow();
            let remote = SocketAddr::from(([192, 0, 2, 1], 5_060 + u16::try_from(number).unwrap()));
            let peer = Peer { transport: Transport::Tcp, remote, name: None };
            streams.insert(flow, SocketAddr::from(([192, 0, 2, 2], 5_060)), peer, None, false);
            flow
        })
        .collect();
    (streams, flows)
}

fn write(streams: &mut Streams, flow: FlowId) -> bool {
    streams.write(flow, Some(send()), Bytes::from_static(HUNDRED)).is_ok()
}

fn ends(streams: &Streams, flow: FlowId) -> bool {
    streams.connections.get(&flow).unwrap().ending.is_at_once()
}

#[test]
fn one_connection_may_have_so_much_waiting_and_no_more() {
    let (mut streams, flows) = connecting(1, 2 * (100 + ENTRY), usize::MAX);
    assert!(write(&mut streams, flows[0]) && write(&mut streams, flows[0]));
    assert!(!ends(&streams, flows[0]));
    assert!(!write(&mut streams, flows[0]), "one past the limit");
    assert!(ends(&streams, flows[0]));
    // Nothing is kept for a connection that ends, and nothing of it is to go by datagrams.
    let more = streams.write(flows[0], Some(send()), Bytes::from_static(HUNDRED));
    assert!(matches!(more, Err(Refused(SendError::NoBuffer))));
    assert_eq!(streams.refusal(flows[0]), SendError::NoBuffer);
    assert_eq!(streams.forget(flows[0]).len(), 2, "what was kept is told as unsent");
    assert_eq!(streams.backlogs, 0);
}

#[test]
fn all_connections_may_have_so_much_waiting_and_who_reads_least_makes_room() {
    let (mut streams, flows) = connecting(3, usize::MAX, 4 * (100 + ENTRY));
    for flow in [0, 1, 1, 2] {
        assert!(write(&mut streams, flows[flow]));
    }
    assert!(!flows.iter().any(|flow| ends(&streams, *flow)), "at the limit");
    assert!(write(&mut streams, flows[2]), "who sends is not to blame");
    let ended: Vec<bool> = flows.iter().map(|flow| ends(&streams, *flow)).collect();
    assert_eq!(ended.iter().filter(|ended| **ended).count(), 1);
    assert!(!ended[0], "the one with least waiting stays");
    for (flow, ended) in flows.iter().zip(ended) {
        let why = if ended { SendError::NoBuffer } else { SendError::Closed };
        assert_eq!(streams.refusal(*flow), why, "it reads too slowly, or may still be lost");
    }
}

#[test]
fn empty_messages_weigh_as_well() {
    let (mut streams, flows) = connecting(1, 10 * ENTRY, usize::MAX);
    let empty = |streams: &mut Streams| streams.write(flows[0], Some(send()), Bytes::new()).is_ok();
    assert!((0..10).all(|_| empty(&mut streams)));
    assert!(!empty(&mut streams));
}

fn path(transport: Transport, flow: u64) -> Path {
    let (local, remote) = (SocketAddr::from(([192, 0, 2, 2], 5_061)), SocketAddr::from(([192, 0, 2, 1], 5_061)));
    Path { flow: FlowId(flow), transport, local, remote }
}

#[test]
fn rfc5922_7_3_nobody_is_connected_to_over_tls_without_a_name_to_hold_a_certificate_against() {
    let (mut streams, _) = connecting(0, usize::MAX, usize::MAX);
    let tls = path(Transport::Tls, (1 << 32) + 9);
    assert!(matches!(streams.send(send(), tls, Bytes::from_static(HUNDRED)), Err(Refused(SendError::Closed))));
    assert!(streams.opening.is_empty());
    // TCP has no such names; and a connection over it is none over TLS.
    assert!(streams.send(send(), path(Transport::Tcp, (1 << 32) + 9), Bytes::from_static(HUNDRED)).is_ok());
    assert_eq!(streams.opening.len(), 1);
    assert!(streams.send(send(), tls, Bytes::from_static(HUNDRED)).is_err());
    let peer = |transport, name: Option<&str>| Peer { transport, remote: tls.remote, name: name.map(Into::into) };
    let client = TlsClient::default();
    let mut connection_to = |peer: Peer| streams.connection_to(&peer, &client, Time(0));
    assert!(connection_to(peer(Transport::Tcp, None)).is_some());
    assert!(connection_to(peer(Transport::Tls, Some("example.com"))).is_none());
    // Where a name was planned, the same is wanted there as often as the connection is made.
    let planned = streams.new_path(peer(Transport::Tls, Some("example.com")), tls.local, true);
    for _ in 0..2 {
        assert!(streams.send(send(), planned, Bytes::from_static(HUNDRED)).is_ok());
        let (flow, ..) = streams.opening.pop().unwrap();
        assert_eq!(streams.connections.get(&flow).unwrap().peer, peer(Transport::Tls, Some("example.com")));
        assert_eq!(streams.forget(flow).len(), 1);
    }
}

/// Of a connection that its peer has made, and along which a request of ours went (RFC 5923 section 8.1): what was for the host goes there, what was for whoever made it does not.
#[test]
fn rfc5923_8_1_what_replaces_a_connection_of_others_carries_nothing_that_was_for_them() {
    let (mut streams, _) = connecting(0, usize::MAX, usize::MAX);
    let flow = streams.new_flow();
    let resolved = path(Transport::Tls, flow.0);
    let theirs = Path { remote: SocketAddr::new(resolved.remote.ip(), 49_160), ..resolved };
    let peer = Peer { transport: Transport::Tls, remote: theirs.remote, name: None };
    streams.insert(flow, resolved.local, peer, None, true);
    // The same host, however it is written.
    for host in ["example.com", "Example.COM"] {
        streams.connections.get_mut(&flow).unwrap().served.serve(resolved.remote, &host.into());
    }
    streams.forget(flow);
    for _ in 0..2 {
        assert!(matches!(streams.send(send(), theirs, Bytes::from_static(HUNDRED)), Err(Refused(SendError::Closed))));
        assert!(streams.send(send(), resolved, Bytes::from_static(HUNDRED)).is_ok());
    }
    let (another, to, _) = streams.opening.pop().unwrap();
    assert!(streams.opening.is_empty() && another != flow && to == resolved.remote);
    assert_eq!(streams.forget(another).len(), 2);
}

#[test]
fn limit_of_hosts_of_a_connection_remembers_eight_and_none_of_nine() {
    for (count, is_made) in [(MOST_HOSTS, true), (MOST_HOSTS + 1, false)] {
        let (mut streams, _) = connecting(0, usize::MAX, usize::MAX);
        let flow = streams.new_flow();
        let resolved = path(Transport::Tls, flow.0);
        let peer = Peer { transport: Transport::Tls, remote: "192.0.2.1:49160".parse().unwrap(), name: None };
        streams.insert(flow, resolved.local, peer, None, true);
        for host in 0..count {
            let host: Rc<str> = format!("h{host}.example.com").into();
            streams.connections.get_mut(&flow).unwrap().served.serve(resolved.remote, &host);
        }
        streams.forget(flow);
        assert_eq!(streams.send(send(), resolved, Bytes::from_static(HUNDRED)).is_ok(), is_made, "{count}");
        let made = streams.opening.pop().map(|(flow, ..)| streams.connections.get(&flow).unwrap());
        assert_eq!(made.map_or(0, |made| 1 + made.also.len()), if is_made { count } else { 0 });
    }
}

/// A connection that has shown to be one of two hosts is none for what may be for the other.
#[test]
fn rfc5923_9_3_what_may_be_for_several_hosts_takes_no_connection_that_was_made_for_one() {
    let (mut streams, _) = connecting(0, usize::MAX, usize::MAX);
    let tls = |flow: FlowId| path(Transport::Tls, flow.0);
    let remote = tls(FlowId(0)).remote;
    let peer = |name: Option<&str>| Peer { transport: Transport::Tls, remote, name: name.map(Into::into) };
    let flow = streams.new_flow();
    streams.insert(flow, tls(flow).local, peer(None), None, true);
    for host in ["one.example.com", "two.example.com"] {
        streams.connections.get_mut(&flow).unwrap().served.serve(remote, &host.into());
    }
    streams.forget(flow);
    let one = streams.new_path(peer(Some("one.example.com")), tls(flow).local, true);
    assert!(streams.send(send(), one, Bytes::from_static(HUNDRED)).is_ok());
    for _ in 0..2 {
        assert!(streams.send(send(), tls(flow), Bytes::from_static(HUNDRED)).is_ok());
    }
    let made: Vec<_> = streams.opening.drain(..).map(|(flow, ..)| flow).collect();
    assert_eq!((made.len(), made[0]), (2, one.flow));
    assert_eq!([made[0], made[1]].map(|flow| streams.forget(flow).len()), [1, 2]);
}

#[test]
fn rfc3263_4_3_look_ups_of_others_do_not_take_a_server_further_down_away() {
    let (mut streams, _) = connecting(0, usize::MAX, usize::MAX);
    let tls = path(Transport::Tls, 0);
    let peer = |port: u16| {
        let remote = SocketAddr::new(tls.remote.ip(), port);
        Peer { transport: Transport::Tls, remote, name: Some("example.com".into()) }
    };
    // A request that finds eight servers and tries them one after the other, while many others look the same host up.
    let ports = 5_061..5_069;
    let look_up = |streams: &mut Streams| {
        ports.clone().map(|port| streams.new_path(peer(port), tls.local, true)).collect::<Vec<_>>()
    };
    let mine = look_up(&mut streams);
    for _ in 0..200 {
        assert_eq!(look_up(&mut streams), mine, "nobody has gone there yet");
    }
    for path in &mine {
        assert!(streams.send(send(), *path, Bytes::from_static(HUNDRED)).is_ok(), "{path:?}");
    }
    // A connection that was made, and is gone, is made anew on a way of its own: what was bound for the first is used up.
    let gone = mine[0].flow;
    streams.forget(gone);
    let anew = streams.new_path(peer(5_061), tls.local, true);
    assert_ne!(anew.flow, gone);
    assert!(streams.send(send(), anew, Bytes::from_static(HUNDRED)).is_ok());
}

#[test]
fn who_shakes_hands_slowly_does_not_keep_a_proxy_out_and_its_introductions_are_bounded() {
    let (mut streams, _) = connecting(0, usize::MAX, usize::MAX);
    let (limit, proxy) = (streams.limits.handshakes, "192.0.2.9:1".parse().unwrap());
    for one in 0..limit {
        streams.shakes_hands(SocketAddr::from(([203, 0, 113, (one % 4) as u8], 1)));
    }
    assert!(!streams.has_room(Transport::Tls, proxy), "the control: no more handshakes");
    for _ in 0..limit {
        assert!(streams.has_room_for_proxy());
        streams.awaits_introduction();
    }
    assert!(!streams.has_room_for_proxy());
    streams.was_introduced();
    assert!(streams.has_room_for_proxy());
}

#[test]
fn messages_without_end_may_hold_so_much_and_the_one_begun_first_makes_room() {
    let (mut streams, flows) = connecting(4, usize::MAX, usize::MAX);
    streams.limits.unfinished = 300;
    for (at, flow) in flows.iter().take(3).enumerate() {
        streams.holds(*flow, 50, false, Time(at as u64));
    }
    // One goes on, one has ended and begins another.
    streams.holds(flows[0], 200, false, Time(10));
    streams.holds(flows[1], 0, false, Time(11));
    streams.holds(flows[1], 50, false, Time(12));
    assert!(!flows.iter().any(|flow| ends(&streams, *flow)), "at the limit");
    streams.holds(flows[3], 1, false, Time(13));
    let ended: Vec<bool> = flows.iter().map(|flow| ends(&streams, *flow)).collect();
    assert_eq!(ended, [true, false, false, false], "one past it");
    streams.holds(flows[3], 201, false, Time(14));
    assert!(ends(&streams, flows[2]) && !ends(&streams, flows[1]), "the oldest of those that stand");
    flows.iter().for_each(|flow| drop(streams.forget(*flow)));
    assert_eq!(streams.unfinished, 0);
}

#[test]
fn who_ends_messages_and_begins_others_is_younger_than_who_began_one_before() {
    let (mut streams, flows) = connecting(3, usize::MAX, usize::MAX);
    streams.limits.unfinished = 150;
    streams.holds(flows[0], 50, false, Time(0));
    streams.holds(flows[1], 50, false, Time(5));
    // What began at 0 ends, in the very octets with which the next message begins.
    streams.holds(flows[0], 50, true, Time(10));
    streams.holds(flows[2], 50, false, Time(11));
    assert!(!flows.iter().any(|flow| ends(&streams, *flow)), "at the limit");
    streams.holds(flows[0], 51, false, Time(12));
    let ended: Vec<bool> = flows.iter().map(|flow| ends(&streams, *flow)).collect();
    assert_eq!(ended, [false, true, false], "one past it");
}

use proptest::prelude::*;

use super::*;

const RATE: SampleRate = SampleRate::NARROW;

fn bridge_with(count: usize) -> (Bridge, Vec<PortId>) {
    let mut bridge = Bridge::new(RATE);
    let ports = (0..count).map(|_| bridge.add_port()).collect();
    (bridge, ports)
}

fn heard(bridge: &mut Bridge, port: PortId) -> Option<i16> {
    let mut frame = [1_i16; 160];
    let audible = bridge.get(port, &mut frame);
    assert!(frame.iter().all(|sample| *sample == frame[0]), "constant in, constant out");
    audible.then_some(frame[0])
}

#[test]
fn members_hear_the_sum_without_themselves() {
    let (mut bridge, ports) = bridge_with(4);
    let room = bridge.add_conference();
    for (port, said) in ports.iter().zip([100, 20, 3]) {
        bridge.join(room, *port);
        bridge.put(*port, Some(&[said; 160]));
    }
    bridge.join(room, ports[3]);
    bridge.put(ports[3], None);
    bridge.mix();
    let all: Vec<_> = ports.iter().map(|port| heard(&mut bridge, *port)).collect();
    assert_eq!(all, [Some(23), Some(103), Some(120), Some(123)]);
}

#[test]
fn who_talks_alone_hears_silence() {
    let (mut bridge, ports) = bridge_with(2);
    let room = bridge.add_conference();
    ports.iter().for_each(|port| assert!(bridge.join(room, *port)));
    bridge.put(ports[0], Some(&[77; 160]));
    bridge.put(ports[1], None);
    bridge.mix();
    assert_eq!(heard(&mut bridge, ports[0]), None);
    assert_eq!(heard(&mut bridge, ports[1]), Some(77));
    // Nothing lingers once nobody talks.
    bridge.put(ports[0], None);
    bridge.mix();
    bridge.mix();
    assert_eq!(heard(&mut bridge, ports[1]), None);
}

#[test]
fn mix_saturates_once_on_the_way_out() {
    let (mut bridge, ports) = bridge_with(4);
    let room = bridge.add_conference();
    for (port, said) in ports.iter().zip([30_000, 30_000, -30_000, 0]) {
        bridge.join(room, *port);
        bridge.put(*port, Some(&[said; 160]));
    }
    bridge.mix();
    assert_eq!(heard(&mut bridge, ports[3]), Some(30_000), "30000 + 30000 - 30000 without a clip between");
    assert_eq!(heard(&mut bridge, ports[2]), Some(i16::MAX));
}

#[test]
fn connections_have_a_direction() {
    let (mut bridge, ports) = bridge_with(3);
    assert!(bridge.connect(ports[0], ports[1]));
    assert!(bridge.connect(ports[2], ports[1]));
    bridge.put(ports[0], Some(&[5; 160]));
    bridge.put(ports[1], Some(&[900; 160]));
    bridge.put(ports[2], Some(&[7; 160]));
    bridge.mix();
    assert_eq!(heard(&mut bridge, ports[1]), Some(12));
    assert_eq!(heard(&mut bridge, ports[0]), None);
    assert!(bridge.disconnect(ports[2], ports[1]));
    assert!(!bridge.disconnect(ports[2], ports[1]));
    assert_eq!(heard(&mut bridge, ports[1]), Some(5));
}

#[test]
fn removed_port_is_heard_no_more_and_its_name_means_nothing() {
    let (mut bridge, ports) = bridge_with(2);
    bridge.connect(ports[0], ports[1]);
    bridge.put(ports[0], Some(&[5; 160]));
    assert!(bridge.remove_port(ports[0]));
    assert!(!bridge.remove_port(ports[0]));
    let successor = bridge.add_port();
    assert_ne!(successor, ports[0]);
    bridge.put(successor, Some(&[6; 160]));
    bridge.put(ports[0], Some(&[9; 160]));
    bridge.mix();
    assert_eq!(heard(&mut bridge, ports[1]), None);
    assert!(!bridge.connect(ports[0], ports[1]));
    assert_eq!(bridge.ports(), 2);
}

#[test]
fn mute_and_gain_hold_for_everybody() {
    let (mut bridge, ports) = bridge_with(2);
    bridge.connect(ports[0], ports[1]);
    bridge.set_gain(ports[0], 2.0);
    bridge.put(ports[0], Some(&[20_000; 160]));
    assert_eq!(heard(&mut bridge, ports[1]), Some(i16::MAX));
    bridge.put(ports[0], Some(&[-5_000; 160]));
    assert_eq!(heard(&mut bridge, ports[1]), Some(-10_000));
    bridge.mute(ports[0], true);
    bridge.put(ports[0], Some(&[20_000; 160]));
    assert_eq!(heard(&mut bridge, ports[1]), None);
}

#[test]
fn ended_conference_leaves_its_members_alone() {
    let (mut bridge, ports) = bridge_with(2);
    let room = bridge.add_conference();
    ports.iter().for_each(|port| assert!(bridge.join(room, *port)));
    bridge.put(ports[0], Some(&[5; 160]));
    bridge.remove_conference(room);
    bridge.mix();
    assert_eq!(heard(&mut bridge, ports[1]), None);
    assert!(!bridge.leave(ports[1]));
    assert!(!bridge.join(room, ports[0]));
}

#[test]
fn short_frame_is_padded_with_silence() {
    let (mut bridge, ports) = bridge_with(2);
    bridge.connect(ports[0], ports[1]);
    bridge.put(ports[0], Some(&[9; 160]));
    bridge.put(ports[0], Some(&[4; 100]));
    let mut frame = [0_i16; 160];
    assert!(bridge.get(ports[1], &mut frame));
    assert_eq!((frame[99], frame[100], frame[159]), (4, 0, 0));
}

#[test]
fn a_port_that_does_not_put_says_nothing_in_that_tick() {
    let (mut bridge, ports) = bridge_with(3);
    let room = bridge.add_conference();
    bridge.join(room, ports[0]);
    bridge.join(room, ports[1]);
    bridge.connect(ports[0], ports[2]);
    bridge.put(ports[0], Some(&[9; 160]));
    bridge.mix();
    assert_eq!((heard(&mut bridge, ports[1]), heard(&mut bridge, ports[2])), (Some(9), Some(9)));
    bridge.mix();
    assert_eq!((heard(&mut bridge, ports[1]), heard(&mut bridge, ports[2])), (None, None));
}

#[test]
fn who_joins_after_the_mix_hears_the_sum_whole() {
    let (mut bridge, ports) = bridge_with(3);
    let (room, other) = (bridge.add_conference(), bridge.add_conference());
    bridge.join(room, ports[0]);
    bridge.join(other, ports[1]);
    for (port, said) in ports.iter().zip([7, 100, 1_000]) {
        bridge.put(*port, Some(&[said; 160]));
    }
    bridge.mix();
    bridge.join(room, ports[1]);
    bridge.join(room, ports[2]);
    assert_eq!(heard(&mut bridge, ports[1]), Some(7), "its voice is in another sum");
    assert_eq!(heard(&mut bridge, ports[2]), Some(7), "its voice is in no sum");
    // Muted between mix and get: its voice is still in the sum and must still come off.
    bridge.mute(ports[0], true);
    assert_eq!(heard(&mut bridge, ports[0]), None);
}

#[test]
fn connections_and_conference_add_up() {
    let (mut bridge, ports) = bridge_with(4);
    let room = bridge.add_conference();
    ports[..3].iter().for_each(|port| assert!(bridge.join(room, *port)));
    bridge.connect(ports[3], ports[0]);
    bridge.connect(ports[1], ports[3]);
    bridge.connect(ports[3], ports[3]);
    for (port, said) in ports.iter().zip([1, 20, 300, 4_000]) {
        bridge.put(*port, Some(&[said; 160]));
    }
    bridge.mix();
    let all: Vec<_> = ports.iter().map(|port| heard(&mut bridge, *port)).collect();
    assert_eq!(all, [Some(4_320), Some(301), Some(21), Some(4_020)]);
}

#[test]
fn output_gain_is_applied_before_saturation() {
    let (mut bridge, ports) = bridge_with(3);
    let room = bridge.add_conference();
    ports.iter().for_each(|port| assert!(bridge.join(room, *port)));
    bridge.set_output_gain(ports[2], 0.5);
    bridge.put(ports[0], Some(&[30_000; 160]));
    bridge.put(ports[1], Some(&[30_000; 160]));
    bridge.mix();
    assert_eq!(heard(&mut bridge, ports[2]), Some(30_000), "half of 60000 fits");
    bridge.set_output_gain(ports[2], 99.0);
    assert_eq!(heard(&mut bridge, ports[2]), Some(i16::MAX));
    bridge.set_output_gain(ports[2], f32::NAN);
    assert_eq!(heard(&mut bridge, ports[2]), Some(0));
}

#[test]
fn levels_are_those_of_each_port() {
    let (mut bridge, ports) = bridge_with(2);
    bridge.put(ports[0], Some(&[16_384; 160]));
    let level = bridge.level(ports[0]).unwrap();
    assert_eq!((level.peak_sample, level.samples), (16_384, 160));
    assert_eq!(bridge.level(ports[1]).unwrap().samples, 0);
    bridge.remove_port(ports[1]);
    assert_eq!(bridge.level(ports[1]), None);
}

#[test]
fn a_tick_allocates_nothing() {
    let (mut bridge, ports) = bridge_with(20);
    let room = bridge.add_conference();
    for (index, port) in ports.iter().enumerate() {
        bridge.join(room, *port);
        bridge.connect(ports[(index + 1) % 20], *port);
    }
    let (mut frame, mut codes) = ([0_i16; 160], [0xD5_u8; 160]);
    let mut tick = || {
        for port in &ports {
            crate::codec::pcma::decode(&codes, &mut frame);
            bridge.put(*port, Some(&frame));
        }
        bridge.mix();
        for port in &ports {
            bridge.get(*port, &mut frame);
            crate::codec::pcma::encode(&frame, &mut codes);
        }
    };
    tick();
    assert_eq!(allocation_counter::measure(tick).count_total, 0);
    // The measure itself sees allocations.
    assert_eq!(allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8]))).count_total, 1);
}

/// The same mix, written the slow way: each pair on its own.
fn expected(members: &[Option<i16>], links: &[(usize, usize)], port: usize) -> Option<i16> {
    let linked = links.iter().filter(|(_, to)| *to == port).filter_map(|(from, _)| members[*from]);
    let others = members.iter().enumerate().filter(|(other, _)| *other != port).filter_map(|(_, said)| *said);
    let voices: Vec<i32> = linked.chain(others).map(i32::from).collect();
    (!voices.is_empty()).then(|| voices.iter().sum::<i32>().clamp(-32_768, 32_767) as i16)
}

proptest! {
    #[test]
    fn every_mix_is_the_sum_of_its_voices(
        ticks in prop::collection::vec(prop::collection::vec(prop::option::of(any::<i16>()), 6), 1..8),
        links in prop::collection::btree_set((0_usize..6, 0_usize..6), 0..10),
    ) {
        let links: Vec<_> = links.into_iter().collect();
        let (mut bridge, ports) = bridge_with(6);
        let room = bridge.add_conference();
        ports.iter().for_each(|port| assert!(bridge.join(room, *port)));
        links.iter().for_each(|(from, to)| assert!(bridge.connect(ports[*from], ports[*to])));
        for said in ticks {
            for (port, said) in ports.iter().zip(&said) {
                if let Some(said) = said {
                    bridge.put(*port, Some(&[*said; 160]));
                }
            }
            bridge.mix();
            for (index, port) in ports.iter().enumerate() {
                prop_assert_eq!(heard(&mut bridge, *port), expected(&said, &links, index));
            }
        }
    }
}

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

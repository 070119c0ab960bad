//! A call that rings at several devices at once.

use super::{Ask, Device, Server, code, server};

/// Two devices of alice that ring for a call of bob; their INVITEs, and what bob has sent.
fn ringing(server: &Server) -> (Device, Ask, [(Device, String); 2]) {
    let mut bob = Device::new(server, "bob");
    let devices = [(); 2].map(|()| Device::registered(server, "alice"));
    let dialled = bob.dial("alice");
    let ringing = devices.map(|device| {
        let invite = device.asked("INVITE");
        device.reply(&invite, "180 Ringing");
        (device, invite)
    });
    (bob, dialled, ringing)
}

/// Answers the CANCEL of what rings.
fn cancelled((device, invite): &(Device, String)) {
    let cancel = device.asked("CANCEL");
    device.reply(&cancel, "200 OK");
    device.reply(invite, "487 Request Terminated");
    device.asked("ACK");
}

#[test]
fn tb25_forked_dial_the_first_200_wins() {
    let server = server("");
    let (mut bob, dialled, [loses, wins]) = ringing(&server);
    wins.0.reply(&wins.1, "200 OK");
    wins.0.asked("ACK");
    cancelled(&loses);
    let answer = bob.ends(&dialled);
    assert_eq!(code(&answer), 200);
    let bye = bob.wire.within(&answer, "BYE", 3);
    assert_eq!(bob.wire.code_of(&bye), 200);
    wins.0.asked("BYE");
    assert_eq!(loses.0.wire.rest(), Vec::<String>::new(), "the call is none of its");
}

#[test]
fn tb25_forked_dial_that_is_refused() {
    // What the devices say, and what the caller is told: busy as soon as one of them is, congestion only where all are.
    for (said, told) in [
        (["486 Busy Here", "486 Busy Here"], 486),
        (["486 Busy Here", "503 Service Unavailable"], 486),
        (["503 Service Unavailable", "486 Busy Here"], 486),
        (["503 Service Unavailable", "503 Service Unavailable"], 480),
    ] {
        let server = server("");
        let (mut bob, dialled, devices) = ringing(&server);
        for ((device, invite), status) in devices.iter().zip(said) {
            device.reply(invite, status);
            device.asked("ACK");
        }
        assert_eq!(code(&bob.ends(&dialled)), told, "{said:?}");
    }
}

#[test]
fn tb25_forked_dial_that_one_refuses_and_nobody_answers() {
    let server = server("ring_secs = 2\n");
    let (mut bob, dialled, [refuses, rings]) = ringing(&server);
    refuses.0.reply(&refuses.1, "486 Busy Here");
    refuses.0.asked("ACK");
    // Whoever rings may still answer: not busy, but no answer.
    cancelled(&rings);
    let told = bob.ends(&dialled);
    assert!(told.starts_with("SIP/2.0 480 No Answer\r\n"), "{told}");
}

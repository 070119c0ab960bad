//! Several flows of one instance: one at a time (RFC 5626 section 7).

use super::*;

/// An instance reached at .3, else at .4, else at .5, and a device at .6.
fn instance_and_device() -> Desk {
    let mut instance = target(3, 500);
    instance.flows = vec![target(4, 500), target(5, 500)];
    let mut desk = Desk::new(ProxyConfig::default(), vec![instance, target(6, 500)]);
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    desk
}

#[test]
fn rfc5626_7_a_flow_that_has_failed_is_followed_by_the_next_of_the_instance() {
    let mut desk = instance_and_device();
    let first = desk.next(3, "INVITE");
    let device = desk.next(6, "INVITE");
    desk.silent();
    desk.answers(6, &device, 180, "");
    desk.next(2, "SIP/2.0 180");
    desk.answers(3, &first, 430, "");
    desk.next(3, "ACK");
    let second = desk.next(4, "INVITE");
    desk.silent();
    // What cannot be sent has not reached it either.
    desk.unsent(&second);
    let third = desk.next(5, "INVITE");
    desk.silent();
    desk.answers(5, &third, 200, "");
    desk.next(2, "SIP/2.0 200");
    let cancel = desk.next(6, "CANCEL");
    desk.answers(6, &cancel, 200, "");
    desk.answers(6, &device, 487, "");
    desk.next(6, "ACK");
    desk.silent();
    desk.empty();
}

#[test]
fn rfc5626_7_who_has_answered_is_not_asked_again_by_another_flow() {
    for code in [404, 486, 480, 503, 302] {
        let mut desk = instance_and_device();
        let (first, device) = (desk.next(3, "INVITE"), desk.next(6, "INVITE"));
        desk.answers(3, &first, code, "");
        desk.next(3, "ACK");
        desk.silent();
        desk.answers(6, &device, 486, "");
        desk.next(6, "ACK");
        assert!(!desk.sent.is_empty(), "{code}: answered");
        desk.empty();
    }
}

#[test]
fn rfc5626_7_the_last_flow_that_has_failed_is_an_answer_and_nobody_is_called_for_who_has_left() {
    let mut desk = instance_and_device();
    let (first, device) = (desk.next(3, "INVITE"), desk.next(6, "INVITE"));
    desk.answers(6, &device, 486, "");
    desk.next(6, "ACK");
    desk.answers(3, &first, 430, "");
    desk.next(3, "ACK");
    for host in [4, 5] {
        let next = desk.next(host, "INVITE");
        desk.answers(host, &next, 408, "");
        desk.next(host, "ACK");
    }
    desk.next(2, "SIP/2.0 4");
    desk.silent();
    desk.empty();

    let mut desk = instance_and_device();
    let (first, device) = (desk.next(3, "INVITE"), desk.next(6, "INVITE"));
    desk.hears(2, &request("CANCEL", "sip:b@home.example", "1", ""));
    desk.next(2, "SIP/2.0 200");
    desk.answers(3, &first, 430, "");
    desk.next(3, "ACK");
    desk.answers(6, &device, 180, "");
    let cancel = desk.next(6, "CANCEL");
    desk.next(2, "SIP/2.0 180");
    desk.answers(6, &cancel, 200, "");
    desk.answers(6, &device, 487, "");
    desk.next(6, "ACK");
    desk.next(2, "SIP/2.0 4");
    desk.silent();
    desk.empty();
}

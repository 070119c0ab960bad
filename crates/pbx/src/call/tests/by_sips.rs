//! Transfers of calls that were made by `sips`: nobody is put through to where others can listen (RFC 5630 section 5.1.1.3).

use std::net::SocketAddr;

use sip::message::Message;

use super::loops::{Loops, SDP, telephone};
use super::{FAR, PORTS};

/// A telephone of 1001 that is in no call.
const THIRD: u16 = 3;

fn registers(loops: &mut Loops, at: SocketAddr, name: &str) {
    let call_id = loops.call_id(0);
    loops.ask((at, name), ("REGISTER", name, call_id), "Expires: 3600\r\n", "");
    loops.settle();
    assert_eq!(loops.answer(at, "REGISTER").code().get(), 200);
}

/// 1001 is called by 1002, who has him put through to 1001 at another telephone, which is registered by `sips` or not: the scheme it is called by.
fn put_through(by_sips: bool, third_by_sips: bool, refer_to: &str) -> Option<String> {
    let mut loops = Loops::new(PORTS, |_, _| {});
    let third = telephone(THIRD);
    loops.secured = third_by_sips;
    registers(&mut loops, third, "1001");
    loops.secured = by_sips;
    let (mut near, mut far) = loops.pair(0);
    loops.request(&mut far, "REFER", &format!("Refer-To: <{refer_to}>\r\n"), "");
    assert_eq!(loops.answer(far.at, "REFER").code().get(), 202);
    loops.settle();
    assert_eq!(loops.is_told(far.at), "SIP/2.0 100 Trying");
    if !loops.heard_of(third, "INVITE") {
        assert_eq!(loops.is_told(far.at), "SIP/2.0 480 Temporarily Unavailable");
        assert_eq!((loops.heard(near.at), loops.hang_up(&mut near)), (vec![], 200));
        loops.is_hung_up(far.at);
        loops.nothing_left();
        return None;
    }
    let is_invite = |message: &Message| matches!(message, Message::Request(one) if one.method().as_str() == "INVITE");
    let Message::Request(invite) = loops.take(third, is_invite) else { panic!() };
    loops.secured = third_by_sips;
    loops.respond(third, &invite, 200, SDP);
    loops.settle();
    loops.secured = by_sips;
    assert_eq!(loops.is_told(far.at), "SIP/2.0 200 OK");
    loops.is_hung_up(far.at);
    assert_eq!((loops.heard(near.at), loops.hang_up(&mut near)), (vec![], 200));
    loops.is_hung_up(third);
    loops.nothing_left();
    Some(invite.uri_text().split(':').next().unwrap().to_owned())
}

#[test]
fn rfc5630_5_1_1_3_who_is_put_through_from_a_call_by_sips_goes_on_by_sips_whatever_the_refer_names() {
    let [sip, sips] = ["sip:1001@127.0.0.1", "sips:1001@127.0.0.1"];
    for (by_sips, third_by_sips, refer_to, scheme) in [
        (true, true, sip, Some("sips")),
        (true, true, sips, Some("sips")),
        // It could be called in the clear, and is not.
        (true, false, sip, None),
        // The control: from another call.
        (false, false, sip, Some("sip")),
        (false, true, sip, Some("sip")),
        (false, false, sips, None),
    ] {
        assert_eq!(
            put_through(by_sips, third_by_sips, refer_to).as_deref(),
            scheme,
            "{by_sips} {third_by_sips} {refer_to}"
        );
    }
}

/// 1002 has a call by `sips` and another one, and wants those whom he talks to to talk to each other: what he is told at last.
fn joined_with(by_sips: bool, other_by_sips: bool) -> String {
    let mut loops = Loops::new(PORTS, |_, _| {});
    let (third, fourth) = (telephone(THIRD), telephone(4));
    loops.secured = other_by_sips;
    registers(&mut loops, third, "1001");
    let call_id = loops.call_id(0);
    let mut asking = loops.ask((fourth, "1002"), ("INVITE", "1001", call_id), "", SDP);
    loops.settle();
    let is_invite = |message: &Message| matches!(message, Message::Request(one) if one.method().as_str() == "INVITE");
    let Message::Request(invite) = loops.take(third, is_invite) else { panic!() };
    let mut there = loops.respond(third, &invite, 200, SDP);
    loops.settle();
    asking.answered(&mut loops);
    loops.heard(third);
    loops.secured = by_sips;
    let (mut near, mut far) = loops.pair(0);
    assert_eq!(far.at, telephone(FAR));
    let refer_to = format!("Refer-To: <sip:1001@127.0.0.1?Replaces={}>\r\n", asking.named(true));
    loops.request(&mut far, "REFER", &refer_to, "");
    assert_eq!(loops.answer(far.at, "REFER").code().get(), 202);
    assert_eq!(loops.is_told(far.at), "SIP/2.0 100 Trying");
    loops.settle();
    let told = loops.is_told(far.at);
    assert_eq!(loops.hang_up(&mut near), 200);
    loops.is_hung_up(if told.contains("200") { third } else { far.at });
    if !told.contains("200") {
        loops.secured = other_by_sips;
        assert_eq!(loops.hang_up(&mut there), 200);
        assert_eq!(loops.is_hung_up(fourth), "");
    }
    loops.heard(far.at);
    loops.heard(fourth);
    loops.nothing_left();
    told
}

#[test]
fn rfc5630_5_1_1_3_a_call_by_sips_is_joined_with_no_other_one() {
    for (by_sips, other_by_sips, line) in [
        (true, true, "SIP/2.0 200 OK"),
        (false, false, "SIP/2.0 200 OK"),
        (true, false, "SIP/2.0 403 Forbidden"),
        (false, true, "SIP/2.0 403 Forbidden"),
    ] {
        assert_eq!(joined_with(by_sips, other_by_sips), line, "{by_sips} {other_by_sips}");
    }
}

//! Changes of a call that the other side agrees to when nobody wants them any more.

use std::net::SocketAddr;
use std::time::Duration;

use sdp::{Direction, Session};
use sip::message::{Message, Request};

use super::super::Stage;
use super::PORTS;
use super::loops::{Loops, SDP};

/// The description of a telephone, in this version of it.
fn description(version: u32, direction: &str) -> String {
    SDP.replace("o=- 1 1 ", &format!("o=- 1 {version} ")) + &format!("a={direction}\r\n")
}

/// The INVITE that has come to a telephone, and what it asks for.
fn is_asked(loops: &mut Loops, at: SocketAddr) -> (Request, Direction) {
    let is_invite = |message: &Message| matches!(message, Message::Request(one) if one.method().as_str() == "INVITE");
    let Message::Request(invite) = loops.take(at, is_invite) else { panic!() };
    let direction = Session::parse(invite.body()).unwrap().audio().unwrap().direction();
    (invite, direction)
}

/// Which way audio may flow, seen from us: the caller's and the callee's.
fn directions(loops: &Loops) -> [Direction; 2] {
    let call = loops.all[0].switch.calls.iter().next().unwrap();
    let Stage::Joined(joined) = &call.stage else { panic!() };
    [call.caller.line.direction(), joined.callee.as_ref().unwrap().line.direction()]
}

/// 1001 wants to hold, and gives up before 1002 has answered that; then it is agreed to after all.
#[test]
fn rfc4320_4_2_what_is_agreed_to_once_it_is_given_up_leaves_both_sides_as_they_were() {
    for method in ["UPDATE", "INVITE"] {
        let mut loops = Loops::new(PORTS, |_, _| {});
        let (mut near, far) = loops.pair(0);
        let as_ever = [Direction::SendRecv; 2];
        assert_eq!(directions(&loops), as_ever);
        loops.request(&mut near, method, "", &description(2, "sendonly"));
        let (invite, wanted) = is_asked(&mut loops, far.at);
        assert_eq!(wanted, Direction::SendOnly);
        loops.respond(far.at, &invite, 180, "");
        if method == "UPDATE" {
            // 64*T1: its client has timed out.
            loops.pass(Duration::from_secs(33));
            assert_eq!(loops.heard(near.at), Vec::<String>::new());
        } else {
            loops.goes_with_it(&mut near, "CANCEL");
            assert_eq!(loops.heard(near.at), ["200 CANCEL", "487 INVITE"]);
            loops.goes_with_it(&mut near, "ACK");
        }
        loops.respond(far.at, &invite, 200, &description(2, "recvonly"));
        let (invite, wanted) = is_asked(&mut loops, far.at);
        assert_eq!((wanted, loops.heard(far.at)), (Direction::SendRecv, vec!["ACK".to_owned()]));
        loops.respond(far.at, &invite, 200, &description(3, "sendrecv"));
        assert_eq!((loops.heard(near.at), loops.heard(far.at)), (vec![], vec!["ACK".to_owned()]));
        assert_eq!(directions(&loops), as_ever);
        // And nothing is in the way of the next.
        loops.request(&mut near, method, "", &description(3, "sendonly"));
        let (invite, _) = is_asked(&mut loops, far.at);
        loops.respond(far.at, &invite, 200, &description(4, "recvonly"));
        assert_eq!(loops.heard(near.at), [format!("200 {method}")]);
        assert_eq!(directions(&loops), [Direction::RecvOnly, Direction::SendOnly]);
        if method == "INVITE" {
            loops.request(&mut near, "ACK", "", "");
        }
        loops.heard(far.at);
        assert_eq!(loops.hang_up(&mut near), 200);
        loops.is_hung_up(far.at);
        loops.nothing_left();
    }
}

/// The control: it stays as it was, and so nothing more is asked of it.
#[test]
fn rfc3261_14_1_who_refuses_what_was_given_up_is_asked_nothing_more() {
    let mut loops = Loops::new(PORTS, |_, _| {});
    let (mut near, far) = loops.pair(0);
    loops.request(&mut near, "UPDATE", "", &description(2, "sendonly"));
    let (invite, _) = is_asked(&mut loops, far.at);
    loops.respond(far.at, &invite, 180, "");
    loops.pass(Duration::from_secs(33));
    loops.respond(far.at, &invite, 488, "");
    assert_eq!((loops.heard(near.at), loops.heard(far.at)), (vec![], vec!["ACK".to_owned()]));
    assert_eq!(directions(&loops), [Direction::SendRecv; 2]);
    assert_eq!(loops.hang_up(&mut near), 200);
    loops.is_hung_up(far.at);
    loops.nothing_left();
}

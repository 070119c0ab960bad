//! What keeps copies of a request from multiplying (RFC 5393): the branch by which one that comes back is known, and Max-Breadth.

use super::*;

/// The first Via of a message that we have passed on, and both parts of its branch.
fn branch(sent: &Sent) -> (String, String, String) {
    let via = sent.all(HeaderId::Via).remove(0);
    let branch = via.split("branch=").nth(1).unwrap().split(';').next().unwrap();
    let (first, second) = branch.split_once('.').unwrap();
    (via.split(';').next().unwrap().to_owned(), first.to_owned(), second.to_owned())
}

/// An INVITE for this URI with these lines, as it is passed on to 192.0.2.3.
fn passed(desk: &mut Desk, uri: &str, number: &str, lines: &str) -> Sent {
    desk.hears(2, &request("INVITE", uri, number, lines));
    desk.next(2, "SIP/2.0 100");
    desk.next(3, "INVITE")
}

#[test]
fn rfc5393_4_2_1_a_copy_has_a_via_of_ours_whose_branch_has_a_part_of_its_own_and_the_mark_of_the_request() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    let one = passed(&mut desk, "sip:b@home.example", "1", "");
    assert_eq!(one.all(HeaderId::Via).len(), 2, "before that of who sent it");
    let (by, first, mark) = branch(&one);
    assert_eq!(by, "SIP/2.0/UDP 192.0.2.1:5060");
    assert!(first.starts_with("z9hG4bK") && first.len() > "z9hG4bK".len(), "{first}");
    // The same request by another way: another branch, and the same mark.
    let again = passed(&mut desk, "sip:b@home.example", "2", "");
    assert_ne!(branch(&again).1, first);
    assert_eq!(branch(&again).2, mark);
    // It goes elsewhere now.
    let other = passed(&mut desk, "sip:c@home.example", "3", "");
    assert_ne!(branch(&other).2, mark);
    let routed = passed(&mut desk, "sip:b@home.example", "4", "Route: <sip:home.example;lr>\n");
    assert_ne!(branch(&routed).2, mark);
}

#[test]
fn rfc5393_4_2_1_a_cancel_and_the_ack_of_a_refusal_have_the_branch_of_their_invite() {
    let mut desk = Desk::to(&[(3, 1_000)]);
    let invite = passed(&mut desk, "sip:b@home.example", "1", "");
    desk.answers(3, &invite, 180, "");
    desk.next(2, "SIP/2.0 180");
    desk.hears(2, &request("CANCEL", "sip:b@home.example", "1", ""));
    desk.next(2, "SIP/2.0 200");
    let cancel = desk.next(3, "CANCEL");
    assert_eq!(branch(&cancel), branch(&invite), "whatever the method");
    desk.answers(3, &cancel, 200, "");
    desk.answers(3, &invite, 487, "");
    let ack = desk.next(3, "ACK");
    assert_eq!(branch(&ack), branch(&invite));
    desk.next(2, "SIP/2.0 487");
    desk.hears(2, &request("ACK", "sip:b@home.example", "1", ""));
    desk.empty();
}

/// What each of the copies says that go out at the same time, of a request that says this.
fn told(said: &str, targets: &[(u8, u16)]) -> Vec<String> {
    let mut desk = Desk::to(targets);
    desk.hears(2, &request("INVITE", "sip:b@home.example", "1", said));
    desk.next(2, "SIP/2.0 100");
    let copies = std::mem::take(&mut desk.sent);
    let breadth = |copy: &Sent| {
        let values = copy.all(HeaderId::MaxBreadth);
        assert_eq!(values.len(), 1, "{}", copy.text);
        values.into_iter().next().unwrap()
    };
    assert!(copies.iter().all(|copy| copy.start().starts_with("INVITE ")));
    copies.iter().map(breadth).collect()
}

#[test]
fn rfc5393_5_3_3_every_copy_has_one_max_breadth_and_all_together_no_more_than_came() {
    let one = [(3, 1_000)];
    // Added where there is none, and no more let in than that; never less for a hop.
    for (said, breadth) in
        [("", "60"), ("Max-Breadth: 7\n", "7"), ("Max-Breadth: 60\n", "60"), ("Max-Breadth: 61\n", "60")]
    {
        assert_eq!(told(said, &one), [breadth], "{said}");
    }
    // Shared among those that ring at the same time.
    let three = [(3, 1_000), (4, 1_000), (5, 1_000)];
    for (said, incoming) in
        [("", 60_u32), ("Max-Breadth: 3\n", 3), ("Max-Breadth: 10\n", 10), ("Max-Breadth: 1000\n", 60)]
    {
        let shares: Vec<u32> = told(said, &three).iter().map(|share| share.parse().unwrap()).collect();
        assert_eq!(shares.len(), 3, "{said}");
        assert!(shares.iter().all(|share| *share >= 1) && shares.iter().sum::<u32>() <= incoming, "{said}: {shares:?}");
    }
}

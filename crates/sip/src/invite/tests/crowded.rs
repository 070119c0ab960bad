//! A stack that is full of requests: what ends a call gets through.

use super::*;
use crate::config::Config;

/// A request outside any dialog, of a call of its own.
fn stranger(r: usize, a: usize, n: usize) -> String {
    let mut dialog = RawDialog::calling(r, a);
    dialog.call_id = format!("crowd-{n}");
    dialog.request("OPTIONS", "", "").replace("z9hG4bK", &format!("z9hG4bKcrowd{n}"))
}

/// A call of the peer's that stands.
fn standing(net: &mut Network, (a, r): (usize, usize), call: &str) -> RawDialog {
    let mut dialog = RawDialog::calling(r, a);
    dialog.call_id = call.to_owned();
    stands(net, a, r, &mut dialog, call);
    dialog
}

/// Two calls that stand and one that rings; then strangers until they are refused. Who ends a call is heard; what belongs to no call is
/// refused or ignored, and so is what would pass the reserve.
fn crowded(limit: impl FnOnce(&mut Config), reserve: usize) {
    let mut net = Network::new();
    let (a, r) = (net.stack(limit), net.raw());
    let (mut up, mut other) = (standing(&mut net, (a, r), "up"), standing(&mut net, (a, r), "other"));
    let mut rings = RawDialog::calling(r, a);
    rings.call_id = "rings".to_owned();
    let ringing = rings.request("INVITE", "", OFFER).replace("z9hG4bK", "z9hG4bKrings");
    net.say(r, a, &ringing);
    net.settle();
    let tx = incoming(&net.events(a));
    net.turn(a, |turn| turn.session(tx)).unwrap();
    net.inbox(r);

    let crowd = (0..200).find(|n| {
        net.say(r, a, &stranger(r, a, *n));
        net.settle();
        kinds(&net.inbox(r)) == ["503 OPTIONS"]
    });
    assert!(crowd.is_some_and(|n| n > 3), "{crowd:?}");
    net.events(a);
    // The control: what belongs to no call. A CANCEL is then ignored (RFC 3261 section 8.2.7).
    let unknown = up.numbered("BYE", 9, "", "").replace("tag=", "tag=un").replace("z9hG4bK", "z9hG4bKunknown");
    net.say(r, a, &unknown);
    let nothing = rings.numbered("CANCEL", 1, "", "").replace("z9hG4bK", "z9hG4bKnothing");
    net.say(r, a, &nothing);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["503 BYE"]);

    net.say(r, a, &cancel(&ringing));
    net.settle();
    let mut answers = kinds(&net.inbox(r));
    answers.sort();
    assert_eq!(answers, ["200 CANCEL", "487 INVITE"]);
    let bye = other.request("BYE", "", "").replace("z9hG4bK", "z9hG4bKother");
    net.say(r, a, &bye);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["200 BYE"]);
    assert_eq!(net.usage(a).dialogs, 1);
    let within = |net: &mut Network, up: &mut RawDialog, n: usize| {
        let text = up.request("OPTIONS", "", "").replace("z9hG4bK", &format!("z9hG4bKwithin{n}"));
        net.say(r, a, &text);
        net.settle();
        kinds(&net.inbox(r)) == ["503 OPTIONS"]
    };
    // The reserve is no second budget.
    let more = (0..200).find(|n| within(&mut net, &mut up, *n));
    assert!(more.is_some_and(|n| n < reserve), "{more:?}");
    // Once what was kept has gone, all is as ever.
    net.run(40_000);
    net.inbox(r);
    let bye = up.request("BYE", "", "").replace("z9hG4bK", "z9hG4bKbye");
    net.say(r, a, &bye);
    net.settle();
    assert_eq!(kinds(&net.inbox(r)), ["200 BYE"]);
}

#[test]
fn limit_of_server_transactions_leaves_an_eighth_for_what_ends_calls() {
    crowded(|config| config.max_server_transactions = 32, 4);
}

#[test]
fn limit_of_kept_octets_leaves_an_eighth_for_what_ends_calls() {
    crowded(|config| config.max_kept_octets = 16_000, 12);
}

//! Calls that another one wants to be in (Join, RFC 3911), and places in calls (Replaces, RFC 3891), asked for by the library.

use std::time::Duration;

use ua::{EndedBy, NamedDialog};

use crate::tone::Ear;
use crate::{Wire, builder, call, header, until};

/// The call that was placed on this wire, as its callee names it.
fn named(wire: &Wire) -> NamedDialog {
    let (invite, ok) = (wire.messages(true, "INVITE").remove(0), wire.messages(false, "SIP/2.0 200 ").remove(0));
    let tag = |name: &str| header(&ok, name).unwrap().split(";tag=").nth(1).unwrap().to_owned();
    let call_id = header(&invite, "Call-ID").unwrap().to_owned();
    NamedDialog { call_id, local_tag: tag("To"), remote_tag: tag("From"), early_only: false }
}

#[tokio::test]
async fn rfc3911_4_who_joins_a_call_hears_both_and_both_hear_him() {
    let wire = Wire::default();
    let one = wire.tap(builder()).build().await.unwrap();
    let two = builder().allow_transfer().build().await.unwrap();
    let three = builder().build().await.unwrap();
    let (at_one, at_two) = call(&one, &two).await;
    let (joined, taken) = tokio::join!(three.call(two.uri("two").unwrap()).join(&named(&wire)), async {
        let incoming = two.incoming().await.unwrap();
        assert!(incoming.joins(&at_two));
        incoming.answer().await.unwrap()
    });
    let joined = joined.unwrap();
    let _tones = (at_one.audio().tone(440.0, None).unwrap(), joined.audio().tone(1_000.0, None).unwrap());
    let (ears, long) = ((Ear::on(&at_one), Ear::on(&joined)), Duration::from_secs(1));
    until("a second of tone both ways", async || ears.0.heard(1) >= long && ears.1.heard(0) >= long).await;
    // Who leaves leaves alone.
    joined.hangup().await;
    assert_eq!(taken.ended().await.by, EndedBy::Peer);
    assert!(!at_one.is_over() && !at_two.is_over());
}

/// The control: a call like any other is connected with none.
#[tokio::test]
async fn two_calls_of_one_endpoint_hear_nothing_of_each_other_unless_that_is_wanted() {
    let (one, two, three) =
        (builder().build().await.unwrap(), builder().build().await.unwrap(), builder().build().await.unwrap());
    let ((at_one, _at_two), (other, taken)) = (call(&one, &two).await, call(&three, &two).await);
    let _tones = (at_one.audio().tone(440.0, None).unwrap(), taken.audio().tone(1_000.0, None).unwrap());
    let (ears, long) = ((Ear::on(&at_one), Ear::on(&other)), Duration::from_secs(1));
    until("a second of what is meant for it", async || ears.1.heard(1) >= long).await;
    assert_eq!((ears.0.heard(1), ears.1.heard(0)), (Duration::ZERO, Duration::ZERO));
}

#[tokio::test]
async fn rfc3891_3_who_takes_a_place_by_name_has_the_call() {
    let wire = Wire::default();
    let one = wire.tap(builder()).build().await.unwrap();
    let two = builder().allow_transfer().build().await.unwrap();
    let three = builder().build().await.unwrap();
    let (at_one, at_two) = call(&one, &two).await;
    let instead = three.call(two.uri("two").unwrap()).replace(&named(&wire)).await.unwrap();
    assert_eq!(at_one.ended().await.by, EndedBy::Peer);
    assert!(!at_two.is_over());
    instead.hangup().await;
    assert_eq!(at_two.ended().await.by, EndedBy::Peer);
}

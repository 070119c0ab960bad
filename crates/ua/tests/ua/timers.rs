//! Session timers (RFC 4028) between two endpoints, with seconds instead of minutes.

use std::time::Duration;

use ua::{Builder, Call, CallEvent, EndedBy, Events, SessionTimer};

use crate::{Wire, builder, call, header};

/// Calls that last so long without a refresh: no RFC allows so little, and no test has time for more.
fn timed(secs: u64) -> Builder {
    let timer = SessionTimer { interval: Some(Duration::from_secs(secs)), least: Duration::from_secs(1), alone: false };
    builder().session_timer(Some(timer))
}

async fn refreshed(events: &mut Events) -> CallEvent {
    loop {
        let event = tokio::time::timeout(Duration::from_secs(10), events.next()).await.expect("in time").expect("one");
        if matches!(event, CallEvent::Refreshed { .. } | CallEvent::Ended(_)) {
            return event;
        }
    }
}

/// Lets a call be refreshed so often, as both sides see it.
async fn refreshes(times: usize, secs: u64, placed: &Call, taken: &Call) {
    let (mut ours, mut theirs) = (placed.events(), taken.events());
    let interval = Duration::from_secs(secs);
    for _ in 0..times {
        assert_eq!(refreshed(&mut ours).await, CallEvent::Refreshed { interval, by_us: true });
        assert_eq!(refreshed(&mut theirs).await, CallEvent::Refreshed { interval, by_us: false });
    }
}

#[tokio::test]
async fn rfc4028_7_4_two_endpoints_keep_their_call_up_with_update() {
    let wire = Wire::default();
    let alice = wire.tap(timed(2)).build().await.unwrap();
    let bob = timed(60).build().await.unwrap();
    let (placed, taken) = call(&alice, &bob).await;
    refreshes(3, 2, &placed, &taken).await;
    let mut updates = wire.messages(true, "UPDATE");
    // One that comes again, on a slow machine, is the same.
    updates.dedup();
    assert_eq!(updates.len(), 3);
    for update in updates {
        assert_eq!(header(&update, "Session-Expires"), Some("2;refresher=uac"));
        assert_eq!(header(&update, "Content-Length"), Some("0"));
    }
    placed.hangup().await;
    assert_eq!(taken.ended().await.by, EndedBy::Peer);
}

#[tokio::test]
async fn rfc4028_7_4_a_change_of_the_call_is_a_refresh_too_and_either_may_come_first() {
    let wire = Wire::default();
    let alice = wire.tap(timed(3)).build().await.unwrap();
    let bob = timed(3).build().await.unwrap();
    let (placed, taken) = call(&alice, &bob).await;
    for _ in 0..3 {
        placed.hold().await.unwrap();
        taken.hold().await.unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
        placed.resume().await.unwrap();
        taken.resume().await.unwrap();
    }
    assert!(wire.messages(true, "INVITE").iter().skip(1).all(|invite| header(invite, "Session-Expires").is_some()));
    placed.hangup().await;
    taken.ended().await;
}

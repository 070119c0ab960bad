//! How calls and endpoints end, and that nothing is left of them.

use std::time::Duration;

use ua::{CallError, CallEvent, EndedBy, Farewell};

use crate::{Wire, builder, call, pair, until};

#[tokio::test]
async fn either_side_may_hang_up() {
    let (alice, bob) = pair().await;
    let (placed, taken) = call(&alice, &bob).await;
    let mut events = placed.events();
    let ended = taken.hangup().await;
    assert_eq!((ended.by, ended.code), (EndedBy::Us, 200));
    let ended = placed.ended().await;
    assert_eq!((ended.by, ended.code), (EndedBy::Peer, 200));
    assert!(placed.is_over() && ended.stats.is_some());
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event);
    }
    assert_eq!(last, Some(CallEvent::Ended(ended)), "the end is the last event");
    assert_eq!(placed.hold().await, Err(CallError::Ended));
    assert_eq!(placed.stats().await, None);
    assert_eq!(placed.hangup().await.by, EndedBy::Peer, "hanging up late changes nothing");
}

#[tokio::test]
async fn who_hangs_up_may_wait_for_the_other_sides_word() {
    let (alice, bob) = pair().await;
    let (placed, _taken) = call(&alice, &bob).await;
    let (ended, farewell) = placed.hangup_within(Duration::from_secs(20)).await;
    assert_eq!((ended.by, ended.code, farewell), (EndedBy::Us, 200, Farewell::Confirmed));

    let (placed, taken) = call(&alice, &bob).await;
    taken.hangup().await;
    placed.ended().await;
    let (ended, farewell) = placed.hangup_within(Duration::from_secs(20)).await;
    assert_eq!((ended.by, farewell), (EndedBy::Peer, Farewell::Confirmed), "it was the peer that hung up");
}

#[tokio::test]
async fn a_dropped_call_hangs_up() {
    let (alice, bob) = pair().await;
    let (placed, taken) = call(&alice, &bob).await;
    drop(placed);
    assert_eq!(taken.ended().await.by, EndedBy::Peer);
    let (placed, taken) = call(&alice, &bob).await;
    drop(taken);
    assert_eq!(placed.ended().await.by, EndedBy::Peer);
}

#[tokio::test]
async fn an_endpoint_that_goes_says_good_bye() {
    let (alice, bob) = pair().await;
    let (placed, taken) = call(&alice, &bob).await;
    let begin = std::time::Instant::now();
    drop(alice);
    assert!(begin.elapsed() < Duration::from_millis(1_500), "{:?}", begin.elapsed());
    assert_eq!(taken.ended().await.by, EndedBy::Peer);
    assert_eq!(placed.ended().await.by, EndedBy::Us);
    assert_eq!(placed.message("late").await, Err(CallError::Ended));

    let alice = builder().build().await.unwrap();
    let (placed, taken) = call(&alice, &bob).await;
    let begin = std::time::Instant::now();
    alice.close().await;
    assert!(begin.elapsed() < Duration::from_millis(1_000), "closed in {:?}", begin.elapsed());
    assert_eq!(taken.ended().await.by, EndedBy::Peer);
    drop(placed);

    // The one that was called, too.
    let alice = builder().build().await.unwrap();
    let (placed, _taken) = call(&alice, &bob).await;
    let begin = std::time::Instant::now();
    bob.close().await;
    assert!(begin.elapsed() < Duration::from_millis(1_000), "closed in {:?}", begin.elapsed());
    assert_eq!(placed.ended().await.by, EndedBy::Peer);
}

#[tokio::test]
async fn a_peer_that_is_gone_ends_no_endpoint_late() {
    let wire = Wire::default();
    let alice = wire.tap(builder()).build().await.unwrap();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let _dialing = alice.call(format!("sip:bob@{}", silent.local_addr().unwrap())).start().await.unwrap();
    until("the INVITE", async || !wire.messages(true, "INVITE").is_empty()).await;
    let begin = std::time::Instant::now();
    drop(alice);
    assert!(begin.elapsed() < Duration::from_millis(1_500), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn two_hundred_calls_leave_nothing() {
    let (alice, bob) = pair().await;
    for round in 0..200 {
        let (placed, taken) = call(&alice, &bob).await;
        match round % 4 {
            0 => drop(placed.hangup().await),
            1 => drop(taken.hangup().await),
            2 => drop(placed),
            _ => drop(taken),
        }
    }
    for endpoint in [&alice, &bob] {
        until("nothing is left", async || {
            let usage = endpoint.usage().await.unwrap();
            let stack = usage.stack;
            let held =
                [stack.sessions, stack.dialogs, stack.requests, stack.client_transactions, stack.server_transactions];
            let waiting = [stack.asks, stack.alarms, stack.timers, stack.matches, stack.registrations];
            usage.calls == 0 && held == [0; 5] && waiting == [0; 5] && usage.streams == 0 && usage.ports == 0
        })
        .await;
    }
}

//! Subscriptions of an endpoint with a peer that is played by hand: several notifiers of one SUBSCRIBE, and NOTIFYs without a body (RFC 6665).

use std::time::Duration;

use ua::{ResourceState, SubscribeError, Subscription, SubscriptionNews};

use super::Peer;
use crate::builder;

/// A NOTIFY of one of several notifiers that a SUBSCRIBE has reached, for which its tag stands.
async fn tells(peer: &Peer, subscribe: &str, tag: &str, number: u32, state: &str, body: &str) {
    let kind = if body.is_empty() { "" } else { "Content-Type: text/plain\r\n" };
    let lines = format!("Event: weather\r\nSubscription-State: {state}\r\n{kind}");
    peer.request(subscribe, tag, "NOTIFY", number, &lines, body).await;
}

/// The next state or end that is told.
async fn news(subscription: &mut Subscription) -> SubscriptionNews {
    loop {
        match subscription.next().await.expect("there is more to tell") {
            SubscriptionNews::Accepted { .. } => {}
            news => return news,
        }
    }
}

fn told(body: &str, notifier: u32) -> SubscriptionNews {
    let state = match body {
        "" => ResourceState::Nothing,
        body => ResourceState::Other { content_type: "text/plain".to_owned(), body: body.into() },
    };
    SubscriptionNews::State { state, active: true, notifier }
}

#[tokio::test]
async fn rfc6665_4_1_4_a_notifier_that_ends_is_told_and_no_other_gets_its_number() {
    let (alice, mut peer) = (builder().build().await.unwrap(), Peer::new().await);
    let asked = alice.subscribe(&peer.uri(), "weather").accept(["text/plain"]).forks(5);
    let mut subscription = asked.start().await.unwrap();
    let subscribe = peer.expect("SUBSCRIBE").await;
    peer.reply(&subscribe, "200 OK", "one", "Expires: 300\r\n", "").await;
    for (number, (tag, body)) in (0..).zip([("one", "rain"), ("two", "sun"), ("three", "snow")]) {
        tells(&peer, &subscribe, tag, 1, "active;expires=300", body).await;
        assert_eq!(news(&mut subscription).await, told(body, number));
    }
    // Its last NOTIFY has nothing in it: that is no state.
    tells(&peer, &subscribe, "two", 2, "terminated;reason=noresource", "").await;
    let error = SubscribeError::Terminated { reason: Some("noresource".to_owned()) };
    assert_eq!(news(&mut subscription).await, SubscriptionNews::NotifierEnded { notifier: 1, error: error.clone() });
    tells(&peer, &subscribe, "four", 1, "active;expires=300", "fog").await;
    assert_eq!(news(&mut subscription).await, told("fog", 3));
    // Where it says a last state that is told before its end.
    tells(&peer, &subscribe, "four", 2, "terminated;reason=noresource", "mist").await;
    assert_eq!(news(&mut subscription).await, told("mist", 3));
    assert!(matches!(news(&mut subscription).await, SubscriptionNews::NotifierEnded { notifier: 3, .. }));
    // The end of the first is that of the whole.
    tells(&peer, &subscribe, "one", 2, "terminated;reason=noresource", "").await;
    assert_eq!(news(&mut subscription).await, SubscriptionNews::Failed { error, retry_in: None });
}

#[tokio::test]
async fn rfc6665_4_4_3_who_asks_once_is_told_that_there_is_no_state() {
    let (alice, mut peer) = (builder().build().await.unwrap(), Peer::new().await);
    let asked = alice.subscribe(&peer.uri(), "weather").accept(["text/plain"]).expires(Duration::ZERO);
    let mut subscription = asked.start().await.unwrap();
    let subscribe = peer.expect("SUBSCRIBE").await;
    peer.reply(&subscribe, "200 OK", "one", "Expires: 0\r\n", "").await;
    tells(&peer, &subscribe, "one", 1, "terminated;reason=timeout", "").await;
    assert_eq!(news(&mut subscription).await, told("", 0));
    assert_eq!(news(&mut subscription).await, SubscriptionNews::Ended);
}

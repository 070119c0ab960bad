//! Subscriptions of others with an endpoint (RFC 6665 section 4.2).

use std::time::Duration;

use ua::package::dialog;
use ua::{
    Builder, CallError, EndReason, ResourceState, SubscribeError, Subscription, SubscriptionNews, WatcherEnd,
    WatcherNews,
};

use crate::{Wire, builder, header, until};

const KIND: &str = "text/plain";
/// Longest wait for an end that is due at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// An endpoint that tells of the weather and of its calls.
fn teller() -> Builder {
    builder().tells("weather", KIND).tells(dialog::PACKAGE, dialog::TYPE)
}

/// What the next news tells: the body, and whether it is told at all.
async fn state(subscription: &mut Subscription) -> (String, bool) {
    loop {
        match subscription.next().await {
            Some(SubscriptionNews::State { state, active, .. }) => {
                let body = match state {
                    ResourceState::Other { body, .. } => String::from_utf8(body).unwrap(),
                    ResourceState::Nothing => String::new(),
                    other => panic!("{other:?}"),
                };
                return (body, active);
            }
            Some(SubscriptionNews::Accepted { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// How it ends.
async fn end(subscription: &mut Subscription) -> SubscriptionNews {
    loop {
        match subscription.next().await {
            Some(SubscriptionNews::State { .. } | SubscriptionNews::Accepted { .. }) => {}
            Some(news) => return news,
            None => panic!("no end"),
        }
    }
}

#[tokio::test]
async fn rfc6665_4_2_a_package_of_ones_own_is_told_refreshed_and_ended_by_either_side() {
    let wire = Wire::default();
    let (alice, bob) = (builder().build().await.unwrap(), wire.tap(teller()).build().await.unwrap());
    let uri = bob.uri("bob").unwrap();
    for ends in ["watcher", "teller", "dropped"] {
        let mut subscription = alice.subscribe(&uri, "weather").accept([KIND]).start().await.unwrap();
        let asked = bob.subscription().await.unwrap();
        assert_eq!((asked.package().as_str(), asked.asks_once()), ("weather", false));
        assert!(asked.resource().starts_with("sip:bob@") && asked.from().starts_with("sip:"), "{}", asked.from());
        let mut watcher = asked.accept(KIND, "rain").await.unwrap();
        assert_eq!(state(&mut subscription).await, ("rain".to_owned(), true));
        watcher.notify(KIND, "sun").await.unwrap();
        assert_eq!(state(&mut subscription).await, ("sun".to_owned(), true));
        // Asked for again, it is told again.
        subscription.refresh().await.unwrap();
        assert_eq!(state(&mut subscription).await, ("sun".to_owned(), true));
        assert!(matches!(watcher.next().await, Some(WatcherNews::Refreshed { expires }) if expires.as_secs() > 3_000));
        match ends {
            "watcher" => {
                subscription.end().await;
                assert_eq!(watcher.next().await, Some(WatcherNews::Ended { why: WatcherEnd::Unsubscribed }));
                assert_eq!(watcher.next().await, None);
                assert_eq!(watcher.notify(KIND, "snow").await, Err(CallError::Ended));
            }
            "teller" => {
                watcher.end(EndReason::Rejected, None);
                let news = end(&mut subscription).await;
                let reason = Some("rejected".to_owned());
                assert_eq!(
                    news,
                    SubscriptionNews::Failed { error: SubscribeError::Terminated { reason }, retry_in: None }
                );
            }
            _ => {
                drop(watcher);
                let news = end(&mut subscription).await;
                let reason = Some("noresource".to_owned());
                assert_eq!(
                    news,
                    SubscriptionNews::Failed { error: SubscribeError::Terminated { reason }, retry_in: None }
                );
            }
        }
        until("nothing is left", async || bob.usage().await.unwrap().stack.watchers == 0).await;
    }
    let states = wire.messages(true, "NOTIFY");
    assert!(states.iter().all(|notify| header(notify, "Event") == Some("weather")), "{states:?}");
    bob.close().await;
}

#[tokio::test]
async fn rfc6665_4_2_1_who_has_to_be_asked_first_pends_and_is_allowed_or_refused() {
    let (alice, bob) = (builder().build().await.unwrap(), teller().build().await.unwrap());
    let uri = bob.uri("bob").unwrap();
    let mut subscription = alice.subscribe(&uri, "weather").accept([KIND]).start().await.unwrap();
    let watcher = bob.subscription().await.unwrap().pend().await.unwrap();
    assert_eq!(state(&mut subscription).await, (String::new(), false));
    watcher.allow(KIND, "rain").await.unwrap();
    assert_eq!(state(&mut subscription).await, ("rain".to_owned(), true));
    // Refused with a code, and by being dropped.
    for (code, expected) in [(Some(603), 603), (Some(200), 403), (None, 403)] {
        let mut refused = alice.subscribe(&uri, "weather").accept([KIND]).start().await.unwrap();
        let asked = bob.subscription().await.unwrap();
        match code {
            Some(code) => asked.reject(code),
            None => drop(asked),
        }
        match refused.next().await {
            Some(SubscriptionNews::Failed { error: SubscribeError::Refused(error), .. }) => {
                assert!(matches!(error, CallError::Rejected { code, .. } if code == expected), "{error:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    // Asked once, told once.
    let once = alice.subscribe(&uri, "weather").accept([KIND]).expires(Duration::ZERO).start();
    let mut once = once.await.unwrap();
    let asked = bob.subscription().await.unwrap();
    assert!(asked.asks_once());
    let mut watcher = asked.accept(KIND, "fog").await.unwrap();
    assert_eq!(state(&mut once).await, ("fog".to_owned(), true));
    assert_eq!(end(&mut once).await, SubscriptionNews::Ended);
    assert_eq!(watcher.next().await, None);
}

#[tokio::test]
async fn rfc6665_4_2_1_1_a_package_that_is_not_told_is_489_and_what_nobody_reads_406() {
    let alice = builder().build().await.unwrap();
    let wire = Wire::default();
    let bob = wire.tap(teller()).build().await.unwrap();
    let deaf = builder().build().await.unwrap();
    for (to, event, accept, code) in [
        (bob.uri("bob"), "presence", "application/pidf+xml", 489),
        (bob.uri("bob"), "weather", "text/html", 406),
        (bob.uri("bob"), "refer", "message/sipfrag", 403),
        (deaf.uri("bob"), "weather", KIND, 489),
    ] {
        let mut refused = alice.subscribe(&to.unwrap(), event).accept([accept]).start().await.unwrap();
        match refused.next().await {
            Some(SubscriptionNews::Failed {
                error: SubscribeError::Refused(CallError::Rejected { code: got, .. }),
                ..
            }) => {
                assert_eq!(got, code, "{event}");
            }
            other => panic!("{event}: {other:?}"),
        }
    }
    let refusal = wire.messages(true, "SIP/2.0 489").remove(0);
    assert_eq!(header(&refusal, "Allow-Events"), Some("weather, dialog"));
    alice.options(&bob.uri("bob").unwrap()).await.unwrap();
    let answer = wire.messages(true, "SIP/2.0 200").remove(0);
    assert_eq!(header(&answer, "Allow-Events"), Some("weather, dialog"), "{answer}");
}

#[tokio::test]
async fn one_watcher_more_than_there_may_be_is_answered_503_and_room_comes_back() {
    let (alice, bob) = (builder().build().await.unwrap(), teller().max_watchers(2).build().await.unwrap());
    let uri = bob.uri("bob").unwrap();
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut subscription = alice.subscribe(&uri, "weather").accept([KIND]).start().await.unwrap();
        let watcher = bob.subscription().await.unwrap().accept(KIND, "rain").await.unwrap();
        state(&mut subscription).await;
        held.push((subscription, watcher));
    }
    let mut refused = alice.subscribe(&uri, "weather").accept([KIND]).start().await.unwrap();
    match refused.next().await {
        Some(SubscriptionNews::Failed {
            error: SubscribeError::Refused(CallError::Rejected { code, .. }),
            retry_in,
        }) => {
            assert_eq!((code, retry_in.is_some()), (503, true));
        }
        other => panic!("{other:?}"),
    }
    drop(refused);
    let (subscription, mut watcher) = held.remove(0);
    subscription.end().await;
    assert!(matches!(watcher.next().await, Some(WatcherNews::Ended { .. })));
    let mut third = alice.subscribe(&uri, "weather").accept([KIND]).start().await.unwrap();
    let _watcher = bob.subscription().await.unwrap().accept(KIND, "hail").await.unwrap();
    assert_eq!(state(&mut third).await, ("hail".to_owned(), true));
}

/// Whoever closes says good-bye to those who watch.
#[tokio::test]
async fn rfc6665_4_2_2_watchers_are_told_of_the_end_of_an_endpoint() {
    let (alice, bob) = (builder().build().await.unwrap(), teller().build().await.unwrap());
    let mut subscription = alice.subscribe(&bob.uri("bob").unwrap(), "weather").accept([KIND]).start().await.unwrap();
    let watcher = bob.subscription().await.unwrap().accept(KIND, "rain").await.unwrap();
    state(&mut subscription).await;
    bob.close().await;
    let reason = Some("noresource".to_owned());
    assert_eq!(
        end(&mut subscription).await,
        SubscriptionNews::Failed { error: SubscribeError::Terminated { reason }, retry_in: None }
    );
    drop(watcher);
}

/// A program that waits for something else meanwhile, by `select!` or a time-out, has no hold of the watcher: nobody would ever end it.
#[tokio::test]
async fn rfc6665_4_2_2_a_watcher_that_was_taken_when_nobody_waited_for_it_any_more_is_told_the_end() {
    let (alice, bob) = (builder().build().await.unwrap(), teller().max_watchers(1).build().await.unwrap());
    let uri = bob.uri("bob").unwrap();
    for pends in [false, true] {
        let mut subscription = alice.subscribe(&uri, "weather").accept([KIND]).start().await.unwrap();
        let asked = bob.subscription().await.unwrap();
        // Asked for once, and dropped.
        match pends {
            true => drop(tokio::time::timeout(Duration::ZERO, asked.pend()).await),
            false => drop(tokio::time::timeout(Duration::ZERO, asked.accept(KIND, "rain")).await),
        }
        let reason = Some("noresource".to_owned());
        let ended = tokio::time::timeout(PATIENCE, end(&mut subscription)).await.expect("it is told the end");
        assert_eq!(ended, SubscriptionNews::Failed { error: SubscribeError::Terminated { reason }, retry_in: None });
    }
    // There is room for another.
    let mut subscription = alice.subscribe(&uri, "weather").accept([KIND]).start().await.unwrap();
    let watcher = bob.subscription().await.unwrap().accept(KIND, "rain").await.unwrap();
    assert_eq!(state(&mut subscription).await, ("rain".to_owned(), true));
    drop(watcher);
}

#[tokio::test]
async fn rfc4575_4_6_a_subscription_ends_with_the_conference() {
    let kind = ua::package::conference::TYPE;
    let (alice, bob) = (builder().build().await.unwrap(), builder().tells("conference", kind).build().await.unwrap());
    let mut subscription = alice.subscribe(&bob.uri("610").unwrap(), "conference").start().await.unwrap();
    let document = |version: u32, state: &str| {
        format!(
            "<conference-info xmlns='urn:ietf:params:xml:ns:conference-info' entity='sip:610@x' state='{state}' version='{version}'/>"
        )
    };
    let mut watcher = bob.subscription().await.unwrap().accept(kind, document(1, "full")).await.unwrap();
    let mut told = Vec::new();
    loop {
        match tokio::time::timeout(PATIENCE, subscription.next()).await.expect("the conference is over") {
            Some(SubscriptionNews::State { state: ResourceState::Conference(conference), .. }) => {
                told.push((conference.version, conference.deleted));
                if conference.version == 1 {
                    watcher.notify(kind, document(2, "deleted")).await.unwrap();
                }
            }
            Some(SubscriptionNews::Accepted { .. } | SubscriptionNews::State { state: ResourceState::Nothing, .. }) => {
            }
            Some(SubscriptionNews::Ended) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told[..2], [(1, false), (2, true)]);
    assert!(matches!(watcher.next().await, Some(WatcherNews::Ended { .. })));
}

/// The dialogs that the next news tells, and whether they are all.
async fn dialogs(subscription: &mut Subscription) -> (Vec<String>, bool) {
    loop {
        match subscription.next().await {
            Some(SubscriptionNews::State { state: ResourceState::Dialogs(info), .. }) => {
                return (info.dialogs.into_iter().map(|dialog| dialog.id).collect(), info.full);
            }
            Some(SubscriptionNews::Accepted { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn rfc4235_4_3_parts_are_put_together_and_where_one_is_missing_the_whole_is_asked_for_once() {
    let (alice, bob) = (builder().build().await.unwrap(), teller().build().await.unwrap());
    let document = |version, full, ids: &[&str]| {
        let dialogs = ids.iter().map(|id| dialog::Dialog::new(*id, dialog::State::Early)).collect();
        dialog::DialogInfo { version, full, entity: "sip:bob@example.com".to_owned(), dialogs }.write()
    };
    let mut subscription = alice.subscribe(&bob.uri("bob").unwrap(), dialog::PACKAGE).start().await.unwrap();
    let asked = bob.subscription().await.unwrap();
    let mut watcher = asked.accept(dialog::TYPE, document(0, true, &["1"])).await.unwrap();
    assert_eq!(dialogs(&mut subscription).await, (vec!["1".to_owned()], true));
    watcher.notify(dialog::TYPE, document(1, false, &["2"])).await.unwrap();
    assert_eq!(dialogs(&mut subscription).await, (vec!["1".to_owned(), "2".to_owned()], true));
    // The third is missing. Asked again, we say the same again, and are not asked for ever.
    watcher.notify(dialog::TYPE, document(3, false, &["4"])).await.unwrap();
    let some = (["1", "2", "4"].map(str::to_owned).to_vec(), false);
    assert_eq!(dialogs(&mut subscription).await, some);
    assert!(matches!(watcher.next().await, Some(WatcherNews::Refreshed { .. })));
    assert_eq!(dialogs(&mut subscription).await, some);
    watcher.notify(dialog::TYPE, document(5, false, &["6"])).await.unwrap();
    assert_eq!(dialogs(&mut subscription).await.0.len(), 4);
    // What is older is not told, and a whole one is all there is.
    watcher.notify(dialog::TYPE, document(2, true, &[])).await.unwrap();
    watcher.notify(dialog::TYPE, document(6, true, &["7"])).await.unwrap();
    assert_eq!(dialogs(&mut subscription).await, (vec!["7".to_owned()], true));
    watcher.notify(dialog::TYPE, document(9, false, &["8"])).await.unwrap();
    assert_eq!(dialogs(&mut subscription).await, (vec!["7".to_owned(), "8".to_owned()], false));
    assert!(matches!(watcher.next().await, Some(WatcherNews::Refreshed { .. })), "and no other before");
}

/// The Accept of our SUBSCRIBE has the type of each package (RFC 3857 section 4.5, RFC 4575 section 3.4), and for lists theirs too.
#[tokio::test]
async fn rfc3680_4_5_a_subscriber_accepts_the_type_of_the_package() {
    let wire = Wire::default();
    let alice = wire.tap(builder()).build().await.unwrap();
    let bob = builder().build().await.unwrap();
    for (event, kinds) in [
        ("reg", "application/reginfo+xml"),
        ("conference", "application/conference-info+xml"),
        ("presence.winfo", "application/watcherinfo+xml"),
        ("presence", "application/pidf+xml"),
        ("dialog", "application/dialog-info+xml"),
    ] {
        for lists in [false, true] {
            let asking = alice.subscribe(&bob.uri("bob").unwrap(), event);
            let mut asking = if lists { asking.lists() } else { asking }.start().await.unwrap();
            assert!(matches!(asking.next().await, Some(SubscriptionNews::Failed { .. })));
            let asked = wire.messages(true, "SUBSCRIBE").pop().unwrap();
            assert_eq!(header(&asked, "Event"), Some(event));
            let accept = header(&asked, "Accept").unwrap();
            assert!(accept.split(", ").any(|kind| kind == kinds), "{accept}");
            let more = ["multipart/related", "application/rlmi+xml"];
            assert_eq!(more.iter().all(|kind| accept.contains(kind)), lists, "{accept}");
        }
    }
}

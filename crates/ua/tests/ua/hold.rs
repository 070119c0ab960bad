//! Hold, resume, digits, text: what happens while a call stands.

use std::time::Duration;

use ua::{Call, CallError, CallEvent, DigitBy, Events};

use crate::{Wire, builder, call, pair, until};

async fn packets(call: &Call) -> (u64, u64) {
    let stats = call.stats().await.unwrap();
    (stats.packets_sent, stats.packets_received)
}

/// Waits until each side has sent and received so many packets more.
async fn more_packets(placed: &Call, taken: &Call, more: u64) {
    let before = (packets(placed).await, packets(taken).await);
    until("packets both ways", async || {
        let (placed, taken) = (packets(placed).await, packets(taken).await);
        let sent = placed.0 >= before.0.0 + more && taken.0 >= before.1.0 + more;
        sent && placed.1 >= before.0.1 + more && taken.1 >= before.1.1 + more
    })
    .await;
}

async fn next(events: &mut Events, wanted: fn(&CallEvent) -> bool) -> CallEvent {
    loop {
        let event = tokio::time::timeout(Duration::from_secs(10), events.next())
            .await
            .expect("in time")
            .expect("before the end");
        if wanted(&event) {
            return event;
        }
    }
}

#[tokio::test]
async fn rfc3264_8_4_while_a_call_is_held_no_packet_flows() {
    let wire = Wire::default();
    let alice = wire.tap(builder()).build().await.unwrap();
    let bob = builder().build().await.unwrap();
    // By the same media threads: it tells how much could have been sent meanwhile.
    let (beside, other) = call(&alice, &bob).await;
    let (placed, taken) = call(&alice, &bob).await;
    let mut events = taken.events();
    let _tone = (placed.audio().tone(440.0, None).unwrap(), taken.audio().tone(1_000.0, None).unwrap());
    placed.hold().await.unwrap();
    next(&mut events, |event| *event == CallEvent::HeldByPeer).await;
    placed.hold().await.expect("holding twice is no error");
    assert!(wire.messages(true, "INVITE")[2].contains("\r\na=sendonly\r\n"));
    assert!(wire.messages(false, "SIP/2.0 200")[2].contains("\r\na=recvonly\r\n"));
    // What was on its way comes first.
    more_packets(&beside, &other, 5).await;
    let before = (packets(&placed).await, packets(&taken).await);
    more_packets(&beside, &other, 25).await;
    assert_eq!((packets(&placed).await, packets(&taken).await), before, "sent and received while held");
    placed.resume().await.unwrap();
    next(&mut events, |event| *event == CallEvent::Resumed).await;
    more_packets(&placed, &taken, 15).await;
    // RFC 3264 section 8: the version of our description grows with each change.
    let offers = &wire.messages(true, "INVITE")[1..];
    let version = |body: &str| {
        body.lines()
            .find_map(|line| line.strip_prefix("o="))
            .unwrap()
            .split(' ')
            .nth(2)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!(version(&offers[1]), version(&offers[0]) + 1);
    assert_eq!(version(&offers[2]), version(&offers[0]) + 2);
}

#[tokio::test]
async fn rfc3311_5_1_a_call_may_be_held_with_update() {
    let wire = Wire::default();
    let alice = wire.tap(builder().hold_by_update()).build().await.unwrap();
    let bob = builder().hold_by_update().build().await.unwrap();
    let (placed, taken) = call(&alice, &bob).await;
    let (mut at_alice, mut at_bob) = (placed.events(), taken.events());
    placed.hold().await.unwrap();
    next(&mut at_bob, |event| *event == CallEvent::HeldByPeer).await;
    placed.resume().await.unwrap();
    next(&mut at_bob, |event| *event == CallEvent::Resumed).await;
    // Both at once: one of them may have to wait and ask again.
    let (ours, theirs) = tokio::join!(placed.hold(), taken.hold());
    ours.unwrap();
    theirs.unwrap();
    placed.resume().await.unwrap();
    next(&mut at_alice, |event| *event == CallEvent::HeldByPeer).await;
    taken.resume().await.unwrap();
    next(&mut at_alice, |event| *event == CallEvent::Resumed).await;
    more_packets(&placed, &taken, 15).await;
    let updates = wire.messages(true, "UPDATE");
    assert!(updates.len() >= 3 && updates[0].contains("\r\na=sendonly\r\n"), "{updates:?}");
    assert_eq!(wire.messages(true, "INVITE").len(), 1);
}

#[tokio::test]
async fn both_sides_may_hold_and_a_held_side_stays_held() {
    let (alice, bob) = pair().await;
    let (placed, taken) = call(&alice, &bob).await;
    let (mut at_alice, mut at_bob) = (placed.events(), taken.events());
    placed.hold().await.unwrap();
    next(&mut at_bob, |event| *event == CallEvent::HeldByPeer).await;
    taken.hold().await.unwrap();
    placed.resume().await.unwrap();
    next(&mut at_alice, |event| *event == CallEvent::HeldByPeer).await;
    taken.resume().await.unwrap();
    next(&mut at_alice, |event| *event == CallEvent::Resumed).await;
    // Audio flows again both ways.
    more_packets(&placed, &taken, 15).await;
}

#[tokio::test]
async fn rfc3261_14_1_a_glare_of_holds_is_tried_again_once() {
    let (alice, bob) = pair().await;
    let (placed, taken) = call(&alice, &bob).await;
    // Both at once: each is answered 491, and each tries again after a wait of its own.
    let (first, second) = tokio::join!(placed.hold(), taken.hold());
    first.unwrap();
    second.unwrap();
    let concurrent = tokio::join!(placed.resume(), placed.hold());
    assert!(matches!(concurrent, (Ok(()), Err(CallError::Busy)) | (Err(CallError::Busy), Ok(()))), "{concurrent:?}");
}

#[tokio::test]
async fn rfc4733_digits_arrive_both_ways_in_order() {
    let (alice, bob) = pair().await;
    let (placed, taken) = call(&alice, &bob).await;
    for (from, to) in [(&placed, &taken), (&taken, &placed)] {
        let mut events = to.events();
        from.dtmf("12#*0D").await.unwrap();
        let mut heard = String::new();
        while heard.len() < 6 {
            let event = next(&mut events, |event| matches!(event, CallEvent::Digit { .. })).await;
            let CallEvent::Digit { digit, duration, by } = event else { continue };
            assert_eq!(by, DigitBy::Rtp);
            assert!(duration >= Duration::from_millis(40), "{digit} for {duration:?}");
            heard.push(digit);
        }
        assert_eq!(heard, "12#*0D");
    }
    assert!(matches!(placed.dtmf("12x").await, Err(CallError::BadText { .. })));
}

#[tokio::test]
async fn digits_and_text_within_a_call_arrive_as_requests() {
    let wire = Wire::default();
    let alice = wire.tap(builder()).build().await.unwrap();
    let bob = builder().build().await.unwrap();
    let (placed, taken) = call(&alice, &bob).await;
    let mut events = taken.events();
    placed.dtmf_info("5#").await.unwrap();
    for wanted in ['5', '#'] {
        let event = next(&mut events, |event| matches!(event, CallEvent::Digit { .. })).await;
        let duration = Duration::from_millis(160);
        assert_eq!(event, CallEvent::Digit { digit: wanted, duration, by: DigitBy::Info });
    }
    assert!(wire.messages(true, "INFO")[0].contains("Content-Type: application/dtmf-relay\r\n"));
    assert!(matches!(placed.dtmf_info("5x").await, Err(CallError::BadText { .. })));
    assert_eq!(placed.message("grüß dich").await.unwrap().code, 200);
    let event = next(&mut events, |event| matches!(event, CallEvent::Message(_))).await;
    let CallEvent::Message(message) = event else { panic!("{event:?}") };
    assert_eq!((message.text.as_str(), message.content_type.as_str()), ("grüß dich", "text/plain;charset=UTF-8"));
}

#[tokio::test]
async fn silence_of_a_peer_is_told() {
    let alice = builder().silence_after(Some(Duration::from_millis(300))).build().await.unwrap();
    let (peer, address) = crate::socket().await;
    let dialing = alice.call(format!("sip:bob@{address}")).start().await.unwrap();
    // A peer that answers and never says anything.
    let mut buffer = [0; 4_096];
    let (length, from) = peer.recv_from(&mut buffer).await.unwrap();
    let invite = String::from_utf8_lossy(&buffer[..length]).into_owned();
    let body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    let lines =
        ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", crate::header(&invite, name).unwrap()));
    let to = crate::header(&invite, "To").unwrap();
    let ok = format!(
        "SIP/2.0 200 OK\r\n{}To: {to};tag=x\r\nContact: <sip:{address}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        lines.concat(),
        body.len()
    );
    peer.send_to(ok.as_bytes(), from).await.unwrap();
    let placed = dialing.answer().await.unwrap();
    let event = next(&mut placed.events(), |event| matches!(event, CallEvent::Silence { .. })).await;
    assert!(matches!(event, CallEvent::Silence { lasting } if lasting >= Duration::from_millis(300)), "{event:?}");
}

#[tokio::test]
async fn rfc3550_6_4_1_the_round_trip_and_the_far_ends_view_are_measured() {
    let (alice, bob) = pair().await;
    let (placed, _taken) = call(&alice, &bob).await;
    let begin = tokio::time::Instant::now();
    let stats = loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let stats = placed.stats().await.unwrap();
        if stats.round_trip.is_some() {
            break stats;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "no report of the peer: {stats:?}");
    };
    assert!(stats.round_trip.unwrap() < Duration::from_millis(500), "{stats:?}");
    assert!(
        stats.far_jitter.is_some() && stats.far_lost == 0 && stats.packets_lost == 0 && stats.strangers == 0,
        "{stats:?}"
    );
}

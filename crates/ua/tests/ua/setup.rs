//! From the INVITE to the answer, or to none.

use std::time::Duration;

use ua::{AccountConfig, CallError, CallEvent, Codec, DigitBy, EndedBy, Timers};

use crate::{Wire, builder, call, header, pair, until};

#[tokio::test]
async fn a_refusal_arrives_with_its_code() {
    let (alice, bob) = pair().await;
    for code in [404, 480, 486, 488, 603] {
        let (placed, refused) = tokio::join!(alice.call(bob.uri("bob").unwrap()), async {
            bob.incoming().await.unwrap().reject(code, None).await
        });
        match placed {
            Err(CallError::Rejected { code: got, .. }) => assert_eq!(got, code),
            other => panic!("{code}: {:?}", other.err()),
        }
        assert_eq!((refused.by, refused.code), (EndedBy::Us, code));
    }
    // An incoming call that nobody keeps is declined.
    let (placed, ()) = tokio::join!(alice.call(bob.uri("bob").unwrap()), async { drop(bob.incoming().await) });
    assert!(matches!(placed, Err(CallError::Rejected { code: 603, .. })));
}

#[tokio::test]
async fn rfc3261_9_1_a_caller_who_cancels_is_seen_to_be_gone() {
    let wire = Wire::default();
    let alice = wire.tap(builder()).build().await.unwrap();
    let bob = builder().build().await.unwrap();
    let mut dialing = alice.call(bob.uri("bob").unwrap()).start().await.unwrap();
    let incoming = bob.incoming().await.unwrap();
    incoming.ring().await.unwrap();
    let progress = dialing.progress().await.unwrap();
    assert_eq!((progress.code, progress.early_media), (180, false));
    let ended = dialing.cancel().await;
    assert_eq!((ended.by, ended.code, ended.duration), (EndedBy::Us, 487, Duration::ZERO));
    let gone = incoming.gone().await;
    assert_eq!((gone.by, gone.code), (EndedBy::Peer, 487));
    assert_eq!(incoming.answer().await.err(), Some(CallError::CallerGone));
    until("the 487 and its ACK", async || wire.lines().iter().any(|line| line == "> ACK")).await;
    let mut lines = wire.lines();
    // What is repeated where the machine is slow (timer A) belongs to the first of its kind.
    let mut seen = std::collections::HashSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    let expected = ["> INVITE", "< SIP/2.0 100 Trying", "< SIP/2.0 180 Ringing", "> CANCEL"];
    assert_eq!(&lines[..4], &expected, "{lines:?}");
    assert!(lines.contains(&"< SIP/2.0 487 Request Terminated".to_owned()), "{lines:?}");
    // RFC 3261 section 9.1: Request-URI, branch and CSeq number of the INVITE.
    let (invite, cancel) = (wire.messages(true, "INVITE").remove(0), wire.messages(true, "CANCEL").remove(0));
    assert_eq!(header(&invite, "Via"), header(&cancel, "Via"));
    assert_eq!(header(&invite, "CSeq").unwrap().replace("INVITE", "CANCEL"), header(&cancel, "CSeq").unwrap());
}

/// With a T1 of 20 s no timer repeats anything, however slow the machine is.
#[tokio::test]
async fn a_call_and_its_end_say_nothing_twice() {
    let t1 = Duration::from_secs(20);
    let slow = || builder().timers(Timers { t1, t2: t1, t4: t1, d: t1 });
    let wires = [Wire::default(), Wire::default()];
    let alice = wires[0].tap(slow()).build().await.unwrap();
    let bob = wires[1].tap(slow()).build().await.unwrap();
    let (placed, taken) = call(&alice, &bob).await;
    placed.hangup().await;
    taken.ended().await;
    until("the 200 to the BYE", async || {
        wires[0].lines().iter().filter(|line| *line == "< SIP/2.0 200 OK").count() == 2
    })
    .await;
    for wire in wires {
        assert!(wire.lines().iter().any(|line| line.ends_with(" ACK")), "{:?}", wire.lines());
        assert_eq!(wire.repeated(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_dropped_future_gives_the_call_up() {
    let (alice, bob) = pair().await;
    let placing = tokio::time::timeout(Duration::from_millis(200), alice.call(bob.uri("bob").unwrap()));
    let (placed, incoming) = tokio::join!(placing, bob.incoming());
    assert!(placed.is_err());
    assert_eq!(incoming.unwrap().gone().await.by, EndedBy::Peer);
}

#[tokio::test]
async fn ringing_ends_after_the_time_that_was_given() {
    let (alice, bob) = pair().await;
    let span = Duration::from_millis(300);
    let (placed, incoming) = tokio::join!(alice.call(bob.uri("bob").unwrap()).ring_for(span), async {
        let incoming = bob.incoming().await.unwrap();
        incoming.ring().await.unwrap();
        incoming
    });
    let error = placed.err();
    assert_eq!(error, Some(CallError::NoAnswer { after: Some(span) }));
    assert_eq!(error.unwrap().to_string(), "no answer within 0.3 s: let it ring for longer, or call again later");
    assert_eq!(incoming.gone().await.by, EndedBy::Peer);
}

#[tokio::test]
async fn one_call_more_than_there_is_room_for_is_answered_busy() {
    let alice = builder().build().await.unwrap();
    let bob = builder().max_calls(1).build().await.unwrap();
    let (first, kept) = call(&alice, &bob).await;
    let second = alice.call(bob.uri("bob").unwrap()).await;
    assert!(matches!(second, Err(CallError::Rejected { code: 486, .. })));
    let third = bob.call(alice.uri("alice").unwrap()).await;
    assert!(matches!(third, Err(CallError::TooMany { limit: 1 })));
    // RFC 3261 section 11.2: OPTIONS is answered as an INVITE would be.
    let asked = alice.options(&bob.uri("bob").unwrap()).await;
    assert!(matches!(asked, Err(CallError::Rejected { code: 486, .. })), "{asked:?}");
    first.hangup().await;
    kept.ended().await;
    call(&alice, &bob).await;
}

#[tokio::test]
async fn addresses_that_lead_nowhere_say_so() {
    let alice = builder().build().await.unwrap();
    for bad in ["", "sip:", "sip:bob@", "tel:+4312345", "sips:bob@example.com;transport=udp", "sip:bob@exa mple.com"] {
        let error = alice.call(bad).await.err();
        assert!(matches!(error, Some(CallError::BadUri { .. })), "{bad:?}: {error:?}");
    }
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = alice.call(format!("sip:bob@{closed}")).await.err().unwrap();
    assert!(matches!(error, CallError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(&closed.to_string()), "{error}");
    // A host that takes the INVITE and says nothing: timer B.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let error = alice.call(format!("sip:bob@{}", silent.local_addr().unwrap())).await.err().unwrap();
    assert_eq!(error, CallError::NoAnswer { after: None });
    let error = alice.call("sip:bob@127.0.0.1").header("Subject", "a\r\nb").await.err().unwrap();
    assert!(matches!(error, CallError::BadText { .. }), "{error:?}");
    // RFC 3323 section 4.2: what nobody on the way could make sense of.
    let error = alice.call("sip:bob@127.0.0.1").privacy("none;id").await.err().unwrap();
    assert!(error.to_string().contains("expected `none` alone"), "{error}");
}

#[tokio::test]
async fn rfc3261_13_2_1_the_offer_may_come_with_the_answer() {
    let wire = Wire::default();
    let alice = wire.tap(builder()).build().await.unwrap();
    let bob = builder().build().await.unwrap();
    let uri = bob.uri("bob").unwrap();
    let (placed, taken) =
        tokio::join!(alice.call(uri).late_offer(), async { bob.incoming().await.unwrap().answer().await });
    let (placed, taken) = (placed.unwrap(), taken.unwrap());
    assert!(wire.messages(true, "INVITE")[0].ends_with("\r\n\r\n"), "no body in the INVITE");
    assert!(wire.messages(true, "ACK")[0].contains("\r\nm=audio "), "the answer is in the ACK");
    let mut events = taken.events();
    placed.dtmf("7").await.unwrap();
    loop {
        if let CallEvent::Digit { digit, by, .. } = events.next().await.unwrap() {
            assert_eq!((digit, by), ('7', DigitBy::Rtp));
            break;
        }
    }
}

#[tokio::test]
async fn early_media_is_heard_before_the_answer() {
    let (alice, bob) = pair().await;
    let mut dialing = alice.call(bob.uri("bob").unwrap()).start().await.unwrap();
    let incoming = bob.incoming().await.unwrap();
    incoming.progress_with_media().await.unwrap();
    let progress = dialing.progress().await.unwrap();
    assert_eq!((progress.code, progress.early_media), (183, true));
    let mut events = dialing.events();
    assert_eq!(events.next().await, Some(CallEvent::MediaReady { codec: "PCMU" }));
    assert_eq!(events.next().await, Some(CallEvent::Heard), "packets come before the answer");
    let (placed, taken) = tokio::join!(dialing.answer(), incoming.answer());
    let (placed, _taken) = (placed.unwrap(), taken.unwrap());
    assert!(placed.stats().await.is_some());
}

#[tokio::test]
async fn rfc3264_6_no_common_codec_is_refused_with_488() {
    let alice = builder().codecs(&[Codec::Pcmu]).build().await.unwrap();
    let bob = builder().codecs(&[Codec::Pcma]).build().await.unwrap();
    let refused = alice.call(bob.uri("bob").unwrap()).await;
    assert!(matches!(refused, Err(CallError::Rejected { code: 488, .. })), "{:?}", refused.err());
    // The other way round: the answer to the late offer has nothing for us.
    let uri = bob.uri("bob").unwrap();
    let (placed, taken) =
        tokio::join!(alice.call(uri).late_offer(), async { bob.incoming().await.unwrap().answer().await });
    assert!(matches!(placed, Err(CallError::Media(_))), "{:?}", placed.err());
    assert!(matches!(taken, Err(CallError::Media(_) | CallError::Ended | CallError::CallerGone)), "{:?}", taken.err());
}

#[tokio::test]
async fn rfc3261_20_20_the_display_name_of_a_caller_is_told_where_he_gives_one() {
    let (alice, bob) = pair().await;
    let uri = bob.uri("bob").unwrap();
    let named = AccountConfig::new("sip:alice@example.com").display("Alice \"A\" Ö");
    let named = alice.account(named).await.unwrap();
    let plain = alice.account(AccountConfig::new("sip:alice@example.com")).await.unwrap();
    for (account, name) in [(named, Some("Alice \"A\" Ö")), (plain, None)] {
        let (placed, ()) = tokio::join!(account.call(&uri), async {
            let incoming = bob.incoming().await.unwrap();
            assert_eq!((incoming.display_name(), incoming.from()), (name, "sip:alice@example.com"));
            incoming.reject(486, None).await;
        });
        assert!(placed.is_err());
    }
}

#[tokio::test]
async fn rfc3325_6_by_which_address_we_prefer_to_be_known_is_told_to_a_server_of_the_account_alone() {
    let wire = Wire::default();
    let alice = wire.tap(builder()).build().await.unwrap();
    let bob = builder().build().await.unwrap();
    let uri = bob.uri("bob").unwrap();
    let (of_bobs, elsewhere) = (uri.replace("bob@", "alice@"), "sip:alice@example.com");
    let account = async |config: AccountConfig| alice.account(config).await.unwrap();
    let refused = [
        alice.call(&uri).preferred_identity("sip:boss@example.com"),
        account(AccountConfig::new(elsewhere)).await.call(&uri).preferred_identity("sip:boss@example.com"),
    ];
    for call in refused {
        let error = call.await.err().unwrap();
        assert!(matches!(&error, CallError::BadText { why } if why.contains("prefer to be known")), "{error:?}");
    }
    assert!(wire.messages(true, "INVITE").is_empty(), "nothing was sent");
    let by_proxy = AccountConfig::new(elsewhere).proxy(uri.replace("bob@", ""));
    let trusted = [AccountConfig::new(of_bobs), by_proxy];
    for (config, sent) in trusted.into_iter().zip(1..) {
        let account = account(config).await;
        let (placed, ()) = tokio::join!(account.call(&uri).preferred_identity("sip:boss@example.com"), async {
            bob.incoming().await.unwrap().reject(486, None).await;
        });
        assert!(placed.is_err());
        let invites = wire.messages(true, "INVITE");
        assert!(invites.len() >= sent, "{invites:?}");
        assert_eq!(header(invites.last().unwrap(), "P-Preferred-Identity"), Some("<sip:boss@example.com>"));
    }
}

#[tokio::test]
async fn rfc3261_12_2_1_1_requests_of_a_dialog_carry_what_it_remembers() {
    let wire = Wire::default();
    let alice = wire.tap(builder().user_agent("Test/1")).build().await.unwrap();
    let bob = builder().build().await.unwrap();
    let uri = bob.uri("bob").unwrap();
    let (placed, taken) = tokio::join!(alice.call(uri.clone()).header("Subject", "lunch"), async {
        let incoming = bob.incoming().await.unwrap();
        assert_eq!((incoming.to(), incoming.uri()), (uri.as_str(), uri.as_str()));
        assert_eq!(incoming.header("Subject").as_deref(), Some("lunch"));
        assert!(incoming.from().starts_with("sip:phone@127.0.0.1:"), "{}", incoming.from());
        incoming.with_header("X-Floor", "3").answer().await
    });
    let (placed, taken) = (placed.unwrap(), taken.unwrap());
    placed.hangup().await;
    taken.ended().await;
    until("the 200 to the BYE", async || wire.messages(false, "SIP/2.0 200").len() == 2).await;
    let one = |out, begin: &str| wire.messages(out, begin).remove(0);
    let (invite, ok, ack, bye) = (one(true, "INVITE"), one(false, "SIP/2.0 200"), one(true, "ACK"), one(true, "BYE"));
    let number = |message: &str| header(message, "CSeq").unwrap().split(' ').next().unwrap().parse::<u32>().unwrap();
    assert_eq!((number(&ack), number(&bye)), (number(&invite), number(&invite) + 1));
    for message in [&ok, &ack, &bye] {
        assert_eq!(header(message, "Call-ID"), header(&invite, "Call-ID"));
        assert_eq!(header(message, "From"), header(&invite, "From"));
    }
    assert_eq!(header(&ack, "To"), header(&ok, "To"));
    assert_eq!(header(&bye, "To"), header(&ok, "To"));
    let vias = [&invite, &ack, &bye].map(|message| header(message, "Via").unwrap().to_owned());
    assert!(vias[0] != vias[1] && vias[1] != vias[2] && vias[0] != vias[2], "{vias:?}");
    assert_eq!(header(&invite, "User-Agent"), Some("Test/1"));
    assert_eq!(header(&ok, "X-Floor"), Some("3"));
    assert!(header(&invite, "Allow").unwrap().contains("UPDATE"));
    assert!(header(&invite, "Contact").is_some() && header(&ok, "Contact").is_some());
}

#[tokio::test]
async fn calls_go_by_tcp_too() {
    let alice = builder().tcp("127.0.0.1:0").build().await.unwrap();
    let wire = Wire::default();
    let bob = wire.tap(builder().tcp("127.0.0.1:0")).build().await.unwrap();
    let uri = format!("{};transport=tcp", bob.uri("bob").unwrap());
    let (placed, taken) = tokio::join!(alice.call(uri), async { bob.incoming().await.unwrap().answer().await });
    let (placed, taken) = (placed.unwrap(), taken.unwrap());
    assert!(header(&wire.messages(false, "INVITE")[0], "Via").unwrap().starts_with("SIP/2.0/TCP "));
    taken.hangup().await;
    assert_eq!(placed.ended().await.by, EndedBy::Peer);
}

#[tokio::test]
async fn calls_go_over_ipv6() {
    let wire = Wire::default();
    let alice = wire.tap(ua::Endpoint::builder().udp("[::1]:0")).build().await.unwrap();
    let bob = ua::Endpoint::builder().udp("[::1]:0").build().await.unwrap();
    let (placed, taken) = call(&alice, &bob).await;
    assert!(wire.messages(true, "INVITE")[0].contains("\r\nc=IN IP6 ::1\r\n"), "{}", wire.messages(true, "INVITE")[0]);
    let mut events = taken.events();
    until("a packet", async || events.next().await == Some(CallEvent::Heard)).await;
    placed.hangup().await;
    assert_eq!(taken.ended().await.by, EndedBy::Peer);
}

#[tokio::test]
async fn an_endpoint_on_all_addresses_names_the_one_that_faces_the_peer() {
    let wire = Wire::default();
    let alice = wire.tap(ua::Endpoint::builder().udp("0.0.0.0:0")).build().await.unwrap();
    let bob = builder().build().await.unwrap();
    let (placed, taken) = call(&alice, &bob).await;
    let invite = wire.messages(true, "INVITE").remove(0);
    assert!(invite.contains("\r\nc=IN IP4 127.0.0.1\r\n") && !invite.contains("0.0.0.0"), "{invite}");
    let mut events = placed.events();
    until("a packet", async || events.next().await == Some(CallEvent::Heard)).await;
    drop(taken);
    assert_eq!(placed.ended().await.by, EndedBy::Peer);
    let error = ua::Endpoint::builder().udp("localhost").build().await.err().unwrap().to_string();
    assert_eq!(error, "cannot listen on \"localhost\": expected an IP address and a port, such as 0.0.0.0:5060");
    let taken = ua::Endpoint::builder().udp(bob.bound()[0].address).build().await.err().unwrap().to_string();
    assert!(taken.contains("another program has this port"), "{taken}");
}

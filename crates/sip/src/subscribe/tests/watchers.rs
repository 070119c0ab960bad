use super::*;

impl Rig {
    /// A SUBSCRIBE of a watcher: outside of any dialog, or within the one of our tag.
    fn asks(&mut self, ours: &str, lines: &str) {
        let event = if lines.contains("Event:") { "" } else { "Event: dialog\r\n" };
        self.says("SUBSCRIBE", ours, &format!("{event}{lines}"));
    }

    /// The same for another method.
    fn says(&mut self, method: &str, ours: &str, lines: &str) {
        self.count += 1;
        let (count, tag) = (self.count, if ours.is_empty() { String::new() } else { format!(";tag={ours}") });
        self.receive(format!(
            "{method} sip:1001@192.0.2.7 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKs{count}\r\nFrom: <sip:w@example.com>;tag=watcher\r\n\
             To: <sip:1001@192.0.2.7>{tag}\r\nCall-ID: watching\r\nCSeq: {count} {method}\r\nMax-Forwards: 70\r\nContact: <sip:w@192.0.2.1:5062>\r\n\
             {lines}Content-Length: 0\r\n\r\n"
        ));
    }

    fn accept(&mut self, terms: Terms) -> Result<WatcherId, StackError> {
        let tx = self.asked.pop().unwrap();
        self.turn(|turn| turn.accept_subscription(tx, terms, false))
    }

    fn tell(&mut self, id: WatcherId, text: &str) {
        let body = Body::new("text/plain", text.as_bytes().to_vec());
        self.turn(|turn| turn.notify(id, Some(body))).unwrap();
    }

    /// A watcher for so long, who has been told once.
    fn watched(secs: u32, terms: Terms) -> (Rig, WatcherId, String) {
        let mut rig = Rig::new();
        rig.asks("", &format!("Expires: {secs}\r\n"));
        let id = rig.accept(terms).unwrap();
        rig.tell(id, "first");
        let ours = rig.responses.last().unwrap().headers().to_tag().unwrap().to_owned();
        rig.answer(200, &[]);
        (rig, id, ours)
    }

    /// Why a watcher ended of which nothing is left.
    fn end_of(&self, id: WatcherId) -> &WatcherEnd {
        match &self.watchers[..] {
            [.., (ended, WatcherEvent::Ended { why }), (gone, WatcherEvent::Gone)] if (*ended, *gone) == (id, id) => {
                why
            }
            other => panic!("{other:?}"),
        }
    }

    /// The seconds that an answer grants.
    fn granted(answer: &Response) -> u32 {
        answer.headers().get::<crate::header::Expires>().unwrap().unwrap().0
    }

    fn state(&self) -> String {
        self.last().headers().text(HeaderId::SubscriptionState).unwrap().into_owned()
    }

    fn body(&self) -> &str {
        std::str::from_utf8(self.last().body()).unwrap()
    }
}

#[test]
fn rfc6665_4_2_1_2_a_notify_follows_the_200_at_once() {
    let mut rig = Rig::new();
    rig.asks("", "Expires: 600\r\nRecord-Route: <sip:p.example.com;lr>\r\n");
    let id = rig.accept(Terms::default()).unwrap();
    let answer = rig.responses.last().unwrap();
    assert_eq!((answer.code().get(), answer.headers().text(HeaderId::Expires).as_deref()), (200, Some("600")));
    assert!(answer.headers().has(HeaderId::Contact) && answer.headers().has(HeaderId::RecordRoute));
    assert!(!answer.headers().has(HeaderId::Event));
    rig.tell(id, "now");
    let notify = rig.last();
    assert_eq!((notify.method(), notify.uri_text(), rig.body()), (&Method::Notify, "sip:w@192.0.2.1:5062", "now"));
    assert_eq!(rig.state(), "active;expires=600");
    assert_eq!(notify.headers().text(HeaderId::Event).as_deref(), Some("dialog"));
    assert_eq!(notify.headers().to_tag(), Some("watcher"));
    assert_eq!(notify.headers().text(HeaderId::Route).as_deref(), Some("<sip:p.example.com;lr>"));
}

#[test]
fn rfc6665_4_2_1_1_expires_is_shortened_never_lengthened() {
    for (asked, granted) in [("Expires: 999999\r\n", "86400"), ("Expires: 100\r\n", "100"), ("", "3600")] {
        let mut rig = Rig::new();
        rig.asks("", asked);
        rig.accept(Terms::default()).unwrap();
        assert_eq!(
            rig.responses.last().unwrap().headers().text(HeaderId::Expires).as_deref(),
            Some(granted),
            "{asked}"
        );
    }
}

#[test]
fn rfc6665_4_2_1_1_423_only_below_an_hour() {
    let terms = Terms { least: 7_200, ..Terms::default() };
    for (asked, code) in [(3_599, 423), (3_600, 200), (0, 200)] {
        let mut rig = Rig::new();
        rig.asks("", &format!("Expires: {asked}\r\n"));
        let taken = rig.accept(terms);
        let answer = rig.responses.last().unwrap();
        assert_eq!(answer.code().get(), code, "{asked}");
        assert_eq!(taken.is_ok(), code == 200);
        if code == 423 {
            assert_eq!(answer.headers().text(HeaderId::MinExpires).as_deref(), Some("7200"));
        }
    }
}

#[test]
fn rfc6665_4_2_1_1_489_names_the_packages() {
    let packages = [("dialog", "application/dialog-info+xml"), ("presence", "application/pidf+xml")];
    let of = |lines: &str| {
        let mut rig = Rig::new();
        rig.asks("", lines);
        let tx = rig.asked.pop().unwrap();
        rig.turn(|turn| check(turn.request_of(tx).unwrap(), &packages))
    };
    let refused = of("Event: weather\r\n").unwrap();
    assert_eq!(refused.code.get(), 489);
    assert!(refused.lines.has(HeaderId::AllowEvents));
    assert_eq!(of("Event: ;\r\n").unwrap().code.get(), 400);
    assert_eq!(of("Event: dialog, presence\r\n").unwrap().code.get(), 400, "one package");
    assert_eq!(of("Event: dialog\r\nAccept: text/plain\r\n").unwrap().code.get(), 406);
    for lines in [
        "Event: dialog\r\n",
        "Event: dialog;id=3\r\nAccept: text/plain, application/*\r\n",
        "Event: presence\r\nAccept: */*\r\n",
    ] {
        assert!(of(lines).is_none(), "{lines}");
    }
}

#[test]
fn rfc6665_4_2_2_one_notify_is_under_way_and_the_newest_follows() {
    let (mut rig, id, _) = Rig::watched(600, Terms::default());
    rig.tell(id, "second");
    for text in ["third", "fourth", "fifth"] {
        rig.tell(id, text);
    }
    assert_eq!(rig.body(), "second");
    rig.answer(200, &[]);
    assert_eq!(rig.body(), "fifth");
    rig.answer(200, &[]);
    assert_eq!(rig.requests.len(), 3);
}

#[test]
fn the_interval_of_the_terms_is_kept() {
    let terms = Terms { interval: Duration::from_secs(5), ..Terms::default() };
    let (mut rig, id, ours) = Rig::watched(600, terms);
    rig.tell(id, "second");
    rig.wait_until(4.9);
    assert_eq!(rig.requests.len(), 1);
    rig.tell(id, "third");
    rig.wait_until(5.1);
    assert_eq!((rig.requests.len(), rig.body()), (2, "third"));
    rig.answer(200, &[]);
    // Who asks again is told at once.
    rig.asks(&ours, "Expires: 600\r\n");
    rig.tell(id, "whole");
    assert_eq!(rig.body(), "whole");
}

#[test]
fn rfc6665_4_2_1_4_a_refresh_wants_the_whole_state() {
    let (mut rig, id, ours) = Rig::watched(600, Terms::default());
    rig.wait_until(500.0);
    rig.asks(&ours, "Expires: 600\r\n");
    assert_eq!(rig.responses.last().unwrap().code().get(), 200);
    assert!(
        matches!(rig.watchers.last(), Some((of, WatcherEvent::Wanted { expires })) if *of == id && expires.as_secs() == 600)
    );
    rig.tell(id, "whole");
    rig.answer(200, &[]);
    rig.wait_until(1_000.0);
    assert_eq!(rig.stack.usage().watchers, 1);
    // One that would be too short: 423, and what was granted stands.
    rig.asks(&ours, "Expires: 5\r\n");
    assert_eq!(rig.responses.last().unwrap().code().get(), 423);
    assert_eq!(rig.stack.usage().watchers, 1);
}

#[test]
fn rfc6665_4_2_1_4_a_refresh_is_granted_no_more_than_it_asks_for() {
    for (asked, granted) in [("Expires: 999999\r\n", 86_400), ("Expires: 100\r\n", 100), ("", 3_600)] {
        let (mut rig, id, ours) = Rig::watched(600, Terms::default());
        rig.asks(&ours, asked);
        let answer = rig.responses.last().unwrap();
        assert_eq!((answer.code().get(), Rig::granted(answer)), (200, granted), "{asked}");
        rig.tell(id, "whole");
        assert_eq!(rig.state(), format!("active;expires={granted}"));
    }
}

#[test]
fn rfc6665_4_2_2_a_notify_says_how_much_of_the_time_is_left() {
    let (mut rig, id, _) = Rig::watched(600, Terms::default());
    for (at, left) in [(100.0, 500), (350.5, 249), (599.5, 0)] {
        rig.wait_until(at);
        rig.tell(id, "state");
        assert_eq!(rig.state(), format!("active;expires={left}"));
        rig.answer(200, &[]);
    }
}

/// Either is answered at once, so there is nothing to cancel; the CANCEL is answered, too.
#[test]
fn rfc6665_4_6_a_cancel_of_a_subscribe_or_notify_is_answered_and_changes_nothing() {
    let cancel = |rig: &mut Rig, branch: String, line: &str| {
        rig.receive(format!(
            "CANCEL sip:1001@192.0.2.7 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{branch}\r\n{line}CSeq: 1 CANCEL\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        ));
        let answer = rig.responses.last().unwrap();
        (answer.code().get(), answer.headers().method().clone())
    };
    let mut rig = Rig::new();
    rig.asks("", "Expires: 600\r\n");
    let line = "From: <sip:w@example.com>;tag=watcher\r\nTo: <sip:1001@192.0.2.7>\r\nCall-ID: watching\r\n";
    assert_eq!(cancel(&mut rig, "s1".into(), line), (200, Method::Cancel));
    // While it waits for its answer: that is what it would have been.
    let id = rig.accept(Terms::default()).unwrap();
    assert_eq!(rig.responses.last().unwrap().headers().method(), &Method::Subscribe);
    rig.tell(id, "state");
    assert_eq!(rig.state(), "active;expires=600");
    rig.answer(200, &[]);
    // A NOTIFY to us.
    let (mut rig, _) = Rig::standing(300);
    let to = rig.last_of(&Method::Subscribe).headers().text(HeaderId::From).unwrap().into_owned();
    let call_id = rig.last_of(&Method::Subscribe).headers().call_id().to_owned();
    let line = format!("From: <sip:bob@example.com>;tag=notifier\r\nTo: {to}\r\nCall-ID: {call_id}\r\n");
    assert_eq!(rig.notify("active;expires=200"), 200);
    let (branch, told) = (format!("n{}", rig.count), rig.events.len());
    assert_eq!(cancel(&mut rig, branch, &line), (200, Method::Cancel));
    assert_eq!((rig.notify("active;expires=200"), rig.events.len()), (200, told + 1));
    // The control: of nothing.
    assert_eq!(cancel(&mut rig, "none".into(), &line).0, 481);
}

#[test]
fn rfc6665_4_2_1_4_what_is_not_refreshed_is_removed_with_a_last_notify() {
    let (mut rig, id, _) = Rig::watched(600, Terms::default());
    rig.wait_until(601.0);
    assert_eq!(rig.state(), "terminated;reason=timeout");
    assert!(matches!(rig.watchers.last(), Some((of, WatcherEvent::Ended { why: WatcherEnd::Expired })) if *of == id));
    rig.answer(200, &[]);
    rig.nothing_left();
}

#[test]
fn rfc6665_4_2_1_4_expires_0_ends_it() {
    let (mut rig, _, ours) = Rig::watched(600, Terms::default());
    rig.asks(&ours, "Expires: 0\r\n");
    assert_eq!(rig.responses.last().unwrap().code().get(), 200);
    assert_eq!(rig.state(), "terminated;reason=timeout");
    assert!(matches!(rig.watchers.last(), Some((_, WatcherEvent::Ended { why: WatcherEnd::Unsubscribed }))));
    rig.answer(200, &[]);
    rig.asks(&ours, "Expires: 600\r\n");
    assert_eq!(rig.responses.last().unwrap().code().get(), 481);
    rig.nothing_left();
}

#[test]
fn rfc6665_4_4_3_a_single_question_is_answered_once() {
    let mut rig = Rig::new();
    rig.asks("", "Expires: 0\r\n");
    let id = rig.accept(Terms::default()).unwrap();
    rig.tell(id, "state");
    assert_eq!((rig.state().as_str(), rig.body()), ("terminated;reason=timeout", "state"));
    assert!(rig.watchers.is_empty(), "it is there until its NOTIFY is answered");
    rig.answer(200, &[]);
    assert!(matches!(&rig.watchers[..], [(gone, WatcherEvent::Gone)] if *gone == id));
    rig.nothing_left();
}

#[test]
fn rfc6665_4_2_2_which_refusals_of_a_notify_remove_it() {
    for code in [404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604] {
        let (mut rig, id, _) = Rig::watched(600, Terms::default());
        rig.tell(id, "second");
        rig.answer(code, &[]);
        assert!(matches!(rig.end_of(id), WatcherEnd::Refused(of) if of.get() == code), "{code}");
        rig.nothing_left();
    }
    for code in [400, 403, 500] {
        let (mut rig, id, _) = Rig::watched(600, Terms::default());
        rig.tell(id, "second");
        rig.answer(code, &[]);
        rig.tell(id, "third");
        assert_eq!(rig.body(), "third", "{code}");
    }
}

#[test]
fn rfc6665_4_2_2_a_notify_that_nobody_answers_removes_it() {
    let (mut rig, id, _) = Rig::watched(600, Terms::default());
    rig.tell(id, "second");
    rig.wait_until(33.0);
    assert_eq!(rig.end_of(id), &WatcherEnd::Unreachable(Failure::Timeout));
    rig.nothing_left();
}

#[test]
fn rfc3261_20_33_retry_after_to_a_notify_is_kept() {
    let (mut rig, id, _) = Rig::watched(600, Terms::default());
    rig.tell(id, "second");
    rig.answer(503, &[("Retry-After", "20")]);
    rig.wait_until(19.9);
    assert_eq!(rig.requests.len(), 2);
    rig.wait_until(20.1);
    assert_eq!((rig.requests.len(), rig.body()), (3, "second"));
}

#[test]
fn rfc7339_5_10_a_watcher_that_is_left_out_is_told_later() {
    let mut rig = Rig::with(Config { overload: Some(crate::Overload::default()), ..Config::default() });
    rig.asks("", "Expires: 600\r\n");
    let id = rig.accept(Terms::default()).unwrap();
    rig.tell(id, "first");
    let bytes = write_response(rig.last().headers(), StatusCode::OK, None, None, &Lines::new(), None, None);
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let told = text.replace(";oc;oc-algo=\"loss\"", ";oc=100;oc-algo=\"loss\";oc-validity=2500;oc-seq=1.1");
    assert_ne!(told, text);
    rig.receive(told);
    rig.tell(id, "second");
    rig.wait_until(2.4);
    assert_eq!(rig.requests.len(), 1);
    rig.wait_until(3.4);
    assert_eq!((rig.requests.len(), rig.body()), (2, "second"));
    assert!(rig.watchers.is_empty(), "{:?}", rig.watchers);
}

#[test]
fn rfc6665_4_2_1_3_who_may_not_watch_any_more_is_told_why() {
    let (mut rig, id, _) = Rig::watched(600, Terms::default());
    rig.turn(|turn| turn.end_watcher(id, EndReason::Probation, Some(30), None)).unwrap();
    assert_eq!(rig.state(), "terminated;reason=probation;retry-after=30");
    rig.answer(200, &[]);
    rig.nothing_left();
}

#[test]
fn rfc6665_4_2_2_pending_until_somebody_decides() {
    let mut rig = Rig::new();
    rig.asks("", "Expires: 600\r\n");
    let tx = rig.asked.pop().unwrap();
    let id = rig.turn(|turn| turn.accept_subscription(tx, Terms::default(), true)).unwrap();
    assert_eq!(rig.responses.last().unwrap().code().get(), 200, "before anybody has decided");
    rig.turn(|turn| turn.notify(id, None)).unwrap();
    assert_eq!((rig.state().as_str(), rig.body()), ("pending;expires=600", ""));
    rig.answer(200, &[]);
    rig.turn(|turn| turn.allow_watcher(id)).unwrap();
    rig.tell(id, "state");
    assert_eq!(rig.state(), "active;expires=600");
}

#[test]
fn one_watcher_too_many_and_one_without_contact() {
    let mut rig = Rig::with(Config { max_watchers: 0, ..Config::default() });
    rig.asks("", "");
    assert_eq!(rig.accept(Terms::default()), Err(StackError::Full { what: "watchers", limit: 0 }));
    let mut rig = Rig::new();
    rig.receive(
        "SUBSCRIBE sip:1001@192.0.2.7 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKs\r\nFrom: <sip:w@example.com>;tag=watcher\r\n\
         To: <sip:1001@192.0.2.7>\r\nCall-ID: watching\r\nCSeq: 1 SUBSCRIBE\r\nMax-Forwards: 70\r\nEvent: dialog\r\nContent-Length: 0\r\n\r\n"
            .into(),
    );
    assert!(matches!(rig.accept(Terms::default()), Err(StackError::Refused { .. })));
    assert_eq!(rig.responses.last().unwrap().code().get(), 400);
    rig.nothing_left();
}

#[test]
fn rfc3261_8_2_2_3_a_refresh_that_demands_what_is_not_understood_is_420_and_the_subscription_stands() {
    let (mut rig, _, ours) = Rig::watched(600, Terms::default());
    rig.asks(&ours, "Require: magic\r\nExpires: 0\r\n");
    let refused = rig.responses.last().unwrap();
    assert_eq!((refused.code().get(), refused.headers().text(HeaderId::Unsupported).as_deref()), (420, Some("magic")));
    assert_eq!((rig.stack.usage().watchers, rig.watchers.len()), (1, 0));
    rig.asks(&ours, "Expires: 0\r\n");
    assert_eq!(rig.responses.last().unwrap().code().get(), 200);
}

#[test]
fn rfc6665_4_5_1_the_contact_that_is_given_stands_in_all_that_is_said() {
    let given = "<sip:1001@example.com;gr=urn:uuid:1>";
    let contact = |headers: &crate::message::Headers| headers.text(HeaderId::Contact).unwrap().into_owned();
    let mut rig = Rig::new();
    rig.asks("", "Expires: 600\r\n");
    let tx = rig.asked.pop().unwrap();
    let spec = crate::draft::ContactSpec::Given(given.to_owned());
    let id = rig.turn(|turn| turn.accept_subscription_at(tx, Terms::default(), false, Some(spec))).unwrap();
    let answer = rig.responses.last().unwrap().headers();
    let ours = answer.to_tag().unwrap().to_owned();
    assert_eq!(contact(answer), given);
    rig.tell(id, "state");
    assert_eq!(contact(rig.last().headers()), given);
    rig.answer(200, &[]);
    rig.asks(&ours, "Expires: 600\r\n");
    assert_eq!(contact(rig.responses.last().unwrap().headers()), given);
}

#[test]
fn rfc6665_8_2_1_a_refresh_names_the_same_event() {
    let (mut rig, _, ours) = Rig::watched(600, Terms::default());
    rig.asks(&ours, "Event: presence\r\nExpires: 600\r\n");
    assert_eq!(rig.responses.last().unwrap().code().get(), 481);
    rig.asks(&ours, "Event: dialog;id=2\r\nExpires: 600\r\n");
    assert_eq!(rig.responses.last().unwrap().code().get(), 481);
    rig.asks(&ours, "Expires: 600\r\n");
    assert_eq!(rig.responses.last().unwrap().code().get(), 200);
}

/// Its own end waits behind a NOTIFY that it answers late, and asks to be left alone: it is, for good.
#[test]
fn rfc6665_4_2_2_one_that_ends_is_not_waited_for() {
    let (mut rig, id, ours) = Rig::watched(600, Terms::default());
    rig.tell(id, "second");
    rig.asks(&ours, "Expires: 0\r\n");
    assert!(matches!(rig.watchers.last(), Some((_, WatcherEvent::Ended { why: WatcherEnd::Unsubscribed }))));
    rig.answer(503, &[("Retry-After", "3600")]);
    rig.nothing_left();
    // One that just refuses is told of its end.
    let (mut rig, id, ours) = Rig::watched(600, Terms::default());
    rig.tell(id, "second");
    rig.asks(&ours, "Expires: 0\r\n");
    rig.answer(503, &[]);
    assert_eq!(rig.state(), "terminated;reason=timeout");
    rig.answer(200, &[]);
    rig.nothing_left();
}

/// However it has ended, and whether its last NOTIFY is on its way or waits behind another: nothing is told after that.
#[test]
fn rfc6665_4_2_2_who_is_told_the_end_is_told_it_once() {
    for (how, waits) in
        [("expired", false), ("gone", false), ("gone", true), ("ended", false), ("ended", true), ("asked once", false)]
    {
        let (mut rig, id, ours) = match how {
            "asked once" => {
                let mut rig = Rig::new();
                rig.asks("", "Expires: 0\r\n");
                let id = rig.accept(Terms::default()).unwrap();
                rig.turn(|turn| turn.allow_watcher(id)).unwrap();
                rig.tell(id, "state");
                (rig, id, String::new())
            }
            _ => Rig::watched(600, Terms::default()),
        };
        if waits {
            rig.tell(id, "second");
        }
        match how {
            "expired" => rig.wait_until(600.0),
            "gone" => rig.asks(&ours, "Expires: 0\r\n"),
            "ended" => rig.turn(|turn| turn.end_watcher(id, EndReason::NoResource, None, None)).unwrap(),
            _ => {}
        }
        let told = rig.requests.len();
        let late = Body::new("text/plain", b"late".to_vec());
        rig.turn(|turn| {
            assert_eq!(turn.notify(id, Some(late)), Err(StackError::Gone), "{how}");
            assert_eq!(turn.allow_watcher(id), Err(StackError::Gone), "{how}");
            assert_eq!(turn.end_watcher(id, EndReason::Rejected, None, None), Err(StackError::Gone), "{how}");
        });
        assert_eq!(rig.requests.len(), told, "{how}");
        if waits {
            rig.answer(200, &[]);
        }
        assert!(rig.state().starts_with("terminated;reason="), "{how}: {}", rig.state());
        assert!(!rig.state().contains("rejected") && rig.body() != "late", "{how}");
        rig.answer(200, &[]);
        assert_eq!(rig.requests.len(), told + usize::from(waits), "{how}: nothing after the end");
        rig.nothing_left();
    }
}

/// It wants no more, or says nothing in time: the last NOTIFY has a body, too, though nobody gives it one.
#[test]
fn rfc3515_2_4_4_who_refers_watches_what_becomes_of_it_and_each_notify_has_a_body() {
    for refreshed in [true, false] {
        let mut rig = Rig::new();
        rig.says("REFER", "", "Refer-To: <sip:1002@192.0.2.7>\r\nExpires: 0\r\n");
        let tx = rig.asked.pop().unwrap();
        let id = rig.turn(|turn| turn.accept_subscription(tx, Terms { usual: 60, ..Terms::default() }, false)).unwrap();
        let answer = rig.responses.last().unwrap();
        assert_eq!(answer.code().get(), 202);
        assert!(answer.headers().has(HeaderId::Contact) && !answer.headers().has(HeaderId::Expires));
        let ours = answer.headers().to_tag().unwrap().to_owned();
        rig.tell(id, "SIP/2.0 100 Trying");
        assert_eq!((rig.state().as_str(), rig.body()), ("active;expires=60", "SIP/2.0 100 Trying"));
        assert_eq!(rig.last().headers().text(HeaderId::Event).as_deref(), Some("refer"));
        rig.answer(200, &[]);
        if refreshed {
            rig.asks(&ours, "Event: refer\r\nExpires: 0\r\n");
            assert_eq!(rig.responses.last().unwrap().code().get(), 200);
        } else {
            rig.wait_until(61.0);
        }
        assert_eq!((rig.state().as_str(), rig.body()), ("terminated;reason=timeout", "SIP/2.0 100 Trying"));
        rig.answer(200, &[]);
        rig.nothing_left();
    }
}

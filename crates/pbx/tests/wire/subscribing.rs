//! Users watch each other's state (RFC 6665) and publish their own (RFC 3903).

mod hidden;
mod named;
mod packages;
mod published;

use std::time::{Duration, Instant};

use audio::codec::Codec;
use event::dialog::{DialogInfo, State};
use event::presence::{Basic, Presence};
use sip::header::Expires;
use sip::message::{HeaderId, Method, Request, Response};

use crate::phone::{Dialog, Phone};
use crate::setup::{config, nothing_left, phone, start, with_config, with_phones};
use crate::sound::Sound;

/// Asks, with these lines.
pub(crate) fn ask(
    phone: &mut Phone,
    method: &str,
    whom: &str,
    lines: &str,
    body: Option<(&str, &str)>,
) -> (Dialog, Response) {
    phone.extra = lines.to_owned();
    let uri = format!("sip:{whom}@127.0.0.1");
    let answer = phone.ask(method, &uri, &uri, body);
    phone.extra.clear();
    answer
}

pub(crate) fn subscribe(phone: &mut Phone, whom: &str, package: &str) -> (Dialog, Response) {
    ask(phone, "SUBSCRIBE", whom, &format!("Event: {package}\r\nExpires: 600\r\n"), None)
}

/// The next NOTIFY, answered. Some packages tell a watcher of a change every five seconds at most.
pub(crate) fn told(phone: &mut Phone) -> Request {
    let until = Instant::now() + Duration::from_secs(10);
    let notify = loop {
        if let Some(notify) = phone.next_heard(&Method::Notify) {
            break notify;
        }
        assert!(Instant::now() < until, "{} waited in vain for a NOTIFY", phone.name);
        std::thread::sleep(Duration::from_millis(20));
    };
    phone.respond(&notify, 200, None);
    notify
}

/// A call to a number that answers by itself.
fn call(phone: &mut Phone, number: &str) -> Dialog {
    phone.call_through(number, &Sound::new(Codec::Pcmu).describe()).0
}

fn state(notify: &Request) -> String {
    notify.headers().text(HeaderId::SubscriptionState).unwrap().into_owned()
}

pub(crate) fn calls(notify: &Request) -> Vec<State> {
    DialogInfo::read(notify.body()).unwrap().dialogs.iter().map(|one| one.state).filter(is_not_over).collect()
}

fn is_not_over(state: &State) -> bool {
    *state != State::Terminated
}

fn presence(notify: &Request) -> Presence {
    Presence::read(notify.body()).unwrap()
}

#[test]
fn rfc4235_3_7_a_call_is_told_from_its_begin_to_its_end() {
    let (running, mut phones) = with_phones(&["1001", "1002", "1003"]);
    let [caller, callee, watcher] = &mut phones[..] else { panic!("three phones") };
    for (number, whom) in ["1001", "1002"].into_iter().enumerate() {
        let (_, answer) = subscribe(watcher, whom, "dialog");
        assert_eq!(
            (answer.code().get(), answer.headers().get::<Expires>().unwrap().unwrap().0),
            (200, 600),
            "{number}"
        );
        let first = told(watcher);
        assert_eq!((calls(&first), state(&first).as_str()), (vec![], "active;expires=600"));
    }
    let description = Sound::new(Codec::Pcmu).describe();
    let mut dialog = std::thread::scope(|scope| {
        scope.spawn(|| callee.answers(&description));
        call(caller, "1002")
    });
    // Each of the two is told of, once it stands at the latest.
    let mut seen = Vec::new();
    while seen.iter().filter(|(_, states)| *states == [State::Confirmed]).count() < 2 {
        let notify = told(watcher);
        let info = DialogInfo::read(notify.body()).unwrap();
        seen.push((info.entity.clone(), calls(&notify)));
        for one in &info.dialogs {
            let other = if info.entity.contains("1001") { "sip:1002@127.0.0.1" } else { "sip:1001@127.0.0.1" };
            assert_eq!(one.remote.identity.as_deref(), Some(other));
        }
    }
    assert!(seen.iter().all(|(_, states)| states.len() == 1), "{seen:?}");
    std::thread::scope(|scope| {
        scope.spawn(|| callee.hung_up());
        caller.hang_up(&mut dialog);
    });
    for _ in 0..2 {
        let last = told(watcher);
        let dialogs = DialogInfo::read(last.body()).unwrap().dialogs;
        assert_eq!(calls(&last), []);
        assert_eq!(dialogs.iter().map(|one| one.state).collect::<Vec<_>>(), [State::Terminated], "it is said once");
    }
    nothing_left(&running);
}

#[test]
fn rfc6665_4_2_1_3_only_users_watch_and_some_states_only_their_own() {
    let (_running, server) = start(config());
    let mut user = phone(server, "1001");
    let (_, challenged) = {
        user.extra = "Event: dialog\r\n".into();
        user.ask_plain("SUBSCRIBE", "sip:1002@127.0.0.1", "sip:1002@127.0.0.1", None, &[])
    };
    assert_eq!(challenged.code().get(), 401);
    let mut code = |whom: &str, package: &str| {
        let code = subscribe(&mut user, whom, package).1.code().get();
        if code == 200 {
            told(&mut user);
        }
        code
    };
    for (whom, package, expected) in [
        ("1002", "dialog", 200),
        ("2002", "presence", 200),
        ("600", "dialog", 200),
        ("610", "conference", 200),
        ("1001", "reg", 200),
        ("1001", "message-summary", 200),
        ("1001", "presence.winfo", 200),
        ("1002", "reg", 603),
        ("1002", "message-summary", 603),
        ("1002", "presence.winfo", 603),
        ("1999", "dialog", 404),
        ("600", "presence", 404),
        ("600", "conference", 404),
        ("1002", "conference", 404),
        ("1002", "weather", 489),
    ] {
        assert_eq!(code(whom, package), expected, "{package} of {whom}");
    }
    let mut wrong = Phone::new(server, "1001", "not it");
    assert_eq!(subscribe(&mut wrong, "1002", "dialog").1.code().get(), 403);
}

/// The 200 to a SUBSCRIBE makes its dialog.
fn takes(dialog: &mut Dialog, answer: &Response) {
    let text = |id| answer.headers().text(id).unwrap().into_owned();
    dialog.to = text(HeaderId::To);
    dialog.target = text(HeaderId::Contact).trim_start_matches('<').split('>').next().unwrap().to_owned();
}

/// Asks within it for so much time more.
fn refresh(phone: &mut Phone, dialog: &mut Dialog, package: &str, expires: &str) -> Response {
    phone.extra = format!("Event: {package}\r\nExpires: {expires}\r\n");
    phone.within(dialog, "SUBSCRIBE", None);
    phone.extra.clear();
    phone.final_response(&dialog.branch)
}

#[test]
fn rfc6665_4_2_1_2_the_server_follows_each_subscribe_with_a_notify() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let watcher = &mut phones[1];
    let (mut dialog, answer) = subscribe(watcher, "1001", "presence");
    assert_eq!(answer.code().get(), 200);
    assert_eq!(state(&told(watcher)), "active;expires=600");
    takes(&mut dialog, &answer);
    // A refresh, for less, and the end.
    for (expires, expected) in [("300", "active;expires=300"), ("0", "terminated;reason=timeout")] {
        let answer = refresh(watcher, &mut dialog, "presence", expires);
        let granted = answer.headers().text(HeaderId::Expires).map(|granted| granted.into_owned());
        assert_eq!((answer.code().get(), granted.as_deref()), (200, Some(expires)));
        assert_eq!(state(&told(watcher)), expected);
    }
    nothing_left(&running);
}

#[test]
fn rfc6665_4_4_7_packages_are_named() {
    let (_running, mut phones) = with_phones(&["1001"]);
    let refused = subscribe(&mut phones[0], "1001", "weather").1;
    let named = refused.headers().text(HeaderId::AllowEvents).unwrap().into_owned();
    assert!(named.contains("dialog") && named.contains("presence"), "{named}");
    let uri = "sip:127.0.0.1";
    let options = phones[0].ask("OPTIONS", uri, uri, None).1;
    assert_eq!(options.headers().text(HeaderId::AllowEvents).unwrap(), named);
}

#[test]
fn a_watcher_that_says_481_is_told_nothing_any_more() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let [caller, watcher] = &mut phones[..] else { panic!("two phones") };
    for code in [481, 200] {
        subscribe(watcher, "600", "dialog");
        let first = watcher.request(Method::Notify);
        watcher.respond(&first, code, None);
    }
    let mut dialog = call(caller, "600");
    assert_eq!(calls(&told(watcher)), [State::Confirmed]);
    assert!(watcher.hears_no(&Method::Notify), "the other subscription is over");
    caller.hang_up(&mut dialog);
    nothing_left(&running);
}

#[test]
fn states_are_the_same_from_every_loop() {
    let several = pbx::Config { shards: 3, ..config() };
    let (running, mut phones) = with_config(several, &["1001", "1002"]);
    let [caller, watcher] = &mut phones[..] else { panic!("two phones") };
    // Call-IDs of their own: some of these are in another loop than the call.
    for _ in 0..6 {
        assert_eq!(subscribe(watcher, "1001", "dialog").1.code().get(), 200);
        assert_eq!(calls(&told(watcher)), []);
    }
    let mut dialog = call(caller, "600");
    for _ in 0..6 {
        assert_eq!(calls(&told(watcher)), [State::Confirmed]);
    }
    caller.hang_up(&mut dialog);
    for _ in 0..6 {
        assert_eq!(calls(&told(watcher)), []);
    }
    nothing_left(&running);
}

/// A call goes on without the one that has sent the other side on: it is none of his any more.
#[test]
fn rfc4235_3_7_who_has_transferred_a_call_has_it_no_more() {
    let sound = Sound::new(Codec::Pcmu);
    for asker in ["callee", "caller"] {
        let (running, mut phones) = with_phones(&["1001", "1002", "1003"]);
        let [caller, callee, watcher] = &mut phones[..] else { panic!("three phones") };
        let whom = if asker == "callee" { "1002" } else { "1001" };
        subscribe(watcher, whom, "dialog");
        assert_eq!(calls(&told(watcher)), []);
        let (mut placed, (_, mut taken)) = std::thread::scope(|scope| {
            let taken = scope.spawn(|| callee.answers(&sound.describe()));
            (call(caller, "1002"), taken.join().unwrap())
        });
        while calls(&told(watcher)) != [State::Confirmed] {}
        let (asks, dialog) = if asker == "callee" { (&mut *callee, &mut taken) } else { (&mut *caller, &mut placed) };
        asks.extra = "Refer-To: <sip:600@127.0.0.1>\r\n".to_owned();
        asks.within(dialog, "REFER", None);
        asks.extra.clear();
        assert_eq!(asks.final_response(&dialog.branch.clone()).code().get(), 202);
        told(asks);
        told(asks);
        asks.hung_up();
        assert_eq!(calls(&told(watcher)), [], "{asker}");
        let (stays, dialog) = if asker == "callee" { (&mut *caller, &mut placed) } else { (&mut *callee, &mut taken) };
        stays.hang_up(dialog);
        nothing_left(&running);
    }
}

#[test]
fn one_subscription_of_a_user_too_many_is_503() {
    let (running, mut phones) = with_phones(&["1001", "1002"]);
    let [user, other] = &mut phones[..] else { panic!("two phones") };
    for number in 0..256 {
        assert_eq!(subscribe(user, "600", "dialog").1.code().get(), 200, "{number}");
        told(user);
    }
    let refused = subscribe(user, "600", "dialog").1;
    assert_eq!((refused.code().get(), refused.headers().text(HeaderId::RetryAfter).as_deref()), (503, Some("7")));
    assert_eq!(running.status().unwrap().watchers, 256);
    // Others may.
    assert_eq!(subscribe(other, "600", "dialog").1.code().get(), 200);
}

/// A single question takes room until its NOTIFY is answered: who answers none has no more than who watches.
#[test]
fn questions_that_are_not_done_count_as_watchers() {
    let (running, server) = start(pbx::Config { shards: 1, ..config() });
    let mut user = phone(server, "1001");
    let fetch =
        |user: &mut Phone| ask(user, "SUBSCRIBE", "1002", "Event: dialog\r\nExpires: 0\r\n", None).1.code().get();
    for number in 0..256 {
        assert_eq!(fetch(&mut user), 200, "{number}");
    }
    assert_eq!(fetch(&mut user), 503);
    assert_eq!(running.status().unwrap().watchers, 256);
    // Others have room, and so has he once he has answered.
    let mut other = phone(server, "1003");
    assert_eq!(fetch(&mut other), 200);
    told(&mut other);
    told(&mut user);
    assert_eq!(fetch(&mut user), 200);
}

//! Subscriptions through the proxy (RFC 6665 section 4.3).

use sip::message::{Headers, Message};

use super::*;
use crate::phone::Dialog;

fn records(headers: &Headers) -> Vec<String> {
    headers.all(HeaderId::RecordRoute).map(|one| one.text().into_owned()).collect()
}

/// 1001 watches 1002, whose device takes it: the dialog as the device sees it, and the Record-Route that came to it and went back.
fn watched(watcher: &mut Phone, device: &mut Phone) -> (Dialog, Vec<String>) {
    let target = uri("1002", watcher.server);
    watcher.extra = "Event: dialog\r\nExpires: 600\r\n".to_owned();
    let (answer, (asked, dialog)) = std::thread::scope(|scope| {
        let takes = scope.spawn(|| {
            let asked = device.request(Method::Subscribe);
            let echoed: String =
                records(asked.headers()).iter().map(|one| format!("Record-Route: {one}\r\n")).collect();
            let dialog = device.respond_with(&asked, 200, &format!("{echoed}Expires: 600\r\n"), None);
            (asked, dialog)
        });
        let (_, answer) = watcher.ask("SUBSCRIBE", &target, "sip:1002@127.0.0.1", None);
        (answer, takes.join().unwrap())
    });
    watcher.extra.clear();
    let recorded = records(asked.headers());
    assert_eq!((answer.code().get(), records(answer.headers())), (200, recorded.clone()));
    for headers in [asked.headers(), answer.headers()] {
        assert!(!headers.has(HeaderId::AllowEvents), "{headers:?}");
    }
    (dialog, recorded)
}

const ACTIVE: &str = "Event: dialog\r\nSubscription-State: active;expires=600\r\n";

/// Who watches takes his route set from the NOTIFY: without our Record-Route in it he would refresh around us.
#[test]
fn rfc6665_4_3_a_subscription_stays_with_the_proxy_that_it_was_made_through() {
    for (role, shards) in PROXIES {
        let (running, mut watcher, mut device) = with_two(Config { shards, ..serving(role) });
        let (mut dialog, recorded) = watched(&mut watcher, &mut device);
        assert!(!recorded.is_empty(), "{role:?}");
        device.extra = format!("Route: {}\r\n{ACTIVE}", recorded.join(", "));
        // The first, and one more.
        for nth in 0..2 {
            device.within(&mut dialog, "NOTIFY", None);
            let notify = watcher.request(Method::Notify);
            let headers = notify.headers();
            assert_eq!((headers.count(HeaderId::Via), headers.has(HeaderId::Route)), (2, false), "{role:?}");
            assert!(headers.has(HeaderId::RecordRoute) && !headers.has(HeaderId::AllowEvents), "{role:?}: {headers:?}");
            let mut ours = watcher.respond(&notify, 200, None);
            ours.cseq += nth;
            assert_eq!(device.final_response(&dialog.branch).code().get(), 200);
            // It is refreshed by the same way, and nobody is asked for credentials.
            watcher.extra = format!("Route: {}\r\nEvent: dialog\r\nExpires: 600\r\n", records(headers).join(", "));
            watcher.within(&mut ours, "SUBSCRIBE", None);
            watcher.extra.clear();
            let refresh = device.wait("a refresh", |message| match message {
                Message::Request(request)
                    if *request.method() == Method::Subscribe && request.headers().cseq().number == ours.cseq =>
                {
                    Some(request.clone())
                }
                _ => None,
            });
            let headers = refresh.headers();
            assert_eq!((headers.count(HeaderId::Via), headers.has(HeaderId::Route)), (2, false), "{role:?}");
            device.respond(&refresh, 200, None);
            assert_eq!(watcher.final_response(&ours.branch).code().get(), 200);
        }
        device.extra.clear();
        nothing_left(&running);
    }
}

/// Where the SUBSCRIBE had no Record-Route no NOTIFY gets one, though it comes by us.
#[test]
fn rfc6665_4_3_a_proxy_that_is_not_in_the_way_of_a_subscription_is_in_that_of_no_notify() {
    let proxy = ProxyRules { record_route: false, ..ProxyRules::default() };
    let (running, mut watcher, mut device) = with_two(Config { proxy, ..serving(Role::Proxy) });
    let (mut dialog, recorded) = watched(&mut watcher, &mut device);
    assert_eq!(recorded, [""; 0]);
    // We are the outbound proxy of the device, to whom it shows who it is.
    device.extra = ACTIVE.to_owned();
    device.within(&mut dialog, "NOTIFY", None);
    let challenge = device.final_response(&dialog.branch);
    assert_eq!(challenge.code().get(), 407);
    let target = dialog.target.clone();
    let credentials = device.credentials(challenge.headers(), "NOTIFY", &target, "").concat();
    device.extra = format!("{ACTIVE}{credentials}");
    device.within(&mut dialog, "NOTIFY", None);
    device.extra.clear();
    let notify = watcher.request(Method::Notify);
    assert_eq!((notify.headers().count(HeaderId::Via), records(notify.headers()).len()), (2, 0));
    watcher.respond(&notify, 200, None);
    assert_eq!(device.final_response(&dialog.branch).code().get(), 200);
    nothing_left(&running);
}

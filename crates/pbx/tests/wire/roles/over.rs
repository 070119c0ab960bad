//! Dialogs that were made through the proxy once, of which nothing proves that any more: after forty days, or under another secret.

use super::*;

const FOREIGN: &str = "sip:x@198.51.100.1";

/// What a request of a dialog is answered that goes to somebody else.
fn answered(phone: &mut Phone, method: &str, from: &str, lines: &str) -> u16 {
    (phone.says, phone.extra) = (format!("<{from}>"), lines.to_owned());
    let (target, to) = ("sip:somebody@198.51.100.2", "To: <sip:b@198.51.100.2>");
    let text = phone.draft(method, target, "sip:b@198.51.100.2", None, &[]);
    let branch = text.split("branch=").nth(1).unwrap().split([';', '\r']).next().unwrap().to_owned();
    phone.send(&text.replace(to, &format!("{to};tag=theirs")));
    phone.extra.clear();
    phone.response(&branch).code().get()
}

#[test]
fn rfc3261_12_2_1_2_who_cannot_show_that_his_dialog_was_made_through_us_is_told_that_it_is_over() {
    for role in [Role::Proxy, Role::Stateless] {
        for authenticate in [Authenticate::All, Authenticate::Own, Authenticate::Off] {
            let proxy = ProxyRules { authenticate, ..ProxyRules::default() };
            let (running, address) = start(Config { proxy, ..serving(role) });
            let mut phone = phone(address, "1001");
            let plain = format!("Route: <sip:{address};lr>\r\n");
            let claims = format!("Route: <sip:{address};lr;d=aaaaaaaaaaaaa>\r\n");
            let wrong = "Digest username=\"1001\", realm=\"elsewhere\", nonce=\"n\", uri=\"sip:a\", response=\"r\"";
            let brings = format!("{claims}Proxy-Authorization: {wrong}\r\n");
            let refused = if authenticate == Authenticate::Off { 403 } else { 407 };
            for (method, from, lines, expected) in [
                ("BYE", FOREIGN, &claims, 481),
                ("NOTIFY", FOREIGN, &claims, 481),
                ("BYE", FOREIGN, &plain, refused),
                // What is done without a dialog just as well.
                ("MESSAGE", FOREIGN, &claims, refused),
                // Who may be one of ours shows who he is, where he is asked.
                ("BYE", "sip:1001@127.0.0.1", &claims, if refused == 407 { 407 } else { 481 }),
                ("BYE", "sip:anonymous@anonymous.invalid", &claims, if refused == 407 { 407 } else { 481 }),
                ("BYE", "sip:1001@127.0.0.1", &plain, refused),
                // A subscription is to be made anew.
                ("NOTIFY", "sip:1001@127.0.0.1", &claims, 481),
                ("SUBSCRIBE", "sip:1001@127.0.0.1", &claims, 481),
                ("NOTIFY", "sip:1001@127.0.0.1", &plain, refused),
                // Whoever brings credentials is asked for better ones.
                ("BYE", FOREIGN, &brings, if refused == 407 { 407 } else { 481 }),
                ("NOTIFY", FOREIGN, &brings, if refused == 407 { 407 } else { 481 }),
            ] {
                let code = answered(&mut phone, method, from, lines);
                assert_eq!(code, expected, "{role:?} {authenticate:?} {method} {from} {lines}");
            }
            nothing_left(&running);
        }
    }
}

/// One who answers challenges to a NOTIFY goes on as in a call.
#[test]
fn rfc6665_4_2_2_who_brings_credentials_notifies_though_nothing_proves_his_dialog() {
    for role in [Role::Proxy, Role::Stateless] {
        let (running, address) = start(serving(role));
        let (mut notifier, mut watcher) = (phone(address, "1001"), phone(address, "1002"));
        let target = format!("sip:w@127.0.0.1:{}", watcher.port());
        let active = "Event: dialog\r\nSubscription-State: active\r\n";
        notifier.extra = active.to_owned();
        let (mut dialog, challenge) = notifier.ask_plain("NOTIFY", &target, "sip:w@127.0.0.1", None, &[]);
        assert_eq!(challenge.code().get(), 407);
        let credentials = notifier.credentials(challenge.headers(), "NOTIFY", &target, "").concat();
        dialog.to.push_str(";tag=theirs");
        let claims = format!("Route: <sip:{address};lr;d=aaaaaaaaaaaaa>\r\n");
        notifier.extra = format!("{claims}{active}{credentials}");
        notifier.within(&mut dialog, "NOTIFY", None);
        notifier.extra.clear();
        let notify = watcher.request(Method::Notify);
        watcher.respond(&notify, 200, None);
        assert_eq!(notifier.final_response(&dialog.branch).code().get(), 200);
        nothing_left(&running);
    }
}

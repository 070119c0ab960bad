//! What goes on beside a call.

use super::{Ask, Device, Pair, code, field, server};

/// A request of a device to somebody, with these lines and this body, and credentials. Not sent.
fn signed(device: &mut Device, method: &'static str, to: &str, lines: &[&str], body: &str) -> Ask {
    let mut ask = device.wire.ask(method);
    ask.uri = format!("sip:{to}@{}", device.server);
    ask.to = format!("<{}>", ask.uri);
    ask.more = lines.iter().map(|line| (*line).to_owned()).collect();
    body.clone_into(&mut ask.body);
    device.wire.signed(&ask, device.user, device.password)
}

#[test]
fn c39_messages_registration_and_presence_beside_a_call() {
    let server = server("");
    let mut pair = Pair::up(&server);
    // A message to who is in the call, by itself.
    let message = signed(&mut pair.caller, "MESSAGE", "bob", &["Content-Type: text/plain"], "lunch?");
    pair.caller.wire.send(&message);
    let told = pair.callee.asked("MESSAGE");
    assert!(told.ends_with("\r\n\r\nlunch?") && !field(&told, "To").unwrap().contains(";tag="), "{told}");
    pair.callee.reply(&told, "200 OK");
    assert_eq!(code(&pair.caller.ends(&message)), 200);
    // A registration that is refreshed, and one more that is tried with nothing to show.
    let refreshed = pair.callee.register(&[]);
    assert_eq!(code(&refreshed), 200, "{refreshed}");
    let bare = pair.callee.registration(&[]);
    assert_eq!(pair.callee.wire.code_of(&bare), 401);
    // Presence of the other one, before and after he has gone.
    let lines = ["Event: presence", "Expires: 60", "Accept: application/pidf+xml"];
    let subscribe = signed(&mut pair.caller, "SUBSCRIBE", "bob", &lines, "");
    let taken = pair.caller.wire.final_of(&subscribe);
    assert_eq!(code(&taken), 200, "{taken}");
    for basic in ["open", "closed"] {
        let notify = pair.caller.asked("NOTIFY");
        assert_eq!(field(&notify, "Event").as_deref(), Some("presence"));
        assert!(notify.contains(&format!("basic>{basic}</")), "{basic}: {notify}");
        pair.caller.reply(&notify, "200 OK");
        if basic == "open" {
            let gone = pair.callee.register(&["Contact: *", "Expires: 0"]);
            assert_eq!(code(&gone), 200, "{gone}");
        }
    }
    // And the call stands, whoever is registered.
    let options = pair.of_caller("OPTIONS", 20);
    assert_eq!(pair.caller.wire.code_of(&options), 200);
    let bye = pair.of_callee("BYE", 1);
    assert_eq!(pair.callee.wire.code_of(&bye), 200);
    let bye = pair.caller.asked("BYE");
    pair.caller.reply(&bye, "200 OK");
}

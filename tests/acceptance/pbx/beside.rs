//! What goes on beside a call.

use super::{Pair, code, field, server};

#[test]
fn c39_messages_registration_and_presence_beside_a_call() {
    let server = server("");
    let mut pair = Pair::up(&server);
    // A message to who is in the call, by itself.
    let message = pair.caller.signed("MESSAGE", "bob", &["Content-Type: text/plain"], "lunch?");
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
    let subscribe = pair.caller.signed("SUBSCRIBE", "bob", &lines, "");
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

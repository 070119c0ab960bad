//! What `offhook status` tells of a phone that is not ours.

use super::baresip::Baresip;
use crate::program::offhook::{self, USERS};
use crate::program::{PATIENCE, free_port};

#[test]
fn status_shows_baresip_while_it_is_registered_and_its_call_while_it_stands() {
    let home = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let _server = offhook::serve_at(&address, home.path(), &USERS);
    let state = home.path().join("state");
    // Asks until the answer is this, and returns it.
    let until = |what: &dyn Fn(&serde_json::Value) -> bool| {
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            let (code, output) = offhook::start(&["status", "--json", "--state", state.to_str().unwrap()]).finish();
            assert_eq!(code, 0, "{output}");
            let status: serde_json::Value = serde_json::from_str(&output).unwrap();
            if what(&status) {
                return status;
            }
            assert!(std::time::Instant::now() < end, "{status:#}");
        }
    };
    let empty = until(&|status| status["registrations"] == 0);
    assert!(
        empty["users"].as_array().unwrap().iter().all(|user| user["contacts"] == serde_json::json!([])),
        "{empty:#}"
    );
    let account = format!("<sip:1002@{address}>;auth_user=1002;auth_pass=secret2;regint=300;answermode=auto");
    let mut phone = Baresip::start(&account, 440);
    phone.wait_for_line("200 OK (Offhook");
    let there = until(&|status| status["registrations"] == 1);
    let user = there["users"].as_array().unwrap().iter().find(|user| user["name"] == "1002").unwrap();
    let contact = &user["contacts"][0];
    assert!(contact["agent"].as_str().unwrap().starts_with("baresip"), "{there:#}");
    assert!(contact["uri"].as_str().unwrap().contains("@127.0.0.1:"), "{there:#}");
    assert!((1..=300).contains(&contact["expires_secs"].as_u64().unwrap()), "{there:#}");
    phone.command("dial", &format!("sip:600@{address}"));
    phone.wait_for("CALL_ESTABLISHED");
    let call = until(&|status| status["calls"][0]["state"] == "up")["calls"][0].clone();
    assert_eq!((call["from"].as_str(), call["to"].as_str()), (Some("1002"), Some("600")));
    phone.command("hangup", "");
    phone.wait_for("CALL_CLOSED");
    until(&|status| status["calls"] == serde_json::json!([]));
    // It takes its binding back when it ends.
    phone.command("quit", "");
    until(&|status| status["registrations"] == 0);
    phone.stop();
}

/// A phone of baresip that answers, and has gone.
#[test]
fn rfc3261_11_status_tells_whether_a_phone_of_baresip_answers() {
    let file = offhook::configuration("qualify_secs = 1\n[sip]\nt1_ms = 20\n");
    let server = offhook::serve(&["--config", file.path().to_str().unwrap(), "--user", "1001:secret1"]);
    let account = format!("<sip:1001@{}>;auth_user=1001;auth_pass=secret1;regint=300", server.address);
    let mut phone = Baresip::start(&account, 440);
    phone.wait_for_line("200 OK (Offhook");
    let becomes = |wanted: bool| {
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            let status = server.status();
            let contact = &status["users"][0]["contacts"][0];
            if contact["reachable"] == wanted {
                return contact["answer_millis"].is_u64();
            }
            assert!(std::time::Instant::now() < end, "{status}");
        }
    };
    assert!(becomes(true));
    // Without a word: it would take its registration back.
    phone.kill();
    assert!(!becomes(false));
}

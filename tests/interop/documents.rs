//! Documents that Kamailio's presence server writes, or puts together of several: who watches (RFC 3857), what lies in a mailbox (RFC 3842), and what somebody does (RFC 4480).

use serde_json::Value;
use ua::package::presence::{Basic, Person, Presence, Tuple};

use super::events::{account, last_state, runtime, state};
use super::kamailio::Kamailio;
use crate::program::{Program, offhook};

/// `offhook subscribe` as this user of the presence server, to himself or another.
fn watches(server: &str, user: &str, arguments: &[&str]) -> Program {
    let (account, password) = (format!("sip:{user}@{server}"), format!("secret{user}"));
    let identity = ["--account", &account, "--password", &password, "--sip", "127.0.0.1:0", "--json"];
    offhook::start(&[&["subscribe"], arguments, &identity[..]].concat())
}

/// The state that was told last.
fn told(output: &str) -> Option<Value> {
    last_state(output).map(state)
}

#[test]
fn rfc3857_4_kamailio_tells_who_watches_and_that_he_does_no_longer() {
    let kamailio = Kamailio::start_presence();
    let server = &kamailio.address;
    let mut own = watches(server, "1001", &["1001", "--event", "presence.winfo"]);
    let nobody = |output: &str| {
        told(output)
            .is_some_and(|state| state["kind"] == "watchers" && state["watchers"].as_array().is_some_and(Vec::is_empty))
    };
    // The control: nobody does.
    own.wait_until(nobody);
    let mut other = watches(server, "1002", &["1001"]);
    other.wait_for("\"event\":\"state\"");
    own.wait_until(|output| {
        told(output).is_some_and(|state| {
            let one = &state["watchers"][0];
            let whose = [&one["resource"], &one["uri"], &one["package"], &one["status"]].map(Value::as_str);
            whose == ["sip:1001@127.0.0.1", "sip:1002@127.0.0.1", "presence", "active"].map(Some)
        })
    });
    let (code, output) = other.stop("INT");
    assert_eq!(code, 130, "{output}");
    own.wait_until(nobody);
    own.stop("INT");
}

#[test]
fn rfc3842_3_kamailio_tells_what_lies_in_a_mailbox_to_who_asks_for_that_one() {
    let kamailio = Kamailio::start_presence();
    let server = kamailio.address.clone();
    let event = ["--event", "message-summary"];
    let mut own = watches(&server, "1001", &[&["1001"], &event[..]].concat());
    // The control: that of another.
    let mut other = watches(&server, "1002", &[&["1002"], &event[..]].concat());
    for watching in [&mut own, &mut other] {
        watching.wait_for("\"event\":\"state\"");
    }
    runtime().block_on(async {
        let (endpoint, mailbox) = account("1001", "secret1001", &server).await;
        let body = b"Messages-Waiting: yes\r\nMessage-Account: sip:1001@127.0.0.1\r\nVoice-Message: 3/1 (2/0)\r\n";
        let mut waiting = mailbox.publish("message-summary", "application/simple-message-summary", body).await.unwrap();
        waiting.stands().await.unwrap();
        own.wait_until(|output| told(output).is_some_and(|state| state["kind"] == "messages"));
        let state = told(&own.output()).unwrap();
        assert!(state["waiting"] == true && state["account"] == "sip:1001@127.0.0.1", "{state}");
        let count = &state["counts"][0];
        let counts = ["new", "old", "new_urgent", "old_urgent"].map(|which| count[which].as_u64());
        assert_eq!(counts, [3, 1, 2, 0].map(Some), "{state}");
        waiting.end().await;
        endpoint.close().await;
    });
    let (_, output) = other.stop("INT");
    assert!(!output.contains("\"kind\":\"messages\""), "{output}");
    own.stop("INT");
}

/// Each device says one thing, and Kamailio writes it all into one document.
#[test]
fn rfc4480_3_what_one_device_says_of_a_person_is_told_beside_the_tuple_of_another() {
    let kamailio = Kamailio::start_presence();
    let server = kamailio.address.clone();
    let mut watching = watches(&server, "1001", &["1002"]);
    watching.wait_for("\"kind\":\"nothing\"");
    let tuple = |id: &str, basic| vec![Tuple { id: id.into(), basic: Some(basic), ..Tuple::default() }];
    let person = Person { moods: vec!["happy".into()], sphere: Some("work".into()), ..Person::default() };
    let upstairs = Presence {
        tuples: tuple("upstairs", Basic::Closed),
        activities: vec!["meeting".into(), "juggling".into()],
        person,
        ..Presence::default()
    };
    let downstairs = Presence { tuples: tuple("downstairs", Basic::Open), ..Presence::default() };
    runtime().block_on(async {
        let mut devices = Vec::new();
        for document in [&upstairs, &downstairs] {
            let (endpoint, bob) = account("1002", "secret1002", &server).await;
            let mut published = bob.publish_presence(document).await.unwrap();
            published.stands().await.unwrap();
            devices.push((endpoint, published));
        }
        let both = |state: &Value| state["tuples"].as_array().is_some_and(|tuples| tuples.len() == 2);
        watching.wait_until(|output| told(output).is_some_and(|state| both(&state)));
        let state = told(&watching.output()).unwrap();
        assert_eq!(state["basic"], "open", "{state}");
        assert_eq!(state["activities"], serde_json::json!(["meeting", "juggling"]), "{state}");
        assert!(state["moods"][0] == "happy" && state["sphere"] == "work", "{state}");
        // The control: taken back, nobody says anything of the person any more. The tuple is told once more, as closed.
        let (endpoint, published) = devices.remove(0);
        published.end().await;
        endpoint.close().await;
        watching.wait_until(|output| {
            told(output).is_some_and(|state| state["activities"].as_array().is_some_and(Vec::is_empty))
        });
        let state = told(&watching.output()).unwrap();
        assert!(state["basic"] == "open" && state["sphere"].is_null(), "{state}");
        for (endpoint, published) in devices {
            published.end().await;
            endpoint.close().await;
        }
    });
    watching.stop("INT");
}

//! Documents that Kamailio's presence server writes, or puts together of several: who watches (RFC 3857), what lies in a mailbox (RFC 3842), and what somebody does (RFC 4480).
//! Documents that `serve` writes for SIPp: the devices of a user (RFC 3680), and who is in a conference (RFC 4575).

use serde_json::Value;
use ua::package::presence::{Basic, Person, Presence, Tuple};

use super::events::{account, last_state, runtime, state};
use super::kamailio::Kamailio;
use super::{sipp, through};
use crate::program::offhook::Server;
use crate::program::{Program, free_port, offhook};

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

/// SIPp as a watcher.
struct Watching {
    sipp: Program,
    /// What it has been told.
    log: tempfile::TempPath,
}

impl Watching {
    /// It watches somebody by a package, and is to be told this: what is so first, what then, and what at last.
    fn start(server: &Server, whom: &str, (package, kind): (&str, &str), told: [&str; 3]) -> Self {
        let file = sipp::with("uac_watches_package.xml", "PACKAGE", package);
        let mut text = std::fs::read_to_string(&file).unwrap();
        let (pattern, [before, meanwhile, after]) = (kind.replace('+', "."), told);
        for (word, by) in
            [("TYPE", kind), ("KIND", &pattern), ("BEFORE", before), ("MEANWHILE", meanwhile), ("AFTER", after)]
        {
            text = text.replace(word, &by.replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"));
        }
        std::fs::write(&file, text).unwrap();
        // SIPp reads it when it has started.
        let file = file.keep().unwrap();
        let log = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let who = ["-m", "1", "-s", whom, "-au", "1001", "-ap", "secret1"];
        // Documents of these packages come five seconds after each other at the least.
        let waits = ["-recv_timeout", "9000", "-trace_logs", "-log_file", log.to_str().unwrap()];
        let sipp = sipp::start(file.to_str().unwrap(), &server.address, &[&who[..], &waits].concat());
        Self { sipp, log }
    }

    fn is_told(&self, which: &str) {
        sipp::noted(&self.log, &format!("Told {which}"));
    }

    /// What SIPp has shown.
    fn ends(self, goes_well: bool) -> String {
        let (code, output) = self.sipp.finish();
        assert_eq!(code == 0, goes_well, "{code} {output}");
        output
    }
}

#[test]
fn rfc3680_5_1_sipp_reads_which_devices_of_its_user_serve_has() {
    let reg = ("reg", "application/reginfo+xml");
    let server = through::serve();
    let contact = format!("127.0.0.1:{}", free_port());
    let phone = |contact: &str| {
        let account = format!("sip:1001@{}", server.address);
        offhook::start(&["register", "--account", &account, "--password", "secret1", "--sip", contact])
    };
    // None, one that has registered from there, and none.
    let none = "<registration aor=\"sip:1001@127.0.0.1\" id=\"[^\"]+\" state=\"(init|terminated)\"></registration>";
    let one = format!("state=\"active\" event=\"[a-z]+\"[^>]*><uri>sip:[^<]*@{contact}");
    let watching = Watching::start(&server, "1001", reg, [none, &one, none]);
    watching.is_told("first");
    let registered = phone(&contact);
    watching.is_told("second");
    registered.stop("INT");
    watching.ends(true);
    // The control: a device at another address.
    let watching = Watching::start(&server, "1001", reg, [none, &one, none]);
    watching.is_told("first");
    let elsewhere = phone(&format!("127.0.0.1:{}", free_port()));
    watching.ends(false);
    elsewhere.stop("INT");
    // The devices of somebody else, and a package that there is not.
    assert!(Watching::start(&server, "1002", reg, [none; 3]).ends(false).contains("SIP/2.0 603"));
    let unknown = ("weather", "application/weather");
    assert!(Watching::start(&server, "1001", unknown, [none; 3]).ends(false).contains("SIP/2.0 489"));
}

#[test]
fn rfc4575_5_sipp_reads_who_is_in_a_conference_of_serve() {
    let conference = ("conference", "application/conference-info+xml");
    let server = through::serve();
    let none = "<user-count>0</user-count>.*<users></users>";
    let one = "<user-count>1</user-count>.*<users><user entity=\"sip:1002@127.0.0.1";
    let caller = |whom: &str| {
        let account = format!("sip:1002@{}", server.address);
        let call = ["call", whom, "--account", &account, "--password", "secret2", "--sip", "127.0.0.1:0"];
        offhook::start(&call)
    };
    let watching = Watching::start(&server, "610", conference, [none, one, none]);
    watching.is_told("first");
    let call = caller("610");
    watching.is_told("second");
    call.stop("INT");
    watching.ends(true);
    // The controls: who calls something else is not in it, and no other number is a conference.
    let watching = Watching::start(&server, "610", conference, [none, one, none]);
    watching.is_told("first");
    let mut call = caller("600");
    call.wait_for("answered");
    watching.ends(false);
    call.stop("INT");
    assert!(Watching::start(&server, "600", conference, [none; 3]).ends(false).contains("SIP/2.0 404"));
}

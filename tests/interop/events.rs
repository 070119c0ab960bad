//! Subscriptions and publications (RFC 6665, RFC 3903) with programs that are not ours: Kamailio as presence server, SIPp as notifier and as watcher,
//! baresip as watcher.

use std::time::{Duration, Instant};

use ua::package::presence::{Basic, Presence, Tuple};
use ua::{Account, AccountConfig, Endpoint};

use super::baresip::Baresip;
use super::kamailio::Kamailio;
use super::sipp;
use crate::program::offhook::{self, Server, USERS};
use crate::program::{PATIENCE, Program, free_port};

/// `offhook subscribe` as a user of the presence server whose password is this.
fn watcher(server: &str, password: &str, arguments: &[&str]) -> Program {
    let account = format!("sip:1001@{server}");
    let identity = ["--account", &account, "--password", password, "--sip", "127.0.0.1:0", "--json"];
    offhook::start(&[&["subscribe"], arguments, &identity[..]].concat())
}

/// What a line of `--json` says of the state.
pub(super) fn state(line: &str) -> serde_json::Value {
    let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    value["state"].clone()
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub(super) async fn account(user: &str, password: &str, server: &str) -> (Endpoint, Account) {
    let endpoint = Endpoint::builder().udp("127.0.0.1:0").build().await.unwrap();
    let config = AccountConfig::new(format!("sip:{user}@{server}")).password(password);
    let account = endpoint.account(config).await.unwrap();
    (endpoint, account)
}

fn presence(basic: Basic, note: &str) -> Presence {
    let tuple = Tuple { id: "a".into(), basic: Some(basic), note: Some(note.into()), ..Tuple::default() };
    Presence { tuples: vec![tuple], ..Presence::default() }
}

#[test]
fn what_we_publish_at_kamailio_is_told_to_who_watches_there() {
    let kamailio = Kamailio::start_presence();
    let server = kamailio.address.clone();
    let mut watching = watcher(&server, "secret1001", &["1002"]);
    watching.wait_for("\"kind\":\"nothing\"");
    runtime().block_on(async {
        let (endpoint, bob) = account("1002", "secret1002", &server).await;
        let mut published = bob.publish_presence(&presence(Basic::Open, "at the desk")).await.unwrap();
        assert_eq!(published.stands().await, Ok(Duration::from_secs(3_600)));
        let told = state(&watching.wait_for("at the desk"));
        assert_eq!((told["basic"].as_str(), told["kind"].as_str()), (Some("open"), Some("presence")));
        published.presence(&presence(Basic::Closed, "lunch")).await.unwrap();
        let told = state(&watching.wait_for("lunch"));
        assert_eq!(told["basic"], "closed");
        published.end().await;
        endpoint.close().await;
    });
    // Taken back: nobody says anything of him any more.
    watching.wait_until(|output| {
        output.rfind("lunch") < output.rfind("\"event\":\"state\"").filter(|at| !output[*at..].contains("lunch"))
    });
    let (code, output) = watching.stop("INT");
    assert_eq!(code, 130, "{output}");
}

#[test]
fn kamailio_refuses_wrong_passwords_and_unknown_packages_and_has_its_own_minimum() {
    let kamailio = Kamailio::start_presence();
    let server = kamailio.address.clone();
    let (code, output) = watcher(&server, "wrong", &["1002", "--once"]).finish();
    assert_eq!(code, 6, "{output}");
    let (code, output) = watcher(&server, "secret1001", &["1002", "--once", "--event", "weather"]).finish();
    assert_eq!(code, 7, "{output}");
    assert!(output.contains("489"), "{output}");
    let mut short = watcher(&server, "secret1001", &["1002", "--expires", "5"]);
    short.wait_for("\"expires_secs\":30");
    short.stop("INT");
    runtime().block_on(async {
        let (endpoint, bob) = account("1002", "wrong", &server).await;
        let mut published = bob.publish_presence(&presence(Basic::Open, "never")).await.unwrap();
        assert!(published.stands().await.is_err());
        endpoint.close().await;
    });
}

/// The line of the last state that is told.
pub(super) fn last_state(output: &str) -> Option<&str> {
    output.lines().rev().find(|line| line.contains("\"event\":\"state\""))
}

/// The document is Kamailio's own: it writes the dialogs of all that was published into one.
#[test]
fn calls_that_two_devices_publish_at_kamailio_are_one_document_to_who_watches_there() {
    let kamailio = Kamailio::start_presence();
    let server = kamailio.address.clone();
    let mut watching = watcher(&server, "secret1001", &["1002", "--event", "dialog"]);
    watching.wait_for("\"event\":\"state\"");
    runtime().block_on(async {
        let mut devices = Vec::new();
        for (id, state) in [("upstairs", "confirmed"), ("downstairs", "early")] {
            let (endpoint, bob) = account("1002", "secret1002", &server).await;
            let body = format!(
                "<?xml version=\"1.0\"?>\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"0\" state=\"full\" entity=\"sip:1002@127.0.0.1\">\
                 <dialog id=\"{id}\" direction=\"recipient\"><state>{state}</state></dialog></dialog-info>"
            );
            let mut published = bob.publish("dialog", "application/dialog-info+xml", body.as_bytes()).await.unwrap();
            published.stands().await.unwrap();
            devices.push((endpoint, published));
        }
        watching.wait_until(|output| {
            let all = ["upstairs", "downstairs", "confirmed", "early"];
            last_state(output).is_some_and(|line| all.iter().all(|word| line.contains(word)))
        });
        for (endpoint, published) in devices {
            published.end().await;
            endpoint.close().await;
        }
    });
    // The control: what was taken back first is not told any more with the other, of which Kamailio tells once more before it takes it out.
    let stays = |line: &str| line.contains("downstairs") && !line.contains("upstairs");
    watching.wait_until(|output| last_state(output).is_some_and(stays));
    watching.stop("INT");
}

/// Who watches a conference is told what its focus has published at Kamailio.
#[test]
fn a_conference_that_is_published_at_kamailio_is_told_to_who_watches_there() {
    let kamailio = Kamailio::start_presence();
    let server = kamailio.address.clone();
    let mut watching = watcher(&server, "secret1001", &["1002", "--event", "conference"]);
    watching.wait_for("\"event\":\"state\"");
    runtime().block_on(async {
        let (endpoint, focus) = account("1002", "secret1002", &server).await;
        let body = "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" entity=\"sip:1002@127.0.0.1\" state=\"full\" version=\"1\">\
            <conference-description/><conference-state><user-count>1</user-count></conference-state>\
            <users><user entity=\"sip:carol@example.com\"/></users></conference-info>";
        let kind = "application/conference-info+xml";
        let mut published = focus.publish("conference", kind, body.as_bytes()).await.unwrap();
        published.stands().await.unwrap();
        let told = state(&watching.wait_for("sip:carol@example.com"));
        assert_eq!(told["kind"], "conference", "{told}");
        published.end().await;
        endpoint.close().await;
    });
    watching.stop("INT");
}

/// Both documents are Kamailio's own (pua_reginfo).
#[test]
fn kamailio_tells_ours_of_the_devices_that_register_with_it() {
    let kamailio = Kamailio::start_reg();
    let server = kamailio.address.clone();
    let mut watching = watcher(&server, "secret1001", &["1001", "--event", "reg"]);
    watching.wait_for("\"event\":\"state\"");
    let account = format!("sip:1001@{server}");
    let port = free_port().to_string();
    let at = format!("127.0.0.1:{port}");
    let mut phone = offhook::start(&["register", "--account", &account, "--password", "secret1001", "--sip", &at]);
    phone.wait_for("registered");
    watching.wait_until(|output| {
        last_state(output).is_some_and(|line| line.contains("\"kind\":\"registrations\"") && line.contains(&at))
    });
    phone.stop("INT");
    // The control: gone, it is told so, or not at all any more.
    watching
        .wait_until(|output| last_state(output).is_some_and(|line| !line.contains(&at) || line.contains("terminated")));
    watching.stop("INT");
}

/// The list and its parts are put together by Kamailio (rls), which has subscribed to each that is on it.
#[test]
fn rfc4662_4_6_a_list_of_kamailio_is_told_with_the_state_of_who_is_on_it() {
    let kamailio = Kamailio::start_lists("1002");
    let server = kamailio.address.clone();
    let mut watching = watcher(&server, "secret1001", &["friends", "--lists"]);
    watching.wait_for("\"kind\":\"list\"");
    runtime().block_on(async {
        let (endpoint, bob) = account("1002", "secret1002", &server).await;
        let mut published = bob.publish_presence(&presence(Basic::Open, "at the desk")).await.unwrap();
        published.stands().await.unwrap();
        let told = state(&watching.wait_for("at the desk"));
        assert_eq!(told["kind"], "list", "{told}");
        let one = &told["resources"][0];
        assert_eq!((one["uri"].as_str(), one["state"]["basic"].as_str()), (Some("sip:1002@127.0.0.1"), Some("open")));
        published.end().await;
        endpoint.close().await;
    });
    watching.stop("INT");
    // The control: who does not say that he reads lists is not given one.
    let (_, output) = watcher(&server, "secret1001", &["friends", "--once"]).finish();
    assert!(output.contains("\"kind\":\"nothing\"") && !output.contains("\"kind\":\"list\""), "{output}");
}

#[test]
fn sipp_watches_an_extension_of_ours_through_a_call() {
    // SIPp knows no other hash.
    let file = offhook::configuration("digest = [\"md5\"]\n");
    let server = offhook::serve(&[&["--config", file.path().to_str().unwrap()], &USERS[..]].concat());
    let watching = sipp::start("uac_subscribe.xml", &server.address, &["-m", "1", "-au", "1001", "-ap", "secret1"]);
    await_watcher(&server);
    let account = format!("sip:1002@{}", server.address);
    let call = ["call", "600", "--account", &account, "--password", "secret2", "--sip", "127.0.0.1:0", "--for", "3"];
    let (code, output) = offhook::start(&call).finish();
    assert_eq!(code, 0, "{output}");
    let (code, seen) = watching.finish();
    assert_eq!(code, 0, "{seen}");
    // The control: a password that is wrong.
    let (code, _) = sipp::run("uac_subscribe.xml", &server.address, &["-m", "1", "-au", "1001", "-ap", "wrong"]);
    assert_ne!(code, 0);
}

#[test]
fn sipp_watches_the_robot_through_a_call() {
    let (mut robot, address) = offhook::answer(&["--allow-watchers", "-vv"]);
    let watching = sipp::start("uac_watches.xml", &address, &["-m", "1"]);
    // It is told of no call first: only then somebody calls.
    robot.wait_for("sip:lamp@");
    let uri = format!("sip:robot@{address}");
    let mut shown = offhook::start(&["subscribe", &uri, "--event", "presence", "--sip", "127.0.0.1:0", "--json"]);
    shown.wait_for("\"basic\":\"open\"");
    let (code, output) = offhook::start(&["call", &uri, "--sip", "127.0.0.1:0", "--for", "2"]).finish();
    assert_eq!(code, 0, "{output}");
    assert!(shown.wait_for("on-the-phone").contains("\"open\""));
    let (code, seen) = watching.finish();
    assert_eq!(code, 0, "{seen}");
    shown.stop("INT");
    robot.stop("INT");
    // The control: a robot that nobody may watch.
    let (robot, address) = offhook::answer(&[]);
    let (code, _) = sipp::run("uac_watches.xml", &address, &["-m", "1"]);
    assert_ne!(code, 0);
    robot.stop("INT");
}

/// SIPp in one of two calls of a robot names that, and is told of it alone, and when it is over.
#[test]
fn rfc4235_3_2_sipp_watches_one_of_two_calls_of_the_robot() {
    let (mut robot, address) = offhook::answer(&["--allow-watchers"]);
    let uri = format!("sip:robot@{address}");
    let other = offhook::start(&["call", &uri, "--sip", "127.0.0.1:0"]);
    robot.wait_for("answered");
    let (code, seen) = sipp::run("uac_watches_one.xml", &address, &["-m", "1"]);
    assert_eq!(code, 0, "{seen}");
    // The controls: who names none is told of both, and who names another of none.
    for named in ["Event: dialog\n", "Event: dialog;call-id=\"[call_id]\";to-[$tag];from-tag=another\n"] {
        let line = "Event: dialog;call-id=\"[call_id]\";to-[$tag];from-tag=[call_number]c\n";
        let scenario = sipp::with("uac_watches_one.xml", line, named);
        // What does not come is not waited for.
        let (code, _) = sipp::run(scenario.to_str().unwrap(), &address, &["-m", "1", "-recv_timeout", "5000"]);
        assert_ne!(code, 0, "{named}");
    }
    other.stop("INT");
    robot.stop("INT");
}

/// The call of which SIPp tells is over: that is a good end, and what was asked for has been shown.
#[test]
fn rfc4235_3_2_sipp_is_asked_for_one_dialog_and_tells_it_to_its_end() {
    let watches = |dialog: &str| {
        let (notifier, address) = sipp::waits("uas_subscribe_one.xml", &["-m", "1"]);
        let arguments = ["--dialog", dialog, "--descriptions", "--sip", "127.0.0.1:0", "--for", "10", "--json"];
        let ours = offhook::start(&[&["subscribe", &format!("sip:1002@{address}")], &arguments[..]].concat());
        let theirs = notifier.finish();
        (ours, theirs)
    };
    let (ours, (theirs, seen)) = watches("a@b;to-tag=1;from-tag=2");
    let (code, output) = ours.finish();
    assert_eq!((code, theirs), (0, 0), "{output}\n{seen}");
    let told = state(output.lines().find(|line| line.contains("confirmed")).unwrap_or_else(|| panic!("{output}")));
    let dialog = &told["dialogs"][0];
    assert_eq!([&dialog["call_id"], &dialog["local_tag"], &dialog["remote_tag"]], ["a@b", "1", "2"]);
    assert_eq!(dialog["remote_description"], "v=0 of the other side");
    // The control: SIPp knows no other.
    let (ours, (theirs, _)) = watches("a@b;to-tag=2;from-tag=1");
    assert_ne!(theirs, 0);
    ours.stop("INT");
}

#[test]
fn sipp_publishes_and_whoever_watches_is_told_what_stands() {
    let file = offhook::configuration("digest = [\"md5\"]\n");
    let server = offhook::serve(&[&["--config", file.path().to_str().unwrap()], &USERS[..]].concat());
    let publishes = |password: &str| {
        let arguments = ["-m", "1", "-s", "1002", "-au", "1002", "-ap", password];
        sipp::run("uac_publish.xml", &server.address, &arguments)
    };
    let mut watching = watcher(&server.address, "secret1", &["1002"]);
    watching.wait_for("\"basic\":\"closed\"");
    // The control: a password that is wrong.
    let (code, seen) = publishes("wrong");
    assert_ne!(code, 0, "{seen}");
    let (code, seen) = publishes("secret2");
    assert_eq!(code, 0, "{seen}");
    // What stands at the end is one state: changed once, refreshed, and nothing of what was refused or removed.
    watching.wait_until(|output| {
        last_state(output).is_some_and(|line| line.contains("lunch") && !line.contains("on the way"))
    });
    let (_, output) = watching.stop("INT");
    assert!(!output.contains("too late"), "{output}");
}

/// Waits until somebody watches.
fn await_watcher(server: &Server) {
    let end = Instant::now() + PATIENCE;
    while server.status()["watchers"].as_u64() == Some(0) {
        assert!(Instant::now() < end, "nobody watches");
    }
}

/// baresip as a device of 1001 with these modules.
fn started(server: &Server, modules: &str) -> Baresip {
    let address = &server.address;
    let line = format!("<sip:1001@{address}>;auth_user=1001;auth_pass=secret1;regint=300");
    let contact = format!("\"Other\" <sip:1002@{address}>;presence=p2p");
    Baresip::watching(&line, &contact, modules)
}

#[test]
fn baresip_is_told_who_can_be_reached() {
    let server = offhook::serve(&USERS);
    let mut phone = started(&server, "module_app presence.so\n");
    phone.wait_for_line("200 OK (Offhook");
    // What it hears first it does not show.
    await_watcher(&server);
    runtime().block_on(async {
        let (endpoint, bob) = account("1002", "secret2", &server.address).await;
        let mut published = bob.publish_presence(&presence(Basic::Open, "here")).await.unwrap();
        published.stands().await.unwrap();
        assert!(phone.wait_for_line("changed status").contains("Online"));
        published.presence(&presence(Basic::Closed, "gone")).await.unwrap();
        assert!(phone.wait_for_line("changed status").contains("Offline"));
        endpoint.close().await;
    });
    phone.stop();
}

/// With this module one start of baresip 1.0.0 in five goes wrong: it does not look for the challenge to its SUBSCRIBE but sends another one, for ever, and hears
/// nothing that it is told, to leave included. Then another one is started, with a server of its own: the binding of the one before stays, and a user has room
/// for five.
fn watching_its_messages() -> (Server, Baresip) {
    for _ in 0..10 {
        let server = offhook::serve(&USERS);
        let mut phone = started(&server, "module_app mwi.so\n");
        let told = "Messages-Waiting: no";
        let wrong = |output: &str| output.matches("subscribing to messages").count() > 1;
        if phone.wait_until(|output| output.contains(told) || wrong(output)).contains(told) {
            return (server, phone);
        }
        phone.kill();
    }
    panic!("ten starts of baresip went wrong");
}

#[test]
fn baresip_is_told_that_messages_wait() {
    let (server, mut phone) = watching_its_messages();
    runtime().block_on(async {
        let (endpoint, alice) = account("1001", "secret1", &server.address).await;
        let body = b"Messages-Waiting: yes\r\nVoice-Message: 3/1 (0/0)\r\n";
        let mut waiting = alice.publish("message-summary", "application/simple-message-summary", body).await.unwrap();
        waiting.stands().await.unwrap();
        phone.wait_for_line("Messages-Waiting: yes");
        drop(waiting);
        endpoint.close().await;
    });
    phone.stop();
}

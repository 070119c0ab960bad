//! `--sip` more than once: UDP and TCP at each address, for every verb that listens.

use crate::run::{Going, offhook};

/// Ports of two addresses of loopback that are free for UDP and TCP.
fn two_addresses() -> [String; 2] {
    ["127.0.0.1", "127.0.0.2"].map(|host| {
        let free = || {
            let udp = std::net::UdpSocket::bind((host, 0)).unwrap();
            let address = udp.local_addr().unwrap();
            std::net::TcpListener::bind(address).is_ok().then(|| address.to_string())
        };
        std::iter::repeat_with(free).flatten().next().unwrap()
    })
}

/// Each address answers OPTIONS by UDP and TCP; one that was not given does not.
fn assert_reached(addresses: &[String]) {
    for transport in ["udp", "tcp"] {
        for address in addresses {
            let ended = offhook(&["options", &format!("sip:{address};transport={transport}")]);
            assert_eq!(ended.code, Some(0), "{transport} {address}: {ended:?}");
            assert!(ended.stdout.contains("200 OK"), "{}", ended.stdout);
        }
        let port = addresses[0].rsplit(':').next().unwrap();
        let ended = offhook(&["options", &format!("sip:127.0.0.3:{port};transport={transport}")]);
        assert_eq!(ended.code, Some(4), "{transport}: {ended:?}");
    }
}

fn both(verb: &[&str], addresses: &[String; 2], more: &[&str]) -> Going {
    let [one, two] = addresses;
    Going::start(&[verb, &["--sip", one, "--sip", two], more].concat())
}

#[test]
fn serve_and_answer_listen_at_each_address_by_udp_and_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let verbs: [(&str, &[&str]); 2] = [("serve", &["--state", folder.path().to_str().unwrap()]), ("answer", &[])];
    for (verb, more) in verbs {
        let addresses = two_addresses();
        let mut going = both(&[verb], &addresses, more);
        for address in &addresses {
            for transport in ["udp", "tcp"] {
                going.line(&format!("listening on {transport} {address}"));
            }
        }
        if verb == "serve" {
            going.line("ready");
        }
        assert_reached(&addresses);
    }
}

#[test]
fn caller_listens_at_each_address_by_udp_and_tcp_while_it_calls() {
    let mut robot = Going::start(&["answer", "--sip", "127.0.0.1:0", "--ring"]);
    let target = format!("robot@127.0.0.1:{}", robot.port());
    let addresses = two_addresses();
    let mut caller = both(&["call", &target], &addresses, &[]);
    caller.line("180 Ringing");
    assert_reached(&addresses);
}

/// By both protocols, and a call that is heard.
#[test]
fn robot_is_asked_and_called_over_ipv6() {
    let mut robot = Going::start(&["answer", "--sip", "[::1]:0", "--echo"]);
    let port = robot.port();
    for transport in ["udp", "tcp"] {
        let target = format!("sip:robot@[::1]:{port};transport={transport}");
        let ended = offhook(&["options", &target]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        // A second without a break, somewhere in five: the machine may be busy.
        let sound = ["--tone", "440", "--expect-tone", "440", "--for", "5"];
        let ended = offhook(&[&["call", &target, "--sip", "[::1]:0"], &sound[..]].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

/// A PBX that listens there only: a phone registers, an extension and another phone are called and heard.
#[test]
fn phones_register_and_call_each_other_over_ipv6() {
    let folder = tempfile::tempdir().unwrap();
    let users = ["--user", "2001:x", "--user", "2002:x", "--state", folder.path().to_str().unwrap()];
    let mut server = Going::start(&[&["serve", "--sip", "[::1]:0"], &users[..]].concat());
    let port = server.port();
    server.line("ready");
    let identity = |account: &str| format!("--account {account} --password x --sip [::1]:0");
    let callee = identity(&format!("sip:2002@[::1]:{port}"));
    let mut robot = Going::start(&[&["answer", "--echo"], &callee.split(' ').collect::<Vec<_>>()[..]].concat());
    robot.line("registered");
    // As above. By TCP the audio goes the same way.
    let sounds = [("udp", ["--expect-tone", "440", "--for", "5"]), ("tcp", ["--expect-audio", "--json", "--for", "2"])];
    for (transport, sound) in sounds {
        let caller = identity(&format!("sip:2001@[::1]:{port};transport={transport}"));
        let caller: Vec<&str> = caller.split(' ').collect();
        let registered = offhook(&[&["register", "--once"], &caller[..]].concat());
        assert_eq!(registered.code, Some(0), "{registered:?}");
        for number in ["600", "2002"] {
            let ended = offhook(&[&["call", number, "--tone", "440"], &sound[..], &caller[..]].concat());
            assert_eq!(ended.code, Some(0), "{transport} {number}: {ended:?}");
        }
    }
    robot.line("call 2 ended");
    // By the other family nobody is there.
    let ended = offhook(&["options", &format!("sip:127.0.0.1:{port}")]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
}

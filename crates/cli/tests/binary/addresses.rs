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
fn ipv6_is_listened_on_and_called() {
    let loopback = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    if !loopback.contains("00000000000000000000000000000001") {
        eprintln!("this machine has no ::1");
        return;
    }
    let mut robot = Going::start(&["answer", "--sip", "[::1]:0", "--echo"]);
    let port = robot.port();
    for transport in ["udp", "tcp"] {
        let target = format!("sip:robot@[::1]:{port};transport={transport}");
        let ended = offhook(&["options", &target]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let sound = ["--tone", "440", "--expect-tone", "440", "--for", "2"];
        let ended = offhook(&[&["call", &target, "--sip", "[::1]:0"], &sound[..]].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

//! How packets are marked, as tcpdump sees them on the wire.

use std::process::Command;

use crate::program::offhook::{self, USERS};
use crate::program::{Program, free_port};

/// Every packet from this port, one line for its IP header and one for the rest.
fn watch(filter: &str) -> Program {
    let mut command = Command::new("tcpdump");
    command.args(["-i", "lo", "-n", "-v", "-l", "--immediate-mode", filter]);
    let mut tcpdump = Program::start(&mut command);
    tcpdump.wait_for("listening on lo");
    tcpdump
}

/// The marks of the packets that were seen: of IPv4 the old field, of IPv6 the class where it is not 0.
fn marks(tcpdump: &str) -> Vec<String> {
    let ends = |word: &str| word.find([',', ' ', ')']).unwrap_or(word.len());
    let mark = |line: &str| {
        let (_, rest) = line
            .split_once("(tos ")
            .or_else(|| line.split_once("(class "))
            .or_else(|| line.split_once("IP6 (flowlabel"))?;
        Some(rest.get(..ends(rest)).unwrap_or_default().to_owned())
    };
    tcpdump.lines().filter_map(mark).collect()
}

/// A call to the echo by this protocol, and one request over IPv6; what tcpdump saw of SIP, of SIP over IPv6, and of RTP.
fn seen(settings: &str, transport: &str) -> [Vec<String>; 3] {
    let first = free_port();
    let config = offhook::configuration(&format!("[media]\nports = \"{first}-{}\"\n{settings}", first + 1));
    let six = format!("[::1]:{}", free_port());
    let arguments = ["--config", config.path().to_str().unwrap(), "--sip", &six];
    let server = offhook::serve(&[&USERS[..], &arguments].concat());
    let (_, port) = server.address.rsplit_once(':').unwrap();
    let (_, port_six) = six.rsplit_once(':').unwrap();
    // Of TCP what carries data: the system acknowledges some things by itself.
    let (data, data_six) = match transport {
        "tcp" => ("tcp[tcpflags] & tcp-push != 0", "tcp and ip6[53] & 8 != 0"),
        _ => ("udp", "udp"),
    };
    let mut sip = watch(&format!("ip and {data} and src port {port}"));
    let mut sip_six = watch(&format!("ip6 and {data_six} and src port {port_six}"));
    let mut rtp = watch(&format!("udp and src port {first}"));
    let account = format!("sip:1001@{};transport={transport}", server.address);
    let target = format!("sip:600@{};transport={transport}", server.address);
    // More than a second: then it is sent by a socket of its own.
    let call = [
        "call",
        &target,
        "--account",
        &account,
        "--password",
        "secret1",
        "--no-register",
        "--for",
        "2",
        "--tone",
        "440",
    ];
    let (code, said) = offhook::start(&call).finish();
    assert_eq!(code, 0, "{said}");
    let (code, said) = offhook::start(&["options", &format!("sip:{six};transport={transport}")]).finish();
    assert_eq!(code, 0, "{said}");
    sip.wait_until(|told| marks(told).len() >= 4);
    sip_six.wait_until(|told| told.contains("IP6"));
    rtp.wait_until(|told| marks(told).len() >= 80);
    [sip, sip_six, rtp].map(|mut tcpdump| marks(&tcpdump.output()))
}

#[test]
fn rfc2474_3_sip_and_rtp_are_marked_as_configured_over_both_families() {
    for transport in ["udp", "tcp"] {
        let [sip, six, rtp] = seen("dscp = \"ef\"\n[sip]\ndscp = \"cs3\"\n", transport);
        assert!(sip.iter().all(|mark| mark == "0x60"), "{transport}: {sip:?}");
        assert!(!six.is_empty() && six.iter().all(|mark| mark == "0x60"), "{transport}: {six:?}");
        assert!(rtp.iter().all(|mark| mark == "0xb8"), "{transport}: {rtp:?}");
    }
}

#[test]
fn without_the_setting_nothing_is_marked() {
    let [sip, six, rtp] = seen("", "udp");
    assert!(sip.iter().chain(&rtp).all(|mark| mark == "0x0"), "{sip:?} {rtp:?}");
    assert!(six.iter().all(|mark| mark != "0x60"), "{six:?}");
}

//! A router on the way, the kernel's own, that says what has become of a packet (RFC 792): where that means no more than that this packet has not arrived, the request is
//! sent again (RFC 3261 section 18.4).

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use super::nat::{Translator, run, with_translator};
use crate::program::{PATIENCE, offhook};

/// Who is asked, behind the router.
const THERE: &str = "10.0.0.2:5060";

/// How many ICMP messages of a kind have come.
fn came(kind: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("Icmp: ")).map(|line| line.split(' '));
    let (names, numbers) = (lines.next().unwrap(), lines.next().unwrap());
    names.zip(numbers).find(|(name, _)| *name == kind).unwrap().1.parse().unwrap()
}

/// Somebody there, whom a way leads to.
fn somebody(network: &Translator) -> UdpSocket {
    run("ip route add 10.0.0.0/24 via 192.0.2.1");
    let socket = network.inside(|| UdpSocket::bind(THERE).unwrap());
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Answers the request that has come; how long it is.
fn answers(socket: &UdpSocket) -> usize {
    let mut buffer = [0; 2_000];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    let request = str::from_utf8(&buffer[..length]).unwrap();
    let repeated =
        |line: &&str| ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name));
    let tag = |line: &str| if line.starts_with("To:") { ";tag=there" } else { "" };
    let lines: String = request.lines().filter(repeated).map(|line| format!("{line}{}\r\n", tag(line))).collect();
    let answer = format!("SIP/2.0 200 OK\r\n{lines}Content-Length: 0\r\n\r\n");
    socket.send_to(answer.as_bytes(), from).unwrap();
    length
}

#[test]
fn rfc3261_18_4_a_request_too_big_for_a_line_on_the_way_is_sent_again_in_fragments() {
    with_translator(|network| {
        let there = somebody(network);
        network.between(|| run("ip link set home0 mtu 600"));
        let text = "x".repeat(600);
        let asked = offhook::start(&["message", &format!("sip:bob@{THERE}"), &text]);
        let length = answers(&there);
        assert!((600..1_300).contains(&length), "{length} octets");
        let (code, output) = asked.finish();
        assert_eq!(code, 0, "{output}");
        assert_eq!(came("InDestUnreachs"), 1, "fragmentation was needed");
    });
}

#[test]
fn rfc3261_18_4_a_request_that_was_underway_for_too_long_is_sent_again() {
    with_translator(|network| {
        let there = somebody(network);
        let lives_for = |hops: &str| std::fs::write("/proc/sys/net/ipv4/ip_default_ttl", hops).unwrap();
        lives_for("1");
        let mut asked = offhook::start(&["options", &format!("sip:{THERE}")]);
        let end = Instant::now() + PATIENCE;
        while came("InTimeExcds") == 0 {
            assert!(Instant::now() < end, "{}", asked.output());
            std::thread::sleep(Duration::from_millis(5));
        }
        lives_for("64");
        answers(&there);
        let (code, output) = asked.finish();
        assert_eq!(code, 0, "{output}");
    });
}

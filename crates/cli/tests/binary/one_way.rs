//! Audio that arrives here and not there: the other side's reports say so, and `--expect-audio` does not hold.

use std::net::{SocketAddr, UdpSocket};

use crate::run::{Going, PATIENCE};

/// A telephone by hand: it takes one call and sends back the audio that comes.
struct Peer {
    sip: UdpSocket,
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

/// What its reports say.
#[derive(Clone, Copy, PartialEq)]
enum Reports {
    /// None are sent.
    None,
    /// Of the caller's packets.
    Heard,
    /// Of no packet at all.
    Nothing,
}

impl Peer {
    fn new() -> Self {
        let socket = |port: u16| UdpSocket::bind(("127.0.0.1", port));
        let pair = || {
            let rtp = socket(0).unwrap();
            let next = rtp.local_addr().unwrap().port().checked_add(1)?;
            Some((rtp, socket(next).ok()?))
        };
        let (rtp, rtcp) = std::iter::repeat_with(pair).flatten().next().unwrap();
        let peer = Self { sip: socket(0).unwrap(), rtp, rtcp };
        for socket in [&peer.sip, &peer.rtp] {
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        peer
    }

    fn hear(&self) -> (String, SocketAddr) {
        let mut buffer = [0; 8_192];
        let (length, from) = self.sip.recv_from(&mut buffer).unwrap();
        (String::from_utf8_lossy(&buffer[..length]).into_owned(), from)
    }

    /// Answers the INVITE; gives what begins a request of the dialog's other direction, and where to.
    fn answer(&self) -> (String, SocketAddr) {
        let (invite, from) = self.hear();
        let line = |name: &str| {
            let found = invite.split("\r\n").find(|line| line.starts_with(&format!("{name}: ")));
            found.unwrap_or_else(|| panic!("no {name} in {invite}")).to_owned()
        };
        let (here, port) = (self.sip.local_addr().unwrap(), self.rtp.local_addr().unwrap().port());
        let body = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
        );
        let head = ["Via", "From", "Call-ID", "CSeq"].map(line).join("\r\n");
        let ok = format!(
            "SIP/2.0 200 OK\r\n{head}\r\n{};tag=there\r\nContact: <sip:{here}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            line("To"),
            body.len()
        );
        self.sip.send_to(ok.as_bytes(), from).unwrap();
        let (ack, _) = self.hear();
        assert!(ack.starts_with("ACK "), "{ack}");
        let value = |name: &str| line(name).split_once(": ").unwrap().1.to_owned();
        let bye = format!(
            "BYE {} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKbye\r\nMax-Forwards: 70\r\nFrom: {};tag=there\r\nTo: {}\r\n{}\r\n\
             CSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
            value("Contact").split(['<', '>']).nth(1).unwrap(),
            value("To"),
            value("From"),
            line("Call-ID")
        );
        (bye, from)
    }

    /// Sends back so many packets, each with a report after it.
    fn echo(&self, packets: usize, reports: Reports) {
        let mut buffer = [0; 2_048];
        for _ in 0..packets {
            let (length, from) = self.rtp.recv_from(&mut buffer).unwrap();
            let source: [u8; 4] = buffer[8..12].try_into().unwrap();
            buffer[8..12].copy_from_slice(b"here");
            self.rtp.send_to(&buffer[..length], from).unwrap();
            // RFC 3550 section 6.4.2: a report without blocks, or with one about the packets of this source.
            let mut report = vec![0x80, 201, 0, 1];
            report.extend(b"here");
            if reports == Reports::Heard {
                report[..4].copy_from_slice(&[0x81, 201, 0, 7]);
                report.extend(source);
                report.extend([0; 20]);
            }
            if reports != Reports::None {
                self.rtcp.send_to(&report, (from.ip(), from.port() + 1)).unwrap();
            }
        }
    }
}

/// A call of 240 packets, the last 60 of them with reports: the exit code and what was printed.
fn call(reports: Reports, expected: &[&str]) -> (Option<i32>, String) {
    let peer = Peer::new();
    let target = format!("sip:x@{}", peer.sip.local_addr().unwrap());
    let caller = Going::start(&[&["call", &target, "--sip", "127.0.0.1:0", "--tone", "440"], expected].concat());
    let (bye, to) = peer.answer();
    peer.echo(180, Reports::None);
    peer.echo(60, reports);
    peer.sip.send_to(bye.as_bytes(), to).unwrap();
    let (code, lines) = caller.end();
    (code, lines.join("\n"))
}

#[test]
fn reports_of_the_other_side_that_name_none_of_our_packets_are_one_way_audio() {
    let (code, printed) = call(Reports::Nothing, &["--expect-audio"]);
    assert_eq!(code, Some(9), "{printed}");
    assert!(printed.contains("audio goes one way only: nothing of ours arrives"), "{printed}");
    // Who expects nothing is told nothing.
    let (code, printed) = call(Reports::Nothing, &[]);
    assert_eq!(code, Some(0), "{printed}");
}

#[test]
fn reports_that_name_our_packets_and_missing_reports_are_no_fault() {
    for reports in [Reports::Heard, Reports::None] {
        let (code, printed) = call(reports, &["--expect-audio", "--expect-tone", "440"]);
        assert_eq!(code, Some(0), "{printed}");
    }
}

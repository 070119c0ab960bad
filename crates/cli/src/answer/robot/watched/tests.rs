//! Those who watch a robot, and would have others hear of it.

use std::net::SocketAddr;

use net::App as _;
use sip::message::{Limits, Message};
use sip::{
    Action, Answer, Application as _, Config, FlowId, Now, Outbox, Path, Question, Stack, Time, Transport, WallTime,
};

use super::super::{Conduct, Order};
use super::*;
use crate::answer::board::Board;

/// A robot that anybody may watch, on a stack of its own, and what it has sent to whom.
struct Rig {
    stack: Stack,
    robot: Robot,
    sent: Vec<(SocketAddr, String)>,
}

fn path(remote: SocketAddr) -> Path {
    Path { flow: FlowId(1), transport: Transport::Udp, local: "127.0.0.1:5060".parse().unwrap(), remote }
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_else(|| panic!("{message}"))
}

impl Rig {
    fn new() -> Self {
        let conduct = Conduct {
            reject: None,
            ring_only: false,
            auto_answer: false,
            believed: Vec::new(),
            reliable: false,
            timed: false,
            allow_transfer: false,
            allow_watchers: true,
            hang_up_after: None,
            echo: false,
            voice: None,
            ears: None,
            account: None,
        };
        let config = Config { allow: Robot::capabilities(false, true).allow, ..Config::default() };
        let robot = Robot::new(conduct, None, Board::new());
        let mut rig = Self { stack: Stack::new(config, [4; 32]), robot, sent: Vec::new() };
        rig.turn(|robot, turn| robot.command(Order::Begin, turn));
        rig
    }

    fn turn(&mut self, act: impl FnOnce(&mut Robot, &mut Turn<'_>)) {
        let (now, mut out) = (Now { mono: Time(0), wall: WallTime(1_700_000_000) }, Outbox::new());
        act(&mut self.robot, &mut self.stack.at(now, &mut out));
        for settled in [false, true] {
            if settled {
                self.robot.settle(&mut self.stack.at(now, &mut out));
            }
            while let Some(action) = out.pop() {
                let mut turn = self.stack.at(now, &mut out);
                match action {
                    Action::Ask { id, question: Question::Route { host, port, .. }, .. } => {
                        let remote = SocketAddr::new(host.parse().unwrap(), port.unwrap());
                        turn.answered(id, Answer::Routes(vec![path(remote)]));
                    }
                    Action::Send { path, bytes, .. } => {
                        self.sent.push((path.remote, String::from_utf8(bytes.to_vec()).unwrap()));
                    }
                    Action::Event(event) => self.robot.event(event, &mut turn),
                    _ => {}
                }
            }
        }
    }

    fn hear(&mut self, from: SocketAddr, text: String) {
        assert!(Message::parse(text.clone().into(), &Limits::default()).is_ok(), "{text}");
        self.turn(|_, turn| turn.receive(&path(from), text.into()));
    }

    /// A SUBSCRIBE: its answer, with the To tag that it has.
    fn subscribe(&mut self, from: SocketAddr, number: u32, tag: &str) -> (String, String) {
        self.subscribe_to("dialog", from, number, tag)
    }

    fn subscribe_to(&mut self, event: &str, from: SocketAddr, number: u32, tag: &str) -> (String, String) {
        self.subscribe_for("Expires: 600\r\n", event, from, number, tag)
    }

    fn subscribe_for(
        &mut self,
        expires: &str,
        event: &str,
        from: SocketAddr,
        number: u32,
        tag: &str,
    ) -> (String, String) {
        let name = from.port();
        self.hear(from, format!(
            "SUBSCRIBE sip:robot@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{name}x{number}\r\nMax-Forwards: 70\r\n\
             From: <sip:{name}@h>;tag={name}\r\nTo: <sip:robot@127.0.0.1>{tag}\r\nCall-ID: {name}@{ip}\r\nCSeq: {number} SUBSCRIBE\r\n\
             Contact: <sip:{name}@{from}>\r\nEvent: {event}\r\n{expires}Content-Length: 0\r\n\r\n", ip = from.ip()
        ));
        let at = self.sent.iter().position(|(to, text)| *to == from && text.starts_with("SIP/2.0 ")).unwrap();
        let answer = self.sent.remove(at).1;
        let tag = header(&answer, "To").split_once('>').unwrap().1.to_owned();
        (answer[8..11].to_owned(), tag)
    }

    /// How often a watcher has been told something since it was asked last.
    fn told(&mut self, who: SocketAddr) -> usize {
        self.news(who).len()
    }

    /// The same with what follows once that is answered.
    fn all_told(&mut self, who: SocketAddr) -> usize {
        std::iter::from_fn(|| Some(self.told(who)).filter(|told| *told > 0)).sum()
    }

    /// The NOTIFYs to a watcher since it was asked last, each answered.
    fn news(&mut self, who: SocketAddr) -> Vec<String> {
        let (mine, others) = std::mem::take(&mut self.sent).into_iter().partition(|(to, _)| *to == who);
        self.sent = others;
        let mine: Vec<(SocketAddr, String)> = mine;
        for (_, notify) in &mine {
            assert!(notify.starts_with("NOTIFY "), "{notify}");
            let copied =
                ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", header(notify, name)));
            self.hear(who, format!("SIP/2.0 200 OK\r\n{}Content-Length: 0\r\n\r\n", copied.concat()));
        }
        mine.into_iter().map(|(_, notify)| notify).collect()
    }

    /// A call, which the robot answers: our tag in it.
    fn call(&mut self, from: SocketAddr) -> String {
        let (name, ip) = (from.port(), from.ip());
        let head = |method: &str, to: &str| {
            format!(
                "{method} sip:robot@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{name}{method}\r\nMax-Forwards: 70\r\n\
                 From: <sip:{name}@h>;tag={name}\r\nTo: <sip:robot@127.0.0.1>{to}\r\nCall-ID: {name}@{ip}\r\nCSeq: 1 {method}\r\n\
                 Contact: <sip:{name}@{from}>\r\n"
            )
        };
        let offer =
            format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n");
        let length = offer.len();
        let invite = head("INVITE", "");
        self.hear(from, format!("{invite}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{offer}"));
        let answer = self.sent.iter().position(|(to, text)| *to == from && text.starts_with("SIP/2.0 200")).unwrap();
        let answer = self.sent.remove(answer).1;
        self.sent.retain(|(to, text)| *to != from || !text.starts_with("SIP/2.0 "));
        let tag = header(&answer, "To").split_once(";tag=").unwrap().1.to_owned();
        self.hear(from, format!("{}Content-Length: 0\r\n\r\n", head("ACK", &format!(";tag={tag}"))));
        tag
    }

    /// The caller hangs up.
    fn hangs_up(&mut self, from: SocketAddr, tag: &str) {
        let (name, ip) = (from.port(), from.ip());
        self.hear(from, format!(
            "BYE sip:robot@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{name}bye\r\nMax-Forwards: 70\r\n\
             From: <sip:{name}@h>;tag={name}\r\nTo: <sip:robot@127.0.0.1>;tag={tag}\r\nCall-ID: {name}@{ip}\r\nCSeq: 2 BYE\r\n\
             Content-Length: 0\r\n\r\n"
        ));
        self.sent.retain(|(to, text)| *to != from || !text.starts_with("SIP/2.0 "));
    }
}

/// Who watches all calls is told of two; who names one of it alone, and no more once that is over.
#[test]
fn rfc4235_3_2_who_names_a_call_is_told_of_it_alone_until_it_is_over() {
    let mut rig = Rig::new();
    let [one, two, all, named, wrong] =
        [9_001, 9_002, 9_003, 9_004, 9_005].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let (tag, other) = (rig.call(one), rig.call(two));
    let calls = |notify: &str| {
        let body = notify.split_once("\r\n\r\n").unwrap().1;
        DialogInfo::read(body.as_bytes()).unwrap().dialogs
    };
    assert_eq!(rig.subscribe(all, 1, "").0, "200");
    assert_eq!(calls(&rig.news(all)[0]).len(), 2);
    let event = format!("dialog;call-id=\"9001@127.0.0.1\";to-tag={tag}");
    // Of the two tags to-tag is the robot's; the other call has another.
    let of_other = format!("{event};from-tag=9002");
    let (answer, ours) = rig.subscribe_to(&of_other, wrong, 1, "");
    assert_eq!(answer, "200");
    assert_eq!(rig.subscribe_to(&format!("{event};from-tag="), wrong, 2, "").0, "400");
    assert_eq!(calls(&rig.news(wrong)[0]), []);
    assert_eq!(rig.subscribe_to(&format!("{event};from-tag=9001"), named, 1, "").0, "200");
    let told = rig.news(named);
    let [dialog] = &calls(&told[0])[..] else { panic!("{told:?}") };
    assert_eq!(
        [&dialog.call_id, &dialog.local_tag, &dialog.remote_tag].map(|one| one.as_deref().unwrap_or_default()),
        ["9001@127.0.0.1", &tag, "9001"]
    );
    assert_eq!(header(&told[0], "Subscription-State"), "active;expires=600");
    // Of another call that comes and goes neither of them hears, but who asks for more time is told all the same.
    let third = SocketAddr::from(([127, 0, 0, 1], 9_006));
    let another = rig.call(third);
    rig.hangs_up(third, &another);
    assert!(rig.all_told(all) > 0, "the control");
    assert_eq!((rig.all_told(named), rig.all_told(wrong)), (0, 0));
    assert_eq!(rig.subscribe_to(&of_other, wrong, 3, &ours).0, "200");
    assert_eq!(rig.all_told(wrong), 1);
    rig.hangs_up(one, &tag);
    assert_eq!(calls(&rig.news(all)[0]).len(), 1);
    let last = rig.news(named);
    assert_eq!((last.len(), calls(&last[0])), (1, vec![]));
    assert_eq!(header(&last[0], "Subscription-State"), "terminated;reason=noresource");
    rig.hangs_up(two, &other);
    assert_eq!((rig.told(all), rig.told(named)), (1, 0));
}

#[test]
fn rfc4235_3_4_one_call_is_watched_for_two_hours_where_nothing_is_said_and_all_calls_for_one() {
    let mut rig = Rig::new();
    let [caller, one, another, all] = [9_001, 9_002, 9_003, 9_004].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let tag = rig.call(caller);
    let named = format!("dialog;call-id=\"9001@127.0.0.1\";to-tag={tag};from-tag=9001");
    for (who, event, expires, granted) in [
        (one, named.as_str(), "", 7_200),
        (another, named.as_str(), "Expires: 10000\r\n", 10_000),
        (all, "dialog", "", 3_600),
    ] {
        assert_eq!(rig.subscribe_for(expires, event, who, 1, "").0, "200");
        let told = rig.news(who);
        assert_eq!(header(&told[0], "Subscription-State"), format!("active;expires={granted}"), "{event}");
    }
}

#[test]
fn rfc6665_4_2_1_4_a_refresh_is_told_to_the_one_that_has_refreshed_and_to_nobody_else() {
    let mut rig = Rig::new();
    let all: Vec<SocketAddr> = (0..3).map(|one| SocketAddr::from(([127, 0, 0, 1], 9_000 + one))).collect();
    let tags: Vec<String> = all.iter().map(|one| rig.subscribe(*one, 1, "").1).collect();
    assert_eq!(all.iter().map(|one| rig.told(*one)).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(rig.subscribe(all[1], 2, &tags[1]).0, "200");
    assert_eq!(all.iter().map(|one| rig.told(*one)).collect::<Vec<_>>(), [0, 1, 0]);
    // What has changed is told to all.
    rig.turn(|robot, _| robot.watchers.changed());
    assert_eq!(all.iter().map(|one| rig.told(*one)).collect::<Vec<_>>(), [1, 1, 1]);
}

/// However many there are: those that began first, and one that is over makes room for the next.
#[test]
fn rfc4235_4_1_the_robot_tells_of_64_calls_at_most() {
    let mut rig = Rig::new();
    let who = |port: usize| SocketAddr::from(([127, 0, 0, 1], 10_000 + port as u16));
    let (all, late) = (SocketAddr::from(([127, 0, 0, 2], 9_001)), SocketAddr::from(([127, 0, 0, 3], 9_002)));
    let told = |notify: &str| -> Vec<String> {
        let info = DialogInfo::read(notify.split_once("\r\n\r\n").unwrap().1.as_bytes()).unwrap();
        info.dialogs.into_iter().map(|dialog| dialog.id).collect()
    };
    let ids = |from: usize| (from..from + MOST_CALLS).map(|number| number.to_string()).collect::<Vec<_>>();
    let tags: Vec<String> = (0..MOST_CALLS).map(|port| rig.call(who(port))).collect();
    assert_eq!(rig.subscribe(all, 1, "").0, "200");
    assert_eq!(told(&rig.news(all)[0]), ids(1));
    let last = rig.call(who(MOST_CALLS));
    assert_eq!(told(&rig.news(all)[0]), ids(1));
    // Who names the one that is not told is told of it.
    let event = format!("dialog;call-id=\"{}@127.0.0.1\";to-tag={last}", who(MOST_CALLS).port());
    assert_eq!(rig.subscribe_to(&event, late, 1, "").0, "200");
    assert_eq!(told(&rig.news(late)[0]), [(MOST_CALLS + 1).to_string()]);
    rig.all_told(all);
    rig.hangs_up(who(0), &tags[0]);
    assert_eq!(told(&rig.news(all)[0]), ids(2));
}

#[test]
fn so_many_watch_from_one_address_and_others_from_elsewhere() {
    let mut rig = Rig::new();
    let from = |ip: u8, port: usize| SocketAddr::from(([127, 0, 0, ip], 9_000 + port as u16));
    for port in 0..MOST_OF_ONE {
        assert_eq!(rig.subscribe(from(1, port), 1, "").0, "200");
    }
    assert_eq!(rig.subscribe(from(1, MOST_OF_ONE), 1, "").0, "503");
    for ip in 2..=10 {
        for port in 0..MOST_OF_ONE {
            assert_eq!(rig.subscribe(from(ip, port), 1, "").0, "200", "{ip} {port}");
        }
    }
    assert_eq!(rig.subscribe(from(11, 0), 1, "").0, "503", "{MOST} in all");
}

/// Who has one address of IPv6 has 2^64 of them, and an IPv4 address may be written as one of IPv6.
#[test]
fn so_many_watch_from_one_network_of_ipv6() {
    let numbers = || 1..=MOST_OF_ONE as u16 + 2;
    let mapped = |number: u16| if number.is_multiple_of(2) { "127.0.0.1" } else { "::ffff:127.0.0.1" }.to_owned();
    let network: Vec<String> = numbers().map(|number| format!("2001:db8::{number:x}")).collect();
    for (all, another) in [(network, "2001:db8:0:1::1"), (numbers().map(mapped).collect(), "127.0.0.2")] {
        let mut rig = Rig::new();
        let from = |ip: &str, number: usize| SocketAddr::new(ip.parse().unwrap(), 9_000 + number as u16);
        for (number, ip) in all.iter().enumerate() {
            let expected = if number < MOST_OF_ONE { "200" } else { "503" };
            assert_eq!(rig.subscribe(from(ip, number), 1, "").0, expected, "{number} {ip}");
        }
        assert_eq!(rig.subscribe(from(another, 99), 1, "").0, "200", "{another}");
    }
}

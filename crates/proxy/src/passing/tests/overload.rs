use super::*;

/// A proxy with overload control, these being its targets, the first of which wants nothing for a minute.
fn overloaded(targets: &[(u8, u16)]) -> Desk {
    overloaded_by(&[100], targets)
}

/// The same, the first of them wanting so much less each.
fn overloaded_by(losses: &[u32], targets: &[(u8, u16)]) -> Desk {
    let mut desk = Desk::to(targets);
    let overload = Some(sip::Overload::default());
    desk.stack = Stack::new(Config { role: Role::Proxy, overload, ..Config::default() }, [9; 32]);
    desk.hears(2, &request("OPTIONS", "sip:b@home.example", "0", ""));
    let asked: Vec<(u8, Sent)> = targets.iter().map(|(host, _)| (*host, desk.next(*host, "OPTIONS"))).collect();
    let answer = request("OPTIONS", "x", "y", "").replace("To: <sip:b@home.example>", "To: <sip:b@home.example>;tag=b");
    let (_, rest) = answer.split_once("Max-Forwards: 70\n").expect("Max-Forwards");
    for ((host, sent), loss) in asked.iter().zip(losses) {
        let via = sent.all(HeaderId::Via).remove(0);
        assert!(via.ends_with(";oc;oc-algo=\"loss\""), "{via}");
        let word =
            via.replace(";oc;oc-algo=\"loss\"", &format!(";oc={loss};oc-algo=\"loss\";oc-validity=60000;oc-seq=1.1"));
        let behind: String = sent.all(HeaderId::Via)[1..].iter().map(|via| format!("Via: {via}\n")).collect();
        desk.hears(*host, &format!("SIP/2.0 404 Not Here\nVia: {word}\n{behind}{rest}"));
    }
    for (host, sent) in &asked[losses.len()..] {
        desk.answers(*host, sent, 404, "");
    }
    desk.next(2, "SIP/2.0 404");
    desk
}

fn begun(desk: &mut Desk) {
    desk.hears(2, &invite());
    desk.next(2, "SIP/2.0 100");
    desk.passes(Duration::from_millis(1));
}

#[test]
fn rfc7339_5_10_a_call_that_is_left_out_is_refused_with_503_without_retry_after() {
    let mut desk = overloaded(&[(3, 500)]);
    begun(&mut desk);
    let refusal = desk.next(2, "SIP/2.0 503");
    assert!(!refusal.headers.has(HeaderId::RetryAfter), "{}", refusal.text);
    desk.silent();
    desk.hears(2, &follow_up(&refusal));
    // The control: later it goes.
    desk.passes(Duration::from_secs(60));
    desk.hears(2, &request("INVITE", "sip:b@home.example", "9", ""));
    desk.next(2, "SIP/2.0 100");
    desk.next(3, "INVITE");
}

/// Whether a message with these lines is left out.
fn is_left_out(desk: &mut Desk, number: u32, lines: &str) -> bool {
    let one = request("MESSAGE", "sip:b@home.example", &format!("m{number}"), lines);
    desk.hears(2, &one.replace("Call-ID: c", &format!("Call-ID: m{number}")));
    desk.passes(Duration::from_millis(1));
    if desk.sent.first().is_some_and(|sent| sent.start().starts_with("SIP/2.0 503")) {
        desk.next(2, "SIP/2.0 503");
        return true;
    }
    let passed = desk.next(3, "MESSAGE");
    desk.answers(3, &passed, 404, "");
    desk.next(2, "SIP/2.0 404");
    false
}

#[test]
fn rfc7339_5_10_1_who_says_that_something_is_urgent_is_believed_where_he_is_trusted() {
    let esnet = "Resource-Priority: esnet.1\n";
    for (vouched, lines, is_kept) in [
        (Vouched::Nobody, "", false),
        (Vouched::Nobody, esnet, false),
        (Vouched::Peer, esnet, true),
        (Vouched::Peer, "", false),
    ] {
        let mut desk = overloaded_by(&[50], &[(3, 500)]);
        desk.vouched = vouched.clone();
        let left_out = (0..20).filter(|number| is_left_out(&mut desk, *number, lines)).count();
        assert_eq!(left_out == 0, is_kept, "{vouched:?} {lines}: {left_out}");
    }
}

/// To whom a message with these lines goes, all of whom answer it so.
fn goes_to(desk: &mut Desk, (number, cseq): (u32, u32), lines: &str, code: u16) -> Vec<u8> {
    let one = request("MESSAGE", "sip:b@home.example", &format!("m{number}x{cseq}"), lines);
    let one = one.replace("Call-ID: c", &format!("Call-ID: m{number}")).replace("CSeq: 1", &format!("CSeq: {cseq}"));
    desk.hears(2, &one);
    desk.passes(Duration::from_millis(1));
    if desk.sent.first().is_some_and(|sent| sent.start().starts_with("SIP/2.0 503")) {
        desk.next(2, "SIP/2.0 503");
        return Vec::new();
    }
    let all = [3, 4].into_iter().filter_map(|host| {
        let to = format!("192.0.2.{host}:");
        let passed = desk.sent.first().is_some_and(|sent| sent.to.starts_with(&to));
        passed.then(|| (host, desk.next(host, "MESSAGE")))
    });
    let all: Vec<(u8, Sent)> = all.collect();
    all.iter().for_each(|(host, passed)| desk.answers(*host, passed, code, ""));
    desk.next(2, &format!("SIP/2.0 {code}"));
    desk.silent();
    all.into_iter().map(|(host, _)| host).collect()
}

/// Of the messages that a target has challenged, which of them were left out when they came once more with these lines, and how many there were.
fn left_out_again(lines: &str, code: u16) -> (usize, usize) {
    let mut desk = overloaded_by(&[50], &[(3, 500)]);
    let (mut challenged, mut again) = (0, 0);
    for number in 0..120 {
        if goes_to(&mut desk, (number, 1), "", code) == [3] {
            challenged += 1;
            again += usize::from(goes_to(&mut desk, (number, 2), lines, 404).is_empty());
        }
    }
    (again, challenged)
}

#[test]
fn rfc7339_5_10_1_what_answers_a_challenge_that_was_passed_back_is_not_left_out_before_others() {
    let credentials = "Proxy-Authorization: Digest realm=\"r\"\n";
    let (again, challenged) = left_out_again(credentials, 407);
    assert!(again == 0 && challenged > 10, "{again} of {challenged}");
    // The controls: no credentials, or no challenge.
    for (lines, code) in [("", 407), (credentials, 404)] {
        let (again, challenged) = left_out_again(lines, code);
        assert!(again > 0, "{lines} {code}: {again} of {challenged}");
    }
}

#[test]
fn rfc7339_5_10_1_what_answers_a_challenge_goes_to_each_of_several_who_want_less() {
    let mut desk = overloaded_by(&[40, 40], &[(3, 500), (4, 500)]);
    let mut challenged = 0;
    for number in 0..60 {
        // Whoever has challenged it: it is one request.
        if !goes_to(&mut desk, (number, 1), "", 407).is_empty() {
            let credentials = "Proxy-Authorization: Digest realm=\"r\"\n";
            assert_eq!(goes_to(&mut desk, (number, 2), credentials, 404), [3, 4], "{number}");
            challenged += 1;
        }
    }
    assert!(challenged > 10, "{challenged}");
}

#[test]
fn rfc7339_5_10_2_where_no_more_may_be_passed_on_there_is_no_room_either() {
    for controlled in [true, false] {
        let mut desk = Desk::new(ProxyConfig { max_forks: 1, ..ProxyConfig::default() }, vec![target(3, 1_000)]);
        let overload = controlled.then(sip::Overload::default);
        desk.stack = Stack::new(Config { role: Role::Proxy, overload, ..Config::default() }, [9; 32]);
        desk.hears(2, &invite());
        desk.next(2, "SIP/2.0 100");
        let passed = desk.next(3, "INVITE");
        desk.answers(3, &passed, 180, "");
        desk.next(2, "SIP/2.0 180");
        // Of two requests one found no room.
        for (number, said) in [(2, ";oc=0;"), (3, ";oc=50;")] {
            let branch = format!("{number};oc;oc-algo=\"loss\"");
            desk.hears(2, &request("OPTIONS", "sip:b@home.example", &branch, ""));
            let refusal = desk.next(2, "SIP/2.0 503");
            let said = if controlled { said } else { ";oc;" };
            assert!(refusal.text.contains(&format!("{said}oc-algo=\"loss\"")), "{}", refusal.text);
            assert_eq!(refusal.headers.has(HeaderId::RetryAfter), !controlled, "{}", refusal.text);
            desk.passes(Duration::from_millis(500));
        }
        desk.silent();
    }
}

#[test]
fn rfc7339_5_10_1_a_bye_is_passed_on_whatever_the_server_asks_for() {
    let mut desk = overloaded(&[(3, 500)]);
    // The control.
    desk.hears(2, &request("OPTIONS", "sip:b@home.example", "8", ""));
    desk.passes(Duration::from_millis(1));
    desk.next(2, "SIP/2.0 503");
    desk.hears(2, &request("BYE", "sip:b@home.example", "9", ""));
    desk.next(3, "BYE");
    desk.silent();
}

#[test]
fn rfc7339_5_10_a_call_that_is_left_out_for_one_target_goes_to_the_others() {
    let mut desk = overloaded(&[(3, 500), (4, 500)]);
    begun(&mut desk);
    let passed = desk.next(4, "INVITE");
    desk.silent();
    desk.answers(4, &passed, 486, "");
    desk.next(4, "ACK");
    desk.next(2, "SIP/2.0 486");
}

#[test]
fn rfc7339_5_10_a_device_that_is_left_out_by_one_flow_is_called_along_the_next() {
    let mut desk = overloaded(&[(3, 500)]);
    let mut instance = target(3, 500);
    instance.flows = vec![target(4, 500)];
    desk.targets = vec![instance];
    begun(&mut desk);
    desk.next(4, "INVITE");
    desk.silent();
}

/// The ACK for a refusal.
fn follow_up(refusal: &Sent) -> String {
    let to = format!("To: {}", refusal.value(HeaderId::To));
    request("ACK", "sip:b@home.example", "1", "").replace("To: <sip:b@home.example>;tag=of3", &to)
}

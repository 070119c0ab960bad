use super::Spread;
use crate::id::Shard;
use crate::message::{Limits, Message, Method};
use crate::{Config, Draft, Now, Outbox, Stack};

fn eight() -> Spread {
    Spread::new(8, (3, 4))
}

fn options(call_id: &str) -> String {
    format!(
        "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nTo: <sip:i@h>\r\n{call_id}\r\nCSeq: 1 OPTIONS\r\n\r\n"
    )
}

#[test]
fn rfc3261_20_8_a_call_id_is_found_however_it_is_written() {
    let home = Some(eight().of_call(b"a84b@h"));
    for line in [
        "Call-ID: a84b@h",
        "i:a84b@h",
        "I : a84b@h",
        "CALL-id\t:\r\n a84b@h",
        "call-id: a84b@h \r\n ",
        "C: x\r\ni: a84b@h",
    ] {
        assert_eq!(eight().of_message(options(line).as_bytes()), home, "{line:?}");
        assert_eq!(eight().of_message(format!("\r\n\r\n{}", options(line)).as_bytes()), home, "{line:?}");
    }
    let response = options("Call-ID: a84b@h").replace("OPTIONS sip:x SIP/2.0", "SIP/2.0 200 OK");
    assert_eq!(eight().of_message(response.as_bytes()), home);
}

#[test]
fn a_message_without_call_id_belongs_nowhere() {
    for line in ["Call-IDs: a", "Subject: x\r\n i: a", "X-i: a", "Call-ID", "Subject: x\r\n\r\ni: body"] {
        assert_eq!(eight().of_message(options(line).as_bytes()), None, "{line:?}");
    }
    for text in ["", "\r\n", "OPTIONS", "OPTIONS sip:x SIP/2.0\r\n", "REGISTER sip:h SIP/2.0\r\nTo: <sip:h>\r\n\r\n"] {
        assert_eq!(eight().of_message(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn rfc3261_10_3_a_register_goes_by_the_user_in_to() {
    let register = |to: &str, call_id: &str| {
        let text = format!("REGISTER sip:h SIP/2.0\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: 1 REGISTER\r\n\r\n");
        eight().of_message(text.as_bytes())
    };
    let home = Some(eight().of_user("alice"));
    for to in ["<sip:alice@h>", "\"A, B\" <sip:al%69ce:pw@other:5070;x=y>;p", "sip:alice@h", "\r\n <sips:alice@h>"] {
        assert_eq!(register(to, "1"), home, "{to}");
        assert_eq!(register(to, "2"), home, "{to}");
    }
    assert_ne!(Some(eight().of_user("carol")), home, "the key of this test tells them apart");
    assert_eq!(register("<sip:carol@h>", "1"), Some(eight().of_user("carol")));
}

#[test]
fn the_response_to_a_register_that_was_passed_on_goes_where_the_request_went() {
    let (branch, mark) = (format!("z9hG4bK{}", "0".repeat(26)), format!(".{}", "0".repeat(13)));
    let (by_user, by_call) = (Some(eight().of_user("alice")), Some(eight().of_call(b"a84b@h")));
    assert_ne!(by_user, by_call, "the key of this test tells them apart");
    for (line, method, behind, expected) in [
        ("SIP/2.0 200 OK", "REGISTER", mark.as_str(), by_user),
        ("SIP/2.0 401 Unauthorized", "REGISTER", &format!("{mark};received=192.0.2.1"), by_user),
        // One that this server has begun itself.
        ("SIP/2.0 200 OK", "REGISTER", "", by_call),
        ("SIP/2.0 200 OK", "REGISTER", ";x=.", by_call),
        ("SIP/2.0 200 OK", "OPTIONS", &mark, by_call),
    ] {
        for (via, cseq) in [("Via", "CSeq"), ("v", "CSEQ"), ("VIA ", "cseq\t")] {
            let via = format!("{via}: SIP/2.0/UDP h;branch={branch}{behind}, SIP/2.0/UDP i;branch={branch}{mark}");
            let text =
                format!("{line}\r\n{via}\r\nTo: <sip:alice@h>;tag=t\r\nCall-ID: a84b@h\r\n{cseq}: 7 {method} \r\n\r\n");
            assert_eq!(eight().of_message(text.as_bytes()), expected, "{text}");
        }
    }
}

/// Whoever registers a whole domain, or an address that is none, gets the answer to what was passed on all the same.
#[test]
fn rfc3261_10_3_a_register_without_a_user_goes_by_its_call_id_and_so_does_the_response() {
    let branch = format!("z9hG4bK{}.{}", "0".repeat(26), "0".repeat(13));
    for to in ["<sip:h>", "sip:h;x=y", "\"alice\" <sips:h:5061>", "<urn:service:sos>", "<sip:"] {
        for call_id in ["1", "2", "a84b@h"] {
            let lines = format!("Via: SIP/2.0/UDP h;branch={branch}\r\nCall-ID: {call_id}\r\nCSeq: 1 REGISTER\r\n");
            let home = Some(eight().of_call(call_id.as_bytes()));
            let request = format!("REGISTER sip:h SIP/2.0\r\nTo: {to}\r\n{lines}\r\n");
            assert_eq!(eight().of_message(request.as_bytes()), home, "{request}");
            let response = format!("SIP/2.0 200 OK\r\nTo: {to};tag=t\r\n{lines}\r\n");
            assert_eq!(eight().of_message(response.as_bytes()), home, "{response}");
        }
    }
}

/// Whatever the parser reads, the scan finds the same Call-ID: else requests of one call went to different shards.
#[test]
#[allow(clippy::disallowed_methods, reason = "the data of other tests is read")]
fn scan_and_parser_agree_on_every_torture_message() {
    let mut seen = 0;
    for folder in ["rfc4475", "rfc5118", "parse"] {
        let path = format!("{}/../../tests/data/{folder}", env!("CARGO_MANIFEST_DIR"));
        for file in std::fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()) {
            let Ok(bytes) = std::fs::read(&file) else { continue };
            let Ok(message) = Message::parse(bytes.clone().into(), &Limits::default()) else { continue };
            let headers = match &message {
                Message::Request(request) if *request.method() == Method::Register => continue,
                Message::Request(request) => request.headers(),
                Message::Response(response) => response.headers(),
            };
            let home = eight().of_call(headers.call_id().as_bytes());
            assert_eq!(eight().of_message(&bytes), Some(home), "{}", file.display());
            seen += 1;
        }
    }
    assert!(seen >= 20, "only {seen} messages were read");
}

#[test]
fn calls_fall_to_all_shards_alike_and_to_others_under_another_key() {
    let (one, other) = (eight(), Spread::new(8, (3, 5)));
    let mut counts = [0; 8];
    let mut same = 0;
    for number in 0..8_000 {
        let call_id = format!("{number}@host");
        counts[usize::from(one.of_call(call_id.as_bytes()).0)] += 1;
        same += usize::from(one.of_call(call_id.as_bytes()) == other.of_call(call_id.as_bytes()));
    }
    assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    assert!((800..1_200).contains(&same), "{same}");
}

#[test]
fn what_a_shard_begins_falls_to_it() {
    for number in 0..8 {
        let config = Config { shard: Shard(number), spread: eight(), ..Config::default() };
        let mut stack = Stack::new(config, [number; 32]);
        let mut out = Outbox::new();
        for _ in 0..20 {
            let call_id = stack.at(Now::default(), &mut out).call_id();
            assert_eq!(eight().of_call(call_id.as_bytes()), Shard(number));
        }
        let mut draft = Draft::new(Method::Invite, "sip:x@192.0.2.1".parse().unwrap());
        (draft.from, draft.to) = ("<sip:a@h>".into(), "<sip:x@h>".into());
        draft.hop = crate::Hop::Path(crate::Path {
            flow: crate::FlowId(1),
            transport: crate::Transport::Udp,
            local: "192.0.2.9:5060".parse().unwrap(),
            remote: "192.0.2.1:5060".parse().unwrap(),
        });
        stack.at(Now::default(), &mut out).invite(draft).unwrap();
        let sent = std::iter::from_fn(|| out.pop()).find_map(|action| match action {
            crate::Action::Send { bytes, .. } => Some(bytes),
            _ => None,
        });
        assert_eq!(eight().of_message(&sent.unwrap()), Some(Shard(number)));
    }
}

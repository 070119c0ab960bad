//! What RFC 3264 section 6 says of every answer, sentence by sentence.

use super::*;
use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};

#[test]
fn rfc3264_6_no_lines_are_answered_by_none() {
    let mut bob = Party::bob(vec![audio(5000, &[0]), video(5002, &[31])]);
    let answer = bob.answer(&written(1, "192.0.2.1", &[]));
    assert!(answer.media.is_empty() && !answer.to_string().contains("\r\nm="), "{answer}");
    // The streams come later, by a new offer.
    assert_eq!(shape(&bob.answer(&written(2, "192.0.2.1", &["audio 4000 0"]))), ["audio 5000 0"]);
}

#[test]
fn rfc3264_6_the_time_of_the_answer_is_that_of_the_offer() {
    for times in ["t=0 0\r\n", "t=3034423619 3042462419\r\n", "t=3034423619 0\r\nr=604800 3600 0 90000\r\nt=1 2\r\n"] {
        let text = format!("v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n{times}m=audio 4000 RTP/AVP 0\r\n");
        let answer = Party::bob(vec![audio(5000, &[0])]).answer(&Session::parse(text.as_bytes()).unwrap());
        assert!(answer.to_string().contains(&format!("\r\n{times}m=audio")), "{answer}");
    }
}

#[test]
fn rfc3264_6_1_one_host_is_answered_by_one_host_and_a_port_whatever_the_direction() {
    for address in ["192.0.2.1", "224.0.0.0", "239.255.255.255/4"] {
        for direction in [SendRecv, SendOnly, RecvOnly, Inactive] {
            let mut bob = Party::bob(vec![audio(5000, &[0])]);
            bob.capabilities.address = ip("192.0.2.9");
            (bob.media(0).multicast, bob.media(0).direction) = (true, direction);
            let answer = bob.answer(&written(1, address, &["audio 4000 0"]));
            let stream = answer.stream(0).unwrap();
            let answered = (stream.connection().unwrap().address.clone(), stream.port);
            match address {
                "192.0.2.1" => assert_eq!((answered, stream.direction()), ((ip("192.0.2.9"), 5000), direction)),
                // The negative control: a group is answered by the group.
                group => assert_eq!(answered, (ip(group.split('/').next().unwrap()), 4000)),
            }
        }
    }
}

#[test]
fn rfc3264_6_1_a_stream_is_taken_by_one_of_its_own_kind_only() {
    // The same payload type, and each kind in turn.
    let mut bob = Party::bob(vec![audio(5000, &[0]), video(5002, &[31])]);
    bob.capabilities.require_audio = false;
    for (offered, answered) in [
        ("audio 4000 0", Some("audio 5000 0")),
        ("video 4000 31", Some("video 5002 31")),
        ("video 4000 0", None),
        ("audio 4000 31", None),
        ("text 4000 0", None),
    ] {
        let mut bob = Party { negotiation: bob.negotiation.clone(), capabilities: bob.capabilities.clone() };
        let answer = bob.negotiation.answer(written(1, "192.0.2.1", &[offered]), &bob.capabilities);
        match answered {
            Some(answered) => assert_eq!(shape(&answer.unwrap().session), [answered]),
            None => assert_eq!(answer.unwrap_err(), AnswerError::NoCommonCodec, "{offered}"),
        }
    }
}

#[test]
fn rfc3264_6_1_a_stream_of_each_direction_is_answered_with_a_common_format() {
    for offered in [SendRecv, SendOnly, RecvOnly, Inactive] {
        for wanted in [SendRecv, SendOnly, RecvOnly, Inactive] {
            let offer = written(1, "192.0.2.1", &[&format!("audio 4000 18 8 0 {offered}")]);
            let mut bob = Party::bob(vec![audio(5000, &[9, 0, 8])]);
            bob.media(0).direction = wanted;
            let answer = bob.answer(&offer);
            let formats: Vec<&str> = answer.media[0].formats.iter().map(Token::as_str).collect();
            assert_eq!((answer.media[0].port, formats), (5000, vec!["8", "0"]), "{offered} {wanted}");
        }
    }
}

#[test]
fn rfc3264_6_1_parameters_that_belong_to_a_format_are_said_again() {
    let amr = |fmtp: Option<&str>| {
        let codec = Codec::new(96, "AMR", 8000).unwrap();
        fmtp.map_or(codec.clone(), |fmtp| codec.with_fmtp(Text::new(fmtp).unwrap()))
    };
    for (theirs, ours, answered) in [
        (Some("octet-align=1; mode-set=7"), Some("octet-align=1"), Some("octet-align=1")),
        (Some("mode-set=7;octet-align=0"), None, Some("octet-align=0")),
        (Some("octet-align=0"), Some("mode-set=7"), Some("mode-set=7;octet-align=0")),
        (Some("Octet-Align=0"), Some("octet-align=0"), Some("octet-align=0")),
        (None, Some("octet-align=0"), Some("octet-align=0")),
        (Some("mode-set=7"), None, None),
    ] {
        let mut alice = Party::alice(vec![LocalMedia::new(MediaKind::Audio, 4000, vec![amr(theirs)])]);
        let mut bob = Party::bob(vec![LocalMedia::new(MediaKind::Audio, 5000, vec![amr(ours)])]);
        let (_, answer) = exchange(&mut alice, &mut bob);
        assert_eq!(answer.media[0].fmtp(PayloadType::new(96).unwrap()).as_deref(), answered, "{theirs:?} {ours:?}");
    }
}

#[test]
fn rfc3264_6_2_packet_time_and_bandwidth_of_a_group_are_those_offered() {
    let offer = |lines: &str| {
        let text =
            format!("v=0\no=- 1 1 IN IP4 h\ns=-\nc=IN IP4 239.1.1.1/15\nt=0 0\nm=audio 4000 RTP/AVP 0 8\n{lines}");
        Session::parse(text.as_bytes()).unwrap()
    };
    for lines in ["", "b=AS:64\na=ptime:40\n", "b=TIAS:64000\nb=RS:0\na=ptime:10\na=maxptime:60\na=sendonly\n"] {
        let mut bob = Party::bob(vec![audio(5000, &[0, 9])]);
        let local = bob.media(0);
        (local.multicast, local.ptime) = (true, Some(std::time::Duration::from_millis(30)));
        local.bandwidths.push(Bandwidth { kind: Token::new("AS").unwrap(), value: 99 });
        let offer = offer(lines);
        let answer = bob.negotiation.answer(&offer, &bob.capabilities).unwrap().session;
        let (theirs, ours) = (offer.stream(0).unwrap(), answer.stream(0).unwrap());
        assert_eq!(ours.bandwidths, theirs.bandwidths, "{lines}");
        assert_eq!((ours.ptime(), ours.maxptime()), (theirs.ptime(), theirs.maxptime()), "{lines}");
        assert_eq!(ours.direction(), theirs.direction(), "{lines}");
        assert_eq!((ours.connection(), ours.port), (theirs.connection(), 4000), "{lines}");
        assert_eq!(ours.formats.iter().map(Token::as_str).collect::<Vec<_>>(), ["0"], "a subset");
    }
}

#[test]
fn rfc3264_8_no_line_is_ever_taken_out_of_a_description() {
    let mut alice = Party::alice(vec![audio(4000, &[0]), video(4002, &[31]), audio(4004, &[0])]);
    let mut bob = Party::bob(vec![audio(5000, &[0]), video(5002, &[31])]);
    exchange(&mut alice, &mut bob);
    // One by one each stream ends: the lines stay, in their places.
    for (ended, expected) in [
        (0, ["audio 0 0", "video 4002 31", "audio 0 0"]),
        (1, ["audio 0 0", "video 0 31", "audio 0 0"]),
        (2, ["audio 0 0", "video 0 31", "audio 0 0"]),
    ] {
        alice.media(ended).port = 0;
        bob.capabilities.require_audio = false;
        let (offer, answer) = exchange(&mut alice, &mut bob);
        assert_eq!(shape(&offer), expected);
        assert_eq!(answer.media.len(), 3);
    }
    // Nor does the other side leave any out when it offers.
    let offer = bob.offer();
    let kinds: Vec<&str> = offer.media.iter().map(|media| media.kind.as_str()).collect();
    assert_eq!(kinds, ["audio", "video", "audio"]);
}

#[test]
fn rfc3264_8_the_origin_of_a_changed_description_differs_in_its_version_only() {
    let mut alice = Party::alice(vec![audio(4000, &[0, 8])]);
    let mut bob = Party::bob(vec![audio(5000, &[0, 8])]);
    let (mut last, _) = exchange(&mut alice, &mut bob);
    for port in [4002, 4004, 4006] {
        alice.media(0).port = port;
        let (changed, _) = exchange(&mut alice, &mut bob);
        let expected = Origin { version: (version(&last) + 1).into(), ..last.origin.clone() };
        assert_eq!(changed.origin, expected);
        last = changed;
    }
}

use super::*;

#[test]
fn rfc3842_5_2_a_body_and_back() {
    let body = "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 4/8 (1/2)\r\nfax-message: 0/3\r\n\r\nTo: <alice@atlanta.example.com>\r\n";
    let summary = Summary::read(body.as_bytes()).unwrap();
    assert!(summary.waiting);
    assert_eq!(summary.account.as_deref(), Some("sip:alice@vmail.example.com"));
    assert_eq!(summary.count("Voice-Message"), Some(Count { new: 4, old: 8, new_urgent: 1, old_urgent: 2 }));
    assert_eq!(summary.count("fax-message"), Some(Count { new: 0, old: 3, ..Count::default() }));
    assert!(summary.write().contains("Voice-Message: 4/8 (1/2)\r\n"));
    assert_eq!(Summary::read(summary.write().as_bytes()).unwrap(), summary);
}

#[test]
fn cve_mwi_huge_and_broken_counts() {
    let of = |line: &str| {
        Summary::read(format!("Messages-Waiting: no\r\n{line}\r\n").as_bytes()).unwrap().count("voice-message")
    };
    assert_eq!(of("Voice-Message: 99999999999999999999/1"), Some(Count { new: u32::MAX, old: 1, ..Count::default() }));
    for line in [
        "Voice-Message: -1/2",
        "Voice-Message: 1",
        "Voice-Message: /",
        "Voice-Message: 1/2 (",
        "Voice-Message: 1/2 (3)",
        "Voice-Message:",
    ] {
        assert_eq!(of(line), None, "{line}");
    }
}

#[test]
fn rfc3842_5_2_the_status_comes_first() {
    for body in [
        "",
        "\r\n",
        "Voice-Message: 1/2\r\n",
        "Messages-Waiting: perhaps\r\n",
        "what\r\n",
        "Messages-Waiting: yes\r\nwhat\r\n",
    ] {
        assert!(Summary::read(body.as_bytes()).is_err(), "{body:?}");
    }
    assert_eq!(Summary::read(&vec![b'x'; MAX_OCTETS + 1]), Err(XmlError::TooLarge));
    let many = "Voice-Message: 1/2\r\n".repeat(MAX_LINES * 2);
    let read = Summary::read(format!("Messages-Waiting: yes\r\n{many}").as_bytes()).unwrap();
    assert_eq!(read.counts.len(), MAX_LINES - 1);
}

#[test]
fn line_ends_of_others_make_no_lines_of_ours() {
    let nasty = Summary { account: Some("sip:a\r\nVoice-Message: 9/9".into()), ..Summary::default() };
    assert_eq!(nasty.write().lines().count(), 2);
}

#[test]
fn rfc3842_5_2_an_account_with_characters_that_are_none_reads_as_it_is_written() {
    let read = Summary::read(b"Messages-Waiting: yes\r\nMessage-Account:\0 nt:q\0 \r\n").unwrap();
    assert_eq!(read.account.as_deref(), Some("nt:q"));
    assert_eq!(Summary::read(read.write().as_bytes()), Ok(read));
}

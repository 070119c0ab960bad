//! RFC 4568, and what broke others.

use super::*;
use crate::Session;

const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";

/// 30 bytes of key and salt in base64.
fn key() -> String {
    base64::encode(&[7; 30])
}

#[test]
fn rfc4568_9_2_key_lifetime_and_mki() {
    for (suffix, lifetime, mki) in [
        ("", None, None),
        ("|2^20", Some(1 << 20), None),
        ("|1000", Some(1000), None),
        ("|1:4", None, Some((1, 4))),
        ("|2^31|66:128", Some(1 << 31), Some((66, 128))),
    ] {
        let value = format!("1 {SUITE} inline:{}{suffix} KDR=1 -X=2", key());
        let crypto = Crypto::read(&value).unwrap();
        assert_eq!((crypto.keys[0].lifetime, crypto.keys[0].mki), (lifetime, mki), "{suffix}");
        assert_eq!(crypto.keys[0].key_salt, [7; 30]);
        assert_eq!(crypto.session_parameters, ["KDR=1", "-X=2"]);
        assert_eq!(crypto.attribute().value.as_deref(), Some(value.as_str()));
    }
    let two = format!("2 {SUITE} inline:{0}|2^20|1:4;inline:{0}|2^20|2:4", key());
    assert_eq!(Crypto::read(&two).unwrap().keys.len(), 2);
}

#[test]
fn cve_sdes_tag_key_length_and_garbage() {
    let k = key();
    for tag in ["0", "1", "999999999"] {
        assert!(Crypto::read(&format!("{tag} {SUITE} inline:{k}")).is_some(), "{tag}");
    }
    for bad in [
        String::new(),
        "1".to_owned(),
        format!("1 {SUITE}"),
        format!("2147483648 {SUITE} inline:{k}"),
        format!("-1 {SUITE} inline:{k}"),
        format!("x {SUITE} inline:{k}"),
        format!("1 {SUITE} inline:"),
        format!("1 {SUITE} inline:{}", base64::encode(&[7; 29])),
        format!("1 {SUITE} inline:{}", base64::encode(&[7; 31])),
        format!("1 AEAD_AES_256_GCM inline:{k}"),
        format!("1 {SUITE} outline:{k}"),
        format!("1 {SUITE} inline:{k}|2^64"),
        format!("1 {SUITE} inline:{k}|2^"),
        format!("1 {SUITE} inline:{k}|1:0"),
        format!("1 {SUITE} inline:{k}|1:129"),
        format!("1 {SUITE} inline:{k}|2^20|1:4|5"),
        format!("1 {SUITE} inline:{k};"),
        format!("1 {SUITE} inline:{k}\u{e4}"),
    ] {
        assert_eq!(Crypto::read(&bad), None, "{bad}");
    }
    assert!(Crypto::new(1, SUITE, &[1; 30]).is_some());
    for (tag, suite, length) in [(1_000_000_000, SUITE, 30), (1, SUITE, 16), (1, "a b", 30), (1, "X", 0)] {
        assert_eq!(Crypto::new(tag, suite, &vec![1; length]), None);
    }
}

#[test]
fn cve_sdes_200_crypto_lines() {
    let lines: String = (0..200).map(|tag| format!("a=crypto:{tag} {SUITE} inline:{}\r\n", key())).collect();
    let text =
        format!("v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/SAVP 0\r\n{lines}");
    let session = Session::parse(text.as_bytes()).unwrap();
    let tags: Vec<u32> = session.media[0].cryptos().map(|crypto| crypto.tag).collect();
    assert_eq!(tags, (0..200).collect::<Vec<u32>>());
    let debug = format!("{:?}", session.media[0].cryptos().next());
    assert!(!debug.contains(&key()) && !debug.contains('7'), "{debug}");
}

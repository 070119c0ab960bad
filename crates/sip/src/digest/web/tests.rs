//! What is answered to servers of the web, and whom nothing is told.

use super::super::client::Credential;
use super::*;
use crate::message::Uri;

const MD5: &[u8] = b"Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, \
    nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
const BASIC: &[u8] = b"Basic realm=\"WallyWorld\", charset=\"UTF-8\"";

fn credentials(user: &str, password: &str) -> Credentials {
    let credential = Credential::password(None, user, password).unwrap();
    credential.at(&Uri::parse("sip:www.example.org;transport=ws").unwrap()).into()
}

fn server(host: &str, secure: bool) -> Challenger<'_> {
    Challenger { host, port: None, secure, registers: false, address: None }
}

fn answer(credentials: &Credentials, server: Challenger<'_>, values: &[&[u8]]) -> Result<String, Refused> {
    web_authorization(credentials, server, values.iter().copied(), "/dir/index.html", 9)
}

#[test]
fn rfc7616_3_4_the_hash_is_that_of_a_get_for_the_resource() {
    let mufasa = credentials("Mufasa", "Circle of Life");
    let sha256 = String::from_utf8(MD5.to_vec()).unwrap().replace("MD5", "SHA-256");
    let line = answer(&mufasa, server("www.example.org", false), &[MD5]).unwrap();
    // Worked out by another program from the formulas of RFC 7616 section 3.4.1.
    let cnonce = "0000000000000009";
    assert!(line.starts_with("Digest username=\"Mufasa\", realm=\"http-auth@example.org\""), "{line}");
    assert!(line.contains("uri=\"/dir/index.html\"") && line.contains(&format!("cnonce=\"{cnonce}\"")), "{line}");
    assert!(line.contains("response=\"da8bb8f9bac5575f021c26bc310e22bf\""), "{line}");
    // The stronger one, in whichever field and place it comes.
    let both = [MD5, b", ", sha256.as_bytes()].concat();
    for values in [&[MD5, sha256.as_bytes()][..], &[sha256.as_bytes(), MD5], &[&both]] {
        let line = answer(&mufasa, server("www.example.org", false), values).unwrap();
        assert!(
            line.contains("algorithm=SHA-256")
                && line.contains("response=\"e94e560734bb0fc10bc69d6d4f7566d55a02af044b2c319c97225454aa7d5ccb\""),
            "{line}"
        );
    }
}

#[test]
fn rfc7617_2_a_password_itself_goes_over_tls_alone_and_where_nothing_better_is_asked_for() {
    let aladdin = credentials("Aladdin", "open sesame");
    let (clear, secure) = (server("www.example.org", false), server("www.example.org", true));
    assert_eq!(answer(&aladdin, secure, &[BASIC]).unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_eq!(answer(&aladdin, clear, &[BASIC]), Err(Refused::InTheClear { realm: "WallyWorld".into() }));
    for values in [&[BASIC, MD5][..], &[&[BASIC, b",", MD5].concat()]] {
        let line = answer(&aladdin, secure, values).unwrap();
        assert!(line.starts_with("Digest "), "{line}");
    }
    // A digest that cannot be computed leaves Basic.
    let unknown = b"Digest realm=\"x\", nonce=\"n\", algorithm=SHA-3";
    assert!(answer(&aladdin, secure, &[unknown, BASIC]).unwrap().starts_with("Basic "));
    // RFC 7617 section 2: the server could not tell the user from the password.
    assert!(answer(&credentials("a:b", "c"), secure, &[BASIC]).is_err());
}

#[test]
fn rfc7118_7_nobody_but_a_server_of_the_account_gets_an_answer() {
    let ours = credentials("Mufasa", "Circle of Life");
    for other in [server("evil.example.org", true), server("192.0.2.1", true)] {
        for values in [MD5, BASIC] {
            let refused = answer(&ours, other, &[values]);
            assert!(matches!(refused, Err(Refused::NoCredentials { .. })), "{refused:?}");
        }
    }
    // To one that is tied to no server no password is told.
    let loose: Credentials = Credential::password(None, "Mufasa", "Circle of Life").unwrap().into();
    assert!(answer(&loose, server("www.example.org", true), &[BASIC]).is_err());
    for none in
        [&b""[..], b"Negotiate", b"Bearer realm=\"x\"", b"Digest", b"Basic", b"Basic realm", b",,, ,", b"\"", b"\\"]
    {
        assert_eq!(answer(&ours, server("www.example.org", true), &[none]), Err(Refused::NoChallenge), "{none:?}");
    }
    assert_eq!(answer(&ours, server("www.example.org", true), &[]), Err(Refused::NoChallenge));
}

#[test]
fn rfc9110_11_6_1_challenges_in_one_field_are_told_apart() {
    for (value, expected) in [
        ("Basic realm=\"a, b\"", &["Basic realm=\"a, b\""][..]),
        ("Basic realm=\"a\\\", Digest b\"", &["Basic realm=\"a\\\", Digest b\""]),
        (
            "Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\", Basic realm=\"simple\"",
            &["Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\"", "Basic realm=\"simple\""],
        ),
        ("Negotiate, NTLM,Basic realm = x , charset =y", &["Negotiate", "NTLM", "Basic realm = x , charset =y"]),
        (" , Negotiate YWJj==, ,Basic realm=x,", &["Negotiate YWJj==", "Basic realm=x"]),
        ("", &[]),
        (",", &[]),
    ] {
        let found = apart(value.as_bytes());
        let found: Vec<&str> = found.iter().map(|one| std::str::from_utf8(one).unwrap()).collect();
        assert_eq!(found, expected, "{value}");
    }
}

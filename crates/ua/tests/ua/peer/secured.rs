//! A peer over TLS: what is asked for in a call that was made by `sips`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use net::tls::{OwnCertificate, TlsClient, Trust};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::SDP;
use crate::{builder, header};

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// With the certificate in this folder.
fn config(folder: &Path) -> Arc<ServerConfig> {
    let (certificate, key) = OwnCertificate::files(folder);
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
    Arc::new(builder.with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap())
}

/// The next message that begins so; others are passed over.
fn expect(stream: &mut Stream, begin: &str) -> String {
    loop {
        let mut octets = Vec::new();
        while !octets.ends_with(b"\r\n\r\n") {
            let mut one = [0];
            stream.read_exact(&mut one).unwrap();
            octets.push(one[0]);
        }
        let head = String::from_utf8(octets).unwrap();
        let mut body = vec![0; header(&head, "Content-Length").map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).unwrap();
        if head.starts_with(begin) {
            return head;
        }
    }
}

/// Answers a call, then wants it to be transferred to each of these: the answers.
fn refers(mut stream: Stream, contact: &str, targets: &[&str]) -> Vec<String> {
    let invite = expect(&mut stream, "INVITE ");
    let of = |name: &str| header(&invite, name).unwrap();
    let copied = ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", of(name))).concat();
    let answer = format!(
        "SIP/2.0 200 OK\r\n{copied}To: {};tag=a\r\nContact: <{contact}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        of("To"),
        SDP.len(),
    );
    stream.write_all(answer.as_bytes()).unwrap();
    expect(&mut stream, "ACK ");
    let mut ask = |(number, target): (u32, &&str)| {
        let refer = format!(
            "REFER {} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK{number}\r\nMax-Forwards: 70\r\nFrom: {};tag=a\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {number} REFER\r\nContact: <{contact}>\r\nRefer-To: <{target}>\r\nContent-Length: 0\r\n\r\n",
            of("Contact").trim_matches(['<', '>']),
            of("To"),
            of("From"),
            of("Call-ID"),
        );
        stream.write_all(refer.as_bytes()).unwrap();
        expect(&mut stream, "SIP/2.0 ")
    };
    (1..).zip(targets).map(&mut ask).collect()
}

#[tokio::test]
async fn rfc5630_5_1_1_3_who_has_called_by_sips_calls_nobody_by_sip_for_the_other_side() {
    let folder = tempfile::tempdir().unwrap();
    OwnCertificate::kept_in(folder.path(), &["127.0.0.1".to_owned()]).unwrap();
    let (certificate, _) = OwnCertificate::files(folder.path());
    let required = Some("381 offhook \"SIPS Required\"");
    for (scheme, by, expected) in [
        ("sips", "", [("SIP/2.0 603 ", required), ("SIP/2.0 202 ", None)]),
        // The control: over TLS as well.
        ("sip", ";transport=tls", [("SIP/2.0 202 ", None); 2]),
    ] {
        let trust = TlsClient::new(Trust::File(certificate.clone()), None).unwrap();
        let alice = builder().trust(trust).allow_transfer().build().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("{scheme}:peer@{}{by}", listener.local_addr().unwrap());
        let (config, contact) = (config(folder.path()), uri.clone());
        let peer = tokio::task::spawn_blocking(move || {
            let (socket, _) = listener.accept().unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let stream = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
            refers(stream, &contact, &["sip:carol@127.0.0.1:9", "sips:carol@127.0.0.1:9"])
        });
        let _call = alice.call(&uri).await.unwrap();
        for (answer, (begin, warning)) in peer.await.unwrap().iter().zip(expected) {
            assert!(answer.starts_with(begin), "{uri}: {answer}");
            assert_eq!(header(answer, "Warning"), warning, "{uri}");
        }
    }
}

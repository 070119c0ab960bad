//! Connections over TLS to loops side by side.

use super::*;

#[test]
fn over_tls_each_call_is_answered_by_its_loop_on_the_connection_it_came_by() {
    let folder = tempfile::tempdir().unwrap();
    let kept = net::tls::OwnCertificate::kept_in(folder.path(), &["127.0.0.1".to_owned()]).unwrap();
    let server = net::tls::TlsServer::new(kept, &net::tls::Clients::Unasked).unwrap();
    let secured = |config: &mut LoopConfig| config.tls.server = Some(server.clone());
    let mut binds = binds("127.0.0.1:0");
    binds.push(Bind { transport: Transport::Tls, address: "127.0.0.1:0".parse().unwrap() });
    let server = start_on(&binds, 3, secured);
    let address = server.shards.bound()[2].address;
    let file = net::tls::OwnCertificate::files(folder.path()).0;
    let mut answered = BTreeSet::new();
    for connection in 0..4 {
        let mut stream = secured_to(address, &file);
        let local = stream.sock.local_addr().unwrap();
        for call in 0..12 {
            let branch = format!("t{connection}-{call}");
            stream.write_all(options("TLS", local, &branch, &branch).as_bytes()).unwrap();
            let mut text = Vec::new();
            while !text.ends_with(b"\r\n\r\n") {
                let mut octet = [0];
                stream.read_exact(&mut octet).unwrap();
                text.push(octet[0]);
            }
            let text = String::from_utf8(text).unwrap();
            assert!(text.starts_with("SIP/2.0 200") && text.contains(&format!("z9hG4bK{branch};")), "{text}");
            answered.insert(text.lines().find_map(|line| line.strip_prefix("X-Shard: ")).unwrap().to_owned());
        }
    }
    assert_eq!(answered.len(), 3, "{answered:?}: each has answered some");
}

/// A client of the library that trusts this file.
fn secured_to(
    address: SocketAddr,
    trusted: &std::path::Path,
) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    rustls::StreamOwned::new(rustls::ClientConnection::new(config.into(), name).unwrap(), stream)
}

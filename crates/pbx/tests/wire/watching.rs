//! What a server tells about itself.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use audio::codec::Codec;

use crate::setup::{config, nothing_left, phone, start, with_phones};
use crate::sound::Sound;

#[test]
fn metrics_have_the_agreed_names_and_count() {
    let (running, mut phones) = with_phones(&["1001"]);
    let sound = Sound::new(Codec::Pcmu);
    let (mut dialog, _) = phones[0].call_through("600", &sound.describe());
    assert!(running.metrics().unwrap().contains("\noffhook_calls_active 1\n"));
    phones[0].hang_up(&mut dialog);
    nothing_left(&running);
    let metrics = running.metrics().unwrap();
    for line in [
        "offhook_calls_active 0",
        "offhook_sip_dialogs_active 0",
        "offhook_calls_total{direction=\"inbound\",result=\"answered\"} 1",
        "offhook_call_setup_seconds_count 1",
        "offhook_registrations_active 1",
        "offhook_sip_requests_total{method=\"REGISTER\",direction=\"in\"} 2",
        "offhook_sip_requests_total{method=\"BYE\",direction=\"in\"} 1",
        "offhook_sip_responses_total{method=\"REGISTER\",code=\"401\"} 1",
        "offhook_sip_responses_total{method=\"INVITE\",code=\"200\"} 1",
        "offhook_sip_retransmissions_total 0",
        "offhook_rtp_packets_lost_total 0",
        "offhook_rtp_jitter_seconds_count 0",
        "offhook_auth_failures_total{reason=\"wrong_response\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
}

#[test]
fn metrics_and_health_are_served_over_http() {
    let config = pbx::Config { metrics: Some("127.0.0.1:0".parse().unwrap()), ..config() };
    let (running, _) = start(config);
    let address = running.metrics_address().unwrap();
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let metrics = ask("/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 OK"), "{metrics}");
    assert!(metrics.contains("\noffhook_calls_active 0\n"), "{metrics}");
    assert!(ask("/healthz").ends_with("\r\n\r\nok\n"));
    assert!(ask("/nothing").starts_with("HTTP/1.1 404"));
}

#[test]
fn readers_that_never_ask_are_sent_away_and_keep_nobody_out() {
    let config = pbx::Config { metrics: Some("127.0.0.1:0".parse().unwrap()), ..config() };
    let (running, _) = start(config);
    let address = running.metrics_address().unwrap();
    let mut idle: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(address).unwrap()).collect();
    // One of them drips a request that never ends.
    idle[0].write_all(b"GET /metrics HTTP/1.1\r\nX: ").unwrap();
    let mut asking = TcpStream::connect(address).unwrap();
    asking.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    asking.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    asking.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    for stream in &mut idle[..2] {
        stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        assert!(!matches!(stream.read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock));
    }
}

#[test]
fn the_runtime_socket_answers_its_owner_and_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run/offhook.sock");
    let wanted = || pbx::Config { control: Some(path.clone()), ..config() };
    let (running, address) = start(wanted());
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(phone(address, "1001").register(120).code().get(), 200);
    let status: serde_json::Value = serde_json::from_str(&pbx::ask_status(&path).unwrap()).unwrap();
    assert_eq!((&status["v"], &status["registrations"]), (&1.into(), &1.into()));
    assert_eq!(status["users"][0]["contacts"].as_array().unwrap().len(), 1);
    // Two servers cannot share it.
    let error = pbx::Server::start(wanted()).unwrap_err().to_string();
    assert!(error.contains("another server listens on"), "{error}");
    drop(running);
    assert!(!path.exists());
    // A socket left behind by a killed server is no hindrance.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let (running, _) = start(wanted());
    assert!(pbx::ask_status(&path).is_ok());
    drop(running);
}

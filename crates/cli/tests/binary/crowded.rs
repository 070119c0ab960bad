//! A server with few files to open, and people who take connections and say nothing.

use std::net::{SocketAddr, TcpStream};

use crate::run::{Going, limited, offhook};

#[test]
fn silent_connections_leave_room_for_calls_and_for_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let arguments = ["serve", "--sip", "127.0.0.1:0", "--state", state, "--user", "2001:geheim"];
    let mut server = Going::run(limited("-n 200", &arguments));
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    server.line("ready");
    let _crowd: Vec<TcpStream> = (0..400).map(|_| TcpStream::connect(address).unwrap()).collect();
    server.line("connection refused");
    let status = offhook(&["status", "--state", state]);
    assert_eq!(status.code, Some(0), "{status:?}");
    let account = format!("sip:2001@{address}");
    let call = ["call", "601", "--account", &account, "--password", "geheim", "--for", "5", "--expect-tone", "440"];
    let ended = offhook(&call);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    server.terminate();
    let (code, lines) = server.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(lines.iter().filter(|line| line.contains("WARN")).count() <= 2, "{lines:#?}");
}

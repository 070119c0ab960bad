//! Behind lighttpd, a server of the web that nobody here wrote, which lets nobody through to the WebSocket who does not prove by HTTP who he is (RFC 7118 section 7).

use std::path::Path;
use std::process::Command;

use super::located::await_listener;
use super::tls::made_by_openssl;
use crate::program::offhook::{self, Server, USERS};
use crate::program::{Program, free_port};

/// A PBX with a WebSocket, and lighttpd in front of it.
struct Door {
    pbx: Server,
    url: String,
    folder: tempfile::TempDir,
    _lighttpd: Program,
}

/// lighttpd asks for this: `method` and more, as in its `auth.require`; over TLS where `scheme` is `wss`.
fn door(scheme: &str, asks: &str) -> Door {
    let (folder, inner, port) = (tempfile::tempdir().unwrap(), free_port(), free_port());
    let pbx = offhook::serve(&[&USERS[..], &["--ws", &format!("127.0.0.1:{inner}")]].concat());
    let home = folder.path().display();
    std::fs::write(folder.path().join("users"), "1001:secret1\n1002:secret2\n").unwrap();
    let tls = match scheme {
        "wss" => {
            made_by_openssl(folder.path(), "IP:127.0.0.1");
            format!(
                "server.modules += (\"mod_openssl\")\nssl.engine = \"enable\"\nssl.pemfile = \"{home}/certificate.pem\"\n\
                 ssl.privkey = \"{home}/key.pem\"\n"
            )
        }
        _ => String::new(),
    };
    let text = format!(
        "server.modules = (\"mod_auth\", \"mod_authn_file\", \"mod_proxy\")\nserver.document-root = \"{home}\"\n\
         server.bind = \"127.0.0.1\"\nserver.port = {port}\n{tls}\
         auth.backend = \"plain\"\nauth.backend.plain.userfile = \"{home}/users\"\n\
         auth.require = (\"/sip\" => ({asks}, \"realm\" => \"doors\", \"require\" => \"valid-user\"))\n\
         proxy.server = (\"/sip\" => ((\"host\" => \"127.0.0.1\", \"port\" => {inner})))\nproxy.header = (\"upgrade\" => \"enable\")\n"
    );
    let file = folder.path().join("lighttpd.conf");
    std::fs::write(&file, text).unwrap();
    let lighttpd = Program::start(Command::new("lighttpd").arg("-D").arg("-f").arg(&file));
    await_listener(port);
    Door { pbx, url: format!("{scheme}://127.0.0.1:{port}/sip"), folder, _lighttpd: lighttpd }
}

impl Door {
    fn run(&self, words: &[&str], user: &str, password: &str) -> Program {
        let account = format!("sip:{user}@{}", self.pbx.address);
        let identity = ["--account", &account, "--password", password, "--ws", &self.url];
        let certificate = self.folder.path().join("certificate.pem");
        let trusted = ["--tls-ca", certificate.to_str().unwrap()];
        let trusted = if Path::exists(&certificate) { &trusted[..] } else { &[] };
        offhook::start(&[words, &identity, trusted].concat())
    }
}

#[test]
fn rfc7118_7_lighttpd_lets_through_who_answers_its_digest_and_nobody_else() {
    for algorithm in ["MD5", "SHA-256"] {
        let door = door("ws", &format!("\"method\" => \"digest\", \"algorithm\" => \"{algorithm}\""));
        let mut robot = door.run(&["answer", "--echo"], "1001", "secret1");
        robot.wait_for("registered");
        let (code, output) = door.run(&["message", "1001", "through the door"], "1002", "secret2").finish();
        assert_eq!(code, 0, "{algorithm}: {output}\n{}", robot.output());
        robot.wait_for("through the door");
        // With another password there is no WebSocket, and all verbs say so.
        for words in [&["register", "--once"][..], &["message", "1001", "lost"], &["answer"]] {
            let (code, output) = door.run(words, "1002", "wrong").finish();
            let told = output.contains("401 Unauthorized") && output.contains("check user name and password");
            assert!(code == 6 && told, "{algorithm}, {words:?}: {code} {output}");
        }
        assert!(!robot.output().contains("lost"), "{}", robot.output());
    }
}

#[test]
fn rfc7118_7_lighttpd_hears_the_password_itself_over_tls_alone() {
    let asks = "\"method\" => \"basic\"";
    let secured = door("wss", asks);
    let (code, output) = secured.run(&["register", "--once"], "1001", "secret1").finish();
    assert!(code == 0 && output.contains("registered sip:1001@"), "{code} {output}");
    let (code, output) = secured.run(&["register", "--once"], "1001", "wrong").finish();
    assert!(code == 6 && output.contains("check user name and password"), "{code} {output}");
    let (code, output) = door("ws", asks).run(&["register", "--once"], "1001", "secret1").finish();
    assert!(code == 6 && output.contains("goes over TLS alone"), "{code} {output}");
}

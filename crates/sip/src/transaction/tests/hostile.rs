//! Anything in any order: nothing panics, nothing stays, and what goes out can be read.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// A request, and where a byte of it is spoilt.
    Receive {
        method: usize,
        transport: bool,
        branch: u8,
        tag: u8,
        spoil: Option<(prop::sample::Index, u8)>,
    },
    Respond {
        which: prop::sample::Index,
        code: u16,
    },
    Request {
        method: usize,
        transport: bool,
        auth: bool,
    },
    Answered {
        paths: u8,
    },
    Answer {
        which: prop::sample::Index,
        code: u16,
    },
    Cancel {
        which: prop::sample::Index,
    },
    Unsent {
        which: prop::sample::Index,
        why: usize,
    },
    Flow {
        flow: u64,
        lost: bool,
    },
    Wait {
        ms: u64,
    },
}

const IN: [&str; 8] = ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "PRACK", "FOO"];
const OUT: [Method; 4] = [Method::Invite, Method::Options, Method::Bye, Method::Register];
const CODES: [u16; 12] = [100, 180, 183, 199, 200, 202, 302, 401, 407, 486, 503, 603];

fn step() -> impl Strategy<Value = Step> {
    use prop::sample::Index;
    let code = || prop::sample::select(&CODES[..]);
    prop_oneof![
        4 => (0..IN.len(), any::<bool>(), 0_u8..4, 0_u8..3, prop::option::weighted(0.2, (any::<Index>(), any::<u8>())))
            .prop_map(|(method, transport, branch, tag, spoil)| Step::Receive { method, transport, branch, tag, spoil }),
        3 => (any::<Index>(), code()).prop_map(|(which, code)| Step::Respond { which, code }),
        2 => (0..OUT.len(), any::<bool>(), any::<bool>())
            .prop_map(|(method, transport, auth)| Step::Request { method, transport, auth }),
        2 => (0_u8..4).prop_map(|paths| Step::Answered { paths }),
        4 => (any::<Index>(), code()).prop_map(|(which, code)| Step::Answer { which, code }),
        1 => any::<Index>().prop_map(|which| Step::Cancel { which }),
        1 => (any::<Index>(), 0_usize..4).prop_map(|(which, why)| Step::Unsent { which, why }),
        1 => (0_u64..5, any::<bool>()).prop_map(|(flow, lost)| Step::Flow { flow, lost }),
        3 => (0_u64..40_000).prop_map(|ms| Step::Wait { ms }),
    ]
}

fn transport(reliable: bool) -> Transport {
    if reliable { TCP } else { UDP }
}

struct Play {
    bench: Bench,
    clients: Vec<ClientTx>,
    servers: Vec<ServerTx>,
}

impl Play {
    /// A request. Branch 0 is one of RFC 2543; tag 0 is none, 1 a stranger's, any other the one we gave the last request.
    fn receive(
        &mut self,
        method: &str,
        transport: Transport,
        branch: u8,
        tag: u8,
        spoil: Option<&(prop::sample::Index, u8)>,
    ) {
        let branch = if branch == 0 { "old".to_owned() } else { format!("z9hG4bK{branch}") };
        let tag = match (tag, self.servers.last()) {
            (0, _) => String::new(),
            (1, _) => "t".to_owned(),
            (_, last) => last.and_then(|tx| self.bench.turn(|turn| turn.tag_of(*tx))).unwrap_or_default(),
        };
        let mut bytes = follow(method, transport, &branch, &tag).replace('\n', "\r\n").into_bytes();
        if let Some((at, byte)) = spoil {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        self.bench.turn(|turn| turn.receive(&path(transport, 2), Bytes::from(bytes)));
    }

    fn step(&mut self, step: &Step) {
        let bench = &mut self.bench;
        match step {
            Step::Receive { method, transport: reliable, branch, tag, spoil } => {
                self.receive(IN[*method], transport(*reliable), *branch, *tag, spoil.as_ref());
            }
            Step::Respond { which, code } if !self.servers.is_empty() => {
                let _ = bench.respond(self.servers[which.index(self.servers.len())], *code);
            }
            Step::Request { method, transport: reliable, auth } => {
                let mut draft = draft(OUT[*method].clone());
                if *reliable {
                    draft.hop = Hop::Path(path(TCP, 2));
                }
                if *auth {
                    draft.credentials.add(digest::Credential::password(None, "a", "b").expect("clean"));
                }
                if let Ok(tx) = bench.turn(|turn| turn.send_request(draft)) {
                    self.clients.push(tx);
                }
            }
            Step::Answered { paths } => {
                if let Some((ask, _)) = bench.asked.pop() {
                    let routes = (0..*paths).map(|n| path(transport(n % 2 == 1), 2 + n)).collect();
                    bench.turn(|turn| turn.answered(ask, Answer::Routes(routes)));
                }
            }
            Step::Answer { which, code } => {
                let requests: Vec<usize> =
                    (0..bench.sent.len()).filter(|n| !bench.sent[*n].bytes.starts_with(b"SIP/2.0")).collect();
                if !requests.is_empty() {
                    bench.answer(requests[which.index(requests.len())], *code, "b");
                }
            }
            Step::Cancel { which } if !self.clients.is_empty() => {
                let tx = self.clients[which.index(self.clients.len())];
                let _ = bench.turn(|turn| turn.cancel(tx));
            }
            Step::Unsent { which, why } if !bench.sent.is_empty() => {
                let id = bench.sent[which.index(bench.sent.len())].id;
                let all = [SendError::Unreachable, SendError::TooBig, SendError::NoBuffer, SendError::Closed];
                bench.turn(|turn| turn.unsent(id, all[*why].clone()));
            }
            Step::Flow { flow, lost } => {
                let change = if *lost { FlowChange::Lost } else { FlowChange::OpenFailed };
                bench.turn(|turn| turn.flow(FlowId(*flow), change));
            }
            Step::Wait { ms } => {
                let to = bench.now.0 / 1_000 + ms;
                bench.run_to(to);
            }
            Step::Respond { .. } | Step::Cancel { .. } | Step::Unsent { .. } => {}
        }
        for event in self.bench.events.drain(..) {
            if let Event::Request { tx, .. } = event {
                self.servers.push(tx);
            }
        }
    }
}

proptest! {
    #[test]
    fn anything_in_any_order_leaves_nothing_behind(steps in prop::collection::vec(step(), 1..80)) {
        let mut play = Play { bench: Bench::new(), clients: Vec::new(), servers: Vec::new() };
        for step in &steps {
            play.step(step);
        }
        for sent in &play.bench.sent {
            // What refuses the unreadable copies some of it.
            if crate::turn::Sender::of(sent.id) != crate::turn::Sender::Nobody {
                prop_assert!(Message::parse(sent.bytes.clone(), &Limits::default()).is_ok(), "{:?}", sent.bytes);
            }
        }
        // What waits for a person is ended; the rest ends by itself.
        for tx in &play.servers {
            let _ = play.bench.respond(*tx, 486);
        }
        for tx in &play.clients {
            let _ = play.bench.turn(|turn| turn.cancel(*tx));
        }
        // An INVITE cancelled before its first provisional response and answered by nobody.
        play.bench.ends_empty();
    }
}

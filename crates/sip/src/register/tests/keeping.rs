//! Whether the registrar is still there is asked while a binding stands.

use super::*;

fn kept(seconds: u64) -> RegisterSpec {
    RegisterSpec { keep_alive: Some(Duration::from_secs(seconds)), ..spec() }
}

/// The methods of what was sent, repeats left out.
fn methods(rig: &Rig) -> Vec<&str> {
    let mut branches: Vec<&str> = Vec::new();
    let mut methods = Vec::new();
    for (_, request) in &rig.sent {
        let branch = request.headers().branch().unwrap();
        if !branches.contains(&branch) {
            branches.push(branch);
            methods.push(request.method().as_str());
        }
    }
    methods
}

#[test]
fn rfc5626_4_4_1_the_registrar_is_asked_each_time_within_the_last_fifth_of_the_interval() {
    let mut rig = Rig::new();
    rig.register(kept(100));
    rig.accept(3_600);
    let (mut before, mut cseq, mut call_id) = (0.0, 0, None);
    for _ in 0..5 {
        rig.wait_until(before + 79.9);
        assert_ne!(rig.last().headers().cseq().number, cseq + 1);
        rig.wait_until(before + 100.0);
        let asked = rig.last();
        assert_eq!((asked.method(), asked.uri_text()), (&Method::Options, "sip:example.com"));
        assert_eq!(asked.headers().cseq().number, cseq + 1);
        let own = asked.headers().call_id().to_owned();
        assert_eq!(call_id.get_or_insert(own.clone()), &own);
        (before, cseq) = (before + 100.0, cseq + 1);
        // Counted from the answer. Whatever is answered, somebody is there.
        rig.answer(if cseq % 2 == 0 { 200 } else { 405 }, &[]);
    }
    assert_ne!(call_id.as_deref(), Some(rig.sent[0].1.headers().call_id()));
    assert_eq!(rig.events.len(), 1, "nobody is told");
}

#[test]
fn rfc5626_3_5_no_answer_has_the_binding_made_anew() {
    let mut rig = Rig::new();
    rig.register(kept(10));
    rig.accept(3_600);
    rig.wait_until(10.0);
    let asked = rig.last_at();
    rig.wait_until(asked + 31.9);
    assert_eq!(methods(&rig), ["REGISTER", "OPTIONS"]);
    rig.wait_until(asked + 32.0);
    assert_eq!(methods(&rig), ["REGISTER", "OPTIONS", "REGISTER"]);
    // Asked again only when it stands again.
    rig.wait_until(asked + 60.0);
    assert_eq!(methods(&rig).len(), 3);
    rig.accept(3_600);
    rig.wait_until(asked + 70.0);
    assert_eq!(methods(&rig), ["REGISTER", "OPTIONS", "REGISTER", "OPTIONS"]);
}

#[test]
fn a_refresh_that_is_under_way_is_question_enough_and_a_binding_taken_back_is_not_asked_for() {
    let mut rig = Rig::new();
    let id = rig.register(kept(10));
    rig.accept(3_600);
    rig.turn(|turn| turn.refresh(id)).unwrap();
    rig.wait_until(20.0);
    assert_eq!(methods(&rig), ["REGISTER", "REGISTER"]);
    rig.accept(3_600);
    rig.wait_until(30.0);
    assert_eq!(methods(&rig), ["REGISTER", "REGISTER", "OPTIONS"]);
    // Taken back with the answer outstanding.
    rig.turn(|turn| turn.unregister(id, Removal::Ours)).unwrap();
    rig.answer(200, &[]);
    rig.wait_until(200.0);
    assert_eq!(methods(&rig), ["REGISTER", "REGISTER", "OPTIONS", "REGISTER"]);
    assert!(matches!(rig.events.last().unwrap().1, RegistrationEvent::Unregistered { .. }));
    assert_eq!(rig.stack.usage(), Usage::default(), "nothing is left");
}

#[test]
fn without_the_setting_nobody_is_asked() {
    let mut rig = Rig::new();
    rig.register(spec());
    rig.accept(3_600);
    rig.wait_until(3_000.0);
    assert_eq!(methods(&rig), ["REGISTER"]);
}

#[test]
fn rfc5626_4_5_a_connection_on_which_nobody_answers_is_closed() {
    let mut rig = Rig::new();
    rig.transport = Transport::Tcp;
    rig.register(kept(10));
    rig.accept(3_600);
    rig.wait_until(10.0);
    let asked = rig.last_at();
    rig.wait_until(asked + 31.9);
    assert!(rig.closed.is_empty());
    rig.wait_until(asked + 32.0);
    assert_eq!(rig.closed, [FlowId(1)]);
    rig.turn(|turn| turn.flow(FlowId(1), FlowChange::Lost));
    rig.wait_until(asked + 33.0);
    assert_eq!(methods(&rig), ["REGISTER", "OPTIONS", "REGISTER"]);
}

/// Accepts the REGISTER and asks for everything to be left out for a minute (RFC 7339).
fn accept_and_ask_for_nothing(rig: &mut Rig) {
    let request = rig.last().clone();
    let contact = request.headers().text(HeaderId::Contact).unwrap().into_owned();
    let mut lines = Lines::new();
    lines.push("Contact", &format!("{contact};expires=3600")).unwrap();
    let bytes = write_response(request.headers(), StatusCode::OK, None, Some("registrar"), &lines, None, None);
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let told = text.replacen(";oc;oc-algo=\"loss\"", ";oc=100;oc-algo=\"loss\";oc-validity=60000;oc-seq=1.1", 1);
    assert_ne!(told, text);
    let from = path_over(rig.transport);
    rig.turn(|turn| turn.receive(&from, bytes::Bytes::from(told)));
}

#[test]
fn rfc7339_5_10_a_question_that_is_left_out_closes_nothing_and_has_nothing_made_anew() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut rig = Rig::new();
        rig.stack = Stack::new(Config { overload: Some(crate::Overload::default()), ..Config::default() }, [3; 32]);
        rig.transport = transport;
        rig.register(kept(10));
        accept_and_ask_for_nothing(&mut rig);
        rig.wait_until(59.0);
        assert!(rig.stack.counters().left_out >= 5, "{}", rig.stack.counters().left_out);
        assert_eq!((methods(&rig), rig.closed.len()), (vec!["REGISTER"], 0));
        // It goes on.
        rig.wait_until(71.0);
        assert_eq!((methods(&rig), rig.closed.len()), (vec!["REGISTER", "OPTIONS"], 0));
    }
}

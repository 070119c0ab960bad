use super::*;

#[test]
fn rfc3680_5_2_a_document_and_back() {
    let body = r#"<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="1" state="partial">
  <registration aor="sip:user@example.com" id="as9" state="active">
    <contact id="76" state="active" event="registered" duration-registered="7322" expires="200" q="0.8"><uri>sip:user@pc887.example.com</uri></contact>
    <contact id="77" state="terminated" event="expired"><uri>sip:user@university.edu</uri></contact>
  </registration><registration aor="sip:joe@example.com" id="a7" state="init"/></reginfo>"#;
    let info = RegInfo::read(body.as_bytes()).unwrap();
    assert_eq!((info.version, info.full, info.registrations.len()), (1, false, 2));
    let first = &info.registrations[0].contacts[0];
    assert_eq!(
        (first.state, first.event.as_str(), first.expires, first.q),
        (State::Active, "registered", Some(200), Some(800))
    );
    assert_eq!(first.uri, "sip:user@pc887.example.com");
    assert_eq!(info.registrations[1].state, State::Init);
    assert_eq!(RegInfo::read(info.write().as_bytes()).unwrap(), info);
}

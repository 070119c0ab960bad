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

#[test]
fn rfc5628_7_the_addresses_of_an_instance_are_read_and_the_public_one_is_written() {
    let body = r#"<?xml version="1.0"?>
<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo" version="0" state="full">
  <registration aor="sip:user@example.com" id="as9" state="active">
    <contact id="76" state="active" event="registered" duration-registered="36001" expires="3599"
        callid="1j9FpLxk3uxtm8tn@192.0.2.1" cseq="54321" q="0.8">
      <uri>sip:user@192.0.2.1</uri>
      <unknown-param name="+sip.instance">"&lt;urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6&gt;"</unknown-param>
      <gr:pub-gruu uri="sip:user@example.com;gr=hha9s8d-999a"/>
      <gr:temp-gruu uri="sip:8ffkas08af7fasklzi9@example.com;gr" first-cseq="54301"/>
    </contact>
    <contact id="77" state="active" event="registered"><uri>sip:user@192.0.2.2</uri></contact>
  </registration>
</reginfo>"#;
    let info = RegInfo::read(body.as_bytes()).unwrap();
    let told: Vec<_> = info.registrations[0].contacts.iter().map(|contact| contact.pub_gruu.as_deref()).collect();
    assert_eq!(told, [Some("sip:user@example.com;gr=hha9s8d-999a"), None]);
    let written = info.write();
    assert_eq!(RegInfo::read(written.as_bytes()).unwrap(), info);
    let within = "<uri>sip:user@192.0.2.1</uri><gr:pub-gruu uri=\"sip:user@example.com;gr=hha9s8d-999a\"/></contact>";
    assert!(written.contains(within) && written.contains("xmlns:gr=\"urn:ietf:params:xml:ns:gruuinfo\""), "{written}");
    // In the namespace of another document it is something else.
    let foreign = body.replace("urn:ietf:params:xml:ns:gruuinfo", "http://example.com/gruuinfo");
    assert_eq!(RegInfo::read(foreign.as_bytes()).unwrap().registrations[0].contacts[0].pub_gruu, None);
}

use super::*;

const EXAMPLE: &str = r#"<?xml version="1.0"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="3" state="partial" entity="sip:alice@example.com">
  <dialog id="as7d900as8" call-id="a84b4c76e66710" local-tag="1928301774" remote-tag="hh76a" direction="initiator">
    <state event="rejected" code="486">terminated</state>
    <local><identity display="Alice">sip:alice@example.com</identity><target uri="sip:alice@192.0.2.1"/></local>
    <remote><identity>sip:bob@example.org</identity><session-description type="application/sdp">v=0
o=- 1 1 IN IP4 192.0.2.1
</session-description></remote>
  </dialog>
  <dialog id="b"><state>early</state></dialog>
  <dialog id="c"><state>unheard-of</state></dialog>
</dialog-info>"#;

#[test]
fn rfc4235_4_1_a_document_and_back() {
    let info = DialogInfo::read(EXAMPLE.as_bytes()).unwrap();
    assert_eq!((info.version, info.full, info.entity.as_str()), (3, false, "sip:alice@example.com"));
    // One without a state that is known says nothing.
    assert_eq!(info.dialogs.len(), 2);
    let first = &info.dialogs[0];
    assert_eq!((first.call_id.as_deref(), first.local_tag.as_deref()), (Some("a84b4c76e66710"), Some("1928301774")));
    assert_eq!(
        (first.direction, first.state, first.event.as_deref()),
        (Some(Direction::Initiator), State::Terminated, Some("rejected"))
    );
    assert_eq!(
        (first.local.display.as_deref(), first.local.target.as_deref()),
        (Some("Alice"), Some("sip:alice@192.0.2.1"))
    );
    assert_eq!(first.remote.identity.as_deref(), Some("sip:bob@example.org"));
    let description = first.remote.description.as_ref().unwrap();
    assert_eq!(
        (description.content_type.as_str(), description.text.as_str()),
        ("application/sdp", "v=0\no=- 1 1 IN IP4 192.0.2.1")
    );
    assert_eq!(first.local.description, None);
    assert_eq!(DialogInfo::read(info.write().as_bytes()).unwrap(), info);
}

#[test]
fn rfc4235_3_7_1_the_state_that_tells_most() {
    let of = |states: &[State]| {
        DialogInfo { dialogs: states.iter().map(|state| Dialog::new("x", *state)).collect(), ..DialogInfo::default() }
            .busiest()
    };
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[State::Terminated]), None);
    assert_eq!(of(&[State::Trying, State::Early]), Some(State::Early));
    assert_eq!(of(&[State::Early, State::Confirmed, State::Terminated]), Some(State::Confirmed));
}

#[test]
fn rfc4235_4_1_a_version_has_32_bits() {
    let of = |version: &str| DialogInfo::read(EXAMPLE.replace("version=\"3\"", version).as_bytes()).unwrap();
    let last = of("version=\"4294967295\"");
    assert_eq!(last.version, u32::MAX);
    assert!(last.write().contains("version=\"4294967295\""));
    // What is none counts as the first.
    assert_eq!(["version=\"4294967296\"", "version=\"-1\"", ""].map(|version| of(version).version), [0; 3]);
}

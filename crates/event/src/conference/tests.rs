use super::*;

#[test]
fn rfc4575_5_a_document_and_back() {
    let body = r#"<conference-info xmlns="urn:ietf:params:xml:ns:conference-info" entity="sips:conf233@example.com" state="full" version="1">
  <conference-description><subject>Agenda</subject></conference-description>
  <conference-state><user-count>33</user-count><active>true</active></conference-state>
  <users><user entity="sip:bob@example.com" state="full"><display-text>Bob Hoskins</display-text>
    <endpoint entity="sip:bob@pc33.example.com"><status>disconnected</status></endpoint></user>
    <user entity="sip:alice@example.com"/></users></conference-info>"#;
    let read = Conference::read(body.as_bytes()).unwrap();
    assert_eq!((read.version, read.full, read.count, read.active), (1, true, Some(33), Some(true)));
    let first = &read.users[0];
    assert_eq!((first.entity.as_str(), first.display.as_deref()), ("sip:bob@example.com", Some("Bob Hoskins")));
    assert_eq!(
        first.endpoints.iter().map(|one| (one.entity.as_str(), one.status.as_deref())).collect::<Vec<_>>(),
        [("sip:bob@pc33.example.com", Some("disconnected"))]
    );
    assert_eq!(read.users[1], User { entity: "sip:alice@example.com".into(), ..User::default() });
    assert_eq!(Conference::read(read.write().as_bytes()).unwrap(), read);
}

#[test]
fn rfc4575_5_2_a_full_document_has_description_and_users() {
    let text = Conference { full: true, ..Conference::default() }.write();
    let root = Element::read(text.as_bytes(), "conference-info").unwrap();
    assert!(root.child("conference-description").is_some() && root.child("users").is_some(), "{text}");
}

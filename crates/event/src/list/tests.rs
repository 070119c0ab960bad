use super::*;

#[test]
fn rfc4662_5_1_what_the_other_parts_are_about() {
    let body = r#"<list xmlns="urn:ietf:params:xml:ns:rlmi" uri="sip:adam-friends@lists.example.com" version="7" fullState="true">
  <name xml:lang="en">Buddy List</name><name xml:lang="fr">Liste d'amis</name>
  <resource uri="sip:bob@example.com"><name>Bob Smith</name><instance id="juwigmtboe" state="active" cid="12345.aaa@example.com"/></resource>
  <resource uri="sip:jim@example.com"><instance id="oflzxqzuvg" state="terminated" reason="rejected"/></resource>
  <resource uri="sip:ed@example.com"/></list>"#;
    let read = ResourceList::read(body.as_bytes()).unwrap();
    assert_eq!((read.version, read.full, read.name.as_deref(), read.resources.len()), (7, true, Some("Buddy List"), 3));
    let bob = &read.resources[0];
    assert_eq!(
        (bob.name.as_deref(), bob.instances[0].cid.as_deref()),
        (Some("Bob Smith"), Some("12345.aaa@example.com"))
    );
    let jim = &read.resources[1].instances[0];
    assert_eq!((jim.state.as_str(), jim.reason.as_deref(), jim.cid.as_deref()), ("terminated", Some("rejected"), None));
    assert!(read.resources[2].instances.is_empty());
}

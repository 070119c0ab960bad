use super::*;

#[test]
fn rfc3858_5_a_document_and_back() {
    let body = r#"<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo" version="0" state="full">
  <watcher-list resource="sip:professor@example.net" package="presence">
    <watcher status="active" id="8ajksjda7s" duration-subscribed="509" expiration="20" event="approved">sip:userA@example.net</watcher>
    <watcher status="pending" id="hh8juja87s997-ass7" display-name="Mr. Subscriber" event="subscribe">sip:userB@example.org</watcher>
  </watcher-list></watcherinfo>"#;
    let read = WatcherInfo::read(body.as_bytes()).unwrap();
    let list = &read.lists[0];
    assert_eq!(
        (list.resource.as_str(), list.package.as_str(), list.watchers.len()),
        ("sip:professor@example.net", "presence", 2)
    );
    let first = &list.watchers[0];
    assert_eq!(
        (first.status.as_str(), first.event.as_str(), first.uri.as_str(), first.expires),
        ("active", "approved", "sip:userA@example.net", Some(20))
    );
    assert_eq!(WatcherInfo::read(read.write().as_bytes()).unwrap(), read);
}

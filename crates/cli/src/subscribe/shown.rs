//! States as people and programs see them.

use serde_json::{Value, json};
use ua::ResourceState;
use ua::package::dialog::{Dialog, Direction, Party};
use ua::package::presence::Basic;

/// For people: a line, and more where there is more to say.
pub(super) fn lines(state: &ResourceState) -> Vec<String> {
    match state {
        ResourceState::Nothing => vec!["no state".to_owned()],
        ResourceState::Presence(one) => {
            let basic = one.basic().map_or("unknown", Basic::as_str);
            let mut line = basic.to_owned();
            for activity in &one.activities {
                line.push_str(&format!(", {activity}"));
            }
            if let Some(note) = one.note.as_ref().or_else(|| one.tuples.iter().find_map(|tuple| tuple.note.as_ref())) {
                line.push_str(&format!(" ({note})"));
            }
            vec![line]
        }
        ResourceState::Dialogs(one) if one.dialogs.is_empty() => vec!["no calls".to_owned()],
        ResourceState::Dialogs(one) => one.dialogs.iter().map(dialog).collect(),
        ResourceState::Summary(one) => {
            let mut line = if one.waiting { "messages waiting" } else { "no messages waiting" }.to_owned();
            for (kind, count) in &one.counts {
                line.push_str(&format!(", {kind} {} new {} old", count.new, count.old));
            }
            vec![line]
        }
        ResourceState::Registrations(one) => one
            .registrations
            .iter()
            .flat_map(|one| {
                let contacts =
                    one.contacts.iter().map(|contact| format!("  {} {}", contact.state.as_str(), contact.uri));
                std::iter::once(format!("{} {}", one.aor, one.state.as_str())).chain(contacts).collect::<Vec<_>>()
            })
            .collect(),
        ResourceState::Conference(one) => {
            let count = one.count.map_or(one.users.len() as u64, u64::from);
            let users =
                one.users.iter().map(|user| format!("  {} {}", user.entity, user.status().unwrap_or("connected")));
            std::iter::once(crate::out::counted(count, "participant")).chain(users).collect()
        }
        ResourceState::Watchers(one) => {
            let all = one.lists.iter().flat_map(|list| &list.watchers);
            let lines: Vec<String> = all.map(|one| format!("{} {}", one.uri, one.status)).collect();
            if lines.is_empty() { vec!["no watchers".to_owned()] } else { lines }
        }
        ResourceState::List { list, states } => {
            let name = list.name.as_deref().unwrap_or(&list.uri);
            let mut all = vec![format!("list {name}")];
            for resource in &list.resources {
                let cid = resource.instances.iter().find_map(|one| one.cid.as_ref());
                let state = states.iter().find(|(id, _)| Some(id) == cid);
                let told = state.and_then(|(_, state)| lines(state).into_iter().next());
                let told = told.or_else(|| resource.instances.first().map(|one| one.state.clone()));
                all.push(format!("  {} {}", resource.uri, told.as_deref().unwrap_or("unknown")));
            }
            all
        }
        ResourceState::Other { content_type, body } => {
            let text = String::from_utf8_lossy(body);
            std::iter::once(content_type.clone()).chain(text.lines().map(|line| format!("  {line}"))).collect()
        }
        ResourceState::Broken { content_type, why } => vec![format!("{content_type} that cannot be read: {why}")],
        _ => vec!["a state of a newer kind".to_owned()],
    }
}

fn dialog(one: &Dialog) -> String {
    let arrow = match one.direction {
        Some(Direction::Initiator) => " to",
        Some(Direction::Recipient) => " from",
        None => "",
    };
    let remote = one.remote.identity.as_deref().map(|remote| format!("{arrow} {remote}")).unwrap_or_default();
    format!("{}{remote}", one.state.as_str())
}

/// For programs.
pub(super) fn value(state: &ResourceState) -> Value {
    match state {
        ResourceState::Nothing => json!({ "kind": "nothing" }),
        ResourceState::Presence(one) => json!({
            "kind": "presence",
            "entity": one.entity,
            "basic": one.basic().map(Basic::as_str),
            "activities": one.activities,
            "note": one.note,
            "class": one.person.class,
            "moods": one.person.moods,
            "places": one.person.places,
            "sphere": one.person.sphere,
            "in_use": one.person.input.as_ref().map(|input| input.active),
            "last_input": one.person.input.as_ref().and_then(|input| input.last.as_ref()),
            "tuples": one.tuples.iter().map(|tuple| json!({
                "id": tuple.id, "basic": tuple.basic.map(Basic::as_str), "contact": tuple.contact, "note": tuple.note,
            })).collect::<Vec<_>>(),
        }),
        ResourceState::Dialogs(one) => json!({
            "kind": "dialogs",
            "entity": one.entity,
            "version": one.version,
            "full": one.full,
            "dialogs": one.dialogs.iter().map(dialog_value).collect::<Vec<_>>(),
        }),
        ResourceState::Summary(one) => json!({
            "kind": "messages",
            "waiting": one.waiting,
            "account": one.account,
            "counts": one.counts.iter().map(|(kind, count)| json!({
                "kind": kind, "new": count.new, "old": count.old, "new_urgent": count.new_urgent, "old_urgent": count.old_urgent,
            })).collect::<Vec<_>>(),
        }),
        ResourceState::Registrations(one) => json!({
            "kind": "registrations",
            "full": one.full,
            "registrations": one.registrations.iter().map(|one| json!({
                "aor": one.aor,
                "state": one.state.as_str(),
                "contacts": one.contacts.iter().map(|contact| json!({
                    "uri": contact.uri, "state": contact.state.as_str(), "why": contact.event, "expires_secs": contact.expires,
                    "pub_gruu": contact.pub_gruu,
                })).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        }),
        ResourceState::Conference(one) => json!({
            "kind": "conference",
            "entity": one.entity,
            "full": one.full,
            "count": one.count,
            "active": one.active,
            "users": one.users.iter().map(|user| json!({
                "entity": user.entity, "display": user.display, "status": user.status(),
            })).collect::<Vec<_>>(),
        }),
        ResourceState::Watchers(one) => json!({
            "kind": "watchers",
            "full": one.full,
            "watchers": one.lists.iter().flat_map(|list| list.watchers.iter().map(|one| json!({
                "resource": list.resource, "package": list.package, "uri": one.uri, "status": one.status, "why": one.event,
            }))).collect::<Vec<_>>(),
        }),
        ResourceState::List { list, states } => json!({
            "kind": "list",
            "uri": list.uri,
            "full": list.full,
            "resources": list.resources.iter().map(|resource| {
                let cid = resource.instances.iter().find_map(|one| one.cid.as_ref());
                let state = states.iter().find(|(id, _)| Some(id) == cid).map(|(_, state)| value(state));
                json!({ "uri": resource.uri, "name": resource.name, "state": state })
            }).collect::<Vec<_>>(),
        }),
        ResourceState::Other { content_type, body } => {
            json!({ "kind": "other", "content_type": content_type, "text": String::from_utf8_lossy(body) })
        }
        ResourceState::Broken { content_type, why } => {
            json!({ "kind": "broken", "content_type": content_type, "why": why })
        }
        _ => json!({ "kind": "unknown" }),
    }
}

fn dialog_value(one: &Dialog) -> Value {
    let direction = one.direction.map(|direction| match direction {
        Direction::Initiator => "initiator",
        Direction::Recipient => "recipient",
    });
    json!({
        "id": one.id,
        "state": one.state.as_str(),
        "direction": direction,
        "local": one.local.identity,
        "remote": one.remote.identity,
        "remote_display": one.remote.display,
        "call_id": one.call_id,
        "local_tag": one.local_tag,
        "remote_tag": one.remote_tag,
        "local_description": description(&one.local),
        "remote_description": description(&one.remote),
    })
}

fn description(side: &Party) -> Option<&str> {
    side.description.as_ref().map(|one| one.text.as_str())
}

#[cfg(test)]
mod tests {
    use ua::package::dialog::{DialogInfo, State};

    use super::*;

    #[test]
    fn a_list_tells_each_of_its_resources() {
        let list = ua::package::list::ResourceList::read(
            b"<list uri='sip:l@x' version='0' fullState='true'><resource uri='sip:a@x'><instance id='1' state='active' cid='one'/></resource>\
              <resource uri='sip:b@x'><instance id='2' state='pending'/></resource></list>",
        );
        let dialogs = DialogInfo { dialogs: vec![Dialog::new("d", State::Early)], ..DialogInfo::default() };
        let state =
            ResourceState::List { list: list.unwrap(), states: vec![("one".into(), ResourceState::Dialogs(dialogs))] };
        assert_eq!(lines(&state), ["list sip:l@x", "  sip:a@x early", "  sip:b@x pending"]);
        assert_eq!(value(&state)["resources"][0]["state"]["dialogs"][0]["state"], "early");
        assert!(value(&state)["resources"][1]["state"].is_null());
    }
}

//! `offhook status`: what a running `offhook serve` is doing.

use serde_json::Value;

use crate::args;
use crate::exit::{Exit, Fault};
use crate::neighbour;
use crate::out::{Out, counted};

/// Runs the verb.
pub(crate) fn run(args: &args::Status, out: &mut Out) -> Exit {
    match ask(args) {
        Ok(status) => {
            let lines = words(&status);
            let fields: Vec<(&str, Value)> = std::iter::once(("event", "status".into()))
                .chain(status.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value.clone())))
                .collect();
            out.event_in_lines(&lines, &fields);
            Exit::Ok
        }
        Err(fault) => out.fault(&fault),
    }
}

fn ask(args: &args::Status) -> Result<Value, Fault> {
    let found = neighbour::find(args.state.as_deref());
    let (socket, status) = found.map_err(|why| Fault::new(Exit::Unreachable, why))?;
    match status.get("error").and_then(Value::as_str) {
        Some(why) => Err(Fault::general(format!("{}: {why}", socket.display()))),
        None => Ok(status),
    }
}

/// For a person: a line for all, then one for each SIP loop where there are several or one had no room for something, each user and each call.
fn words(status: &Value) -> Vec<String> {
    let (calls, loops) = (list(status, "calls"), list(status, "loops"));
    // Of very many calls not all are listed.
    let now: u64 = loops.iter().filter_map(|one| one.get("calls")?.as_u64()).sum();
    let listen: Vec<&str> = list(status, "listen").iter().filter_map(Value::as_str).collect();
    let mut lines = vec![
        format!("up {} s, listens on {}", number(status, "uptime_secs"), listen.join(", ")),
        format!(
            "{} now, {} since the start, {}",
            counted(now, "call"),
            number(status, "calls_total"),
            counted(number(status, "registrations"), "registration")
        ),
    ];
    lines.extend(loops.iter().filter_map(|one| of_loop(one, loops.len() > 1)));
    lines.extend(list(status, "users").iter().flat_map(of_user));
    lines.extend(calls.iter().map(|call| {
        let (from, to, state) = (text(call, "from"), text(call, "to"), text(call, "state"));
        format!("call {from} -> {to}  {state}  {} s", number(call, "secs"))
    }));
    let more = now.saturating_sub(calls.len() as u64);
    if more > 0 {
        lines.push(format!("{} more", counted(more, "call")));
    }
    lines
}

/// The line of a SIP loop; `None` where there is nothing to tell.
fn of_loop(one: &Value, several: bool) -> Option<String> {
    let (shard, queue, dropped) = (number(one, "shard"), number(one, "queue"), number(one, "dropped"));
    if one.get("silent") == Some(&Value::Bool(true)) {
        return Some(format!(
            "loop {shard}  does not answer: its calls and contacts are missing here  {queue} waiting  {dropped} dropped by the system"
        ));
    }
    let shed = number(one, "shed");
    (several || shed + dropped > 0).then(|| {
        let calls = counted(number(one, "calls"), "call");
        let transactions = counted(number(one, "transactions"), "transaction");
        format!("loop {shard}  {calls}  {transactions}  {queue} waiting  {shed} shed  {dropped} dropped by the system")
    })
}

/// A line for each contact of a user, or one that says there is none.
fn of_user(user: &Value) -> Vec<String> {
    let (name, contacts) = (text(user, "name"), list(user, "contacts"));
    if contacts.is_empty() {
        return vec![format!("user {name}  not registered")];
    }
    let line = |contact: &Value| {
        let (secs, uri, agent) = (number(contact, "expires_secs"), text(contact, "uri"), text(contact, "agent"));
        let reach = match (contact.get("reachable").and_then(Value::as_bool), number(contact, "answer_millis")) {
            (Some(true), millis) => format!("  answers in {millis} ms"),
            (Some(false), _) => "  does not answer".to_owned(),
            (None, _) => String::new(),
        };
        format!("user {name}  {uri}  {secs} s  {agent}{reach}")
    };
    contacts.iter().map(line).collect()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_told_in_lines() {
        let status: Value = serde_json::from_str(
            r#"{"v":1,"uptime_secs":5,"listen":["udp:127.0.0.1:5060"],"registrations":1,"calls_total":3,
            "calls":[{"id":1,"from":"1001","to":"600","state":"up","secs":2}],
            "loops":[{"shard":0,"calls":1,"transactions":7,"kept_octets":900,"queue":0,"shed":0,"dropped":0}],
            "users":[{"name":"1001","contacts":[{"uri":"sip:1001@127.0.0.1:5070","expires_secs":99,"agent":"x"}]},{"name":"1002","contacts":[]}]}"#,
        )
        .unwrap();
        assert_eq!(
            words(&status).join("\n"),
            "up 5 s, listens on udp:127.0.0.1:5060\n1 call now, 3 since the start, 1 registration\n\
             user 1001  sip:1001@127.0.0.1:5070  99 s  x\nuser 1002  not registered\ncall 1001 -> 600  up  2 s"
        );
    }

    #[test]
    fn of_very_many_calls_some_are_listed_and_all_are_counted() {
        let status: Value = serde_json::from_str(
            r#"{"v":1,"uptime_secs":5,"listen":[],"calls_total":9,"registrations":0,"loops":[{"shard":0,"calls":3}],
            "calls":[{"id":1,"from":"1001","to":"600","state":"up","secs":2}],"users":[]}"#,
        )
        .unwrap();
        assert_eq!(
            words(&status)[1..],
            ["3 calls now, 9 since the start, 0 registrations", "call 1001 -> 600  up  2 s", "2 calls more"]
        );
    }

    #[test]
    fn loops_are_told_where_there_are_several_or_one_had_no_room_or_is_silent() {
        let of = |loops: &str| {
            let status = format!(r#"{{"v":1,"uptime_secs":5,"listen":[],"loops":[{loops}]}}"#);
            let lines = words(&serde_json::from_str(&status).unwrap());
            lines.into_iter().filter(|line| line.starts_with("loop")).collect::<Vec<_>>()
        };
        let calm = r#"{"shard":0,"calls":1,"transactions":7,"kept_octets":900,"queue":2,"shed":0,"dropped":0}"#;
        let line = "loop 0  1 call  7 transactions  2 waiting  0 shed  0 dropped by the system";
        assert!(of(calm).is_empty());
        assert_eq!(of(&format!("{calm},{calm}")), [line, line]);
        assert_eq!(of(&calm.replace("\"dropped\":0", "\"dropped\":3")), [line.replace("0 dropped", "3 dropped")]);
        assert_eq!(of(&calm.replace("\"shed\":0", "\"shed\":4")), [line.replace("0 shed", "4 shed")]);
        let silent = r#"{"shard":1,"silent":true,"calls":0,"queue":5,"shed":0,"dropped":6}"#;
        let told =
            "loop 1  does not answer: its calls and contacts are missing here  5 waiting  6 dropped by the system";
        assert_eq!(of(&format!("{calm},{silent}")), [line, told]);
    }
}

//! What calls tell besides who calls whom, for programs.

use serde_json::{Value, json};
use ua::{AnsweredBy, Cause, Told};

/// The fields of an event that says what an INVITE tells; only what it does tell.
pub(crate) fn fields(told: &Told) -> Vec<(&'static str, Value)> {
    let mut fields = Vec::new();
    if !told.asserted.is_empty() {
        fields.push(("asserted", json!(told.asserted)));
    }
    if !told.diverted.is_empty() {
        let one = |one: &ua::Diverted| json!({ "by": one.by, "reason": one.reason });
        fields.push(("diverted", told.diverted.iter().map(one).collect()));
    }
    fields.extend(history(told));
    if !told.alert.is_empty() {
        fields.push(("alert", json!(told.alert)));
    }
    if let Some(after) = told.answer_after {
        fields.push(("answer_after_secs", after.as_secs().into()));
    }
    if let Some(mode) = told.answer_mode {
        let by = if mode.by == AnsweredBy::Person { "manual" } else { "auto" };
        fields.push(("answer_mode", json!({ "by": by, "required": mode.required })));
    }
    fields.extend(data(told));
    fields
}

/// The fields of an event that says why a call has ended or was refused.
pub(crate) fn why(told: &Told) -> Vec<(&'static str, Value)> {
    let mut fields = Vec::new();
    if !told.causes.is_empty() {
        let one = |one: &Cause| json!({ "protocol": one.protocol, "code": one.code, "text": one.text });
        fields.push(("causes", told.causes.iter().map(one).collect()));
    }
    if !told.warnings.is_empty() {
        let one = |one: &ua::Warned| json!({ "code": one.code, "text": one.text });
        fields.push(("warnings", told.warnings.iter().map(one).collect()));
    }
    fields.extend(data(told));
    fields
}

fn data(told: &Told) -> Option<(&'static str, Value)> {
    let one = |one: &ua::UserData| json!({ "data": one.data, "purpose": one.purpose, "content": one.content, "encoding": one.encoding });
    (!told.user_to_user.is_empty()).then(|| ("user_to_user", told.user_to_user.iter().map(one).collect()))
}

fn history(told: &Told) -> Option<(&'static str, Value)> {
    let one = |one: &ua::Station| {
        let found = one.found.as_ref().map(|(found, of)| json!({ "by": found.as_str(), "of": of }));
        json!({ "uri": one.uri, "index": one.index, "found": found, "causes": one.causes })
    };
    (!told.history.is_empty()).then(|| ("history", told.history.iter().map(one).collect()))
}

//! The robot's news on the terminal.

use std::time::Duration;

use media::StreamReport;

use super::robot::News;
use crate::exit::Exit;
use crate::out::{Out, counted};
use crate::told;

/// Prints news; an exit code when they end the robot.
pub(super) fn print(news: &News, out: &mut Out) -> Option<Exit> {
    match news {
        News::Registered { expires } => registered(*expires, out),
        News::RegistrationFailed { why, next } => return not_registered(why, *next, out),
        News::Ringing { call, from, told: Some(told) } => {
            let mut fields =
                vec![("event", "ringing".into()), ("call", (*call).into()), ("from", from.as_str().into())];
            fields.extend(told::fields(told));
            let asserted = told.asserted.first().map(|uri| format!(", asserted to be {uri}")).unwrap_or_default();
            out.event(&format!("call {call} from {from}{asserted}"), &fields);
        }
        News::Ringing { call, from, told: None } => {
            out.often(format_args!("call {call} from {from}"), || {
                [("event", "ringing".into()), ("call", (*call).into()), ("from", from.as_str().into())]
            });
        }
        News::Refused { call, code, why } => refused(*call, *code, why, out),
        News::Answered { call, codec } => {
            let codec = codec.map_or("no audio", audio::codec::Codec::name);
            out.often(format_args!("call {call} answered, {codec}"), || {
                [("event", "answered".into()), ("call", (*call).into()), ("codec", codec.into())]
            });
        }
        News::Transfer { call, to } => {
            out.event(
                &format!("call {call}: the other side has us call {to}"),
                &[("event", "transfer".into()), ("call", (*call).into()), ("to", to.as_str().into())],
            );
        }
        News::Digit { call, digit } => {
            let digit = digit.to_string();
            out.event(
                &format!("call {call} digit {digit}"),
                &[("event", "digit".into()), ("call", (*call).into()), ("digit", digit.as_str().into())],
            );
        }
        News::Ended { call, by, lasted, heard, why } => {
            ended(*call, by, *lasted, heard.as_deref(), why.as_deref(), out)
        }
        News::Recorded { call, file, secs } => {
            out.event(
                &format!("call {call} recorded {secs:.1} s into {file}"),
                &[
                    ("event", "recorded".into()),
                    ("call", (*call).into()),
                    ("file", file.as_str().into()),
                    ("secs", (*secs).into()),
                ],
            );
        }
        News::Message { from, text } => {
            out.event(
                &format!("message from {from}: {text}"),
                &[("event", "message".into()), ("from", from.as_str().into()), ("text", text.as_str().into())],
            );
        }
        News::Composing { from, active } => {
            let text = if *active { "is writing" } else { "has stopped writing" };
            let fields = [("event", "composing".into()), ("from", from.as_str().into()), ("active", (*active).into())];
            out.event(&format!("{from} {text}"), &fields);
        }
        News::Trouble { what } => out.error(what),
        News::Left => {}
    }
    None
}

fn registered(expires: Duration, out: &mut Out) {
    let secs = expires.as_secs();
    out.event(&format!("registered for {secs} s"), &[("event", "registered".into()), ("expires_secs", secs.into())]);
}

/// The end of the robot, unless it is tried again.
fn not_registered(why: &str, next: Result<Duration, Exit>, out: &mut Out) -> Option<Exit> {
    out.not_registered(why, next.ok());
    next.err()
}

fn refused(call: u64, code: u16, why: &str, out: &mut Out) {
    let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
    let fields = [("event", "refused".into()), ("call", call.into()), ("code", code.into())];
    out.event(&format!("call {call} refused: {code}{why}"), &fields);
}

fn ended(
    call: u64,
    by: &str,
    lasted: Option<Duration>,
    heard: Option<&StreamReport>,
    why: Option<&ua::Told>,
    out: &mut Out,
) {
    let (packets, lost) = heard.map_or((0, 0), |heard| (heard.packets_received, heard.packets_lost));
    let audio = heard.map(|_| format!(", {}, {lost} lost", counted(packets, "packet"))).unwrap_or_default();
    // In tenths, rounded: the whole and its digit cost less to print than a float.
    let tenths = (lasted.unwrap_or_default().as_millis() + 50) / 100;
    let (whole, tenth) = (tenths / 10, tenths % 10);
    let fields = || {
        [
            ("event", "ended".into()),
            ("call", call.into()),
            ("by", by.into()),
            ("secs", lasted.unwrap_or_default().as_secs_f64().into()),
            ("packets", packets.into()),
            ("lost", lost.into()),
        ]
    };
    if let Some(why) = why {
        let mut fields: Vec<_> = fields().into();
        fields.extend(told::why(why));
        let causes: String = why.causes.iter().map(|cause| format!(" ({cause})")).collect();
        let when = lasted.map_or("before it was answered".to_owned(), |_| format!("after {whole}.{tenth} s{audio}"));
        return out.event(&format!("call {call} ended by {by} {when}{causes}"), &fields);
    }
    if lasted.is_none() {
        return out.often(format_args!("call {call} ended by {by} before it was answered"), fields);
    }
    out.often(format_args!("call {call} ended by {by} after {whole}.{tenth} s{audio}"), fields);
}

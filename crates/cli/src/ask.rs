//! `offhook options` and `offhook message`: one request, one answer.

use std::io::Read;
use std::time::{Duration, Instant};

use net::trace::Trace;
use ua::{Answer, CallError, SessionTimer};

use crate::args;
use crate::exit::{Exit, Fault};
use crate::interrupt::Interrupts;
use crate::out::Out;
use crate::phone::{self, Phone};

/// The longest text that is sent.
const LONGEST: u64 = 60_000;

/// What a message says.
struct Said<'a> {
    text: &'a str,
    content_type: Option<&'a str>,
}

/// Runs `options`.
pub(crate) fn options(args: &args::Ask, out: &mut Out) -> Exit {
    let result = phone::runtime().and_then(|runtime| runtime.block_on(ask(&whom(args), None, &args.identity, out)));
    phone::conclude(result, out)
}

/// Who is asked. Without an account a name alone is a host: a number is one of the `offhook serve` of this machine.
fn whom(args: &args::Ask) -> String {
    let target = args.target.trim();
    let is_host = args.identity.account.is_none() && phone::is_bare(target) && target.contains(char::is_alphabetic);
    if is_host { format!("sip:{target}") } else { target.to_owned() }
}

/// Runs `message`.
pub(crate) fn message(args: &args::Message, out: &mut Out) -> Exit {
    let text = match args.text.as_str() {
        "-" => standard_input(),
        text => Ok(text.to_owned()),
    };
    let result = text.and_then(|text| {
        let said = Said { text: &text, content_type: args.content_type.as_deref() };
        phone::runtime()?.block_on(ask(&args.target, Some(said), &args.identity, out))
    });
    phone::conclude(result, out)
}

async fn ask(target: &str, said: Option<Said<'_>>, identity: &args::Identity, out: &mut Out) -> Result<Exit, Fault> {
    let interrupts = Interrupts::watch();
    let (lifetime, timer) = (Duration::from_secs(60), Some(SessionTimer::default()));
    let phone = Phone::open(identity, Some(target), lifetime, timer, false, &Trace::default()).await?;
    let asked = Instant::now();
    let answer = tokio::select! {
        answer = send(&phone, target, said.as_ref()) => answer.map_err(|error| phone.fault(error).of(target))?,
        () = interrupts.came() => {
            phone.leave().await;
            return Ok(Exit::Interrupted);
        }
    };
    let took = asked.elapsed().as_secs_f64() * 1_000.0;
    let mut lines = vec![format!("{target}: {} {} after {took:.1} ms", answer.code, answer.reason)];
    if let Some(server) = &answer.server {
        lines.push(format!("  server  {server}"));
    }
    if said.is_none() && !answer.allow.is_empty() {
        lines.push(format!("  allow   {}", answer.allow.join(", ")));
    }
    let event = if said.is_some() { "message" } else { "options" };
    let fields = [
        ("event", event.into()),
        ("target", target.into()),
        ("code", answer.code.into()),
        ("reason", answer.reason.as_str().into()),
        ("server", answer.server.clone().into()),
        ("allow", answer.allow.clone().into()),
        ("millis", took.into()),
    ];
    out.event_in_lines(&lines, &fields);
    phone.endpoint.close().await;
    Ok(Exit::Ok)
}

async fn send(phone: &Phone, target: &str, said: Option<&Said<'_>>) -> Result<Answer, CallError> {
    let endpoint = &phone.endpoint;
    match (&phone.account, said) {
        (Some(account), None) => account.options(target).await,
        (None, None) => endpoint.options(target).await,
        (Some(account), Some(Said { text, content_type: Some(kind) })) => {
            account.message_as(target, kind, text.as_bytes()).await
        }
        (None, Some(Said { text, content_type: Some(kind) })) => {
            endpoint.message_as(target, kind, text.as_bytes()).await
        }
        (Some(account), Some(said)) => account.message(target, said.text).await,
        (None, Some(said)) => endpoint.message(target, said.text).await,
    }
}

fn standard_input() -> Result<String, Fault> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(LONGEST + 1).read_to_string(&mut text);
    read.map_err(|error| Fault::general(format!("cannot read the text from standard input: {error}")))?;
    if text.len() as u64 > LONGEST {
        return Err(Fault::usage(format!("the text is longer than {LONGEST} octets: send it in pieces")));
    }
    Ok(text)
}

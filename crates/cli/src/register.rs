//! `offhook register`: a binding that is kept up until Ctrl-C, or only tried.

use std::time::Duration;

use net::trace::Trace;
use ua::{Account, Endpoint, Registration, SessionTimer};

use crate::args;
use crate::exit::{Exit, Fault};
use crate::interrupt::Interrupts;
use crate::out::Out;
use crate::phone::{self, Phone};

/// How long the registrar may take to let go.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs the verb.
pub(crate) fn run(args: &args::Register, out: &mut Out) -> Exit {
    let result = phone::runtime().and_then(|runtime| runtime.block_on(register(args, out)));
    phone::conclude(result, out)
}

async fn register(args: &args::Register, out: &mut Out) -> Result<Exit, Fault> {
    if args.identity.account.is_none() {
        return Err(Fault::usage(
            "register needs --account, for example --account sip:1001@127.0.0.1 --password @FILE",
        ));
    }
    let interrupts = Interrupts::watch();
    let (lifetime, timer) = (Duration::from_secs(args.expires.into()), Some(SessionTimer::default()));
    let phone = Phone::open(&args.identity, None, lifetime, timer, false, &Trace::default()).await?;
    tokio::select! {
        registered = phone.register(out) => registered?,
        () = interrupts.came() => {
            phone.leave().await;
            return Ok(Exit::Interrupted);
        }
    }
    let exit = match &phone.account {
        Some(account) if !args.once => {
            tokio::select! {
                exit = watch(account, &phone.endpoint, out) => exit,
                () = interrupts.came() => Exit::Interrupted,
            }
        }
        _ => Exit::Ok,
    };
    if let Some(account) = &phone.account {
        if tokio::time::timeout(FAREWELL, account.unregister()).await.is_ok() {
            out.event("unregistered", &[("event", "unregistered".into()), ("account", account.address().into())]);
        } else {
            out.error(&format!("{}: the registrar did not answer: the binding ends by itself", account.address()));
            phone.endpoint.close_within(Duration::ZERO).await;
            return Ok(exit);
        }
    }
    phone.leave().await;
    Ok(exit)
}

/// Tells each change, until there is no hope, and the text messages that come. Calls are refused: nobody is here to take them.
async fn watch(account: &Account, endpoint: &Endpoint, out: &mut Out) -> Exit {
    let mut state = account.state();
    state.mark_unchanged();
    loop {
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return Exit::General },
            Some(message) = endpoint.messages() => {
                let fields = [
                    ("event", "message".into()),
                    ("from", message.from.as_str().into()),
                    ("text", message.text.as_str().into()),
                ];
                out.event(&format!("message from {}: {}", message.from, message.text), &fields);
                continue;
            }
            Some(call) = endpoint.incoming() => {
                let fields = [("event", "refused".into()), ("from", call.from().into()), ("code", 480.into())];
                out.event(&format!("call from {} refused: 480", call.from()), &fields);
                call.reject(480, None).await;
                continue;
            }
        }
        let now = state.borrow_and_update().clone();
        match now {
            Registration::Registered { expires, .. } => {
                let secs = expires.as_secs();
                let fields = [
                    ("event", "registered".into()),
                    ("account", account.address().into()),
                    ("expires_secs", secs.into()),
                ];
                out.event(&format!("registered {} for {secs} s", account.address()), &fields);
            }
            Registration::Failed { error, retry_in } => {
                out.not_registered(&error.to_string(), retry_in);
                if retry_in.is_none() {
                    return Fault::from(error).exit;
                }
            }
            _ => {}
        }
    }
}

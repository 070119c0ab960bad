//! `offhook subscribe`: the state of somebody or something, as it changes.

use std::time::Duration;

use ua::package::dialog::{self, Asked};
use ua::trace::Trace;
use ua::{SessionTimer, SubscribeError, Subscription, SubscriptionNews};

use crate::args;
use crate::exit::{Exit, Fault};
use crate::interrupt::Interrupts;
use crate::out::Out;
use crate::phone::{self, Phone};

mod shown;

/// How long the notifier may take to let go.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs the verb.
pub(crate) fn run(args: &args::Subscribe, out: &mut Out) -> Exit {
    let result = phone::runtime().and_then(|runtime| runtime.block_on(subscribe(args, out)));
    phone::conclude(result, out)
}

async fn subscribe(args: &args::Subscribe, out: &mut Out) -> Result<Exit, Fault> {
    let interrupts = Interrupts::watch();
    let target = args.target.trim();
    let (lifetime, timer) = (Duration::from_secs(60), Some(SessionTimer::default()));
    let phone = Phone::open(&args.identity, Some(target), lifetime, timer, false, &Trace::default()).await?;
    let expires = if args.once { 0 } else { args.expires };
    let builder = match &phone.account {
        Some(account) => account.subscribe(target, &args.event),
        None => phone.endpoint.subscribe(target, &args.event),
    };
    let builder = match &args.dialog {
        Some(one) => {
            let asked = Asked { dialog: Some(one.clone()), descriptions: args.descriptions };
            builder.dialogs(&asked).map_err(|error| phone.fault(error).of(target))?
        }
        None => builder,
    };
    let mut builder = builder.expires(Duration::from_secs(expires.into())).forks(args.forks);
    if !args.accept.is_empty() {
        builder = builder.accept(args.accept.iter().map(String::as_str));
    }
    if args.lists {
        builder = builder.lists();
    }
    let mut subscription = builder.start().await.map_err(|error| phone.fault(error).of(target))?;
    let limit = args.r#for.map(Duration::from_secs);
    let mut watched = Watched { args, phone: &phone, told: false };
    let exit = tokio::select! {
        exit = watched.read(&mut subscription, out) => exit?,
        () = passed(limit) => watched.so_far(),
        () = interrupts.came() => Exit::Interrupted,
    };
    // A notifier that says nothing to the end is not waited for.
    let told = tokio::time::timeout(FAREWELL, subscription.end()).await;
    match told {
        Ok(()) => phone.leave().await,
        Err(_) => phone.endpoint.close_within(Duration::ZERO).await,
    }
    Ok(exit)
}

/// Waits for so long, or for ever.
async fn passed(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

struct Watched<'a> {
    args: &'a args::Subscribe,
    phone: &'a Phone,
    /// Some state has been told.
    told: bool,
}

impl Watched<'_> {
    /// Tells the news until the last.
    async fn read(&mut self, subscription: &mut Subscription, out: &mut Out) -> Result<Exit, Fault> {
        let target = self.args.target.trim();
        let package = self.args.dialog.as_ref().map_or(self.args.event.as_str(), |_| dialog::PACKAGE);
        let head = |event: &str| [("event", event.into()), ("target", target.into()), ("package", package.into())];
        while let Some(news) = subscription.next().await {
            match news {
                SubscriptionNews::Accepted { expires } => {
                    let secs = expires.as_secs();
                    let mut fields = head("subscribed").to_vec();
                    fields.push(("expires_secs", secs.into()));
                    out.event(&format!("subscribed to {package} of {target} for {secs} s"), &fields);
                }
                SubscriptionNews::State { state, active, notifier } => {
                    self.told = true;
                    let mut lines = shown::lines(&state);
                    if !active {
                        lines = vec!["pending: nobody has decided yet whether we may know".to_owned()];
                    }
                    let which = if notifier > 0 { format!(" (notifier {notifier})") } else { String::new() };
                    let first = lines.first_mut().map(|first| format!("{target}: {}{which}", std::mem::take(first)));
                    if let (Some(place), Some(first)) = (lines.first_mut(), first) {
                        *place = first;
                    }
                    let mut fields = head("state").to_vec();
                    fields.push(("active", active.into()));
                    fields.push(("notifier", notifier.into()));
                    fields.push(("state", shown::value(&state)));
                    out.event_in_lines(&lines, &fields);
                }
                SubscriptionNews::NotifierEnded { notifier, error } => {
                    let mut fields = head("notifier_ended").to_vec();
                    fields.push(("notifier", notifier.into()));
                    fields.push(("why", error.to_string().into()));
                    let text = format!("{target}: {error}; what it said holds no longer (notifier {notifier})");
                    out.event(&text, &fields);
                }
                // The dialog is over, and so is what there was to tell of it.
                SubscriptionNews::Failed {
                    error: SubscribeError::Terminated { reason: Some(reason) },
                    retry_in: None,
                } if self.told && self.args.dialog.is_some() && reason == "noresource" => break,
                // What was told stands, and will not change (RFC 6665 section 4.1.3).
                SubscriptionNews::Failed {
                    error: SubscribeError::Terminated { reason: Some(reason) },
                    retry_in: None,
                } if self.told && reason.eq_ignore_ascii_case("invariant") => break,
                SubscriptionNews::Failed { error, retry_in: None } => {
                    return Err(self.phone.fault(fault(error)).of(target));
                }
                SubscriptionNews::Failed { error, retry_in: Some(wait) } => {
                    // Before anything was told it is not waited for.
                    if !self.told && !matches!(error, SubscribeError::Terminated { .. } | SubscribeError::Expired) {
                        return Err(self.phone.fault(fault(error)).of(target));
                    }
                    let secs = wait.as_millis().div_ceil(1_000) as u64;
                    let mut fields = head("subscription_failed").to_vec();
                    fields.push(("why", error.to_string().into()));
                    fields.push(("retry_secs", secs.into()));
                    out.event(&format!("{target}: {error}; next try in {secs} s"), &fields);
                }
                SubscriptionNews::Ended => break,
                _ => {}
            }
        }
        Ok(self.so_far())
    }

    /// Whether there was anything to tell.
    fn so_far(&self) -> Exit {
        if self.told { Exit::Ok } else { Exit::NoAnswer }
    }
}

/// What the process says of a subscription that does not stand.
fn fault(error: SubscribeError) -> Fault {
    let what = error.to_string();
    match error {
        SubscribeError::Refused(why) => Fault { what, ..Fault::from(why) },
        SubscribeError::Terminated { reason: Some(reason) }
            if matches!(reason.to_ascii_lowercase().as_str(), "rejected" | "noresource") =>
        {
            Fault::new(Exit::Refused, what)
        }
        _ => Fault::new(Exit::NoAnswer, what),
    }
}

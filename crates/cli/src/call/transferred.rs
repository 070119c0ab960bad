//! The other side wants us to call somebody else, with `--allow-transfer`.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use ua::{Call, CallError, Referral};

use crate::args;
use crate::out::Out;
use crate::phone::Phone;

/// A call that is being placed since the other side wanted it.
#[derive(Default)]
pub(super) struct Successor(Option<Pin<Box<Placing>>>);

type Placing = dyn Future<Output = Result<Call, CallError>>;

impl Successor {
    /// One is on its way.
    pub(super) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Calls whom it wants.
    pub(super) fn place(&mut self, referral: Referral, args: &args::Call, phone: &Phone, out: &mut Out) {
        let to = referral.target().to_owned();
        let by = referral.referred_by().map(str::to_owned);
        let attended = referral.is_attended();
        let text = format!("the other side has us call {to}");
        let fields = [
            ("event", "transfer".into()),
            ("to", to.as_str().into()),
            ("referred_by", by.as_deref().into()),
            ("attended", attended.into()),
        ];
        out.event(&text, &fields);
        let builder = match &phone.account {
            Some(account) => referral.accept_by(account),
            None => referral.accept(),
        };
        let builder = builder.ring_for(Duration::from_secs(args.ring_for));
        self.0 = Some(Box::pin(async move { builder.await }));
    }

    /// Waits for its answer, or for ever.
    pub(super) async fn answered(&mut self) -> Result<Call, CallError> {
        let Some(call) = &mut self.0 else { return std::future::pending().await };
        let outcome = call.await;
        self.0 = None;
        outcome
    }
}

/// What became of it.
pub(super) fn tell(outcome: &Result<Call, CallError>, out: &mut Out) {
    match outcome {
        Ok(call) => {
            let peer = call.peer();
            out.event(&format!("transferred to {peer}"), &[("event", "transferred".into()), ("peer", peer.into())]);
        }
        Err(error) => {
            let why = error.to_string();
            let fields = [("event", "transfer_failed".into()), ("reason", why.as_str().into())];
            out.event(&format!("not transferred: {why}"), &fields);
        }
    }
}

/// Where the call after `transfers` of them is recorded: `talk.wav`, `talk-2.wav`.
pub(super) fn recording(path: &Path, transfers: usize) -> PathBuf {
    if transfers == 0 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{}", transfers + 1));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_has_a_recording_of_its_own() {
        let names = [("a/talk.wav", 0, "a/talk.wav"), ("a/talk.wav", 1, "a/talk-2.wav"), ("talk", 2, "talk-3")];
        for (given, transfers, expected) in names {
            assert_eq!(recording(Path::new(given), transfers), Path::new(expected));
        }
    }
}

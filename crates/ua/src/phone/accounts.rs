//! Registrations of accounts (RFC 3261 section 10.2).

use std::sync::Arc;
use std::time::Duration;

use sip::message::StatusCode;
use sip::register::{RegisterFailure, RegisterSpec, RegistrationEvent, Removal};
use sip::{Failure, RegistrationId, SendError, Turn};
use tokio::sync::{oneshot, watch};

use super::account::Account;
use super::state::Phone;
use super::telling::{proxy, tell};
use crate::command::AccountKey;
use crate::error::RegisterError;
use crate::registration::Registration;

impl Phone {
    pub(super) fn register(
        &mut self,
        key: AccountKey,
        spec: RegisterSpec,
        state: Arc<watch::Sender<Registration>>,
        reply: oneshot::Sender<Result<Duration, RegisterError>>,
        turn: &mut Turn<'_>,
    ) {
        if self.closing.is_some() {
            return tell(reply, Err(RegisterError::Ended));
        }
        if let Some(account) = self.accounts.get_mut(&key) {
            account.waiting.push(reply);
            // One that is on its way answers all who wait.
            let on_its_way = matches!(*account.state.borrow(), Registration::Registering);
            if !on_its_way && turn.refresh(account.id).is_err() {
                account.waiting.clear();
            }
            return;
        }
        let registrar = spec.registrar.to_string();
        let proxy = proxy(&spec.hop, &spec.routes);
        match turn.register(spec) {
            Ok(id) => {
                state.send_replace(Registration::Registering);
                let account = Account { id, registrar, proxy, state, waiting: vec![reply], leaving: Vec::new() };
                self.accounts.insert(key, account);
                self.registrations.insert(id, key);
            }
            Err(error) => {
                tell(reply, Err(RegisterError::Unreachable { registrar, proxy, why: error.to_string() }));
            }
        }
    }

    pub(super) fn unregister(&mut self, key: AccountKey, reply: Option<oneshot::Sender<()>>, turn: &mut Turn<'_>) {
        let Some(account) = self.accounts.get_mut(&key) else {
            if let Some(reply) = reply {
                tell(reply, ());
            }
            return;
        };
        account.leaving.extend(reply);
        let id = account.id;
        if turn.unregister(id, Removal::Ours).is_err() {
            self.forget(id);
        }
    }

    /// Takes every binding back.
    pub(super) fn unregister_all(&mut self, turn: &mut Turn<'_>) {
        let keys: Vec<AccountKey> = self.accounts.keys().copied().collect();
        for key in keys {
            self.unregister(key, None, turn);
        }
    }

    pub(super) fn registration_event(&mut self, id: RegistrationId, event: RegistrationEvent) {
        let Some(account) = self.registrations.get(&id).and_then(|key| self.accounts.get_mut(key)) else { return };
        match event {
            RegistrationEvent::Registered { expires, service_route, asked, .. } => {
                account.state.send_replace(Registration::Registered { expires, service_route, asked });
                for waiting in account.waiting.drain(..) {
                    tell(waiting, Ok(expires));
                }
            }
            RegistrationEvent::Failed { why, retry_in } => {
                let error = error_of(why, &account.registrar, account.proxy.clone());
                account.state.send_replace(Registration::Failed { error: error.clone(), retry_in });
                for waiting in account.waiting.drain(..) {
                    tell(waiting, Err(error.clone()));
                }
            }
            RegistrationEvent::Unregistered { .. } => self.forget(id),
            _ => {}
        }
    }

    fn forget(&mut self, id: RegistrationId) {
        let Some(account) = self.registrations.remove(&id).and_then(|key| self.accounts.remove(&key)) else { return };
        account.state.send_replace(Registration::Off);
        for waiting in account.waiting {
            tell(waiting, Err(RegisterError::Ended));
        }
        for leaving in account.leaving {
            tell(leaving, ());
        }
    }
}

fn error_of(why: RegisterFailure, registrar: &str, proxy: Option<String>) -> RegisterError {
    if let RegisterFailure::Unreachable(Failure::Timeout) = why {
        return RegisterError::NoAnswer { first: proxy.unwrap_or_else(|| registrar.to_owned()) };
    }
    if let RegisterFailure::Unreachable(Failure::Transport(SendError::Tls(why))) = why {
        return RegisterError::Untrusted { first: proxy.unwrap_or_else(|| registrar.to_owned()), why: why.into() };
    }
    let unreachable = |why: String| RegisterError::Unreachable { registrar: registrar.to_owned(), proxy, why };
    match why {
        RegisterFailure::Refused { code, .. }
            if matches!(
                code,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            ) =>
        {
            RegisterError::Authentication { code: code.get() }
        }
        RegisterFailure::Refused { code, reason } => RegisterError::Rejected { code: code.get(), reason },
        RegisterFailure::Unreachable(why) => unreachable(why.to_string()),
        RegisterFailure::NotBound => {
            RegisterError::Rejected { code: 200, reason: "our binding is not in the registrar's answer".into() }
        }
        RegisterFailure::NotSent(error) => unreachable(error.to_string()),
        _ => unreachable("the registration failed".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_told_from_who_is_not_there() {
        let of = |failure, proxy: Option<&str>| {
            error_of(RegisterFailure::Unreachable(failure), "sip:pbx.example", proxy.map(str::to_owned))
        };
        assert_eq!(of(Failure::Timeout, None), RegisterError::NoAnswer { first: "sip:pbx.example".into() });
        assert_eq!(of(Failure::Timeout, Some("sip:edge")), RegisterError::NoAnswer { first: "sip:edge".into() });
        let untrusted = of(Failure::Transport(SendError::Tls("another name".into())), Some("sips:edge"));
        assert_eq!(untrusted, RegisterError::Untrusted { first: "sips:edge".into(), why: "another name".into() });
        let refused = of(Failure::NoRoute("nobody listens there".into()), None);
        assert!(matches!(refused, RegisterError::Unreachable { .. }), "{refused:?}");
    }
}

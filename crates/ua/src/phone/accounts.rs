//! Registrations of accounts (RFC 3261 section 10.2).

use std::sync::Arc;
use std::time::Duration;

use sip::message::StatusCode;
use sip::register::{RegisterFailure, RegisterSpec, RegistrationEvent, Removal, Way};
use sip::{Failure, Origin, RegistrationId, SendError, Turn};
use tokio::sync::{oneshot, watch};

use super::account::{Account, Registered, Stands};
use super::state::Phone;
use super::telling::{proxy, tell};
use crate::command::AccountKey;
use crate::error::RegisterError;
use crate::registration::{Flow, Registration};

impl Phone {
    pub(super) fn register(
        &mut self,
        key: AccountKey,
        specs: Vec<RegisterSpec>,
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
            if matches!(*account.state.borrow(), Registration::Registering) {
                return;
            }
            let refreshed = account.flows.iter().filter(|flow| turn.refresh(flow.id).is_ok()).count();
            if refreshed == 0 {
                account.waiting.clear();
            }
            return;
        }
        let registrar = specs.first().map(|spec| spec.registrar.to_string()).unwrap_or_default();
        let (mut flows, mut refused) = (Vec::new(), None);
        for (number, spec) in (1..).zip(specs) {
            let (proxy, routes) = (proxy(&spec.hop, &spec.routes), spec.routes.clone());
            match turn.register(spec) {
                Ok(id) => {
                    flows.push(Registered { id, number, proxy, routes, stands: Stands::Asked });
                    self.registrations.insert(id, key);
                }
                Err(error) => refused = Some((proxy, error.to_string())),
            }
        }
        if flows.is_empty() {
            let (proxy, why) = refused.unwrap_or_default();
            return tell(reply, Err(RegisterError::Unreachable { registrar, proxy, why }));
        }
        state.send_replace(Registration::Registering);
        let account = Account { registrar, flows, state, waiting: vec![reply], leaving: Vec::new() };
        self.accounts.insert(key, account);
    }

    pub(super) fn unregister(&mut self, key: AccountKey, reply: Option<oneshot::Sender<()>>, turn: &mut Turn<'_>) {
        let Some(account) = self.accounts.get_mut(&key) else {
            if let Some(reply) = reply {
                tell(reply, ());
            }
            return;
        };
        account.leaving.extend(reply);
        let all: Vec<RegistrationId> = account.flows.iter().map(|flow| flow.id).collect();
        for id in all {
            if turn.unregister(id, Removal::Ours).is_err() {
                self.forget(id);
            }
        }
    }

    /// Takes every binding back.
    pub(super) fn unregister_all(&mut self, turn: &mut Turn<'_>) {
        let keys: Vec<AccountKey> = self.accounts.keys().copied().collect();
        for key in keys {
            self.unregister(key, None, turn);
        }
    }

    pub(super) fn registration_event(&mut self, id: RegistrationId, event: RegistrationEvent, turn: &mut Turn<'_>) {
        let Some(account) = self.registrations.get(&id).and_then(|key| self.accounts.get_mut(key)) else { return };
        let registrar = account.registrar.clone();
        let Some(one) = account.flow(id) else { return };
        one.stands = match event {
            RegistrationEvent::Registered { expires, service_route, way, asked, .. } => {
                let flow = Flow { number: one.number, routes: one.routes.clone(), way: *way, service_route, asked };
                Stands::Well { expires, flow: Box::new(flow) }
            }
            RegistrationEvent::Failed { why, retry_in } => {
                Stands::Failed { error: error_of(why, &registrar, one.proxy.clone()), retry_in }
            }
            RegistrationEvent::Unregistered { .. } => return self.forget(id),
            _ => return,
        };
        let together = account.together();
        let outcome = match &together {
            Registration::Registered { expires, .. } => Some(Ok(*expires)),
            Registration::Failed { error, .. } => Some(Err(error.clone())),
            _ => None,
        };
        account.state.send_replace(together);
        let stands = matches!(outcome, Some(Ok(_))).then(|| Arc::clone(&account.state));
        if let Some(outcome) = outcome {
            account.waiting.drain(..).for_each(|waiting| tell(waiting, outcome.clone()));
        }
        if let Some(state) = stands {
            self.subscriptions_follow(&state, turn);
            self.publications_follow(&state, turn);
        }
    }

    /// The way of the registration by which something comes.
    pub(super) fn registered_at(&self, origin: &Origin) -> Option<&Way> {
        let standing = self.accounts.values().flat_map(|account| &account.flows).filter_map(|one| match &one.stands {
            Stands::Well { flow, .. } => Some(&flow.way),
            _ => None,
        });
        { standing }.find(|way| way.leads_from(origin))
    }

    /// A registration is gone; with the last one, the account.
    fn forget(&mut self, id: RegistrationId) {
        let Some(key) = self.registrations.remove(&id) else { return };
        let Some(account) = self.accounts.get_mut(&key) else { return };
        account.flows.retain(|one| one.id != id);
        if !account.flows.is_empty() {
            return;
        }
        let Some(account) = self.accounts.remove(&key) else { return };
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
    if let RegisterFailure::Unreachable(Failure::Transport(SendError::Unauthorized(why))) = why {
        return RegisterError::Unauthorized { first: proxy.unwrap_or_else(|| registrar.to_owned()), why: why.into() };
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
        RegisterFailure::FlowFailed => unreachable("the flow to it has failed".into()),
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

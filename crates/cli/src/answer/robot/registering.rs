//! The registration of a robot with an account.

use sip::digest::Credentials;
use sip::register::{RegisterFailure, RegisterSpec, RegistrationEvent};
use sip::{Failure, Hop, RegistrationId, SendError, Turn};

use super::transferring::{Own, Standing};
use super::{News, Robot};
use crate::exit::Exit;

impl Robot {
    /// Begins to register, when there is an account. Must be called once, with the first turn.
    pub(super) fn register(&mut self, turn: &mut Turn<'_>) {
        let Some(account) = self.conduct.account.take() else { return };
        let Some(spec) = account.specs.first() else { return };
        let first = match &spec.hop {
            Hop::Uri(proxy) => format!("the proxy {proxy}"),
            _ => format!("the registrar {}", spec.registrar),
        };
        self.registrar = (first, account.credentials.is_some());
        let mut credentials = Credentials::new();
        if let Some(credential) = account.credentials {
            credentials.add(credential);
        }
        self.own = Some(Own {
            aor: spec.aor.clone(),
            from: format!("<{}>", spec.aor),
            routes: spec.routes.clone(),
            hop: spec.hop.clone(),
            given: credentials.clone(),
            flows: Vec::new(),
        });
        for spec in account.specs {
            match turn.register(RegisterSpec { credentials: credentials.clone(), ..spec }) {
                Ok(id) => self.registrations.push(id),
                Err(error) => self.tell(News::RegistrationFailed { why: error.to_string(), next: Err(Exit::General) }),
            }
        }
    }

    pub(super) fn registration(&mut self, id: RegistrationId, event: RegistrationEvent) {
        match event {
            RegistrationEvent::Registered { expires, service_route, asked, way, .. } => {
                self.registered = true;
                if let Some(own) = &mut self.own {
                    let bound = asked.map(|(server, realms)| own.given.bound_to(server, &service_route, &realms));
                    let standing = Standing { id, stands: true, bound, way: *way, service_route };
                    match own.flows.iter_mut().find(|one| one.id == id) {
                        Some(one) => *one = standing,
                        None => own.flows.push(standing),
                    }
                    own.flows.sort_by_key(|one| self.registrations.iter().position(|id| *id == one.id));
                }
                self.tell(News::Registered { expires });
            }
            RegistrationEvent::Failed { why, retry_in } => {
                let flows = self.own.iter_mut().flat_map(|own| &mut own.flows);
                flows.filter(|one| one.id == id).for_each(|one| one.stands = false);
                let next = match &why {
                    // Who waits for a name to be made has it made first. Later a name server may be wrong for a while.
                    RegisterFailure::Unreachable(Failure::NoSuchHost) if !self.registered => Err(Exit::Unreachable),
                    RegisterFailure::Unreachable(Failure::Transport(SendError::Tls(_))) if !self.registered => {
                        Err(Exit::Tls)
                    }
                    RegisterFailure::Unreachable(Failure::Transport(SendError::Unauthorized(_)))
                        if !self.registered =>
                    {
                        Err(Exit::Authentication)
                    }
                    _ => retry_in.ok_or(Exit::Authentication),
                };
                self.tell(News::RegistrationFailed { why: self.words(&why), next });
            }
            RegistrationEvent::Unregistered { .. } => {
                self.registrations.retain(|one| *one != id);
                if let Some(own) = &mut self.own {
                    own.flows.retain(|one| one.id != id);
                }
                self.leave_when_empty();
            }
            _ => {}
        }
    }

    /// Why there is no registration, for a person.
    fn words(&self, why: &RegisterFailure) -> String {
        let (first, has_password) = &self.registrar;
        match why {
            RegisterFailure::Refused { code, .. } if !has_password && matches!(code.get(), 401 | 407) => {
                "a password is wanted: give --password @FILE".into()
            }
            RegisterFailure::Refused { code, reason } if matches!(code.get(), 401 | 403 | 407) => {
                format!("refused with {} {reason}: check user name and password of the account", code.get())
            }
            RegisterFailure::Refused { code, reason } => format!("refused with {} {reason}", code.get()),
            RegisterFailure::FlowFailed => format!("the flow to {first} has failed"),
            RegisterFailure::Unreachable(why) => format!("cannot reach {first}: {why}"),
            _ => "the registrar keeps no binding of ours".into(),
        }
    }
}

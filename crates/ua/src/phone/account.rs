//! The state of one account on the loop.

use std::sync::Arc;
use std::time::Duration;

use sip::RegistrationId;
use tokio::sync::{oneshot, watch};

use crate::error::RegisterError;
use crate::registration::{Flow, Registration};

/// An account that is registered, or on its way.
pub(super) struct Account {
    pub(super) registrar: String,
    /// One for each proxy, or a single one.
    pub(super) flows: Vec<Registered>,
    pub(super) state: Arc<watch::Sender<Registration>>,
    pub(super) waiting: Vec<oneshot::Sender<Result<Duration, RegisterError>>>,
    pub(super) leaving: Vec<oneshot::Sender<()>>,
}

/// A registration of an account.
pub(super) struct Registered {
    pub(super) id: RegistrationId,
    pub(super) number: u32,
    pub(super) proxy: Option<String>,
    pub(super) routes: Vec<String>,
    pub(super) stands: Stands,
}

/// How it stands.
pub(super) enum Stands {
    /// The first REGISTER is on its way.
    Asked,
    /// The registrar has it.
    Well { expires: Duration, flow: Box<Flow> },
    /// It does not.
    Failed { error: RegisterError, retry_in: Option<Duration> },
}

impl Account {
    pub(super) fn flow(&mut self, id: RegistrationId) -> Option<&mut Registered> {
        self.flows.iter_mut().find(|one| one.id == id)
    }

    /// How all of them stand: well as long as one does, and only when none is left to hope for, badly.
    pub(super) fn together(&self) -> Registration {
        let well = |one: &Registered| match &one.stands {
            Stands::Well { expires, flow } => Some((*expires, Flow::clone(flow))),
            _ => None,
        };
        let standing: Vec<(Duration, Flow)> = self.flows.iter().filter_map(well).collect();
        if let Some((expires, first)) = standing.first() {
            let (expires, service_route, asked) = (*expires, first.service_route.clone(), first.asked.clone());
            let flows = standing.into_iter().map(|(_, flow)| flow).collect();
            return Registration::Registered { expires, service_route, asked, flows };
        }
        let failed = |one: &Registered| match &one.stands {
            Stands::Failed { error, retry_in } => Some((error.clone(), *retry_in)),
            _ => None,
        };
        let failures: Option<Vec<_>> = self.flows.iter().map(failed).collect();
        let Some(failures) = failures else { return Registration::Registering };
        let retry_in = failures.iter().filter_map(|(_, retry_in)| *retry_in).min();
        let error = failures.into_iter().map(|(error, _)| error).next().unwrap_or(RegisterError::Ended);
        Registration::Failed { error, retry_in }
    }
}

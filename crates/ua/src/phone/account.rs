//! The state of one account on the loop.

use std::sync::Arc;
use std::time::Duration;

use sip::RegistrationId;
use tokio::sync::{oneshot, watch};

use crate::error::RegisterError;
use crate::registration::Registration;

/// An account that is registered, or on its way.
pub(super) struct Account {
    pub(super) id: RegistrationId,
    pub(super) registrar: String,
    pub(super) proxy: Option<String>,
    pub(super) state: Arc<watch::Sender<Registration>>,
    pub(super) waiting: Vec<oneshot::Sender<Result<Duration, RegisterError>>>,
    pub(super) leaving: Vec<oneshot::Sender<()>>,
}

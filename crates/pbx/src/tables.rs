//! Users in a database: read whole at the start, and again when another program has changed them. No request waits for it, and whoever presents
//! names that there are not costs it nothing.

#[cfg(feature = "sqlite")]
mod sqlite;

use std::sync::Arc;

use sip::digest::Algorithm;

use crate::accounts::Accounts;
use crate::config::Config;
use crate::tally::Tally;

/// What a change of users begins from.
pub(crate) struct Begin {
    /// With the users of the start.
    pub(crate) config: Config,
    pub(crate) accounts: Arc<Accounts>,
    /// What devices are challenged with.
    pub(crate) offered: Vec<Algorithm>,
    pub(crate) tally: Arc<Tally>,
}

#[cfg(feature = "sqlite")]
pub(crate) use sqlite::{Users, open, watch};

#[cfg(not(feature = "sqlite"))]
mod none {
    use store::StoreError;

    use super::Begin;
    use crate::config::Config;
    use crate::panel::Panel;

    /// There is none.
    pub(crate) enum Users {}

    pub(crate) fn open(_: &mut Config) -> Result<Option<Users>, StoreError> {
        Ok(None)
    }

    pub(crate) fn watch(kept: Users, _: Begin, _: Panel) -> Result<Users, StoreError> {
        match kept {}
    }
}
#[cfg(not(feature = "sqlite"))]
pub(crate) use none::{Users, open, watch};

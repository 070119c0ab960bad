//! Users in a database: read whole at the start, and again when another program has changed them. No request waits for it, and whoever presents
//! names that there are not costs it nothing.

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::sync::Arc;
    use std::time::Duration;

    use sip::digest::Algorithm;
    use store::StoreError;
    use store::sqlite::{self, Table};

    use crate::accounts::Accounts;
    use crate::command::Command;
    use crate::config::{Config, Secret, User};
    use crate::panel::Panel;

    /// How often it is looked whether something has changed.
    const EVERY: Duration = Duration::from_secs(1);

    pub(crate) use store::sqlite::Users;

    /// A database that was read, and the configuration without what it held.
    pub(crate) struct Kept {
        table: Table,
        own: Config,
    }

    /// Reads the users of the database into those of the configuration. `None` where it names no database.
    ///
    /// # Errors
    /// It cannot be read, or has too many users, or one that the configuration has too.
    pub(crate) fn open(config: &mut Config) -> Result<Option<Kept>, StoreError> {
        let Some(path) = config.sqlite.users.clone() else { return Ok(None) };
        let (table, rows) = Table::open(&path, config.limits.users.saturating_sub(config.users.len()))?;
        // Nobody is made up where a table says who there is.
        config.generated.clear();
        let own = config.clone();
        add(config, rows).map_err(|name| StoreError::Database {
            doing: "use",
            path,
            why: format!("user {name:?} stands in the configuration too; take one of them away"),
        })?;
        tracing::info!(users = config.users.len() - own.users.len(), "users read from SQLite");
        Ok(Some(Kept { table, own }))
    }

    /// Adds the rows to the users there are; the name of one that is there already.
    fn add(config: &mut Config, rows: Vec<sqlite::User>) -> Result<(), String> {
        for sqlite::User { name, secret, display, numbers, max_contacts } in rows {
            let secret = match secret {
                sqlite::Secret::Password(password) => Secret::Password(password),
                sqlite::Secret::Ha1(text) => Secret::Ha1(text),
            };
            let user = User { secret, display, numbers, max_contacts, remove_existing: false };
            if config.users.insert(name.clone(), user).is_some() {
                return Err(name);
            }
        }
        Ok(())
    }

    /// Tells the loops of changes. `config` has the users of the start, and `offered` is what devices are challenged with.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(crate) fn watch(
        Kept { table, own }: Kept,
        (config, mut accounts, offered): (Config, Arc<Accounts>, Vec<Algorithm>),
        loops: Panel,
    ) -> Result<Users, StoreError> {
        let mut before = config.users;
        table.watch(EVERY, move |rows| {
            let changed = rows.map_err(|why| why.to_string()).and_then(|rows| {
                let mut config = own.clone();
                add(&mut config, rows).map_err(|name| format!("user {name:?} stands in the configuration too"))?;
                if config.users == before {
                    return Ok(None);
                }
                let most = config.limits.users;
                let now = accounts.changed(&config, &offered).map_err(|why| why.to_string())?;
                // Each new user wants a place that was nobody's.
                if now.places() > most {
                    return Err(format!("expected at most {most} users since the start"));
                }
                Ok(Some((Arc::new(now), config.users)))
            });
            match changed {
                Ok(None) => true,
                Ok(Some((now, users))) => {
                    // A loop too busy for that is told the next time.
                    let told = loops.tell(|| Command::Accounts(Arc::clone(&now))).is_ok();
                    if told {
                        tracing::info!(users = now.iter().count(), "users have changed in SQLite");
                        (accounts, before) = (now, users);
                    }
                    told
                }
                Err(why) => {
                    tracing::error!("users have changed in SQLite, and those before go on: {why}");
                    true
                }
            }
        })
    }
}
#[cfg(feature = "sqlite")]
pub(crate) use sqlite::{Users, open, watch};

#[cfg(not(feature = "sqlite"))]
mod none {
    use std::sync::Arc;

    use sip::digest::Algorithm;
    use store::StoreError;

    use crate::accounts::Accounts;
    use crate::config::Config;
    use crate::panel::Panel;

    /// There is none.
    pub(crate) enum Users {}

    pub(crate) fn open(_: &mut Config) -> Result<Option<Users>, StoreError> {
        Ok(None)
    }

    pub(crate) fn watch(
        kept: Users,
        _: (Config, Arc<Accounts>, Vec<Algorithm>),
        _: Panel,
    ) -> Result<Users, StoreError> {
        match kept {}
    }
}
#[cfg(not(feature = "sqlite"))]
pub(crate) use none::{Users, open, watch};

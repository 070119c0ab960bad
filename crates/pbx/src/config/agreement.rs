//! What settings must agree on, wherever each of them stands: a number reaches one user or extension, and users share a hash.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use sip::digest::Algorithm;
use store::Durability;

use super::error::{ConfigError, Place};
use super::text::Source;
use super::{Config, Extensions, Secret, User};

/// A number that two keys claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) number: String,
    /// Who has it, and who wants it too.
    pub(crate) by: [Vec<String>; 2],
}

/// What `shards` has to be where a proxy keeps no transactions.
pub(crate) const ONE_LOOP: &str =
    "1 beside the role `stateless`: while another loop is asked where a user is, a request would have to be kept";

impl Config {
    /// A proxy without transactions, and several loops (see [`ONE_LOOP`]).
    pub(crate) fn is_stateless_in_loops(&self) -> bool {
        self.is_stateless() && self.shards > 1
    }

    /// The first number that is given twice.
    pub(crate) fn taken(&self) -> Option<Taken> {
        let mut owners: HashMap<&str, Vec<String>> = HashMap::new();
        for (key, number) in self.claims() {
            if let Some(owner) = owners.insert(number, key.clone()) {
                return Some(Taken { number: number.to_owned(), by: [owner, key] });
            }
        }
        None
    }

    /// Every number with the key that gives it.
    fn claims(&self) -> impl Iterator<Item = (Vec<String>, &str)> {
        let key = |parts: &[&str]| parts.iter().map(|&part| part.to_owned()).collect::<Vec<_>>();
        let Extensions { echo, tone, music, conference } = &self.extensions;
        let extensions = [("echo", echo), ("tone", tone), ("music", music), ("conference", conference)];
        let extensions = extensions.into_iter().flat_map(move |(kind, numbers)| {
            numbers.iter().map(move |number| (key(&["extensions", kind]), number.as_str()))
        });
        let generated = self.generated.iter().filter(|_| self.users.is_empty());
        let names = generated.chain(self.users.keys()).map(move |name| (key(&["users", name]), name.as_str()));
        let numbers = self.users.iter().flat_map(move |(name, user)| {
            user.numbers.iter().map(move |number| (key(&["users", name, "numbers"]), number.as_str()))
        });
        extensions.chain(names).chain(numbers)
    }

    /// A user whose secret fits none of the hashes that all users have: a device takes the first that is offered, whatever its user has.
    fn misfit(&self) -> Option<&str> {
        let fits = |user: &User, algorithm: &Algorithm| match &user.secret {
            Secret::Ha1(text) => (*algorithm == Algorithm::Md5) == (text.len() == 32),
            _ => true,
        };
        let has_common = self.digest.iter().any(|algorithm| self.users.values().all(|user| fits(user, algorithm)));
        let lacks = |user: &User| self.digest.first().is_none_or(|first| !fits(user, first));
        self.users.iter().find(|(_, user)| !has_common && lacks(user)).map(|(name, _)| name.as_str())
    }

    /// # Errors
    /// The first disagreement, at its place in the texts.
    pub(super) fn agrees(&self, sources: &[Source<'_>]) -> Result<(), ConfigError> {
        if let Some(Taken { number, by: [owner, other] }) = self.taken() {
            // One of the two may be a default.
            let (at, key, owner) = match place(sources, &other) {
                None => (place(sources, &owner), owner, other),
                at => (at, other, owner),
            };
            let expected = format!("a number that `{}` has not; give each its own", owner.join("."));
            return Err(ConfigError::Value { at, key: key.join("."), found: format!("\"{number}\""), expected });
        }
        let tls = &self.tls;
        for (given, needed, key, why) in [
            (tls.certificate.is_some(), tls.key.is_some(), "certificate", "a `key` beside it, its private key"),
            (tls.key.is_some(), tls.certificate.is_some(), "key", "a `certificate` beside it, whose key it is"),
            (
                tls.client_required,
                tls.client_ca.is_some(),
                "client_required",
                "a `client_ca` beside it, the authorities of devices",
            ),
            (
                tls.reuse_connections,
                tls.client_ca.is_some() && tls.certificate.is_some(),
                "reuse_connections",
                "a `certificate` and a `client_ca` beside it: both sides of a connection must know each other",
            ),
        ] {
            if given && !needed {
                let key = ["tls", key].map(str::to_owned);
                let (at, key, found) = (place(sources, &key), key.join("."), String::new());
                return Err(ConfigError::Value { at, key, found, expected: why.to_owned() });
            }
        }
        if self.sqlite.bindings.is_some() && self.durability == Durability::Sync {
            let key = ["sqlite", "bindings"].map(str::to_owned);
            let expected = "no `durability = \"sync\"` beside it: a database is written behind the answers".to_owned();
            let (at, key, found) = (place(sources, &key), key.join("."), String::new());
            return Err(ConfigError::Value { at, key, found, expected });
        }
        if let (Some(bindings), Some(users)) = (&self.sqlite.bindings, &self.sqlite.users)
            && is_one_file(bindings, users)
        {
            let key = ["sqlite", "users"].map(str::to_owned);
            let expected =
                "another file than `sqlite.bindings`: each binding that is written would have all users read again";
            let (at, key, found) = (place(sources, &key), key.join("."), format!("\"{}\"", users.display()));
            return Err(ConfigError::Value { at, key, found, expected: expected.to_owned() });
        }
        if self.limits.idle <= self.register.flow_timer {
            let keys = [["limits", "idle_secs"], ["register", "flow_timer_secs"]].map(|key| key.map(str::to_owned));
            // One of the two may be a default.
            let [idle, timer] = keys.map(|key| (place(sources, &key), key.join(".")));
            let ((at, key), span, expected) = match idle {
                (Some(at), key) => (
                    (Some(at), key),
                    self.limits.idle,
                    "more than `register.flow_timer_secs`: devices are told to wait so long",
                ),
                _ => {
                    (timer, self.register.flow_timer, "less than `limits.idle_secs`: silent connections are ended then")
                }
            };
            let found = span.as_secs().to_string();
            return Err(ConfigError::Value { at, key, found, expected: expected.to_owned() });
        }
        if self.is_stateless_in_loops() {
            let key = ["shards".to_owned()];
            let (at, [key]) = (place(sources, &key), key);
            return Err(ConfigError::Value { at, key, found: self.shards.to_string(), expected: ONE_LOOP.to_owned() });
        }
        if let Some(name) = self.misfit() {
            let key = ["users", name, "ha1"].map(str::to_owned);
            return Err(ConfigError::Value {
                at: place(sources, &key),
                key: key.join("."),
                found: String::new(),
                expected: "a hash of a kind that `digest` offers and all users have; give every user a password or the same kind of ha1"
                    .to_owned(),
            });
        }
        Ok(())
    }
}

/// Whether two paths lead to one file, whether it is there yet or not.
fn is_one_file(one: &Path, other: &Path) -> bool {
    // A file that is missing has no name but the one that it is to get.
    let real = |path: &Path| {
        let of_folder = || Some(std::path::absolute(path).ok()?.parent()?.canonicalize().ok()?.join(path.file_name()?));
        path.canonicalize().ok().or_else(of_folder).unwrap_or_else(|| path.to_owned())
    };
    let inode = |path: &Path| std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    real(one) == real(other) || inode(one).is_some_and(|one| inode(other) == Some(one))
}

/// Where a key stands in the last of the texts that has it: that one counts.
pub(super) fn place(sources: &[Source<'_>], key: &[String]) -> Option<Place> {
    sources.iter().rev().find_map(|source| {
        let table = source.parse().ok()?;
        let (last, tables) = key.split_last()?;
        let mut section = source.top(table.get_ref());
        for name in tables {
            section = section.get(name)?.section().ok()?;
        }
        section.get(last).map(|entry| entry.place())
    })
}

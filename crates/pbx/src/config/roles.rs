//! What the server is for whom: `role`, `[roles]` and `[proxy]`, read and shown.

use std::ops::RangeInclusive;
use std::time::Duration;

use proxy::Forking;
use toml::{Table, Value};

use super::error::ConfigError;
use super::sections::secs;
use super::text::Section;
use super::{Authenticate, Config, Role};

pub(super) const PROXY: [&str; 7] =
    ["authenticate", "relay", "record_route", "forking", "recurse", "turn_secs", "timer_c_secs"];
/// Timer C is more than 3 minutes (RFC 3261 section 16.6 step 11).
const TIMER_C: RangeInclusive<u64> = 181..=3_600;

const AUTHENTICATE: [(&str, Authenticate); 3] =
    [("own", Authenticate::Own), ("all", Authenticate::All), ("off", Authenticate::Off)];
const FORKING: [(&str, Forking); 3] =
    [("preference", Forking::ByPreference), ("parallel", Forking::Parallel), ("serial", Forking::Serial)];

impl Config {
    pub(super) fn read_roles(&mut self, top: &Section<'_>) -> Result<(), ConfigError> {
        if let Some(entry) = top.get("role") {
            self.role = entry.word(&Role::WORDS)?;
        }
        if let Some(entry) = top.get("roles") {
            for (domain, entry) in entry.section()?.entries() {
                // A later file may say once more what an earlier one has said.
                let is_same = |other: &&String| *other != domain && other.eq_ignore_ascii_case(domain);
                if let Some(other) = self.roles.keys().find(is_same) {
                    return Err(entry.wrong(&format!("a domain that `roles.{other}` has not: it is the same")));
                }
                self.roles.insert(domain.to_owned(), entry.word(&Role::OF_DOMAINS)?);
            }
        }
        let Some(entry) = top.get("proxy") else { return Ok(()) };
        let section = entry.section()?;
        section.only(&PROXY)?;
        let rules = &mut self.proxy;
        for (key, place) in
            [("relay", &mut rules.relay), ("record_route", &mut rules.record_route), ("recurse", &mut rules.recurse)]
        {
            if let Some(entry) = section.get(key) {
                *place = entry.flag()?;
            }
        }
        if let Some(entry) = section.get("authenticate") {
            rules.authenticate = entry.word(&AUTHENTICATE)?;
        }
        if let Some(entry) = section.get("forking") {
            rules.forking = entry.word(&FORKING)?;
        }
        if let Some(entry) = section.get("turn_secs") {
            rules.turn = secs(&entry, 1)?;
        }
        if let Some(entry) = section.get("timer_c_secs") {
            rules.timer_c = entry.number(TIMER_C).map(Duration::from_secs)?;
        }
        Ok(())
    }

    /// The three, into the whole.
    pub(super) fn show_roles(&self, top: &mut Table) {
        let secs = |span: Duration| Value::Integer(i64::try_from(span.as_secs()).unwrap_or(i64::MAX));
        top.insert("role".to_owned(), word(&Role::WORDS, self.role));
        if !self.roles.is_empty() {
            let roles: Table =
                self.roles.iter().map(|(domain, role)| (domain.clone(), word(&Role::OF_DOMAINS, *role))).collect();
            top.insert("roles".to_owned(), roles.into());
        }
        let rules = &self.proxy;
        let proxy: [(&str, Value); 7] = [
            ("authenticate", word(&AUTHENTICATE, rules.authenticate)),
            ("relay", rules.relay.into()),
            ("record_route", rules.record_route.into()),
            ("forking", word(&FORKING, rules.forking)),
            ("recurse", rules.recurse.into()),
            ("turn_secs", secs(rules.turn)),
            ("timer_c_secs", secs(rules.timer_c)),
        ];
        let proxy: Table = proxy.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        top.insert("proxy".to_owned(), proxy.into());
    }
}

fn word<T: PartialEq>(words: &[(&str, T)], value: T) -> Value {
    words.iter().find(|(_, one)| *one == value).map_or("", |(word, _)| word).into()
}

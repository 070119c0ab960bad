//! What a measurement says: rows with the load they were taken under, the bounds they are held to, and what was checked beside them.

use serde_json::{Value, json};

/// How far a peer's figure may lie from what is known of it for a run to count.
const NEAR: f64 = 0.3;

/// One measurement.
pub(crate) struct Report {
    /// Its name.
    pub(crate) name: &'static str,
    /// What was measured, one row for each load.
    pub(crate) rows: Vec<Row>,
    /// What a reader of the figures has to know.
    pub(crate) notes: Vec<String>,
    /// What the same processes had to do right.
    pub(crate) checks: Vec<Check>,
}

/// Figures under one load.
pub(crate) struct Row {
    /// The load, as "closed loop, 32 calls" or "1,000 calls a second".
    pub(crate) load: String,
    /// The unit, as "us CPU a call".
    pub(crate) unit: &'static str,
    /// Ours.
    pub(crate) ours: Figure,
    /// Another program under the same load, where there is one.
    pub(crate) peer: Option<Peer>,
    /// The server that does nothing.
    pub(crate) null: Option<Figure>,
    /// What ours must not pass.
    pub(crate) bound: Bound,
}

/// Another program and its figure.
pub(crate) struct Peer {
    /// Which.
    pub(crate) name: &'static str,
    /// What it took.
    pub(crate) figure: Figure,
    /// What it takes as far as is known, when it was measured here: a run in which it takes much more or less does not count.
    pub(crate) expected: Option<f64>,
}

/// A bound.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    /// Ours divided by the peer's.
    OfPeer(f64),
    /// Ours alone.
    Units(f64),
    /// None: the row is there to be read.
    None,
}

/// Something a measured process had to do right, and whether it did.
pub(crate) struct Check {
    /// What.
    pub(crate) what: String,
    /// Why it did not.
    pub(crate) failed: Option<String>,
}

impl Check {
    /// The outcome of doing `what`.
    pub(crate) fn of(what: impl Into<String>, outcome: Result<(), String>) -> Self {
        Self { what: what.into(), failed: outcome.err() }
    }
}

/// Several runs of one thing.
#[derive(Clone, Default)]
pub(crate) struct Figure(pub(crate) Vec<f64>);

impl Figure {
    fn sorted(&self) -> Vec<f64> {
        let mut values = self.0.clone();
        values.sort_by(f64::total_cmp);
        values
    }

    /// The middle value.
    pub(crate) fn median(&self) -> f64 {
        self.sorted().get(self.0.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The median, and least and most where they differ.
    pub(crate) fn text(&self) -> String {
        let values = self.sorted();
        match (values.first(), values.last()) {
            (Some(least), Some(most)) if least != most => {
                format!("{} ({}-{})", number(self.median()), number(*least), number(*most))
            }
            _ => number(self.median()),
        }
    }

    fn runs(&self) -> String {
        let runs: Vec<String> = self.0.iter().map(|run| number(*run)).collect();
        runs.join(" ")
    }
}

/// Two digits where it is small, none where it is large.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1_000.0 || value.fract() == 0.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

impl Row {
    /// Ours divided by the peer's.
    pub(crate) fn of_peer(&self) -> Option<f64> {
        self.peer.as_ref().map(|peer| self.ours.median() / peer.figure.median()).filter(|ratio| ratio.is_finite())
    }

    /// Ours divided by what the server that does nothing takes.
    pub(crate) fn of_null(&self) -> Option<f64> {
        self.null.as_ref().map(|null| self.ours.median() / null.median()).filter(|ratio| ratio.is_finite())
    }

    /// What is held to the bound, and the bound.
    fn measured(&self) -> Option<(f64, f64)> {
        match self.bound {
            Bound::OfPeer(bound) => Some((self.of_peer().unwrap_or(f64::NAN), bound)),
            Bound::Units(bound) => Some((self.ours.median(), bound)),
            Bound::None => None,
        }
    }

    fn holds(&self) -> bool {
        self.measured().is_none_or(|(measured, bound)| measured <= bound)
    }

    /// Why the row says nothing: the peer was not itself.
    pub(crate) fn does_not_count(&self) -> Option<String> {
        let peer = self.peer.as_ref()?;
        let (median, expected) = (peer.figure.median(), peer.expected?);
        let near = ((1.0 - NEAR) * expected..=(1.0 + NEAR) * expected).contains(&median);
        (!near).then(|| format!("does not count: peer at {}, expected {}", number(median), number(expected)))
    }

    /// "0.53 <= 0.60: holds", and whether it counts.
    pub(crate) fn verdict(&self) -> String {
        let Some((measured, bound)) = self.measured() else { return "no goal".into() };
        let verdict = if self.holds() { "holds" } else { "DOES NOT HOLD" };
        let mut text = format!("{} <= {}: {verdict}", number(measured), number(bound));
        if let Some(why) = self.does_not_count() {
            text += &format!("; {why}");
        }
        text
    }
}

impl Report {
    /// Whether every bound holds and everything checked was right.
    pub(crate) fn holds(&self) -> bool {
        self.rows.iter().all(Row::holds) && self.checks.iter().all(|check| check.failed.is_none())
    }

    /// Whether every peer was near what is known of it.
    pub(crate) fn counts(&self) -> bool {
        self.rows.iter().all(|row| row.does_not_count().is_none())
    }

    /// For people: each run's figures too.
    pub(crate) fn text(&self) -> String {
        let mut lines = Vec::new();
        for row in &self.rows {
            lines.push(format!("{}: {}, in {}", self.name, row.load, row.unit));
            lines.push(format!("  ours   {} [{}]", row.ours.text(), row.ours.runs()));
            let ratio =
                |ratio: Option<f64>| ratio.map(|ratio| format!("; ours is {ratio:.2} of it")).unwrap_or_default();
            if let Some(peer) = &row.peer {
                let (figure, name) = (&peer.figure, peer.name);
                lines.push(format!("  peer   {} [{}] {name}{}", figure.text(), figure.runs(), ratio(row.of_peer())));
            }
            if let Some(null) = &row.null {
                lines.push(format!("  null   {} [{}]{}", null.text(), null.runs(), ratio(row.of_null())));
            }
            lines.push(format!("  goal   {}", row.verdict()));
        }
        lines.extend(self.notes.iter().map(|note| format!("{}: {note}", self.name)));
        for check in &self.checks {
            let outcome = check.failed.as_ref().map_or_else(|| "yes".to_owned(), |why| format!("NO: {why}"));
            lines.push(format!("{}: {}: {outcome}", self.name, check.what));
        }
        lines.join("\n")
    }

    /// For programs.
    pub(crate) fn json(&self) -> String {
        let figure = |figure: &Figure| json!({"values": figure.0, "median": figure.median()});
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let measured = row.measured();
                json!({
                    "load": row.load, "unit": row.unit, "ours": figure(&row.ours),
                    "peer": row.peer.as_ref().map(|peer| json!({
                        "name": peer.name, "values": peer.figure.0, "median": peer.figure.median(), "expected": peer.expected,
                    })),
                    "null": row.null.as_ref().map(figure),
                    "ratio_to_peer": row.of_peer(), "ratio_to_null": row.of_null(),
                    "measured": measured.map(|(measured, _)| measured), "bound": measured.map(|(_, bound)| bound),
                    "holds": row.holds(), "counts": row.does_not_count().is_none(),
                })
            })
            .collect();
        let checks: Vec<Value> =
            self.checks.iter().map(|check| json!({"what": check.what, "failed": check.failed})).collect();
        json!({"v": 1, "bench": self.name, "rows": rows, "notes": self.notes, "checks": checks, "holds": self.holds(), "counts": self.counts()})
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: f64, peer: f64, expected: Option<f64>) -> Row {
        Row {
            load: "closed loop".into(),
            unit: "us CPU a call",
            ours: Figure(vec![ours + 1.0, ours, ours - 1.0]),
            peer: Some(Peer { name: "peer", figure: Figure(vec![peer]), expected }),
            null: None,
            bound: Bound::OfPeer(0.6),
        }
    }

    #[test]
    fn the_median_is_held_to_the_bound() {
        assert!(row(36.0, 60.0, None).holds());
        assert!(!row(37.0, 60.0, None).holds());
    }

    #[test]
    fn a_run_counts_only_when_the_peer_is_near_what_is_known_of_it() {
        assert_eq!(row(30.0, 62.0, Some(62.0)).does_not_count(), None);
        assert_eq!(row(30.0, 80.0, Some(62.0)).does_not_count(), None);
        let far = row(30.0, 81.0, Some(62.0)).does_not_count();
        assert_eq!(far.as_deref(), Some("does not count: peer at 81, expected 62"));
    }

    #[test]
    fn a_failed_check_fails_the_report() {
        let failed = Check::of("alive", Err("no answer".into()));
        let mut report = Report { name: "uas", rows: vec![row(30.0, 60.0, None)], notes: vec![], checks: vec![] };
        assert!(report.holds());
        report.checks.push(failed);
        assert!(!report.holds() && report.text().contains("uas: alive: NO: no answer"));
    }
}

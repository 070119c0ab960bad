//! What a measurement says: rows with the load they were taken under, and the bounds they are held to.

use serde_json::{Value, json};

/// One measurement.
pub(crate) struct Report {
    /// Its name.
    pub(crate) name: &'static str,
    /// What was measured, one row for each load.
    pub(crate) rows: Vec<Row>,
}

/// Figures under one load.
pub(crate) struct Row {
    /// The load, as "closed loop, 32 calls" or "1,000 calls a second".
    pub(crate) load: String,
    /// The unit, as "us CPU a call".
    pub(crate) unit: &'static str,
    /// Ours.
    pub(crate) ours: Figure,
    /// The peer and what it is, where there is one.
    pub(crate) peer: Option<(&'static str, Figure)>,
    /// The server that does nothing.
    pub(crate) null: Option<Figure>,
    /// What ours must not pass: a ratio to the peer, or a number of units where there is no peer.
    pub(crate) bound: Bound,
}

/// A bound.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    /// Ours divided by the peer's.
    OfPeer(f64),
    /// Ours alone.
    Units(f64),
}

/// Several runs of one thing.
#[derive(Clone)]
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

    fn text(&self) -> String {
        let values = self.sorted();
        match (values.first(), values.last()) {
            (Some(least), Some(most)) if least != most => format!("{:.1} ({least:.1}-{most:.1})", self.median()),
            _ => format!("{:.1}", self.median()),
        }
    }
}

impl Row {
    fn measured(&self) -> (f64, f64) {
        match (self.bound, &self.peer) {
            (Bound::OfPeer(bound), Some((_, peer))) => (self.ours.median() / peer.median(), bound),
            (Bound::Units(bound), _) => (self.ours.median(), bound),
            (Bound::OfPeer(bound), None) => (f64::NAN, bound),
        }
    }

    fn holds(&self) -> bool {
        let (measured, bound) = self.measured();
        measured <= bound
    }
}

impl Report {
    /// Whether every bound holds.
    pub(crate) fn holds(&self) -> bool {
        self.rows.iter().all(Row::holds)
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            let mut line = format!("{}: {}\n  ours   {} {}", self.name, row.load, row.ours.text(), row.unit);
            if let Some((name, peer)) = &row.peer {
                line += &format!(
                    "\n  peer   {} {} ({name}); ours is {:.2} of it",
                    peer.text(),
                    row.unit,
                    row.ours.median() / peer.median()
                );
            }
            if let Some(null) = &row.null {
                line += &format!(
                    "\n  null   {} {}; ours is {:.2} of it",
                    null.text(),
                    row.unit,
                    row.ours.median() / null.median()
                );
            }
            let (measured, bound) = row.measured();
            let verdict = if row.holds() { "holds" } else { "DOES NOT HOLD" };
            line + &format!("\n  bound  {measured:.2} <= {bound:.2}: {verdict}")
        });
        rows.collect::<Vec<_>>().join("\n")
    }

    /// For programs.
    pub(crate) fn json(&self) -> String {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let (measured, bound) = row.measured();
                json!({
                    "load": row.load, "unit": row.unit, "ours": row.ours.0, "ours_median": row.ours.median(),
                    "peer": row.peer.as_ref().map(|(name, peer)| json!({"name": name, "values": peer.0, "median": peer.median()})),
                    "null": row.null.as_ref().map(|nothing| json!({"values": nothing.0, "median": nothing.median()})),
                    "measured": measured, "bound": bound, "holds": row.holds(),
                })
            })
            .collect();
        json!({"v": 1, "bench": self.name, "rows": rows}).to_string()
    }
}

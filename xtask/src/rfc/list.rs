//! The list of one RFC's requirements, as `docs/rfc/<number>.md` holds it.

/// What a row says about its requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// `tests: a, b`: written by hand, these tests show this sentence.
    Tests(Vec<String>),
    /// `section: a, b`: written by `cargo xtask rfc update`, tests named after this section.
    Auto(Vec<String>),
    /// `gap: why`.
    Gap(String),
    /// `not ours: why`: a requirement on a role that Offhook does not play.
    NotOurs(String),
}

/// The mark of a row nobody has looked at.
pub(crate) const UNSEEN: &str = "not yet covered by a named test";

/// One sentence with a requirement word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// `3261-17.1.1.2-3`: number, section, count within the section from 1.
    pub(crate) id: String,
    pub(crate) section: String,
    /// About a hundred characters of the sentence, for finding it again.
    pub(crate) quote: String,
    pub(crate) mark: Mark,
}

/// A section's number and its title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) number: String,
    pub(crate) title: String,
}

/// One RFC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) number: u32,
    pub(crate) title: String,
    /// Every section of the text, also those without a requirement, in order.
    pub(crate) sections: Vec<Section>,
    pub(crate) rows: Vec<Row>,
}

impl Mark {
    fn parse(text: &str) -> Option<Self> {
        let names =
            |text: &str| text.split(',').map(|name| name.trim().to_string()).filter(|name| !name.is_empty()).collect();
        let (kind, rest) = text.split_once(':')?;
        let rest = rest.trim();
        if rest.is_empty() {
            return None;
        }
        Some(match kind.trim() {
            "tests" => Mark::Tests(names(rest)),
            "section" => Mark::Auto(names(rest)),
            "gap" => Mark::Gap(rest.to_string()),
            "not ours" => Mark::NotOurs(rest.to_string()),
            _ => return None,
        })
    }

    fn print(&self) -> String {
        match self {
            Mark::Tests(names) => format!("tests: {}", names.join(", ")),
            Mark::Auto(names) => format!("section: {}", names.join(", ")),
            Mark::Gap(why) => format!("gap: {why}"),
            Mark::NotOurs(why) => format!("not ours: {why}"),
        }
    }

    /// Written by a person, so never overwritten by a tool.
    pub(crate) fn by_hand(&self) -> bool {
        match self {
            Mark::Tests(_) | Mark::NotOurs(_) => true,
            Mark::Auto(_) => false,
            Mark::Gap(why) => why != UNSEEN,
        }
    }
}

impl List {
    /// Reads a list; the error is the line (from 1) and what is wrong in it.
    pub(crate) fn parse(number: u32, text: &str) -> Result<Self, (usize, String)> {
        let mut list = List { number, title: String::new(), sections: Vec::new(), rows: Vec::new() };
        for (index, line) in text.lines().enumerate() {
            let bad = |what: String| (index + 1, what);
            if let Some(title) = line.strip_prefix(&format!("# RFC {number}: ")) {
                list.title = title.to_string();
            } else if let Some(heading) = line.strip_prefix("## ") {
                let (number, title) = heading.split_once(' ').ok_or_else(|| bad("a section without a title".into()))?;
                list.sections.push(Section { number: number.into(), title: title.into() });
            } else if line.starts_with(&format!("| {number}-")) {
                let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
                let [id, quote, mark] = cells.as_slice() else {
                    return Err(bad(format!("{} cells where 3 were expected: id | quotation | mark", cells.len())));
                };
                let mark = Mark::parse(mark).ok_or_else(|| {
                    bad(format!(
                        "`{mark}` is no mark; expected `tests: names`, `section: names`, `gap: why` or `not ours: why`"
                    ))
                })?;
                let section = id.split('-').nth(1).unwrap_or_default().to_string();
                list.rows.push(Row { id: (*id).into(), section, quote: (*quote).into(), mark });
            }
        }
        Ok(list)
    }

    /// The file's text; `parse(print)` gives the same list.
    pub(crate) fn print(&self) -> String {
        let number = self.number;
        let mut text = format!(
            "# RFC {number}: {title}\n\n\
             One row for each sentence of the text with MUST, SHALL or REQUIRED: id, the beginning of the sentence, mark.\n\
             Marks: `tests:` names tests that show this very sentence, written by hand; `section:` names tests written for the\n\
             section (`rfc{number}_<section>_...`), filled in by `cargo xtask rfc update`, which claims no more than that; `gap:` says what\n\
             is missing; `not ours:` a role that Offhook does not play. Hand-written marks survive\n\
             `cargo xtask rfc extract {number} --from DIR`.\n",
            title = self.title,
        );
        for section in &self.sections {
            text.push_str(&format!("\n## {} {}\n", section.number, section.title));
            let rows: Vec<&Row> = self.rows.iter().filter(|row| row.section == section.number).collect();
            if !rows.is_empty() {
                text.push_str("\n| id | requirement | shown by |\n|---|---|---|\n");
            }
            for row in rows {
                text.push_str(&format!("| {} | {} | {} |\n", row.id, row.quote, row.mark.print()));
            }
        }
        text
    }

    /// Takes over every mark of `old` whose row is still here.
    pub(crate) fn keep_marks_of(&mut self, old: &List) {
        for row in &mut self.rows {
            if let Some(before) = old.rows.iter().find(|before| before.id == row.id) {
                row.mark = before.mark.clone();
            }
        }
    }
}

//! From the text of an RFC to the list of its requirements.

use super::list::{List, Mark, Row, Section, UNSEEN};

/// Characters of a sentence that are kept to find it again.
const QUOTE: usize = 100;

/// Words that make a sentence a requirement (RFC 2119).
const WORDS: &[&str] = &["MUST", "SHALL", "REQUIRED"];

/// Reads the sections of `text` and, in each, the sentences with a requirement word.
pub(crate) fn list_of(number: u32, title: &str, text: &str) -> List {
    let mut list = List { number, title: title.to_string(), sections: Vec::new(), rows: Vec::new() };
    let mut paragraph = String::new();
    let mut blank_before = true;
    for line in lines_without_page_breaks(text) {
        if line.trim().is_empty() {
            // A sentence can run on over a page break; it ends a paragraph only when it ended.
            if paragraph.trim_end().ends_with(['.', ':', ';', '?', '!', ')', '"']) {
                close(&mut list, &mut paragraph);
            }
            blank_before = true;
            continue;
        }
        match section_of(line).filter(|_| blank_before) {
            Some(section) => {
                close(&mut list, &mut paragraph);
                list.sections.push(section);
            }
            None => {
                let mut words = line.trim();
                if starts_item(line) {
                    close(&mut list, &mut paragraph);
                    words = words.split_once(' ').map_or("", |(_, rest)| rest.trim_start());
                }
                paragraph.push_str(words);
                paragraph.push(' ');
            }
        }
        blank_before = false;
    }
    close(&mut list, &mut paragraph);
    list
}

/// The lines without form feeds, running heads (`RFC 3261  SIP  June 2002`) and feet (`... [Page 12]`).
fn lines_without_page_breaks(text: &str) -> impl Iterator<Item = &str> {
    let mut after_feed = false;
    text.lines().filter(move |line| {
        let feed = line.contains('\u{c}');
        let head = after_feed && line.starts_with("RFC ");
        let foot =
            line.starts_with(|c: char| !c.is_whitespace()) && line.trim_end().ends_with(']') && line.contains("[Page ");
        if feed {
            after_feed = true;
        } else if !line.trim().is_empty() {
            after_feed = false;
        }
        !(feed || head || foot)
    })
}

/// `17.1.1.2 Formal Description`, `3.  Client Behavior`, `A.1 RTP ...`, `Appendix A.  Algorithms`: at the left margin.
fn section_of(line: &str) -> Option<Section> {
    let line = line.strip_prefix("Appendix ").unwrap_or(line);
    let (number, title) = line.split_once([' ', '\t'])?;
    let number = number.trim_end_matches(['.', ':', '-']);
    let mut parts = number.split('.');
    let first = parts.next()?;
    let letter = first.len() == 1 && first.chars().all(|c| c.is_ascii_uppercase());
    let digits = |part: &str| !part.is_empty() && part.len() <= 3 && part.chars().all(|c| c.is_ascii_digit());
    let title = title.trim().trim_start_matches("- ");
    // A table of contents ends in dots and a page number.
    let listed = title.contains("....") || title.contains(". . .");
    ((letter || digits(first)) && parts.all(digits) && !title.is_empty() && !listed)
        .then(|| Section { number: number.to_string(), title: title.replace('|', "/") })
}

/// `o  ...`, `-  ...`, `*  ...`, `1.  ...`: an item of a list begins a new sentence.
fn starts_item(line: &str) -> bool {
    let trimmed = line.trim_start();
    let word = trimmed.split(' ').next().unwrap_or_default();
    let numbered = word
        .strip_suffix(['.', ')'])
        .is_some_and(|n| !n.is_empty() && n.len() <= 2 && n.chars().all(|c| c.is_ascii_digit()));
    matches!(word, "o" | "-" | "*" | "+") || (numbered && line.starts_with(' '))
}

/// Adds the requirements of a finished paragraph to the current section.
fn close(list: &mut List, paragraph: &mut String) {
    let text = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    paragraph.clear();
    let Some(section) = list.sections.last().map(|section| section.number.clone()) else { return };
    for sentence in sentences(&text) {
        // The paragraph that explains the words is no requirement.
        if sentence.contains("\"MUST\"") || !has_requirement(sentence) {
            continue;
        }
        let count = list.rows.iter().filter(|row| row.section == section).count() + 1;
        list.rows.push(Row {
            id: format!("{}-{section}-{count}", list.number),
            section: section.clone(),
            quote: quote(sentence),
            mark: Mark::Gap(UNSEEN.into()),
        });
    }
}

fn has_requirement(sentence: &str) -> bool {
    sentence.split(|c: char| !c.is_ascii_alphabetic()).any(|word| WORDS.contains(&word))
}

/// Splits at a full stop that is followed by a capital, a quote or a bracket and is not part of an abbreviation.
fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(". ") {
        let after = text.get(at + 2..).unwrap_or_default();
        let before = text.get(start..at).unwrap_or_default();
        let abbreviated =
            ["i.e", "e.g", "etc", "vs", "Fig", "No", "St", "cf"].iter().any(|word| before.ends_with(word));
        if after.starts_with(|c: char| c.is_ascii_uppercase() || "\"'([".contains(c)) && !abbreviated {
            found.push(text.get(start..=at).unwrap_or_default());
            start = at + 2;
        }
    }
    found.push(text.get(start..).unwrap_or_default());
    found
}

/// About a hundred characters of `sentence` with its requirement word among them; no `|`, which would end the cell.
fn quote(sentence: &str) -> String {
    let sentence = sentence.replace('|', "/");
    if sentence.chars().count() <= QUOTE {
        return sentence;
    }
    let word = WORDS.iter().filter_map(|word| sentence.find(word)).min().unwrap_or(0);
    let from = if word + 30 <= QUOTE { 0 } else { word.saturating_sub(QUOTE / 2) };
    let from =
        if from == 0 { 0 } else { sentence.get(from..).and_then(|rest| rest.find(' ')).map_or(0, |at| from + at + 1) };
    let rest = sentence.get(from..).unwrap_or(&sentence);
    let mut kept = String::new();
    for word in rest.split(' ') {
        if kept.len() + word.len() + 1 > QUOTE {
            break;
        }
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(word);
    }
    let head = if from == 0 { "" } else { "... " };
    let tail = if from + kept.len() < sentence.len() { " ..." } else { "" };
    format!("{head}{kept}{tail}")
}

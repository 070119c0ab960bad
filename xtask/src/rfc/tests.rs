use super::*;
use crate::source::tests_in_text;
use crate::workspace::TextFile;

const TEXT: &str = "
1.  Introduction .......... 1

1 Introduction

   The key words \"MUST\" and \"SHALL\" are to be interpreted as told.

17.1 Client

   A client MUST do this, i.e. That thing.  It SHOULD do more.  The timer
   MUST NOT run forever in

Rosenberg, et. al.          Standards Track                   [Page 12]
\u{c}
RFC 3264            A Title           June 2002


   this state; a | is one.

   o  An item that MUST be one
   o  another that SHALL

17.1.1 Server

   Nothing here.
";

fn list() -> List {
    extract::list_of(3264, "A Title", TEXT)
}

#[test]
fn sentences_with_requirement_words_become_rows_across_page_breaks() {
    let list = list();
    let rows: Vec<(&str, &str)> = list.rows.iter().map(|row| (row.id.as_str(), row.quote.as_str())).collect();
    assert_eq!(
        rows,
        [
            ("3264-17.1-1", "A client MUST do this, i.e. That thing."),
            ("3264-17.1-2", "The timer MUST NOT run forever in this state; a / is one."),
            ("3264-17.1-3", "An item that MUST be one"),
            ("3264-17.1-4", "another that SHALL"),
        ]
    );
    let sections: Vec<&str> = list.sections.iter().map(|section| section.number.as_str()).collect();
    assert_eq!(sections, ["1", "17.1", "17.1.1"]);
}

#[test]
fn a_long_sentence_is_cut_around_its_requirement_word() {
    let text =
        format!("1 A\n\n   {}the element MUST answer {}.\n", "When it rains ".repeat(12), "and wait ".repeat(20));
    let list = extract::list_of(3264, "A", &text);
    let quote = &list.rows.first().expect("one row").quote;
    assert!(
        quote.contains("MUST answer") && quote.starts_with("... ") && quote.ends_with(" ...") && quote.len() <= 110,
        "{quote}"
    );
}

#[test]
fn a_list_prints_and_parses_to_itself() {
    let mut list = list();
    list.rows[0].mark = Mark::Tests(vec!["rfc3264_17_1_a".into(), "b".into()]);
    list.rows[1].mark = Mark::NotOurs("we play no proxy".into());
    assert_eq!(List::parse(3264, &list.print()), Ok(list));
}

#[test]
fn a_row_without_a_mark_is_an_error_with_its_line() {
    let error = List::parse(3264, "# RFC 3264: A\n\n| 3264-1-1 | x | done |\n").expect_err("`done` is no mark");
    assert_eq!(error.0, 3);
}

#[test]
fn extracting_again_keeps_what_people_wrote() {
    let mut old = list();
    old.rows[2].mark = Mark::Gap("needs a second network".into());
    let mut again = list();
    again.keep_marks_of(&old);
    assert_eq!(again, old);
}

#[test]
fn tests_are_matched_by_the_longest_section_in_their_name() {
    let list = list();
    assert_eq!(matching::section_of(&list, "rfc3264_17_1_1_2_timer"), Some(Some("17.1.1")));
    assert_eq!(matching::section_of(&list, "rfc3264_17_1_100_is_sent"), Some(Some("17.1")));
    assert_eq!(matching::section_of(&list, "rfc3264_18_1_x"), Some(None));
    assert_eq!(matching::section_of(&list, &format!("rfc{}1_1_x", 3264)), None);
    let tests = tests_in_text("a.rs", "#[test]\nfn rfc3264_18_1_x() {}\n#[test]\nfn rfc3264_in_general() {}");
    assert_eq!(matching::unknown_sections(&list, &tests).len(), 1);
}

#[test]
fn update_fills_in_sections_and_takes_back_what_is_gone() {
    let mut list = list();
    let tests =
        tests_in_text("a.rs", "#[test]\nfn rfc3264_17_1_b() {}\n#[test]\n#[ignore = \"x\"]\nfn rfc3264_17_1_a() {}");
    list.rows[1].mark = Mark::Gap("by hand".into());
    matching::refresh(&mut list, &tests);
    assert_eq!(list.rows[0].mark, Mark::Auto(vec!["rfc3264_17_1_b".into()]));
    assert_eq!(list.rows[1].mark, Mark::Gap("by hand".into()));
    assert_eq!(mark_findings("f", &list, &tests).len(), 0);
    assert_eq!(mark_findings("f", &list, &[]).len(), 3);
    matching::refresh(&mut list, &[]);
    assert_eq!(list.rows[0].mark, Mark::Gap(list::UNSEEN.into()));
}

#[test]
fn a_hand_written_name_that_does_not_exist_is_refused() {
    let mut list = list();
    list.rows[0].mark = Mark::Tests(vec!["never_written".into()]);
    let found = mark_findings("docs/rfc/3264.md", &list, &[]);
    assert_eq!(found.first().map(|finding| finding.what.as_str()), Some("no test `never_written`"));
}

#[test]
fn an_rfc_number_with_swapped_digits_is_refused() {
    let known = cited::parse_known("# ours\n3261 SIP\n3550 RTP\n");
    // Put together here, or the check would refuse this very file.
    let swapped =
        format!("/// RFC {}{} section 17\nfn rfc{}_17_x() {{}} // rfc3550, RFC 3261, RFC3261\n", 36, 21, 3620 + 1);
    let files = [
        TextFile { path: "a.rs".into(), text: swapped.clone() },
        TextFile { path: "docs/rfc/1.md".into(), text: swapped },
    ];
    let found: Vec<String> = cited::unknown(&files, &known).into_iter().map(|finding| finding.place).collect();
    assert_eq!(found, ["a.rs:1", "a.rs:2"]);
}

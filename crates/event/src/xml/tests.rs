use super::*;

fn of(text: &str) -> Result<Element, XmlError> {
    Element::read(text.as_bytes(), "a")
}

#[test]
fn cve_xml_nested_tags_end_at_the_limit() {
    for depth in [MAX_DEPTH, MAX_DEPTH + 1, 30_000] {
        let text = format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        let read = of(&text);
        match depth {
            MAX_DEPTH => assert!(read.is_ok(), "{read:?}"),
            30_000 => assert_eq!(read, Err(XmlError::TooLarge)),
            _ => assert_eq!(read, Err(XmlError::TooDeep)),
        }
    }
    // Never closed, so small enough to get that far.
    assert_eq!(of(&"<a>".repeat(20_000)), Err(XmlError::TooDeep));
}

#[test]
fn cve_xml_entities_are_never_followed() {
    let bomb = "<!DOCTYPE a [<!ENTITY x \"ha\"><!ENTITY y \"&x;&x;&x;&x;\">]><a>&y;</a>";
    assert_eq!(of(bomb), Err(XmlError::DocumentType));
    let external = "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>";
    assert_eq!(of(external), Err(XmlError::DocumentType));
    assert_eq!(of("<a>&passwd;</a>"), Err(XmlError::Entity("passwd".into())));
    assert_eq!(of("<a b='&passwd;'/>"), Err(XmlError::Entity("passwd".into())));
    let own = of("<a b='&lt;&#65;'>&amp;&quot;&#x42;</a>").unwrap();
    assert_eq!((own.attribute("b"), own.text.as_str()), (Some("<A"), "&\"B"));
}

#[test]
fn cve_xml_what_is_not_closed_is_refused() {
    for text in [
        "<a><!-- ",
        "<a",
        "<a>",
        "<a><b></a>",
        "</a>",
        "",
        "<a/><a/>",
        "<a>&lt",
        "<a b=>",
        "<a><![CDATA[x</a>",
        "x<a/>",
        "<a/>x",
    ] {
        assert!(matches!(of(text), Err(XmlError::Malformed(_))), "{text}: {:?}", of(text));
    }
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let list = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count - 1));
    assert_eq!(of(&list(MAX_ELEMENTS)).unwrap().children.len(), MAX_ELEMENTS - 1);
    assert_eq!(of(&list(MAX_ELEMENTS + 1)), Err(XmlError::TooManyElements));
    let attributes = |count: usize| format!("<a {}/>", (0..count).map(|n| format!("b{n}='' ")).collect::<String>());
    assert_eq!(of(&attributes(MAX_ATTRIBUTES)).unwrap().attributes.len(), MAX_ATTRIBUTES);
    assert_eq!(of(&attributes(MAX_ATTRIBUTES + 1)), Err(XmlError::TooManyAttributes));
    let sized = |octets: usize| format!("<a>{}</a>", "x".repeat(octets - 7));
    assert_eq!(of(&sized(MAX_OCTETS)).unwrap().text.len(), MAX_OCTETS - 7);
    assert_eq!(of(&sized(MAX_OCTETS + 1)), Err(XmlError::TooLarge));
}

#[test]
fn what_no_xml_has_gets_in_by_no_way() {
    assert_eq!(Element::read(b"<a>\xff</a>", "a"), Err(XmlError::Encoding));
    for text in ["<a>&#0;</a>", "<a>&#1;</a>", "<a b='&#x1b;'/>", "<a>\u{1b}</a>"] {
        assert!(matches!(of(text), Err(XmlError::Malformed(_))), "{text}");
    }
    for text in ["<a><b\u{85}/></a>", "<a:/>", "<a><x:/></a>", "<a b\u{a0}='x'/>"] {
        assert!(matches!(of(text), Err(XmlError::Malformed(_))), "{text}");
    }
    assert_eq!(of("<b/>"), Err(XmlError::Root { expected: "a", found: "b".into() }));
}

#[test]
fn prefixes_and_declarations_of_namespaces_are_passed_over() {
    let one = of("\u{feff}<?xml version='1.0'?>\n<x:a xmlns:x='urn:x' x:k='v'><y:b>t</y:b><!-- c --></x:a>").unwrap();
    assert_eq!((one.attribute("k"), one.attributes.len(), one.text_of("b")), (Some("v"), 1, Some("t")));
}

#[test]
fn what_is_written_is_read_again() {
    let nasty = "<&>\"'\t\r\n ü";
    let mut writer = Writer::new("a", &[("b", nasty)]);
    writer.leaf("c", &[], "x<y").text("\u{1}\u{fffe}");
    let text = writer.finish();
    let read = of(&text).unwrap();
    assert_eq!(read.attribute("b"), Some(nasty));
    assert_eq!((read.text_of("c"), read.text.as_str()), (Some("x<y"), ""));
}

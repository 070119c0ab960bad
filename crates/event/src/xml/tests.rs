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
    let declared = |count: usize| (0..count).map(|n| format!(" xmlns:b{n}='urn:b'")).collect::<String>();
    let all = declared(MAX_ATTRIBUTES);
    let rest = declared(MAX_NAMESPACES - MAX_ATTRIBUTES);
    assert!(of(&format!("<a{all}><b{rest}><c/></b><b{rest}/><b{rest}/></a>")).is_ok(), "what has ended counts no more");
    let one_more = format!("<a{all}><b{rest}><c xmlns:c='urn:c'/></b></a>");
    assert_eq!(of(&one_more), Err(XmlError::TooManyNamespaces));
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

#[test]
fn rfc3863_4_2_3_elements_of_unknown_namespaces_are_ignored_with_all_that_is_in_them() {
    let one = of("<a xmlns='urn:ietf:params:xml:ns:pidf' xmlns:x='urn:x' xmlns:r='urn:ietf:params:xml:ns:pidf:rpid'>\
        <x:b>no</x:b><b xmlns='urn:y'>neither</b><r:c>yes</r:c><x:d><b>nor this</b></x:d><x:e/><b>it</b></a>")
    .unwrap();
    let told = (one.text_of("b"), one.text_of("c"), one.children.len());
    assert_eq!(told, (Some("it"), Some("yes"), 2));
    // What the whole document is of is known, and so is what nobody has declared.
    let own = of("<o:a xmlns:o='urn:o'><o:b>t</o:b><b>t</b><p:b>t</p:b></o:a>").unwrap();
    assert_eq!(own.all("b").count(), 3);
    // A prefix stands for something else within, and for the same as before behind that.
    let within = "<a xmlns:x='urn:x'><c xmlns:x='urn:ietf:params:xml:ns:rlmi'><x:b>t</x:b></c><d xmlns:x='urn:ietf:params:xml:ns:y'/><x:b>t</x:b></a>";
    let read = of(within).unwrap();
    assert_eq!((read.children.len(), read.children[0].children.len()), (2, 1));
}

#[test]
fn rfc3680_5_1_attributes_of_unknown_namespaces_are_ignored() {
    let one =
        of("<a x:k='no' k='yes' o:l='yes' p:m='yes' xmlns:x='urn:x' xmlns:o='urn:ietf:params:xml:ns:o'/>").unwrap();
    let told = |name| one.attribute(name);
    assert_eq!((told("k"), told("l"), told("m"), one.attributes.len()), (Some("yes"), Some("yes"), Some("yes"), 3));
    // One without a prefix is not of the namespace that elements without one are of.
    let own = of("<o:a xmlns='urn:x' xmlns:o='urn:o' k='yes'/>").unwrap();
    assert_eq!(own.attribute("k"), Some("yes"));
}

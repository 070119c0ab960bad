//! Route sets of dialogs: where a request within a dialog goes (RFC 3261 section 12.2.1.1).
//!
//! Pure text in, text out. A *route value* is one item of a Route or Record-Route header, `<sip:p1.example.com;lr>`.

/// Where a request within a dialog goes, by [`target`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The Request-URI, without what section 19.1.1 forbids there.
    pub uri: String,
    /// The Route values in order.
    pub routes: Vec<String>,
    /// The first element is a strict router: the next hop is the Request-URI and not the first Route value
    /// (RFC 3261 section 8.1.2).
    pub strict: bool,
}

/// Builds Request-URI and Route values from remote target and route set (RFC 3261 section 12.2.1.1).
///
/// `remote_target` is a bare URI, `route_set` route values in the order in which they are travelled.
pub fn target<'a>(remote_target: &str, route_set: impl IntoIterator<Item = &'a str>) -> Target {
    let mut routes: Vec<String> = route_set.into_iter().map(str::to_owned).collect();
    match routes.first().map(|first| is_loose(first)) {
        None | Some(true) => Target { uri: request_uri(remote_target), routes, strict: false },
        Some(false) => {
            let first = routes.remove(0);
            routes.push(format!("<{remote_target}>"));
            Target { uri: request_uri(uri_of(&first)), routes, strict: true }
        }
    }
}

/// The URI inside a route value or any other name-addr; an addr-spec without brackets ends at its first `;` (RFC 3261 section 20).
pub fn uri_of(value: &str) -> &str {
    match bracket(value) {
        Some((open, close)) => value.get(open + 1..close).unwrap_or(""),
        None => value.split(';').next().unwrap_or("").trim(),
    }
}

/// The route set of a request to a `sips` URI: each `sip` URI of it is a `sips` one (RFC 5630 section 5.1.1).
pub fn secured(route: &str) -> String {
    let start = bracket(route).map_or(route.len() - route.trim_start().len(), |(open, _)| open + 1);
    let is_sip = route.get(start..start + 4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sip:"));
    match route.split_at_checked(start + 3).filter(|_| is_sip) {
        Some((before, rest)) => format!("{before}s{rest}"),
        None => route.to_owned(),
    }
}

/// True when the URI of a route value carries the `lr` parameter (RFC 3261 section 19.1.1).
pub fn is_loose(value: &str) -> bool {
    let uri = uri_of(value);
    let hostport = uri.split_once('@').map_or(uri, |(_, rest)| rest);
    let params = hostport.split('?').next().unwrap_or("");
    params.split(';').skip(1).any(|param| {
        let name = param.split('=').next().unwrap_or("").trim();
        name.eq_ignore_ascii_case("lr")
    })
}

/// A URI as it may stand in a request line: without headers and without the `method` parameter (RFC 3261 section 19.1.1, table 1).
pub fn request_uri(uri: &str) -> String {
    let is_sip = uri.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("sip:"))
        || uri.get(..5).is_some_and(|s| s.eq_ignore_ascii_case("sips:"));
    if !is_sip {
        return uri.to_owned();
    }
    let (user, rest) = match uri.split_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, uri),
    };
    let rest = rest.split('?').next().unwrap_or("");
    let mut out = String::with_capacity(uri.len());
    if let Some(user) = user {
        out.push_str(user);
        out.push('@');
    }
    for (n, part) in rest.split(';').enumerate() {
        if n > 0 {
            if part.split('=').next().unwrap_or("").trim().eq_ignore_ascii_case("method") {
                continue;
            }
            out.push(';');
        }
        out.push_str(part);
    }
    out
}

/// Splits a From or To value into what stands before its parameters and its tag: `"A" <sip:a@b>;x=1;tag=t` gives
/// (`"A" <sip:a@b>`, `t`). A value without brackets ends at its first `;`.
pub fn split_tag(value: &str) -> (&str, Option<&str>) {
    let end = params_start(value);
    let head = value.get(..end).unwrap_or(value).trim();
    let params = value.get(end..).unwrap_or("");
    let tag = params.split(';').find_map(|param| {
        let (name, tag) = param.split_once('=')?;
        (name.trim().eq_ignore_ascii_case("tag") && !tag.trim().is_empty()).then(|| tag.trim())
    });
    (head, tag)
}

/// What stands before the parameters of a From or To value.
pub(crate) fn without_params(value: &str) -> &str {
    value.get(..params_start(value)).unwrap_or(value).trim()
}

fn params_start(value: &str) -> usize {
    match bracket(value) {
        Some((_, close)) => close + 1,
        None => value.find(';').unwrap_or(value.len()),
    }
}

/// Where the brackets of a name-addr stand; quotes before them may hide others.
fn bracket(value: &str) -> Option<(usize, usize)> {
    let bytes = value.as_bytes();
    let first = memchr::memchr3(b'<', b'>', b'"', bytes)?;
    if let Some(address) = bytes.get(first..).filter(|rest| rest.first() == Some(&b'<')) {
        return memchr::memchr(b'>', address).map(|close| (first, first + close));
    }
    let (mut quoted, mut escaped) = (false, false);
    let mut open = None;
    for (at, &byte) in bytes.iter().enumerate() {
        match (byte, quoted) {
            _ if escaped => escaped = false,
            (b'\\', true) => escaped = true,
            (b'"', _) if open.is_none() => quoted = !quoted,
            (b'<', false) if open.is_none() => open = Some(at),
            (b'>', false) => return open.map(|open| (open, at)),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3261_12_2_1_1_empty_route_set_gives_the_remote_target() {
        let t = target("sip:user@remoteua", []);
        assert_eq!(t, Target { uri: "sip:user@remoteua".into(), routes: vec![], strict: false });
    }

    #[test]
    fn rfc3261_12_2_1_1_loose_first_route_keeps_the_remote_target() {
        let t = target("sip:user@remoteua", ["<sip:p1;lr>", "<sip:p2>"]);
        assert_eq!(t.uri, "sip:user@remoteua");
        assert_eq!(t.routes, ["<sip:p1;lr>", "<sip:p2>"]);
        assert!(!t.strict);
    }

    #[test]
    fn rfc3261_12_2_1_1_strict_first_route_becomes_the_request_uri() {
        let t = target("sip:user@remoteua", ["<sip:proxy1>", "<sip:proxy2>", "<sip:proxy3;lr>", "<sip:proxy4>"]);
        assert_eq!(t.uri, "sip:proxy1");
        let odd = target("sip:user@remoteua", ["<sip:proxy1;method=INVITE;x=y?Subject=z>;p=1", "<sip:proxy2>"]);
        assert_eq!(odd.uri, "sip:proxy1;x=y", "without what may not stand in a Request-URI");
        assert_eq!(t.routes, ["<sip:proxy2>", "<sip:proxy3;lr>", "<sip:proxy4>", "<sip:user@remoteua>"]);
        assert!(t.strict);
    }

    #[test]
    fn rfc3261_12_2_1_1_request_uri_loses_method_and_headers() {
        for (uri, expected) in [
            ("sip:p1;method=INVITE;transport=tcp?Subject=x", "sip:p1;transport=tcp"),
            ("sip:a?b;c@h;METHOD=x;lr", "sip:a?b;c@h;lr"),
            ("sips:h?x=y", "sips:h"),
            ("tel:+49;method=1", "tel:+49;method=1"),
            ("", ""),
        ] {
            assert_eq!(request_uri(uri), expected);
        }
    }

    #[test]
    fn rfc3261_19_1_1_lr_is_a_parameter_of_the_uri_only() {
        for (value, loose) in [
            ("<sip:p;lr>", true),
            ("<sip:p;LR=on>", true),
            ("<sip:p;ftag=1;lr;x=y>", true),
            ("<sip:p>;lr", false),
            ("<sip:lr;lr@p>", false),
            ("<sip:p?h=;lr>", false),
            ("<sip:p;lrx>", false),
            ("\"a<b>;lr\" <sip:p>", false),
            ("\"a\\\"<\" <sip:p;lr>", true),
            ("", false),
            ("<", false),
        ] {
            assert_eq!(is_loose(value), loose, "{value}");
        }
    }

    #[test]
    fn rfc3261_20_20_tag_is_a_parameter_of_the_header() {
        for (value, expected) in [
            ("\"A;tag=no\" <sip:a@b;tag=no>;x=1;tag=t", ("\"A;tag=no\" <sip:a@b;tag=no>", Some("t"))),
            ("sip:a@b;tag=t", ("sip:a@b", Some("t"))),
            ("<sip:a@b> ; TAG = t ", ("<sip:a@b>", Some("t"))),
            ("<sip:a@b>", ("<sip:a@b>", None)),
            ("<sip:a@b>;tag=", ("<sip:a@b>", None)),
            ("", ("", None)),
        ] {
            assert_eq!(split_tag(value), expected, "{value}");
        }
    }
}

//! When two URIs are the same (RFC 3261 section 19.1.4, RFC 3966 section 4).

use super::escape::{same, same_ignoring_case};
use super::{Scheme, Uri};

/// Parameters that must be in both URIs or in neither; any other one missing in one of them does not count. An address with `gr` is one instance's, and
/// another than that without (RFC 5627 section 4.2).
const NEEDED_IN_BOTH: [&str; 6] = ["user", "ttl", "method", "maddr", "transport", "gr"];

pub(super) fn equivalent(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    match (a.scheme(), b.scheme()) {
        (Scheme::Tel, Scheme::Tel) => tel(a, b),
        (Scheme::Other, Scheme::Other) => {
            a.scheme_text().eq_ignore_ascii_case(b.scheme_text()) && a.opaque() == b.opaque()
        }
        (x, y) if x == y => sip(a, b),
        _ => false,
    }
}

fn sip(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    same_option(a.user(), b.user())
        && same_option(a.password(), b.password())
        && a.host() == b.host()
        && a.port() == b.port()
        && params_agree(a, b)
        && params_agree(b, a)
        && headers_within(a, b)
        && headers_within(b, a)
}

fn same_option(a: Option<&str>, b: Option<&str>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same(a, b),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// Every parameter of `a` that counts agrees with `b`'s. None may stand twice (section 19.1.1); where one does, the first counts.
fn params_agree(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    let (ours, theirs) = (a.params(), b.params());
    let few = ours.iter().count() <= MAX_PARTS;
    few && ours.iter().all(|param| match theirs.get(param.name) {
        Some(value) => same_ignoring_case(ours.get(param.name).unwrap_or(""), value),
        None => !NEEDED_IN_BOTH.iter().any(|name| same_ignoring_case(name, param.name)),
    })
}

/// Every header of `a` stands in `b` as often, with the same value. Header values are compared octet by octet, since the rules of each
/// header field (section 20) would need its parser.
fn headers_within(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    let count = |uri: &Uri<'_>, name: &str, value: &str| {
        uri.headers().iter().filter(|(n, v)| same_ignoring_case(n, name) && same(v, value)).count()
    };
    a.headers().iter().count() <= MAX_PARTS
        && a.headers().iter().all(|(name, value)| count(a, name, value) == count(b, name, value))
}

/// URIs with more parameters or headers than this never compare equal: the comparison takes the square of their number.
const MAX_PARTS: usize = 32;

fn tel(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    let number = |uri: &Uri<'_>| -> String {
        let digits = uri.user().unwrap_or("").chars();
        digits.filter(|ch| !matches!(ch, '-' | '.' | '(' | ')')).map(|ch| ch.to_ascii_lowercase()).collect()
    };
    let within = |a: &Uri<'_>, b: &Uri<'_>| {
        let (ours, theirs) = (a.params(), b.params());
        let same_value = |mine: &str, other: &str| {
            let plain = |text: &str| text.replace(['-', '.', '(', ')'], "").to_ascii_lowercase();
            same_ignoring_case(mine, other) || plain(mine) == plain(other)
        };
        let agrees = |name: &str| theirs.get(name).is_some_and(|v| same_value(ours.get(name).unwrap_or(""), v));
        ours.iter().count() <= MAX_PARTS && ours.iter().all(|param| agrees(param.name))
    };
    number(a) == number(b) && within(a, b) && within(b, a)
}

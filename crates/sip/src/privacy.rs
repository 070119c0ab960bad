//! What a caller wants to be kept from others (RFC 3323, and the `id` of RFC 3325).

use crate::message::header::{From, Privacy, RemotePartyId};
use crate::message::{HeaderId, Headers, Uri};

/// The From of who does not want to be known (RFC 3323 section 4.1.1.3).
pub const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
/// Its host, which is nobody's.
pub const NOWHERE: &str = "anonymous.invalid";

/// The words of a Privacy header field (RFC 3323 section 4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// `id`: who is asserted to call stays within the trust domain (RFC 3325 section 9.3).
    pub id: bool,
    /// `user`: nothing of what the user agent says of its user.
    pub user: bool,
    /// `header`: nothing of the path (Via, Contact, Record-Route).
    pub header: bool,
    /// `session`: no address of the media.
    pub session: bool,
    /// `history`: not where the call has been (RFC 7044 section 10.1).
    pub history: bool,
    /// `none`: nothing is to be hidden, whatever others think best.
    pub none: bool,
    /// `critical`: rather no call than one without what is asked for.
    pub critical: bool,
    /// A word that is none of these.
    pub unknown: bool,
    /// The From names nobody (section 4.1.1.3), or Remote-Party-ID hides who calls: who writes that does not want to be known, whatever else he says.
    pub nobody: bool,
}

/// What may be asked for, besides `none` and `critical`.
const WISHES: [&str; 5] = ["id", "user", "header", "session", "history"];

/// Whether these words may be written into a Privacy header field (RFC 3323 section 4.2).
///
/// # Errors
/// What was expected.
pub fn check(words: &str) -> Result<(), &'static str> {
    let is = |word: &str, known: &str| word.eq_ignore_ascii_case(known);
    let mut wishes: Vec<&str> = words.split(';').map(str::trim).collect();
    if wishes.len() == 1 && wishes.first().is_some_and(|word| is(word, "none")) {
        return Ok(());
    }
    if wishes.len() > 1 && wishes.last().is_some_and(|word| is(word, "critical")) {
        wishes.pop();
    }
    let times = WISHES.map(|wish| wishes.iter().filter(|word| is(word, wish)).count());
    match times.iter().sum::<usize>() == wishes.len() && times.iter().all(|times| *times <= 1) {
        true => Ok(()),
        false => Err(
            "Privacy: expected `none` alone, or id, user, header, session and history, each once at most and with semicolons between them, \
             and `critical` behind them",
        ),
    }
}

impl Wish {
    /// What the caller of a request asks for: by Privacy, by a From that is nobody's, or by a Remote-Party-ID, which is all that some gateways know.
    pub fn of_caller(headers: &Headers) -> Self {
        Self { nobody: is_from_nobody(headers) || is_hidden_party(headers), ..Self::of(headers) }
    }

    /// What who answers asks for: by Privacy, or by a Remote-Party-ID that hides an address. Whose, a line without `party` leaves open, and gateways
    /// that answer call themselves the calling one, too.
    pub fn of_callee(headers: &Headers) -> Self {
        let nobody = has_party(headers, |one| one.hides_address());
        Self { nobody, ..Self::of(headers) }
    }

    /// What the Privacy of a message asks for. What cannot be read asks for all there is, and `none` beside another wish, which must not be there
    /// (section 4.2), counts for nothing.
    pub fn of(headers: &Headers) -> Self {
        let mut wish = Self::default();
        // A second line is against the grammar, and no reason to tell what the first one hides.
        for line in headers.all(HeaderId::Privacy) {
            let Ok(privacy) = Headers::read::<Privacy<'_>>(line.value) else {
                wish = Self { id: true, user: true, ..wish };
                continue;
            };
            for word in privacy.iter() {
                let known = [
                    ("id", &mut wish.id),
                    ("user", &mut wish.user),
                    ("header", &mut wish.header),
                    ("session", &mut wish.session),
                    ("history", &mut wish.history),
                    ("none", &mut wish.none),
                    ("critical", &mut wish.critical),
                ];
                let found = known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
                *found.map_or(&mut wish.unknown, |(_, place)| place) = true;
            }
        }
        let Self { id, user, header, session, history, critical, .. } = wish;
        wish.none &= !(id || user || header || session || history || critical);
        wish
    }

    /// Whether who it is stays within the trust domain (RFC 3325 section 7): it is kept from everybody else, by a server that asserts it and by one that makes
    /// the From anew. `user` asks for that as well (RFC 3323 section 5.3): what is asserted would tell what the From is not to tell.
    pub fn is_anonymous(self) -> bool {
        (self.id || self.user || self.nobody) && !self.none
    }

    /// Whether an asserted identity may be told: to whom we trust always, to others unless they are to be kept from it (RFC 3325 section 7).
    pub fn lets_identity_go(self, to_trusted: bool) -> bool {
        to_trusted || !self.is_anonymous()
    }
}

/// Whether a URI is that of nobody (RFC 3323 section 4.1.1.3).
pub fn is_anonymous(uri: &Uri<'_>) -> bool {
    uri.host_text().eq_ignore_ascii_case(NOWHERE)
}

/// Whether a message says from nobody that it is.
pub fn is_from_nobody(headers: &Headers) -> bool {
    matches!(headers.get::<From<'_>>(), Some(Ok(from)) if is_anonymous(&from.uri))
}

/// Whether Remote-Party-ID asks that it is not told who calls.
fn is_hidden_party(headers: &Headers) -> bool {
    has_party(headers, |one| one.is_caller() && one.hides_address())
}

/// Whether a Remote-Party-ID is such a one. What cannot be read is: it may be the rest of a `privacy` whose words have commas between them and no quotes
/// around them.
fn has_party(headers: &Headers, is_such: impl Fn(RemotePartyId<'_>) -> bool) -> bool {
    headers.has(HeaderId::RemotePartyId) && headers.list::<RemotePartyId<'_>>().any(|one| one.ok().is_none_or(&is_such))
}

/// Whether a Remote-Party-ID hides an address or a name, of whoever has to do with the call: it is not shown to whom we do not trust then. What cannot be
/// read hides them all.
pub(crate) fn hides_a_party(headers: &Headers) -> bool {
    headers.list::<RemotePartyId<'_>>().any(|one| one.ok().is_none_or(|one| one.hides_name()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::message::{Limits, Message};

    fn wish(lines: &str) -> Wish {
        Wish::of(message("<sip:a@a>", lines).headers())
    }

    fn message(from: &str, lines: &str) -> Message {
        let text = format!(
            "INVITE sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: {from};tag=1\r\nTo: <sip:b@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n{lines}\r\n"
        );
        Message::parse(Bytes::from(text), &Limits::default()).expect("a message")
    }

    #[test]
    fn rfc3323_4_2_each_word_is_what_it_is() {
        assert_eq!(wish(""), Wish::default());
        assert_eq!(
            wish("Privacy: header;SESSION;user;id;critical;history\r\n"),
            Wish { none: false, unknown: false, nobody: false, ..all() }
        );
        assert_eq!(wish("Privacy: none\r\n"), Wish { none: true, ..Wish::default() });
        assert_eq!(wish("Privacy: odd\r\nPrivacy: id\r\n"), Wish { id: true, unknown: true, ..Wish::default() });
        // Who has written it wrong wanted something all the same.
        assert!(wish("Privacy: ;;\r\n").is_anonymous());
    }

    #[test]
    fn rfc3323_4_2_what_is_asked_for_is_none_alone_or_each_word_once_and_critical_behind_them() {
        for good in
            ["none", "None", "id", "ID;user;header;session;history", "session; header;critical", "user;Critical"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for wrong in [
            "",
            ";",
            "id;",
            "none;id",
            "none;none",
            "none;critical",
            "critical",
            "critical;id",
            "id;id",
            "id;ID",
            "odd",
            "id,user",
            "id;critical;critical",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
        assert!(check("id;user;header;session;history").is_ok(), "what we ask for ourselves");
    }

    #[test]
    fn rfc3323_4_2_none_counts_alone() {
        for lines in ["Privacy: none;id\r\n", "Privacy: id\r\nPrivacy: none\r\n", "Privacy: none\r\nPrivacy: id\r\n"] {
            assert_eq!(wish(lines), Wish { id: true, ..Wish::default() }, "{lines}");
        }
        assert!(wish("Privacy: None\r\n").none);
    }

    #[test]
    fn rfc3323_4_1_1_3_who_is_from_nobody_is_anonymous_unless_he_says_that_he_is_not() {
        for (from, lines, anonymous) in [
            ("<sip:anonymous@anonymous.invalid>", "", true),
            ("<sip:anonymous@Anonymous.INVALID>", "Privacy: session\r\n", true),
            ("<sip:anonymous@anonymous.invalid>", "Privacy: none\r\n", false),
            ("<sip:anonymous@b>", "", false),
            ("<sip:a@b>", "Remote-Party-ID: <sip:77@gw>;party=calling;privacy=full\r\n", true),
            ("<sip:a@b>", "Remote-Party-ID: <sip:78@gw>;party=called;privacy=full, <sip:77@gw>;privacy=off\r\n", false),
            ("<sip:a@b>", "Remote-Party-ID: <sip:77@gw>;party=calling;privacy=name\r\n", false),
            ("<sip:a@b>", "Remote-Party-ID: <sip:77@gw>;party=calling;privacy=name,uri\r\n", true),
            ("<sip:a@b>", "Remote-Party-ID: <sip:77@gw>;privacy=off, full;screen=yes\r\n", true),
            ("<sip:a@b>", "Remote-Party-ID: <sip:77@gw>;privacy=off\r\nRemote-Party-ID: \r\n", true),
        ] {
            assert_eq!(Wish::of_caller(message(from, lines).headers()).is_anonymous(), anonymous, "{from} {lines}");
        }
    }

    fn all() -> Wish {
        let yes = true;
        let all = Wish { id: yes, user: yes, header: yes, session: yes, history: yes, none: yes, ..Wish::default() };
        Wish { critical: yes, unknown: yes, nobody: yes, ..all }
    }

    #[test]
    fn rfc3325_7_an_identity_leaves_the_trust_domain_unless_id_is_asked_for() {
        for (lines, trusted, goes) in [
            ("", false, true),
            ("Privacy: id\r\n", false, false),
            ("Privacy: id\r\n", true, true),
            ("Privacy: user\r\n", false, false),
            ("Privacy: user;critical\r\n", true, true),
            ("Privacy: session\r\n", false, true),
            ("Privacy: none\r\n", false, true),
            ("Privacy: id;none\r\n", false, false),
        ] {
            assert_eq!(wish(lines).lets_identity_go(trusted), goes, "{lines:?} {trusted}");
        }
    }
}

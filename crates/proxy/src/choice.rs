//! Which of several final responses goes back (RFC 3261 section 16.7 steps 6 and 7).

use sip::message::{HeaderId, Lines, Response, StatusCode};

/// How one branch has ended.
#[derive(Debug)]
pub enum Outcome {
    /// By this response.
    Received(Box<Response>),
    /// Without one: as if this code had come (sections 16.8 and 16.9).
    Made(StatusCode),
    /// It was not begun: all servers it could have gone to have asked for less (RFC 7339 section 5.10).
    LeftOut,
}

impl Outcome {
    /// Its code.
    pub fn code(&self) -> StatusCode {
        match self {
            Outcome::Received(response) => response.code(),
            Outcome::Made(code) => *code,
            Outcome::LeftOut => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The lower, the better.
    fn rank(&self) -> (u8, u8) {
        let code = self.code();
        match code.class() {
            6 => (0, 0),
            class => (class, preference(code)),
        }
    }
}

/// Those by which the caller can make his request good come before others of their class. Last of their own come a 503, which says nothing of us, and
/// what says nothing of the callee: nobody has answered, or we have taken the call back when others had their turn.
fn preference(code: StatusCode) -> u8 {
    match code.get() {
        401 | 407 | 415 | 420 | 484 => 0,
        408 | 487 | 503 => 2,
        _ => 1,
    }
}

/// The best final response so far, and the challenges of all.
#[derive(Debug, Default)]
pub struct Choice {
    best: Option<Outcome>,
    challenges: Lines,
    octets: usize,
    /// How many have been received.
    received: usize,
}

/// Most octets of challenges that are gathered.
const MOST: usize = 8_192;

impl Choice {
    /// One more branch has ended.
    pub fn add(&mut self, outcome: Outcome) {
        self.received += usize::from(matches!(outcome, Outcome::Received(_)));
        let better = self.best.as_ref().is_none_or(|best| outcome.rank() < best.rank());
        let worse = match better {
            true => self.best.replace(outcome),
            false => Some(outcome),
        };
        if let Some(Outcome::Received(response)) = worse {
            self.gather(&response);
        }
    }

    /// The challenges of a response that is not the best one (step 7).
    fn gather(&mut self, response: &Response) {
        if !matches!(response.code(), StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED) {
            return;
        }
        let headers = response.headers();
        for id in [HeaderId::WwwAuthenticate, HeaderId::ProxyAuthenticate] {
            for value in headers.values(id) {
                self.octets = self.octets.saturating_add(value.len());
                if self.octets <= MOST {
                    self.challenges.push_parts(id, &[value]);
                }
            }
        }
    }

    /// A 6xx is among them: no other target is asked (step 5).
    pub fn is_final(&self) -> bool {
        self.best.as_ref().is_some_and(|best| best.code().class() == 6)
    }

    /// Whether several have answered, so that the best speaks for all of them.
    pub fn is_of_several(&self) -> bool {
        self.received > 1
    }

    /// Whether a branch has ended.
    pub fn is_empty(&self) -> bool {
        self.best.is_none()
    }

    /// The best, with the lines that come to it. A 503 is told of as 500: it is about that target, and not about us. What is left out for a server that asks for
    /// less is none of these. Nothing at all is a 408.
    pub fn take(&mut self) -> (Outcome, Lines) {
        let best = self.best.take().unwrap_or(Outcome::Made(StatusCode::REQUEST_TIMEOUT));
        let challenges = std::mem::take(&mut self.challenges);
        match best.code() {
            StatusCode::SERVICE_UNAVAILABLE if !matches!(best, Outcome::LeftOut) => {
                (Outcome::Made(StatusCode::SERVER_INTERNAL_ERROR), Lines::new())
            }
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => (best, challenges),
            _ => (best, Lines::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use sip::message::{Limits, Message};

    use super::*;

    fn response(code: u16, lines: &str) -> Outcome {
        let text = format!(
            "SIP/2.0 {code} X\nVia: SIP/2.0/UDP p;branch=z9hG4bK2\nFrom: <sip:a@a>;tag=1\nTo: <sip:b@b>;tag=2\nCall-ID: 1\nCSeq: 1 INVITE\n{lines}\n"
        );
        match Message::parse(Bytes::from(text.replace('\n', "\r\n")), &Limits::default()) {
            Ok(Message::Response(response)) => Outcome::Received(Box::new(response)),
            other => panic!("{other:?}"),
        }
    }

    fn best(codes: &[u16]) -> u16 {
        let mut choice = Choice::default();
        codes.iter().for_each(|code| choice.add(response(*code, "")));
        choice.take().0.code().get()
    }

    #[test]
    fn rfc3261_16_7_6_6xx_then_the_lowest_class_then_what_can_be_made_good() {
        for (codes, expected) in [
            (&[404, 486, 603][..], 603),
            (&[603, 404][..], 603),
            (&[503, 486, 302][..], 302),
            (&[500, 486][..], 486),
            (&[486, 404][..], 486),
            (&[486, 401][..], 401),
            (&[404, 420, 407][..], 420),
            (&[404, 415][..], 415),
            (&[404, 484][..], 484),
            (&[408][..], 408),
            (&[487, 486][..], 486),
            (&[408, 480][..], 480),
            (&[408, 404][..], 404),
            (&[487, 503][..], 487),
            (&[503, 502][..], 502),
            (&[][..], 408),
        ] {
            assert_eq!(best(codes), expected, "{codes:?}");
        }
    }

    #[test]
    fn rfc3261_16_7_6_a_503_becomes_500() {
        assert_eq!(best(&[503]), 500);
        assert_eq!(best(&[503, 503]), 500);
    }

    #[test]
    fn rfc7339_5_10_what_is_left_out_is_told_of_as_503_where_nothing_better_comes() {
        let best = |codes: &[u16]| {
            let mut choice = Choice::default();
            choice.add(Outcome::LeftOut);
            codes.iter().for_each(|code| choice.add(response(*code, "")));
            choice.take().0.code().get()
        };
        assert_eq!(best(&[]), 503);
        assert_eq!(best(&[486]), 486);
    }

    #[test]
    fn rfc3261_16_7_7_challenges_of_all_branches_are_collected() {
        let mut choice = Choice::default();
        choice.add(response(407, "Proxy-Authenticate: Digest realm=\"a\", nonce=\"1\"\n"));
        choice.add(response(404, ""));
        choice.add(response(
            401,
            "WWW-Authenticate: Digest realm=\"b\", nonce=\"2\"\nWWW-Authenticate: Digest realm=\"c\", nonce=\"3\"\n",
        ));
        let (best, lines) = choice.take();
        assert_eq!(best.code().get(), 407);
        assert_eq!(
            String::from_utf8_lossy(lines.as_bytes()),
            "WWW-Authenticate: Digest realm=\"b\", nonce=\"2\"\r\nWWW-Authenticate: Digest realm=\"c\", nonce=\"3\"\r\n"
        );
        let mut choice = Choice::default();
        choice.add(response(401, "WWW-Authenticate: Digest realm=\"b\", nonce=\"2\"\n"));
        choice.add(response(302, ""));
        let (best, lines) = choice.take();
        assert_eq!((best.code().get(), lines.is_empty()), (302, true));
    }

    #[test]
    fn challenges_are_bounded() {
        let mut choice = Choice::default();
        let long = format!("WWW-Authenticate: Digest realm=\"{}\"\n", "x".repeat(4_000));
        (0..10).for_each(|_| choice.add(response(401, &long)));
        assert_eq!(choice.take().1.iter().count(), 2);
    }
}

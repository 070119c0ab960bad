//! A whole negotiation: the input is a script of steps, descriptions among them, run against one negotiation of ours. The first byte of a step
//! says what is done with the rest.
#![no_main]

use std::net::Ipv4Addr;

use libfuzzer_sys::fuzz_target;
use offhook_fuzz::{plant, readable, steps};
use sdp::{Codec, Hold, LocalCapabilities, LocalMedia, Negotiation, NegotiationState, Origin, Session};

/// More steps show nothing new and take long.
const STEPS: usize = 12;

fuzz_target!(|input: &[u8]| {
    let codecs: Vec<Codec> =
        [(0, "PCMU"), (8, "PCMA")].into_iter().filter_map(|(pt, name)| Codec::new(pt, name, 8000)).collect();
    let mut capabilities = LocalCapabilities::new(Ipv4Addr::new(192, 0, 2, 1), vec![LocalMedia::audio(4000, codecs)]);
    let mut ours = Negotiation::new(Origin::new(1, 1, Ipv4Addr::new(192, 0, 2, 1)));
    let (mut agreed, mut answered) = (0, 0);
    for step in steps(input).take(STEPS) {
        let Some((what, rest)) = step.split_first() else { continue };
        match what {
            b'o' => {
                let Ok(offer) = Session::parse(rest) else { continue };
                let before = ours.agreement().clone();
                let origin = || Origin::new(1, 1, Ipv4Addr::new(192, 0, 2, 1));
                let kept = Negotiation::new(origin()).answer(&offer, &capabilities);
                let kept = kept.map(|kept| (kept.session.to_bytes(), kept.agreement));
                assert_eq!(capabilities.answer(&offer, origin()), kept, "the same answer when nothing is kept");
                match ours.answer(&offer, &capabilities) {
                    Ok(answer) => {
                        answered += 1;
                        assert_eq!(
                            answer.session.media.len(),
                            offer.media.len(),
                            "RFC 3264 section 6: one m= line for each"
                        );
                        assert_eq!(ours.state(), NegotiationState::Stable);
                        readable(&answer.session);
                    }
                    Err(_) => assert_eq!(*ours.agreement(), before, "a refused offer changes nothing"),
                }
            }
            b'a' => {
                let Ok(answer) = Session::parse(rest) else { continue };
                if ours.accept_answer(&answer).is_ok() {
                    agreed += 1;
                }
            }
            b'O' => {
                if let Ok(offer) = ours.offer(&capabilities) {
                    readable(&offer.clone());
                }
            }
            b'r' => {
                ours.rollback();
                assert_eq!(ours.state(), NegotiationState::Stable);
            }
            b'h' => capabilities.set_hold(Hold::ByDirection),
            b'n' => capabilities.set_hold(Hold::ByNullAddress),
            b'u' => capabilities.set_hold(Hold::Off),
            _ => {}
        }
    }
    plant(agreed == 1 && answered == 2 && ours.agreement().audio().is_none());
});

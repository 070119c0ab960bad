//! One call's descriptions on one side, streams on the other.
//!
//! [`CallMedia`] owns the offer/answer state of a dialog and says, after each exchange, what the engine must do.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use audio::codec::Codec;
use sdp::{
    AcceptError, Agreement, AnswerError, HoldState, LocalCapabilities, LocalMedia, Negotiation, NegotiationState,
    OfferError, Origin, ParseError, Session,
};

use crate::settings::{StreamSettings, UnusablePlan};

/// What an exchange of descriptions means for the call's one audio stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreed {
    /// The stream; `None` when the peers agreed on no audio.
    pub settings: Option<StreamSettings>,
    /// Who holds.
    pub hold: HoldState,
}

impl Agreed {
    /// What the stream runs with from now on, when it ran with `before`: a stream whose line was refused or ended rests until the line is
    /// back. `None`: there is no stream, and there was none.
    pub fn settings_after(&self, before: Option<&StreamSettings>) -> Option<StreamSettings> {
        self.settings.clone().or_else(|| before.map(StreamSettings::at_rest))
    }
}

/// Why an exchange of descriptions failed. The call goes on with what was agreed before.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum NegotiateError {
    /// The body is no session description: 400.
    Unreadable(ParseError),
    /// We cannot offer now.
    Offer(OfferError),
    /// Their offer cannot be answered.
    Answer(AnswerError),
    /// Their answer cannot be taken.
    Accept(AcceptError),
    /// Agreed on something we cannot carry: 488.
    Unusable(UnusablePlan),
}

impl NegotiateError {
    /// The SIP status that tells the peer, when the fault is in its offer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Unreadable(_) => 400,
            Self::Answer(AnswerError::OursPending) => 491,
            Self::Answer(AnswerError::TheirsPending) => 500,
            Self::Offer(_) => 500,
            _ => 488,
        }
    }
}

impl fmt::Display for NegotiateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "session description: {error}"),
            Self::Offer(error) => error.fmt(f),
            Self::Answer(error) => error.fmt(f),
            Self::Accept(error) => error.fmt(f),
            Self::Unusable(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NegotiateError {}

/// The audio of one dialog: descriptions in and out, settings for the engine.
#[derive(Clone, Debug)]
pub struct CallMedia {
    negotiation: Negotiation,
    /// Most often those of other calls, too.
    capabilities: Arc<LocalCapabilities>,
}

impl CallMedia {
    /// Audio received at `local` (RTP; RTCP on the port above) with `codecs` in order of preference. `session` names the description
    /// (`o=`), a random number.
    pub fn new(local: SocketAddr, codecs: &[Codec], session: u64) -> Self {
        let codecs = codecs
            .iter()
            .filter_map(|codec| sdp::Codec::new(codec.static_payload_type()?, codec.name(), codec.clock_rate()))
            .collect();
        let media = LocalMedia::audio(local.port(), codecs);
        Self::sharing(Arc::new(LocalCapabilities::new(local.ip(), vec![media])), session)
    }

    /// As another call with these capabilities: they are copied when one of the two changes them. `session` names the description
    /// (`o=`), a random number.
    pub fn sharing(capabilities: Arc<LocalCapabilities>, session: u64) -> Self {
        Self { negotiation: Negotiation::new(origin(&capabilities, session)), capabilities }
    }

    /// Answers the first offer of a dialog of which nothing is kept, for a fraction of the cost: what [`CallMedia::answer`] of
    /// [`CallMedia::sharing`] says. Should the dialog change later, that can be made up for by answering the same offer again.
    ///
    /// # Errors
    /// As [`CallMedia::answer`].
    pub fn answer_once(
        capabilities: &LocalCapabilities,
        session: u64,
        offer: &[u8],
    ) -> Result<(Vec<u8>, Agreed), NegotiateError> {
        let offer = Session::parse(offer).map_err(NegotiateError::Unreadable)?;
        let answer = capabilities.answer(offer, origin(capabilities, session));
        let (body, agreement) = answer.map_err(NegotiateError::Answer)?;
        Ok((body, agreed(&agreement)?))
    }

    /// What we can and want, to be shared with other calls.
    pub fn shared(&self) -> Arc<LocalCapabilities> {
        Arc::clone(&self.capabilities)
    }

    /// What we can and want, to be changed before the next offer or answer.
    pub fn capabilities(&mut self) -> &mut LocalCapabilities {
        Arc::make_mut(&mut self.capabilities)
    }

    /// Where the exchange stands.
    pub fn state(&self) -> NegotiationState {
        self.negotiation.state()
    }

    /// The body of an offer.
    ///
    /// # Errors
    /// [`NegotiateError::Offer`] while another offer is pending.
    pub fn offer(&mut self) -> Result<Vec<u8>, NegotiateError> {
        let session = self.negotiation.offer(&self.capabilities).map_err(NegotiateError::Offer)?;
        Ok(session.to_bytes())
    }

    /// The body of an offer that changes nothing: the description in force again, its version unchanged (RFC 4028 section 7.4).
    ///
    /// # Errors
    /// As [`CallMedia::offer`].
    pub fn offer_again(&mut self) -> Result<Vec<u8>, NegotiateError> {
        let session = self.negotiation.offer_again(&self.capabilities).map_err(NegotiateError::Offer)?;
        Ok(session.to_bytes())
    }

    /// Whether their offer says what they said before, to the letter.
    pub fn is_in_force(&self, offer: &[u8]) -> bool {
        Session::parse(offer).is_ok_and(|offer| self.negotiation.remote() == Some(&offer))
    }

    /// What the stream runs with while our offer waits for its answer, when it ran with `before`: an offerer is prepared to receive at once (RFC
    /// 3264 section 5.1). `None` when no offer of ours waits, or it wants nothing to come.
    pub fn awaiting(&self, before: Option<&StreamSettings>) -> Option<StreamSettings> {
        let offer = self.negotiation.pending_offer().filter(|_| self.state() == NegotiationState::OfferSent)?;
        let offered = StreamSettings::offered(offer)?;
        Some(before.map_or_else(|| offered.clone(), |before| before.offering(&offered)))
    }

    /// Answers their offer: the body of the answer and what is agreed.
    ///
    /// # Errors
    /// [`NegotiateError`], whose [`NegotiateError::status`] refuses the offer; nothing has changed.
    pub fn answer(&mut self, offer: &[u8]) -> Result<(Vec<u8>, Agreed), NegotiateError> {
        let offer = Session::parse(offer).map_err(NegotiateError::Unreadable)?;
        let before = self.negotiation.clone();
        let answer = self.negotiation.answer_borrowed(offer, &self.capabilities);
        let (session, agreement) = answer.map_err(NegotiateError::Answer)?;
        match agreed(agreement) {
            Ok(agreed) => Ok((session.to_bytes(), agreed)),
            Err(error) => {
                self.negotiation = before;
                Err(error)
            }
        }
    }

    /// The body of an answer that takes nothing of their offer, for the ACK of a 2xx whose offer cannot be taken (RFC 3261 section
    /// 13.2.2.4); `None` when the offer cannot be read. What was agreed before stays.
    pub fn refusal(&mut self, offer: &[u8]) -> Option<Vec<u8>> {
        let offer = Session::parse(offer).ok()?;
        Some(self.negotiation.refusal(&offer, &self.capabilities).to_bytes())
    }

    /// Takes their answer to our offer.
    ///
    /// # Errors
    /// [`NegotiateError`]; our offer is dropped, what was agreed before stays.
    pub fn accept(&mut self, answer: &[u8]) -> Result<Agreed, NegotiateError> {
        let before = self.negotiation.clone();
        let accepted = Session::parse(answer).map_err(NegotiateError::Unreadable).and_then(|answer| {
            self.negotiation.accept_answer(&answer).map_err(NegotiateError::Accept).and_then(agreed)
        });
        if accepted.is_err() {
            self.negotiation = before;
            self.negotiation.rollback();
        }
        accepted
    }

    /// Drops a pending offer, ours or theirs: it was refused.
    pub fn rollback(&mut self) -> bool {
        self.negotiation.rollback()
    }

    /// Whether an offer, ours or theirs, waits for its answer.
    pub fn is_pending(&self) -> bool {
        self.negotiation.pending_offer().is_some()
    }

    /// The description of ours in force, to be repeated in a later response.
    pub fn local(&self) -> Option<Vec<u8>> {
        self.negotiation.local().map(Session::to_bytes)
    }

    /// What is in force.
    pub fn agreement(&self) -> &Agreement {
        self.negotiation.agreement()
    }
}

/// The `o=` line of our descriptions. Both numbers are said in 62 bit at most (RFC 3264 section 5).
fn origin(capabilities: &LocalCapabilities, session: u64) -> Origin {
    Origin::new(session >> 2, 1, capabilities.address.clone())
}

fn agreed(agreement: &Agreement) -> Result<Agreed, NegotiateError> {
    let Some(plan) = agreement.audio() else { return Ok(Agreed { settings: None, hold: HoldState::Active }) };
    let hold = plan.hold;
    StreamSettings::from_plan(plan)
        .map(|settings| Agreed { settings: Some(settings), hold })
        .map_err(NegotiateError::Unusable)
}

#[cfg(test)]
mod tests;

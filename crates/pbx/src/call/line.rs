//! The media of one leg: its description, its ports, its stream.

use std::net::{IpAddr, SocketAddr};

use audio::codec::Codec;
use media::{Agreed, CallMedia, Key, NegotiateError, StreamSettings};
use net::media::{NoPorts, PortPair};
use sdp::{CodecOrder, Direction};

use crate::studio::{self, Studio};

/// What we speak, the most wanted first.
pub(crate) const CODECS: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

/// A leg's media. Must be given back with [`Line::close`].
#[derive(Debug)]
pub(crate) struct Line {
    media: CallMedia,
    ours: IpAddr,
    key: Key,
    /// Held until the stream begins, with the Call-ID that the log names should it fail.
    ports: Option<(PortPair, Box<str>)>,
    /// What the stream runs with, once it does.
    settings: Option<StreamSettings>,
    /// The answer that came in a provisional response, and the To tag of its dialog.
    early: Option<(String, Vec<u8>)>,
    /// That answer counts, whatever comes: offers have followed it.
    settled: bool,
}

impl Line {
    /// Opens ports at `ours`, the address at which the peer reaches us, for a stream of this call on this media thread.
    pub(crate) fn open(
        studio: &Studio,
        (call_id, thread): (&str, usize),
        ours: IpAddr,
        codecs: &[Codec],
    ) -> Result<Self, NoPorts> {
        let (ports, address): (PortPair, SocketAddr) = studio.open(ours)?;
        let mut media = CallMedia::new(address, codecs, rand::random());
        // One codec in an answer of ours: nothing changes in the middle of a call unseen.
        media.capabilities().single_codec = true;
        Ok(Self {
            media,
            ours: address.ip(),
            key: studio.key(thread),
            ports: Some((ports, call_id.into())),
            settings: None,
            early: None,
            settled: false,
        })
    }

    /// The stream's name.
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    /// Our address, as the peer is told.
    pub(crate) fn ours(&self) -> IpAddr {
        self.ours
    }

    /// Goes on with another media thread, under another name, as part of this call.
    pub(crate) fn move_to(&mut self, thread: usize, call_id: &str, studio: &mut Studio) {
        let key = studio.key(thread);
        if let Some(settings) = &self.settings {
            studio.move_stream((self.key, key), settings.clone(), call_id);
        }
        self.key = key;
    }

    /// Has another name on the same media thread; false when that thread has no room for commands: then the stream is over.
    pub(crate) fn rename(&mut self, key: Key, call_id: &str, studio: &mut Studio) -> bool {
        let old = std::mem::replace(&mut self.key, key);
        self.settings.take_if(|settings| !studio.rename_stream((old, key), settings.clone(), call_id)).is_none()
    }

    /// The codec in use.
    pub(crate) fn codec(&self) -> Option<Codec> {
        self.settings.as_ref().map(|settings| settings.codec)
    }

    /// Whether audio flows one way or none.
    pub(crate) fn is_held(&self) -> bool {
        self.settings.as_ref().is_some_and(|settings| settings.direction != Direction::SendRecv)
    }

    /// Which way audio may flow, seen from us.
    pub(crate) fn direction(&self) -> Direction {
        self.settings.as_ref().map_or(Direction::Inactive, |settings| settings.direction)
    }

    /// What an offer would come to, without taking it: the codecs in the peer's order.
    pub(crate) fn look_at(&self, offer: &[u8]) -> Result<Vec<Codec>, NegotiateError> {
        let mut trial = self.media.clone();
        trial.capabilities().single_codec = false;
        let (_, agreed) = trial.answer(offer)?;
        let types = agreed.settings.map(|settings| settings.receive_types).unwrap_or_default();
        Ok(types.into_iter().map(|(_, codec)| codec).collect())
    }

    /// Wants this codec before others from now on.
    pub(crate) fn prefer(&mut self, codec: Codec) {
        let capabilities = self.media.capabilities();
        capabilities.order = CodecOrder::Ours;
        if let Some(audio) = capabilities.media.first_mut() {
            audio.codecs.sort_by_key(|known| !known.name.as_str().eq_ignore_ascii_case(codec.name()));
        }
    }

    /// Which way audio is wanted in what is offered and answered from now on.
    pub(crate) fn want(&mut self, direction: Direction) {
        if let Some(audio) = self.media.capabilities().media.first_mut() {
            audio.direction = direction;
        }
    }

    /// Whether an offer waits for its answer.
    pub(crate) fn is_asked(&self) -> bool {
        self.media.is_pending()
    }

    /// Our offer.
    pub(crate) fn offer(&mut self) -> Result<Vec<u8>, NegotiateError> {
        self.media.offer()
    }

    /// Our description in force as an offer: it changes nothing.
    pub(crate) fn offer_again(&mut self) -> Result<Vec<u8>, NegotiateError> {
        self.media.offer_again()
    }

    /// Whether an offer says what the peer said before.
    pub(crate) fn is_in_force(&self, offer: &[u8]) -> bool {
        self.media.is_in_force(offer)
    }

    /// The offer was refused.
    pub(crate) fn take_back(&mut self) {
        self.media.rollback();
    }

    /// Answers an offer, and begins or changes the stream.
    pub(crate) fn answer(&mut self, offer: &[u8], studio: &mut Studio) -> Result<Vec<u8>, NegotiateError> {
        let (answer, agreed) = self.media.answer(offer)?;
        self.carry_out(agreed, studio);
        Ok(answer)
    }

    /// An answer that takes nothing of an offer; `None` when that cannot be read.
    pub(crate) fn refusal(&mut self, offer: &[u8]) -> Option<Vec<u8>> {
        self.media.refusal(offer)
    }

    /// Takes the answer to our offer, and begins or changes the stream.
    pub(crate) fn accept(&mut self, answer: &[u8], studio: &mut Studio) -> Result<(), NegotiateError> {
        let agreed = self.media.accept(answer)?;
        self.carry_out(agreed, studio);
        Ok(())
    }

    /// Takes an answer that came in a provisional response of the dialog with this To tag: the first one, whatever that dialog says later
    /// (RFC 3261 section 13.2.1). Another dialog, a fork, has an answer of its own.
    pub(crate) fn preview(&mut self, tag: &str, answer: &[u8], studio: &mut Studio) -> Result<(), NegotiateError> {
        if self.early.as_ref().is_some_and(|(known, _)| known == tag) {
            return Ok(());
        }
        let agreed = self.media.clone().accept(answer)?;
        self.early = Some((tag.to_owned(), answer.to_vec()));
        self.carry_out(agreed, studio);
        Ok(())
    }

    /// Takes an early answer for good: the dialog with this To tag has sent it reliably, and makes an offer now (RFC 3311 section 5.1). False when
    /// it is another dialog, or none.
    pub(crate) fn settle(&mut self, tag: &str) -> bool {
        match &self.early {
            Some((known, answer)) if known == tag => {
                self.settled || {
                    self.settled = self.media.accept(answer).is_ok();
                    self.settled
                }
            }
            _ => false,
        }
    }

    /// Whether the early answer in use is that of the dialog with this tag of theirs.
    pub(crate) fn is_previewed(&self, tag: Option<&str>) -> bool {
        self.early.as_ref().is_some_and(|(known, _)| Some(known.as_str()) == tag)
    }

    /// Whether an early answer was taken for good: what the final response says is no news.
    pub(crate) fn is_settled(&self, tag: &str) -> bool {
        self.settled && self.early.as_ref().is_some_and(|(known, _)| known == tag)
    }

    /// The answer that the dialog with this To tag gave before its final response.
    pub(crate) fn previewed(&mut self, tag: &str) -> Option<Vec<u8>> {
        let (known, answer) = self.early.take()?;
        (known == tag).then_some(answer)
    }

    /// Our description in force.
    pub(crate) fn local(&self) -> Option<Vec<u8>> {
        self.media.local()
    }

    /// Gives everything back.
    pub(crate) fn close(self, studio: &mut Studio) {
        if self.settings.is_some() {
            studio.remove_stream(self.key);
        }
    }

    fn carry_out(&mut self, agreed: Agreed, studio: &mut Studio) {
        let key = self.key;
        let Some(settings) = agreed.settings_after(self.settings.as_ref()) else { return };
        if self.settings.as_ref() == Some(&settings) {
            return;
        }
        let fresh = settings.clone();
        match self.ports.take() {
            Some((ports, call_id)) => {
                let silence = studio.silence;
                studio.run(key, move |desk| studio::begin(desk, &call_id, (key, ports), fresh, silence));
            }
            None => {
                studio.run(key, move |desk| {
                    desk.engine.update_stream(desk.now, key, fresh);
                });
            }
        }
        self.settings = Some(settings);
    }
}

//! What an answer says of one line of the offer: RFC 3264 section 6.

use super::capabilities::{CodecOrder, Hold, LocalCapabilities, LocalMedia, NullAddressAnswer};
use super::offer::describe;
use super::places::Places;
use super::plan::{Ours, Role, StreamPlan};
use super::slot::Slot;
use crate::attribute::Attribute;
use crate::codec::Codec;
use crate::direction::Direction;
use crate::media::{Media, print_line};
use crate::print::Printout;
use crate::session::Session;
use crate::telephone_event::EventSet;
use crate::text::{Text, Token};
use crate::view::MediaView;

/// What an answer says of one line.
pub(super) enum Section<'a> {
    /// Codecs, direction and little else.
    Plain(Plain<'a>),
    /// Anything, with the codecs it describes.
    Any(Media, Vec<Codec>),
}

/// A stream that is taken as nearly all are, in lines that need not be put into a [`Media`] to be printed.
pub(super) struct Plain<'a> {
    offered: MediaView<'a>,
    local: &'a LocalMedia,
    all: &'a LocalCapabilities,
    codecs: Vec<Codec>,
    direction: Direction,
    rtcp_mux: bool,
}

impl<'a> Section<'a> {
    /// The answer for one line: the entry it is bound to if that fits, else the first free one that does, else port 0.
    pub(super) fn answering(
        offered: MediaView<'a>,
        theirs: &[Codec],
        slot: &mut Slot,
        free: &mut Places,
        capabilities: &'a LocalCapabilities,
    ) -> Section<'a> {
        let places = *free;
        let unbound = (0..capabilities.media.len()).filter(|at| places.has(*at));
        for at in slot.capability.into_iter().chain(unbound) {
            let Some(local) = capabilities.media.get(at) else { continue };
            let Some(section) = accepted(offered, theirs, local, capabilities) else { continue };
            free.take(at);
            slot.capability = Some(at);
            slot.refused = false;
            slot.wanted = local.wanted();
            return section;
        }
        slot.refused |= offered.is_rejected();
        let refused = offered.media().rejection();
        let codecs = refused.codecs();
        Section::Any(refused, codecs)
    }

    /// What it and the line that it answers agree on. `head` is what it inherits from.
    pub(super) fn plan(
        &self,
        index: usize,
        head: &Session,
        theirs: (MediaView<'_>, &[Codec]),
        wanted: Direction,
    ) -> Option<StreamPlan> {
        match self {
            Section::Any(media, codecs) => {
                StreamPlan::of_codecs(index, (MediaView::new(head, media), codecs), theirs, Role::Answerer, wanted)
            }
            Section::Plain(plain) => {
                let ours = Ours {
                    kind: &plain.local.kind,
                    protocol: &plain.offered.media().protocol,
                    codecs: &plain.codecs,
                    formats: &[],
                    direction: plain.direction,
                    rtcp_mux: plain.rtcp_mux,
                    ptime: None,
                };
                let numbers = plain.codecs.iter().map(|codec| codec.payload_type);
                StreamPlan::of_ours(index, ours, theirs, numbers, Role::Answerer, wanted)
            }
        }
    }

    pub(super) fn into_media(self) -> (Media, Vec<Codec>) {
        match self {
            Section::Any(media, codecs) => (media, codecs),
            Section::Plain(plain) => (plain.media(Vec::new()), plain.codecs),
        }
    }

    pub(super) fn print(&self, out: &mut Printout) {
        match self {
            Section::Any(media, _) => media.print(out),
            Section::Plain(plain) => plain.print(out),
        }
    }
}

impl Plain<'_> {
    /// Whether there is nothing to say that [`Plain::print`] does not.
    fn is_all(&self) -> bool {
        let local = self.local;
        let bare = local.address.is_none() && local.rtcp.is_none() && local.ptime.is_none() && local.maxptime.is_none();
        let empty = local.bandwidths.is_empty() && local.attributes.is_empty() && self.all.attributes.is_empty();
        bare && empty && local.hold != Hold::ByNullAddress && !self.codecs.is_empty()
    }

    fn mid(&self) -> Option<&Attribute> {
        self.offered.media().attributes.iter().find(|attribute| attribute.name == "mid")
    }

    fn media(&self, formats: Vec<Token>) -> Media {
        let protocol = self.offered.protocol.clone();
        let mut media = Media::with_formats(self.local.kind.clone(), self.local.port, protocol, formats);
        media.attributes.extend(self.mid().cloned());
        describe(&mut media, self.local, &self.codecs, self.direction, self.rtcp_mux, self.all);
        media
    }

    fn print(&self, out: &mut Printout) {
        let numbers = self.codecs.iter().map(|codec| codec.payload_type.as_str());
        out.line("m=", |out| {
            print_line(out, &self.local.kind, (self.local.port, None), &self.offered.media().protocol, numbers);
        });
        if let Some(mid) = self.mid() {
            out.line("a=", |out| mid.print(out));
        }
        self.codecs.iter().for_each(|codec| codec.print(out));
        out.text(if self.rtcp_mux { "a=rtcp-mux\r\n" } else { "" });
        out.line("a=", |out| out.text(self.direction.as_str()));
    }
}

/// The answer for one line from one entry of the capabilities; `None` when that cannot take it.
fn accepted<'a>(
    offered: MediaView<'a>,
    theirs: &[Codec],
    local: &'a LocalMedia,
    all: &'a LocalCapabilities,
) -> Option<Section<'a>> {
    let connection = offered.connection()?;
    let multicast = connection.address.is_multicast();
    let fits = !offered.is_rejected()
        && local.port != 0
        && offered.kind == local.kind
        && local.protocols.contains(&offered.protocol)
        && (!multicast || local.multicast);
    if !fits {
        return None;
    }
    let is_rtp = offered.protocol.is_rtp();
    let codecs = if is_rtp { common_codecs(theirs, local, all) } else { Vec::new() };
    let formats = if is_rtp { Vec::new() } else { common_formats(offered, local) };
    if codecs.is_empty() && formats.is_empty() {
        return None;
    }
    let mirrored = offered.is_held_by_address() && all.null_address == NullAddressAnswer::Mirror;
    let direction = match mirrored {
        true => Direction::Inactive,
        false => offered.direction().reversed().and(local.wanted()),
    };
    let rtcp_mux = local.rtcp_mux && offered.rtcp_mux();
    let plain = Plain { offered, local, all, codecs, direction, rtcp_mux };
    if !mirrored && !multicast && plain.is_all() {
        return Some(Section::Plain(plain));
    }
    let mut media = plain.media(formats);
    if mirrored && local.hold != Hold::ByNullAddress {
        let address = local.address.as_ref().unwrap_or(&all.address);
        media.connections = vec![address.to_null().into()];
    }
    if multicast {
        mirror_multicast(&mut media, offered);
    }
    // What the application adds by hand may say more of a codec.
    let codecs = if local.attributes.is_empty() { plain.codecs } else { media.codecs() };
    Some(Section::Any(media, codecs))
}

/// RFC 3264 section 6.2: address, port, direction, packet time and bandwidth of a multicast stream are those offered.
fn mirror_multicast(media: &mut Media, offered: MediaView<'_>) {
    media.port = offered.port;
    media.port_count = offered.port_count;
    media.connections = match offered.connections.is_empty() {
        true => offered.connection().cloned().into_iter().collect(),
        false => offered.connections.clone(),
    };
    media.bandwidths = offered.bandwidths.clone();
    media.attributes.set_direction(offered.direction());
    for name in ["ptime", "maxptime"] {
        match offered.inherited(name).map(Text::new) {
            Some(Ok(value)) => media.attributes.set(Attribute { name: Token::literal(name), value: Some(value) }),
            _ => media.attributes.remove(name),
        }
    }
}

fn common_formats(offered: MediaView<'_>, local: &LocalMedia) -> Vec<Token> {
    let known = |format: &Token| local.formats.iter().any(|ours| ours.eq_ignore_ascii_case(format));
    offered.formats.iter().filter(|format| known(format)).take(local.formats.len()).cloned().collect()
}

/// The codecs of an answer with the numbers of the offer; each codec of ours at most once. Empty when the offer has a
/// real codec but none in common, however well its events would fit.
fn common_codecs(theirs: &[Codec], local: &LocalMedia, all: &LocalCapabilities) -> Vec<Codec> {
    let pair = |ours: &Codec, theirs: &Codec| (!theirs.is_telephone_event()).then(|| answered_codec(ours, theirs));
    let mut common: Vec<Codec> = Vec::with_capacity(theirs.len());
    match all.order {
        CodecOrder::Theirs => {
            let mut free = Places::ALL;
            for codec in theirs {
                let mut ours = local.codecs.iter().enumerate();
                let found = ours.find(|(at, ours)| free.has(*at) && ours.same_format(codec));
                let Some((at, ours)) = found else { continue };
                free.take(at);
                common.extend(pair(ours, codec));
            }
        }
        CodecOrder::Ours => {
            for ours in &local.codecs {
                let free = |codec: &&Codec| {
                    ours.same_format(codec) && common.iter().all(|used| used.payload_type != codec.payload_type)
                };
                let found = theirs.iter().find(free);
                common.extend(found.and_then(|codec| pair(ours, codec)));
            }
        }
    }
    if all.single_codec {
        let mut first = true;
        common.retain(|codec| codec.is_auxiliary() || std::mem::replace(&mut first, false));
    }
    let speech = |codec: &Codec| !codec.is_auxiliary();
    if theirs.iter().any(speech) && !common.iter().any(speech) {
        return Vec::new();
    }
    add_events(&mut common, theirs, local);
    common
}

/// Adds `telephone-event` at the clock rates of the codecs taken (RFC 4733 section 2.5.1.2), each rate once; when the peer has none of
/// those, the first it has.
fn add_events(common: &mut Vec<Codec>, theirs: &[Codec], local: &LocalMedia) {
    let Some(events) = local.telephone_event.as_ref().and_then(EventSet::to_text) else { return };
    let offered = || theirs.iter().filter(|codec| codec.is_telephone_event());
    let answer = |event: &Codec| Codec { name: event.name.clone(), fmtp: Some(events.clone()), ..*event };
    let taken = common.len();
    for event in offered() {
        let at_this_rate = |codec: &&Codec| codec.clock_rate == event.clock_rate;
        let mut same_rate = common.iter().filter(at_this_rate);
        if same_rate.clone().any(|codec| !codec.is_auxiliary()) && !same_rate.any(Codec::is_telephone_event) {
            common.push(answer(event));
        }
    }
    if common.len() == taken {
        common.extend(offered().next().map(answer));
    }
}

/// Our codec under their number. Annex B of G.729 is used only if both want it, so its refusal is repeated: RFC 3264
/// section 6.1 on parameters that configure a format. Those which belong to the format stand in the answer when they stand in the offer.
fn answered_codec(ours: &Codec, theirs: &Codec) -> Codec {
    let (name, fmtp) = (theirs.name.clone(), ours.fmtp.clone());
    let mut codec = Codec { payload_type: theirs.payload_type, name, fmtp, ..*ours };
    let refuses = |codec: &Codec| codec.parameter("annexb").is_some_and(|value| value.eq_ignore_ascii_case("no"));
    if codec.name.eq_ignore_ascii_case("G729") && refuses(theirs) {
        codec.fmtp = Some(Text::literal("annexb=no"));
    }
    codec.repeat_format_parameters(theirs);
    codec
}

//! What a caller wants of the devices that are called (RFC 3841), held against what they say they can do (RFC 3840).
//!
//! A device that says nothing of what it can do is called whatever the caller wants. More than [`PREDICATES`] header field values, more than
//! [`TERMS`] features in one, or more than 32 values of a feature are not read: the request goes on as if nothing was wanted, and so it does where there is more to compare
//! than [`COMPARISONS`].

use sip::header::{AcceptContact, Event, RejectContact, RequestDisposition};
use sip::message::{HeaderId, Headers, Method, Request};

use crate::feature::{Feature, FeatureSet, Work};

/// Most values of Accept-Contact, and of Reject-Contact.
pub const PREDICATES: usize = 8;
/// Most features of one value.
pub const TERMS: usize = 32;
/// Most comparisons for one request, of names and of values: about a millisecond. Who calls himself writes both sides.
pub const COMPARISONS: u32 = 65_536;

/// One value of Accept-Contact.
#[derive(Debug)]
struct Accept {
    features: FeatureSet,
    require: bool,
    explicit: bool,
}

/// What a request wants of the devices that it goes to.
#[derive(Debug, Default)]
pub struct Preferences {
    accept: Vec<Accept>,
    reject: Vec<FeatureSet>,
    /// They follow from the method and the Event alone (section 7.2.2).
    implicit: bool,
}

impl Preferences {
    /// What a request wants, by its header fields or, without any, by what it is (sections 7.2.1 and 7.2.2).
    pub fn of(request: &Request) -> Self {
        let headers = request.headers();
        match headers.has(HeaderId::AcceptContact) || headers.has(HeaderId::RejectContact) {
            true => Self::explicit(headers).unwrap_or_default(),
            false => Self::implicit(request),
        }
    }

    fn explicit(headers: &Headers) -> Option<Self> {
        let mut wanted = Self::default();
        for value in headers.list::<AcceptContact<'_>>().flatten() {
            let features = FeatureSet::of(&value.params, TERMS)?;
            if wanted.accept.len() == PREDICATES {
                return None;
            }
            wanted.accept.push(Accept { features, require: value.is_required(), explicit: value.is_explicit() });
        }
        for value in headers.list::<RejectContact<'_>>().flatten() {
            if wanted.reject.len() == PREDICATES {
                return None;
            }
            wanted.reject.push(FeatureSet::of(&value.params, TERMS)?);
        }
        Some(wanted)
    }

    fn implicit(request: &Request) -> Self {
        let mut features = FeatureSet::default();
        // These go where their INVITE went.
        let method = match request.method() {
            Method::Ack | Method::Cancel => &Method::Invite,
            method => method,
        };
        features.push(Feature::word("methods", method.as_str()));
        if let Some(Ok(event)) = request.headers().get::<Event<'_>>() {
            features.push(Feature::word("events", event.package));
        }
        Self { accept: vec![Accept { features, require: true, explicit: false }], reject: Vec::new(), implicit: true }
    }

    /// The caller's preference for a device in thousandths; `None` when he does not want it (section 7.2.4).
    fn weigh(&self, device: &FeatureSet, work: &mut Work) -> Option<u16> {
        if self.reject.iter().any(|reject| device.names_all(reject, work) && reject.matches(device, work)) {
            return None;
        }
        let (mut sum, mut count) = (0_u32, 0_u32);
        for accept in &self.accept {
            let matches = accept.features.matches(device, work);
            if !matches {
                if accept.require {
                    return None;
                }
                continue;
            }
            let score = accept.features.score(device, work);
            if score < 1_000 && accept.explicit && accept.require {
                return None;
            }
            sum += if score < 1_000 && accept.explicit { 0 } else { u32::from(score) };
            count += 1;
        }
        // Without any that matches there is nothing to prefer it by.
        Some(u16::try_from(sum.checked_div(count).unwrap_or(0)).unwrap_or(1_000))
    }

    /// Those of the targets that the caller wants, by the callee's preference and then his own (section 7.2.4). `features` are a target's parameters as
    /// it registered them, each with its semicolon.
    pub fn choose<T>(&self, targets: Vec<T>, q: impl Fn(&T) -> u16, features: impl Fn(&T) -> &str) -> Vec<T> {
        self.choose_with(&mut Work::of(COMPARISONS), targets, q, features)
    }

    fn choose_with<T>(
        &self,
        work: &mut Work,
        targets: Vec<T>,
        q: impl Fn(&T) -> u16,
        features: impl Fn(&T) -> &str,
    ) -> Vec<T> {
        let mut weights: Vec<Option<u16>> = Vec::with_capacity(targets.len());
        for target in &targets {
            let device = FeatureSet::of_contact(features(target));
            weights.push(if device.is_empty() { Some(1_000) } else { self.weigh(&device, work) });
            if work.is_overspent() {
                return targets;
            }
        }
        if self.implicit && weights.iter().all(Option::is_none) {
            return targets;
        }
        let mut wanted: Vec<(u16, T)> =
            weights.into_iter().zip(targets).filter_map(|(weight, target)| Some((weight?, target))).collect();
        wanted.sort_by_key(|(weight, target)| std::cmp::Reverse((q(target), *weight)));
        wanted.into_iter().map(|(_, target)| target).collect()
    }
}

/// How a caller wants a request to be handled (RFC 3841 section 9.1); of words that contradict each other the first counts. What is not here is
/// policy of ours: a redirection would tell callers where devices are, nothing is queued, and forks that are not wanted any more are cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disposition {
    /// `no-fork`: to one device only.
    pub no_fork: bool,
    /// `no-recurse`: redirections are not followed.
    pub no_recurse: bool,
    /// `sequential` or `parallel`.
    pub order: Option<Order>,
}

/// In which order devices are to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One after the other.
    Sequential,
    /// All at once.
    Parallel,
}

impl Disposition {
    /// What a request says.
    pub fn of(headers: &Headers) -> Self {
        let mut disposition = Self::default();
        let (mut fork, mut recurse) = (None, None);
        if !headers.has(HeaderId::RequestDisposition) {
            return disposition;
        }
        for RequestDisposition(word) in headers.list::<RequestDisposition<'_>>().flatten() {
            let is = |known: &str| word.eq_ignore_ascii_case(known);
            if is("fork") || is("no-fork") {
                fork.get_or_insert(is("fork"));
            } else if is("recurse") || is("no-recurse") {
                recurse.get_or_insert(is("recurse"));
            } else if is("sequential") {
                disposition.order.get_or_insert(Order::Sequential);
            } else if is("parallel") {
                disposition.order.get_or_insert(Order::Parallel);
            }
        }
        disposition.no_fork = fork == Some(false);
        disposition.no_recurse = recurse == Some(false);
        disposition
    }

    /// Orders targets, the best first, by giving them other preferences: those that are called together have the same.
    pub fn arrange<T>(self, mut targets: Vec<T>, set_q: impl Fn(&mut T, u16)) -> Vec<T> {
        if self.no_fork {
            targets.truncate(1);
        }
        for (place, target) in targets.iter_mut().enumerate() {
            match self.order {
                None => {}
                Some(Order::Parallel) => set_q(target, 1_000),
                Some(Order::Sequential) => set_q(target, 1_000 - u16::try_from(place.min(999)).unwrap_or(999)),
            }
        }
        targets
    }
}

#[cfg(test)]
mod tests;

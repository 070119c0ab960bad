//! Bugs planted on purpose: each breaks one rule, and the tests must notice (`cargo xtask mutants`). Without the feature `planted`, which nothing
//! shipped has, [`planted`] is a constant and costs nothing.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Bug {
    /// An INVITE never gives up (RFC 3261 section 17.1.1.2).
    NoTimerB = 1,
    /// The ACK of a refusal has a branch of its own (section 17.1.1.3).
    AckBranch,
    /// The ACK of a refusal has no To tag (section 17.1.1.3).
    AckTag,
    /// A 2xx is not repeated (section 13.3.1.4).
    No2xxRepeat,
    /// The ACK of a 2xx is not repeated (section 13.2.2.4).
    NoAckRepeat,
    /// A retry with credentials has the CSeq of the first try (section 22.2).
    RetryCseq,
    /// A refusal is not repeated (section 17.2.1).
    NoTimerG,
    /// A CANCEL leaves before a provisional response came (section 9.1).
    EarlyCancel,
    /// The 2xx of a second fork is not acknowledged (section 13.2.2.4).
    ForkAck,
    /// A re-INVITE that crosses ours is taken (section 14.2).
    Glare,
    /// A cancelled INVITE is not answered (section 9.2).
    No487,
    /// A BYE does not wait for the ACK of our 2xx (section 15).
    EarlyBye,
    /// A request other than INVITE is not repeated (section 17.1.2.2).
    NoTimerE,
    /// A reliable provisional response is not repeated (RFC 3262 section 3).
    No1xxRepeat,
    /// A 2xx does not wait for the PRACK of the answer before it (RFC 3262 section 5).
    Early2xx,
    /// A reliable provisional response out of order is acknowledged (RFC 3262 section 4).
    RseqGap,
    /// A session is not refreshed (RFC 4028 section 10).
    NoRefresh,
    /// A session that was not refreshed goes on (RFC 4028 section 10).
    NoExpiry,
    /// A proxy passes a 2xx to an INVITE back once only (RFC 6026 section 7.2).
    PassedOnce,
    /// The subscription of a watcher that does not refresh it goes on (RFC 6665 section 4.2.2).
    WatcherStays,
    /// Whoever has a nonce takes no other (RFC 7616 section 3.3).
    StaleNonce,
    /// A flow over UDP that leads nowhere any more is not formed anew (RFC 5626 section 4.5).
    FlowStays,
    /// The tags of a Replaces are taken for each other's (RFC 3891 section 3).
    ReplacesTags,
}

/// Whether a bug is planted.
#[cfg(not(feature = "planted"))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}

#[cfg(feature = "planted")]
pub use chosen::plant;
#[cfg(feature = "planted")]
pub(crate) use chosen::planted;

#[cfg(feature = "planted")]
mod chosen {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Bug;

    const NAMES: [(&str, Bug); 23] = [
        ("no-timer-b", Bug::NoTimerB),
        ("ack-branch", Bug::AckBranch),
        ("ack-tag", Bug::AckTag),
        ("no-2xx-repeat", Bug::No2xxRepeat),
        ("no-ack-repeat", Bug::NoAckRepeat),
        ("retry-cseq", Bug::RetryCseq),
        ("no-timer-g", Bug::NoTimerG),
        ("early-cancel", Bug::EarlyCancel),
        ("fork-ack", Bug::ForkAck),
        ("glare", Bug::Glare),
        ("no-487", Bug::No487),
        ("early-bye", Bug::EarlyBye),
        ("no-timer-e", Bug::NoTimerE),
        ("no-1xx-repeat", Bug::No1xxRepeat),
        ("early-2xx", Bug::Early2xx),
        ("rseq-gap", Bug::RseqGap),
        ("no-refresh", Bug::NoRefresh),
        ("no-expiry", Bug::NoExpiry),
        ("passed-once", Bug::PassedOnce),
        ("watcher-stays", Bug::WatcherStays),
        ("stale-nonce", Bug::StaleNonce),
        ("flow-stays", Bug::FlowStays),
        ("replaces-tags", Bug::ReplacesTags),
    ];

    static CHOSEN: AtomicU8 = AtomicU8::new(0);

    /// Plants the bug of this name in every stack of the process, instead of any other. False when there is none.
    pub fn plant(name: &str) -> bool {
        let found = NAMES.iter().find(|(known, _)| *known == name);
        if let Some((_, bug)) = found {
            CHOSEN.store(*bug as u8, Ordering::Relaxed);
        }
        found.is_some()
    }

    pub(crate) fn planted(bug: Bug) -> bool {
        CHOSEN.load(Ordering::Relaxed) == bug as u8
    }
}

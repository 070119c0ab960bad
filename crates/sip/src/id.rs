//! Handles that the stack gives out. All are `Copy`, 64 bit, and never reused: a handle whose object has ended simply finds nothing.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

/// The shard (SIP loop) that owns an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard(pub u8);

/// Where an object stands in its table: shard (8 bit), generation (24 bit), slot (32 bit).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u64);

impl Id {
    /// Joins the three parts; `generation` wraps at 24 bit.
    pub const fn new(shard: Shard, generation: u32, slot: u32) -> Self {
        Self(((shard.0 as u64) << 56) | (((generation & 0x00ff_ffff) as u64) << 32) | slot as u64)
    }
    /// The owner.
    pub const fn shard(self) -> Shard {
        Shard((self.0 >> 56) as u8)
    }
    /// How often the slot had been used before.
    pub const fn generation(self) -> u32 {
        ((self.0 >> 32) & 0x00ff_ffff) as u32
    }
    /// The slot in the owner's table.
    pub const fn slot(self) -> u32 {
        self.0 as u32
    }
    /// The whole as a number, for logs and records.
    pub const fn to_u64(self) -> u64 {
        self.0
    }
    /// The inverse of [`Id::to_u64`].
    pub const fn from_u64(raw: u64) -> Self {
        Self(raw)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.shard().0, self.slot(), self.generation())
    }
}

macro_rules! handle {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Id);
    )*};
}

handle! {
    /// A client transaction (RFC 3261 section 17.1).
    ClientTx;
    /// A server transaction (RFC 3261 section 17.2).
    ServerTx;
    /// A dialog (RFC 3261 section 12).
    DialogId;
    /// An INVITE session: one call attempt and, once answered, its dialog.
    SessionId;
    /// A registration of ours with a registrar.
    RegistrationId;
    /// A subscription of ours with a notifier (RFC 6665).
    SubscriptionId;
    /// A watcher: a subscription of a peer with us (RFC 6665).
    WatcherId;
    /// A publication of ours with a compositor (RFC 3903).
    PublicationId;
    /// A question to the driver.
    AskId;
    /// A message handed to the driver; its repeats share it.
    SendId;
    /// An application's own timer.
    AlarmId;
}

/// A table keyed by a handle.
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// Hashes handles. Nobody outside can make them collide: slots are counted up and used again, so in the lowest bits, by which a table chooses,
/// no more of them agree than it has grown for.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 << 8 | u64::from(*byte)));
    }
    fn write_u64(&mut self, id: u64) {
        // Odd, so the lowest bits stay apart; the highest, by which a table compares, come to depend on all.
        self.0 = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// A transport flow: a UDP socket of ours, or one stream connection. Given out by the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u64);

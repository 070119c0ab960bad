//! One element of the network: a stack with its application.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use sip::{Application, Config, Stack, Time};

/// A stack, its application and its address.
pub struct Node {
    /// What the ladder calls it.
    pub name: String,
    pub(crate) stack: Stack,
    pub(crate) application: Option<Box<dyn Application>>,
    /// Its address as it sees it itself.
    pub(crate) local: SocketAddr,
    /// Its addresses as others see them, the present one last; the same as `local` without an address translator.
    pub(crate) public: Vec<SocketAddr>,
    /// It takes connections.
    pub(crate) listens: bool,
    /// It sleeps until then: it hears nothing, and no timer of its fires.
    pub(crate) wakes: Option<Time>,
    /// Seconds by which its wall clock has been set forward or back.
    pub(crate) ahead: i64,
    /// The state of each machine when last looked at.
    pub(crate) states: BTreeMap<u64, &'static str>,
}

impl Node {
    pub(crate) fn new(
        name: &str,
        config: Config,
        seed: [u8; 32],
        local: SocketAddr,
        application: Box<dyn Application>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            stack: Stack::new(config, seed),
            application: Some(application),
            local,
            public: vec![local],
            listens: true,
            wakes: None,
            ahead: 0,
            states: BTreeMap::new(),
        }
    }
    /// When its stack wants to be called next; a machine that sleeps calls nobody.
    pub(crate) fn deadline(&mut self) -> Option<Time> {
        if self.wakes.is_some() { None } else { self.stack.deadline() }
    }
    /// The address others see now.
    pub(crate) fn seen(&self) -> SocketAddr {
        self.public.last().copied().unwrap_or(self.local)
    }
    pub(crate) fn is_translated(&self) -> bool {
        self.seen() != self.local
    }
    /// Its stack.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("name", &self.name).field("local", &self.local).finish_non_exhaustive()
    }
}

//! Bodies of event packages, without I/O: what SUBSCRIBE, NOTIFY and PUBLISH carry.
//!
//! | module | package | body | RFC |
//! |---|---|---|---|
//! | [`presence`] | `presence` | `application/pidf+xml` | 3856, 3863, 4480 (RPID) |
//! | [`dialog`] | `dialog` | `application/dialog-info+xml` | 4235 |
//! | [`summary`] | `message-summary` | `application/simple-message-summary` | 3842 |
//! | [`registration`] | `reg` | `application/reginfo+xml` | 3680 |
//! | [`conference`] | `conference` | `application/conference-info+xml` | 4575 |
//! | [`watchers`] | `presence.winfo` and the like | `application/watcherinfo+xml` | 3857, 3858 |
//! | [`composing`] | none: it comes in MESSAGE | `application/im-iscomposing+xml` | 3994 |
//! | [`list`] | any, of a list of resources | `application/rlmi+xml` | 4662 |
//!
//! What it is not: it knows no SIP message; a body comes in as octets and leaves as text. XML is read by quick-xml under limits of our own
//! ([`xml`]): no document type, no entities but the five of XML itself, and an end to size, depth and number of everything.
//!
//! Names are matched without their namespace: telephones get those wrong more often than two names of one document are the same.
//!
//! ```
//! use event::presence::{Basic, Presence};
//! let body = br#"<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:bob@example.com">
//!     <tuple id="a"><status><basic>open</basic></status></tuple></presence>"#;
//! let bob = Presence::read(body)?;
//! assert_eq!(bob.basic(), Some(Basic::Open));
//! assert_eq!(Presence::read(bob.write().as_bytes())?, bob);
//! # Ok::<(), event::xml::XmlError>(())
//! ```

pub mod coherent;
pub mod composing;
pub mod conference;
pub mod dialog;
pub mod list;
pub mod presence;
pub mod registration;
pub mod summary;
pub mod watchers;
pub mod xml;

//! Accounts: who we are, and the registration that lets us be found.

use std::sync::Arc;
use std::time::Duration;

use sip::Hop;
use sip::digest::{Credential, Credentials};
use sip::message::{Quote, Uri, UriBuf};
use sip::register::{Instance, RegisterSpec, Retry};
use tokio::sync::watch;

use crate::buddy::Buddy;
use crate::command::{AccountKey, Command};
use crate::error::{CallError, RegisterError};
use crate::link::Link;
use crate::message::Answer;
use crate::outgoing::OutgoingBuilder;
use crate::publication::{self, Publication, ToPublish};
use crate::registration::Registration;
use crate::request::{self, Identity, Request};
use crate::subscription::SubscribeBuilder;
use crate::websocket::WebSocketUrl;

/// Proxies by which an account is registered at a time: four are enough for RFC 5626 section 4.2.1.
const MOST_FLOWS: usize = 8;

/// What an account is made of. Only the address is needed.
#[derive(Clone, Debug)]
pub struct AccountConfig {
    address: String,
    display: Option<String>,
    user: Option<String>,
    password: Option<Password>,
    realm: Option<String>,
    proxies: Vec<String>,
    outbound: Option<String>,
    follow_address: bool,
    websocket: Option<WebSocketUrl>,
    registrar: Option<String>,
    expires: Duration,
    retry: Retry,
    keep_alive: Option<Duration>,
}

/// Never printed.
#[derive(Clone)]
struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

impl AccountConfig {
    /// An account at this address of record: `sip:alice@example.com`.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            display: None,
            user: None,
            password: None,
            realm: None,
            proxies: Vec::new(),
            outbound: None,
            follow_address: true,
            websocket: None,
            registrar: None,
            expires: Duration::from_secs(300),
            retry: Retry::default(),
            keep_alive: None,
        }
    }

    /// The name that others see.
    pub fn display(mut self, name: impl Into<String>) -> Self {
        self.display = Some(name.into());
        self
    }

    /// The password for digest authentication (RFC 8760).
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(Password(password.into()));
        self
    }

    /// The user name for authentication, where it is not the user part of the address.
    pub fn auth_user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Answers challenges of this realm only. Without it the servers of the account, by name, may ask for a proof of the password: the registrar in any
    /// realm; once registered, only in the realms that the registrar named; before that, in the first that is named on the way of a request.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// Sends everything through a WebSocket with this server first (RFC 7118), whatever proxy there is behind it, and is reached on it. What is asked for
    /// there is told by [`crate::Builder::websocket`].
    pub fn websocket(mut self, server: &WebSocketUrl) -> Self {
        self.websocket = Some(server.clone());
        self
    }

    /// Sends everything by this proxy: `sip:proxy.example.com`. With [`AccountConfig::outbound`] each one more that is named is a further way by which we are
    /// reached, and requests go by the first that stands; without it the last one counts.
    pub fn proxy(mut self, uri: impl Into<String>) -> Self {
        self.proxies.push(uri.into());
        self
    }

    /// Registers over flows that are kept up, one for each proxy (RFC 5626): calls reach us along them, whatever address translators stand on the way, and when one
    /// of them fails along the others. `instance` is the URN of this device, the same after every start: `urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6`.
    /// A registrar that gives out addresses of the instance (RFC 5627) is asked for one. Who knows nothing of either takes an ordinary registration.
    pub fn outbound(mut self, instance: impl Into<String>) -> Self {
        self.outbound = Some(instance.into());
        self
    }

    /// Whether a registration over UDP follows the address that the registrar sees us at, as behind an address translator (RFC 3581); it does unless told otherwise.
    pub fn follow_address(mut self, follow: bool) -> Self {
        self.follow_address = follow;
        self
    }

    /// Registers there instead of at the domain of the address.
    pub fn registrar(mut self, uri: impl Into<String>) -> Self {
        self.registrar = Some(uri.into());
        self
    }

    /// When a registration that failed is tried again: the n-th failure in a row waits half to all of `first * 2^n`, at most `longest`
    /// (RFC 5626 section 4.5). 30 s and 1800 s unless set. A registrar that says by Retry-After when to come again is asked then.
    pub fn retry(mut self, first: Duration, longest: Duration) -> Self {
        self.retry = Retry::doubling(first, longest);
        self
    }

    /// Tries a registration that failed again after the same time each time, instead of less and less often.
    pub fn retry_every(mut self, wait: Duration) -> Self {
        self.retry = Retry::Every { wait, attempts: None };
        self
    }

    /// Asks the registrar so often whether it is still there (OPTIONS), along the way of the registration, and registers anew when nobody answers, or when
    /// over UDP we are seen at another address than before (RFC 3581). It also keeps the way through routers open. Not done unless set.
    pub fn keep_alive(mut self, every: Duration) -> Self {
        self.keep_alive = Some(every);
        self
    }

    /// How long a registration should hold; 300 s unless set. It is refreshed in time.
    pub fn expires(mut self, expires: Duration) -> Self {
        self.expires = expires;
        self
    }
}

/// An account.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use ua::{AccountConfig, Endpoint};
/// let phone = Endpoint::builder().udp("0.0.0.0:5060").build().await?;
/// let alice = phone.account(AccountConfig::new("sip:alice@example.com").password("secret")).await?;
/// alice.register().await?;
/// let call = alice.call("sip:bob@example.com").ring_for(Duration::from_secs(30)).await?;
/// call.audio().play("hello.wav")?.finished().await;
/// call.hangup().await;
/// alice.unregister().await;
/// # Ok(()) }
/// ```
///
/// Cloning gives another handle of the same. Dropping the last takes nothing back: the registration stands until
/// [`Account::unregister`] or the end of the endpoint.
#[derive(Clone)]
pub struct Account {
    link: Link,
    key: AccountKey,
    who: Standing,
    aor: Arc<UriBuf>,
    /// One for each flow.
    specs: Arc<[RegisterSpec]>,
    address: Arc<str>,
}

/// Who an account calls as, as it is registered at present.
#[derive(Clone)]
pub(crate) struct Standing {
    identity: Arc<Identity>,
    state: Arc<watch::Sender<Registration>>,
}

impl Standing {
    /// Its own route, then what the registrar told (RFC 3608 section 6.1).
    pub(crate) fn identity(&self) -> Identity {
        let mut identity = Identity::clone(&self.identity);
        if let Registration::Registered { service_route, flows, asked, .. } = &*self.state.borrow() {
            if let Some(flow) = flows.first() {
                identity.take_flow(flow);
            }
            identity.routes.extend(service_route.iter().cloned());
            identity.proved = true;
            if let Some((server, realms)) = asked {
                identity.credentials = identity.credentials.bound_to(*server, service_route, realms);
            }
        }
        identity
    }

    /// Whether this is how it stands.
    pub(crate) fn is(&self, state: &Arc<watch::Sender<Registration>>) -> bool {
        Arc::ptr_eq(&self.state, state)
    }
}

impl Account {
    pub(crate) fn new(link: Link, key: AccountKey, config: AccountConfig) -> Result<Self, CallError> {
        let aor = request::uri(&config.address)?;
        let proxies = config.proxies.iter().map(|proxy| request::uri(proxy)).collect::<Result<Vec<_>, _>>()?;
        let proxy = if config.outbound.is_some() { proxies.first() } else { proxies.last() };
        let registrar = match &config.registrar {
            Some(given) => self::registrar(given)?,
            None => domain(&aor)
                .ok_or_else(|| CallError::BadUri { uri: config.address.clone(), why: "no domain".into() })?,
        };
        let mut credentials = Credentials::new();
        if let Some(Password(password)) = &config.password {
            let own = aor.as_uri().user_unescaped().unwrap_or_default().into_owned();
            let user = config.user.unwrap_or(own);
            let credential = Credential::password(config.realm.as_deref(), &user, password);
            let credential = credential.map_err(|error| CallError::BadText { why: error.to_string() })?;
            let own = [Some(&aor), Some(&registrar), config.websocket.as_ref().map(WebSocketUrl::hop)];
            credentials.add(
                own.into_iter().flatten().chain(&proxies).fold(credential, |one, server| one.at(&server.as_uri())),
            );
        }
        let display = config.display.as_ref().map(|name| format!("{} ", Quote(name))).unwrap_or_default();
        let identity = Identity {
            from: format!("{display}<{aor}>"),
            aor: Some(aor.clone()),
            user: aor.as_uri().user().map(str::to_owned),
            routes: proxy.into_iter().map(request::route).collect(),
            hop: config.websocket.as_ref().map_or(Hop::Auto, WebSocketUrl::as_hop),
            credentials: credentials.clone(),
            proved: false,
            anonymous: false,
            way: None,
        };
        let (address, own): (Arc<str>, _) = (aor.to_string().into(), Arc::new(aor.clone()));
        let mut spec = RegisterSpec::new(registrar, aor);
        spec.display = config.display;
        spec.expires = u32::try_from(config.expires.as_secs()).unwrap_or(u32::MAX).max(1);
        spec.retry = config.retry;
        spec.keep_alive = config.keep_alive;
        spec.routes = identity.routes.clone();
        spec.hop = identity.hop.clone();
        spec.credentials = credentials;
        spec.follow_address = config.follow_address;
        let specs = match config.outbound {
            None => vec![spec],
            Some(urn) => flows(&spec, &urn, &proxies)?,
        };
        let state = Arc::new(watch::Sender::new(Registration::Off));
        let who = Standing { identity: Arc::new(identity), state };
        Ok(Self { link, key, who, specs: specs.into(), aor: own, address })
    }

    /// The address of record.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Registers, and keeps the registration up. Returns how long the binding holds. When it stands already it is refreshed at once.
    ///
    /// # Errors
    /// [`RegisterError`] of the first try. Where time may mend it, it is tried again all the same: see [`Account::state`]; call
    /// [`Account::unregister`] to stop that.
    pub async fn register(&self) -> Result<Duration, RegisterError> {
        let make = |reply| Command::Register {
            account: self.key,
            specs: self.specs.to_vec(),
            state: Arc::clone(&self.who.state),
            reply,
        };
        self.link.ask(make).await.unwrap_or(Err(RegisterError::Ended))
    }

    /// Takes the binding back and waits for the registrar, or for its silence (64*T1).
    pub async fn unregister(&self) {
        // Without a loop there is nothing to take back.
        let _ = self.link.ask(|reply| Command::Unregister { account: self.key, reply: Some(reply) }).await;
    }

    /// How the registration stands, now and with every change.
    pub fn state(&self) -> watch::Receiver<Registration> {
        self.who.state.subscribe()
    }

    /// Calls an address from this account. A name without a domain is one of the account's: `600` at `sip:alice@example.com` means
    /// `sip:600@example.com`.
    pub fn call(&self, uri: impl Into<String>) -> OutgoingBuilder {
        OutgoingBuilder::new(self.link.clone(), self.complete(&uri.into()), self.identity())
    }

    /// Sends a text message from this account (RFC 3428). Messages to one address go one after the other, as with [`crate::Endpoint::message`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn message(&self, to: &str, text: &str) -> Result<Answer, CallError> {
        Request::message(&self.complete(to), text, &self.identity()).send(&self.link).await
    }

    /// Sends a message whose body is of another type than plain text (RFC 3428 section 4).
    ///
    /// # Errors
    /// [`CallError::BadText`] when `content_type` is none, before anything is sent.
    pub async fn message_as(&self, to: &str, content_type: &str, body: &[u8]) -> Result<Answer, CallError> {
        Request::message_as(&self.complete(to), content_type, body, &self.identity())?.send(&self.link).await
    }

    /// Asks an address what it can do (RFC 3261 section 11).
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn options(&self, uri: &str) -> Result<Answer, CallError> {
        Request::options(&self.complete(uri), &self.identity()).send(&self.link).await
    }

    /// Subscribes to the state of an address (RFC 6665): `presence`, `dialog`, `message-summary`, `reg`, `conference`, or whatever package the
    /// notifier knows.
    ///
    /// ```no_run
    /// # async fn example(alice: &ua::Account) -> Result<(), ua::CallError> {
    /// let mut bob = alice.subscribe("sip:bob@example.com", "presence").start().await?;
    /// while let Some(news) = bob.next().await {
    ///     println!("{news:?}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn subscribe(&self, resource: &str, event: &str) -> SubscribeBuilder {
        SubscribeBuilder::new(self.link.clone(), self.complete(resource), event.to_owned(), self.identity())
            .of(self.who.clone())
    }

    /// Watches somebody's presence.
    ///
    /// # Errors
    /// [`CallError`] for what cannot be sent; what comes of it is told by [`Buddy::changed`].
    pub async fn buddy(&self, address: &str) -> Result<Buddy, CallError> {
        Buddy::watch(self.subscribe(address, event::presence::PACKAGE)).await
    }

    /// Publishes our presence (RFC 3903), and keeps it published. Where its entity is empty it is that of the account.
    ///
    /// # Errors
    /// [`CallError`] for what cannot be sent; what comes of it is told by [`Publication::stands`].
    pub async fn publish_presence(&self, presence: &event::presence::Presence) -> Result<Publication, CallError> {
        let mut presence = presence.clone();
        if presence.entity.is_empty() {
            presence.entity = self.address.to_string();
        }
        let text = presence.write();
        self.publish(event::presence::PACKAGE, event::presence::TYPE, text.as_bytes()).await
    }

    /// Publishes a state of ours by any event package.
    ///
    /// # Errors
    /// As [`Account::publish_presence`].
    pub async fn publish(&self, event: &str, content_type: &str, body: &[u8]) -> Result<Publication, CallError> {
        let what = ToPublish {
            resource: self.address.to_string(),
            event: event.to_owned(),
            body: publication::body(content_type, body)?,
            expires: Duration::from_secs(3_600),
            who: self.who.clone(),
        };
        Publication::begin(self.link.clone(), what).await
    }

    /// What the account calls as.
    pub(crate) fn identity(&self) -> Identity {
        self.who.identity()
    }

    pub(crate) fn aor(&self) -> Uri<'_> {
        self.aor.as_uri()
    }

    fn complete(&self, given: &str) -> String {
        complete(&self.aor, given)
    }
}

/// A name without a domain is one at that of the account, by the account's scheme and transport.
fn complete(aor: &UriBuf, given: &str) -> String {
    let given = given.trim();
    let bare = !given.is_empty() && !given.contains([':', '@', '.', '[']);
    match domain(aor).filter(|_| bare) {
        Some(domain) => domain.as_str().replacen(':', &format!(":{given}@"), 1),
        None => given.to_owned(),
    }
}

/// Reads the address of a registrar, which is that of a domain (RFC 3261 section 10.2).
fn registrar(given: &str) -> Result<UriBuf, CallError> {
    let uri = request::uri(given)?;
    if uri.as_uri().user().is_none() {
        return Ok(uri);
    }
    let without = domain(&uri).map_or_else(String::new, |domain| format!(", as in {domain}"));
    Err(CallError::BadUri { uri: uri.to_string(), why: format!("a registrar is a domain without a user{without}") })
}

/// An address without its user: where it is registered.
fn domain(aor: &UriBuf) -> Option<UriBuf> {
    let uri = aor.as_uri();
    let domain = UriBuf::sip(uri.is_secure(), None, uri.host_text(), uri.port()).ok()?;
    match uri.transport() {
        Some(transport) => domain.with_param("transport", Some(transport)).ok(),
        None => Some(domain),
    }
}

/// One registration for each proxy, or one without any (RFC 5626 section 4.2.1). Each has a number that it keeps.
fn flows(spec: &RegisterSpec, urn: &str, proxies: &[UriBuf]) -> Result<Vec<RegisterSpec>, CallError> {
    if proxies.len() > MOST_FLOWS {
        let why =
            format!("{MOST_FLOWS} proxies are the most that an account registers by, and there are {}", proxies.len());
        return Err(CallError::BadText { why });
    }
    let set = rand::random();
    let flow = |number: u32, proxy: Option<&UriBuf>| RegisterSpec {
        instance: Some(Instance { urn: urn.to_owned(), reg_id: Some(number), gruu: true }),
        flow_of: Some(set),
        routes: proxy.into_iter().map(request::route).collect(),
        ..spec.clone()
    };
    match proxies {
        [] => Ok(vec![flow(1, None)]),
        all => Ok((1..).zip(all).map(|(number, proxy)| flow(number, Some(proxy))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_domain_is_one_at_that_of_the_account() {
        let complete = |aor: &str, given: &str| complete(&aor.parse::<UriBuf>().unwrap(), given);
        for (aor, expected) in [
            ("sip:alice@example.com", "sip:600@example.com"),
            ("sip:alice@example.com:5070;transport=tls", "sip:600@example.com:5070;transport=tls"),
            ("sips:alice@example.com", "sips:600@example.com"),
            ("sips:alice@[2001:db8::1]:5071", "sips:600@[2001:db8::1]:5071"),
        ] {
            assert_eq!(complete(aor, " 600 "), expected);
            for whole in ["sip:bob@a.example", "bob@a.example", "a.example", "[::1]", "tel:+49", ""] {
                assert_eq!(complete(aor, whole), whole, "{aor}");
            }
        }
    }
}

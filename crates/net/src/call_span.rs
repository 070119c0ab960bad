//! Which call a line in the log is about.

/// The span of lines in the log that are about one call: it names the Call-ID (RFC 3261 section 8.1.1.4). As the `parent` of a line it is made only where
/// that line is written, so it costs nothing while the level is off. Filters let it pass wherever they let the line pass: it has its target, and the
/// gravest of levels. A Call-ID is as long as the peer wants it: the first 128 characters are shown.
///
/// ```
/// # let call_id = "a84b4c76e66710";
/// tracing::warn!(parent: &net::call_span!(call_id), "nothing is heard any more");
/// ```
#[macro_export]
macro_rules! call_span {
    ($call_id:expr) => {
        $crate::call_span!(target: ::std::module_path!(), $call_id)
    };
    (target: $target:expr, $call_id:expr) => {
        ::tracing::error_span!(target: $target, "call", call_id = %::std::format_args!("{:.128}", $call_id))
    };
}

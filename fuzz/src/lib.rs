//! What the fuzz targets share.

/// A bug put there on purpose: with the `planted` feature it panics when `reached` holds, otherwise it does nothing.
/// `reached` names a state deep inside what a target parses, so that finding it shows that the target gets there.
pub fn plant(reached: bool) {
    if cfg!(feature = "planted") && reached {
        panic!("planted bug");
    }
}

//! Tests only: what is put into messages to spoil them.

/// Numbers without end, the same in every run: Marsaglia's xorshift.
pub(crate) fn numbers() -> impl FnMut() -> usize {
    let mut state = 88_172_645_463_325_252_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    }
}

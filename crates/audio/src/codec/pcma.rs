//! G.711 A-law by tables: 512 bytes to decode, 4 kB to encode.
//!
//! Every decision level of A-law is a multiple of 16 (in 16-bit samples), so the twelve upper bits of a sample select
//! the code.

/// The code of digital silence. A-law has no zero: this decodes to +8.
pub const SILENCE: u8 = 0xD5;

static DECODE: [i16; 256] = decode_table();
static ENCODE: [u8; 4096] = encode_table();

/// Encodes one sample. A sample on a decision level gets the code above it.
#[inline]
pub fn encode_sample(sample: i16) -> u8 {
    // A u16 shifted right by 4 is below 4096: the index cannot fail and the bound check goes away.
    ENCODE[usize::from(sample as u16 >> 4)]
}

/// Decodes one code to a sample within ±32256, never 0.
#[inline]
pub fn decode_sample(code: u8) -> i16 {
    DECODE[usize::from(code)]
}

/// Encodes `frame` into `out`; stops at the shorter of the two.
#[inline]
pub fn encode(frame: &[i16], out: &mut [u8]) {
    for (code, sample) in out.iter_mut().zip(frame) {
        *code = encode_sample(*sample);
    }
}

/// Decodes `payload` into `out`; stops at the shorter of the two.
#[inline]
pub fn decode(payload: &[u8], out: &mut [i16]) {
    for (sample, code) in out.iter_mut().zip(payload) {
        *sample = decode_sample(*code);
    }
}

/// A code holds sign (1 is positive), three bits of exponent and four of mantissa, with every other bit inverted.
const fn decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let bits = index as u8 ^ 0x55;
        let mantissa = ((bits & 0x0F) as i16) << 4;
        let magnitude = match (bits >> 4) & 7 {
            0 => mantissa + 8,
            exponent => (mantissa + 264) << (exponent - 1),
        };
        table[index] = if bits & 0x80 != 0 { magnitude } else { -magnitude };
        index += 1;
    }
    table
}

const fn encode_table() -> [u8; 4096] {
    let mut table = [0; 4096];
    let mut index = 0;
    while index < 4096 {
        let cell = if index < 2048 { index as i32 } else { index as i32 - 4096 };
        table[index] = companded(cell * 16 + 8);
        index += 1;
    }
    table
}

const fn companded(sample: i32) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    let magnitude = sample.abs();
    let bits = if magnitude < 256 {
        magnitude >> 4
    } else {
        // 256 is 2^8, so the exponent is 1 to 7.
        let exponent = 24 - magnitude.leading_zeros() as i32;
        (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0F)
    };
    (sign | bits as u8) ^ 0x55
}

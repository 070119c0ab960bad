//! G.711 u-law by tables: 512 bytes to decode, 8 kB to encode.
//!
//! Every decision level of u-law lies 4 above a multiple of 8 (in 16-bit samples), so the thirteen upper bits of
//! `sample + 4` select the code. That halves the usual 14-bit table, which matters where a hundred legs share the cache
//! with the mixer.

/// The code of digital silence.
pub const SILENCE: u8 = 0xFF;

static DECODE: [i16; 256] = decode_table();
/// By the thirteen upper bits of `sample + 4`, counted from the lowest sample: 8193 entries. The rest is never read and
/// only lets the index be masked instead of checked.
static ENCODE: [u8; 16_384] = encode_table();

/// Encodes one sample. Ties between two codes go to the one nearer zero below and farther from zero above.
#[inline]
pub fn encode_sample(sample: i16) -> u8 {
    ENCODE[((i32::from(sample) + 32_772) >> 3) as usize & 0x3FFF]
}

/// Decodes one code to a sample within ±32124.
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

/// A code holds sign, three bits of exponent and four of mantissa, all inverted; the magnitude is biased by 132.
const fn decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let bits = !(index as u8);
        let magnitude = ((((bits & 0x0F) as i16) << 3) + 132) << ((bits >> 4) & 7);
        table[index] = if bits & 0x80 != 0 { 132 - magnitude } else { magnitude - 132 };
        index += 1;
    }
    table
}

const fn encode_table() -> [u8; 16_384] {
    let mut table = [SILENCE; 16_384];
    let mut index = 0;
    while index <= 8192 {
        // All samples of an entry have the same code: take the one in the middle, a multiple of 8.
        table[index] = companded(index as i32 * 8 - 32_768);
        index += 1;
    }
    table
}

const fn companded(sample: i32) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let mut magnitude = sample.abs() + 132;
    if magnitude > 32_767 {
        magnitude = 32_767;
    }
    // 132 is at least 2^7, so the exponent is 0 to 7.
    let exponent = 24 - magnitude.leading_zeros();
    let mantissa = (magnitude >> (exponent + 3)) & 0x0F;
    !(sign | ((exponent as u8) << 4) | mantissa as u8)
}

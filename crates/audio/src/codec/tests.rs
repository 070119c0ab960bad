use super::*;

fn vectors() -> serde_json::Value {
    serde_json::from_str(include_str!("../../tests/data/g711.json")).unwrap()
}

fn decoded(vectors: &serde_json::Value, name: &str) -> Vec<i16> {
    let list: Vec<i16> = vectors[name].as_array().unwrap().iter().map(|v| v.as_i64().unwrap() as i16).collect();
    assert_eq!(list.len(), 256);
    list
}

/// Sorted output levels of a law, without repeats.
fn levels(table: &[i16]) -> Vec<i32> {
    let mut levels: Vec<i32> = table.iter().map(|&s| i32::from(s)).collect();
    levels.sort_unstable();
    levels.dedup();
    levels
}

fn nearest(levels: &[i32], sample: i32) -> i32 {
    levels.iter().map(|level| (level - sample).abs()).min().unwrap()
}

#[test]
fn g711_ulaw_decodes_the_vectors() {
    let expected = decoded(&vectors(), "ulaw_decode_16bit");
    let codes: Vec<u8> = (0..=255).collect();
    let mut out = vec![0; 256];
    assert_eq!(Codec::Pcmu.decoder().decode(&codes, &mut out), Ok(256));
    assert_eq!(out, expected);
}

#[test]
fn g711_alaw_decodes_the_vectors() {
    let expected = decoded(&vectors(), "alaw_decode_16bit");
    let codes: Vec<u8> = (0..=255).collect();
    let mut out = vec![0; 256];
    assert_eq!(Codec::Pcma.decoder().decode(&codes, &mut out), Ok(256));
    assert_eq!(out, expected);
}

#[test]
fn g711_decode_then_encode_is_the_identity_on_samples() {
    for code in 0..=255u8 {
        let linear = pcmu::decode_sample(code);
        assert_eq!(pcmu::decode_sample(pcmu::encode_sample(linear)), linear, "u-law {code:#04x}");
        // u-law has two zeros; all other codes come back as they were.
        let expected = if code == 0x7F { 0xFF } else { code };
        assert_eq!(pcmu::encode_sample(linear), expected);
        assert_eq!(pcma::encode_sample(pcma::decode_sample(code)), code, "A-law {code:#04x}");
    }
}

#[test]
fn g711_every_sample_gets_the_nearest_level() {
    let vectors = vectors();
    let (ulaw, alaw) =
        (levels(&decoded(&vectors, "ulaw_decode_16bit")), levels(&decoded(&vectors, "alaw_decode_16bit")));
    for sample in i16::MIN..=i16::MAX {
        let wide = i32::from(sample);
        let u = (i32::from(pcmu::decode_sample(pcmu::encode_sample(sample))) - wide).abs();
        let a = (i32::from(pcma::decode_sample(pcma::encode_sample(sample))) - wide).abs();
        // The laws decide half way between levels except at a segment's edge, where the lower step rules on both sides.
        let (near_u, near_a) = (nearest(&ulaw, wide), nearest(&alaw, wide));
        assert!(
            u == near_u || on_segment_edge(wide.abs() + 132, u),
            "u-law {sample}: {u} from the level, best {near_u}"
        );
        assert!(a == near_a || on_segment_edge(wide.abs(), a), "A-law {sample}: {a} from the level, best {near_a}");
    }
}

/// Whether a biased magnitude lies in the first half step of a segment, within half a step of its level there.
fn on_segment_edge(magnitude: i32, error: i32) -> bool {
    let segment = 31 - magnitude.leading_zeros();
    let step = 1 << (segment - 4);
    magnitude - (1 << segment) < step && error <= step / 2
}

#[test]
fn g711_error_stays_within_half_a_step() {
    for sample in i16::MIN..=i16::MAX {
        let wide = i32::from(sample);
        let u_magnitude = (wide.abs() + 132).min(32_767);
        let u_step = 1 << (31 - u_magnitude.leading_zeros() - 4);
        let u = (i32::from(pcmu::decode_sample(pcmu::encode_sample(sample))) - wide).abs();
        // Above 32635 the law clips; its last level is 32124.
        assert!(u <= u_step / 2 || wide.abs() > 32_635, "u-law {sample}: error {u}, step {u_step}");
        assert!(u <= 32_768 - 32_124);
        let a_step =
            if wide.abs() < 256 { 16 } else { 1 << (31 - wide.unsigned_abs().min(32_767).leading_zeros() - 4) };
        let a = (i32::from(pcma::decode_sample(pcma::encode_sample(sample))) - wide).abs();
        assert!(a <= a_step / 2, "A-law {sample}: error {a}, step {a_step}");
    }
}

#[test]
fn g711_encoding_is_monotonic() {
    let mut last = (i16::MIN, i16::MIN);
    for sample in i16::MIN..=i16::MAX {
        let now = (pcmu::decode_sample(pcmu::encode_sample(sample)), pcma::decode_sample(pcma::encode_sample(sample)));
        assert!(now.0 >= last.0 && now.1 >= last.1, "{sample}: {now:?} after {last:?}");
        last = now;
    }
}

#[test]
fn g711_silence_and_the_digital_milliwatt() {
    assert_eq!(pcmu::encode_sample(0), pcmu::SILENCE);
    assert_eq!(pcma::encode_sample(0), pcma::SILENCE);
    let vectors = vectors();
    for (codec, name) in [(Codec::Pcmu, "ulaw"), (Codec::Pcma, "alaw")] {
        let hex = vectors["digital_milliwatt"][name].as_str().unwrap();
        let codes: Vec<u8> = (0..8).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
        let mut period = [0i16; 8];
        codec.decoder().decode(&codes, &mut period).unwrap();
        let level = crate::level::rms(&period);
        // The sequence is 1 kHz at 0 dBm0; the two laws' full scales differ by 0.03 dB, and u-law's lies 0.04 dB below ours.
        assert!(level.dbm0().abs() < 0.08, "{name}: {} dBm0", level.dbm0());
    }
}

#[test]
fn no_room_is_refused_and_names_what_is_missing() {
    let mut short = [0u8; 159];
    let error = Codec::Pcmu.encoder().encode(&[0; 160], &mut short).unwrap_err();
    assert_eq!(error, CodecError::NoRoom { codec: Codec::Pcmu, needed: 160, given: 159 });
    assert_eq!(error.to_string(), "PCMU/8000: the output holds 159, expected room for 160");
    let error = Codec::Pcma.decoder().decode(&[0; 2], &mut [0; 1]).unwrap_err();
    assert_eq!(error, CodecError::NoRoom { codec: Codec::Pcma, needed: 2, given: 1 });
    assert_eq!(Codec::Pcma.decoder().decode(&[], &mut []), Ok(0));
}

#[test]
fn rfc3551_6_static_payload_types_and_names() {
    assert_eq!(Codec::named("pcmu", 8_000), Some(Codec::Pcmu));
    assert_eq!(Codec::named("PCMA", 8_000), Some(Codec::Pcma));
    assert_eq!(Codec::named("PCMA", 16_000), None);
    assert_eq!(Codec::named("L16", 8_000), None);
    assert_eq!(Codec::Pcmu.static_payload_type(), Some(0));
    assert_eq!(Codec::Pcma.static_payload_type(), Some(8));
    for codec in Codec::ALL {
        assert_eq!(codec.timestamp_step(), 160);
        assert_eq!((codec.encoder().codec(), codec.decoder().codec()), (codec, codec));
    }
}

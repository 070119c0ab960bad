//! Payload types, `a=rtpmap` and `a=fmtp`.

use crate::*;

fn media(lines: &str) -> Media {
    let text = format!("v=0\no=- 1 1 IN IP4 h\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n{lines}");
    Session::parse(text.as_bytes()).unwrap().media.remove(0)
}

fn names(media: &Media) -> Vec<String> {
    media.codecs().iter().map(|codec| format!("{}={codec}", codec.payload_type)).collect()
}

#[test]
fn rfc3551_6_static_payload_types_need_no_rtpmap() {
    let media = media("m=audio 9 RTP/AVP 0 3 8 9 10 0 13 18 96 2 8\n");
    let expected =
        ["0=PCMU/8000", "3=GSM/8000", "8=PCMA/8000", "9=G722/8000", "10=L16/44100/2", "13=CN/8000", "18=G729/8000"];
    assert_eq!(names(&media), expected);
    assert!(PayloadType::new(96).unwrap().is_dynamic() && !PayloadType::new(95).unwrap().is_dynamic());
}

#[test]
fn rfc8866_6_6_rtpmap_overrides_and_explains() {
    let media = media(
        "m=audio 9 RTP/AVP 96 97 98 0 111\na=rtpmap:96 L8/8000\na=rtpmap:97 L16/8000\na=rtpmap:98 L16/11025/2\n\
         a=rtpmap:0 pcmu/8000/1\na=rtpmap:111 opus/48000/2\na=rtpmap:111 iLBC/8000\na=fmtp:111 useinbandfec=1; Stereo=0\n",
    );
    assert_eq!(names(&media), ["96=L8/8000", "97=L16/8000", "98=L16/11025/2", "0=pcmu/8000", "111=opus/48000/2"]);
    let opus = media.codec(PayloadType::new(111).unwrap()).unwrap();
    assert_eq!(opus.parameter("stereo"), Some("0"));
    assert_eq!(opus.parameter("useinbandfec"), Some("1"));
    assert_eq!(opus.parameter("maxplaybackrate"), None);
    assert_eq!(media.fmtp(PayloadType::new(111).unwrap()).unwrap(), "useinbandfec=1; Stereo=0");
    assert!(media.codecs()[3].same_encoding(&Codec::from_static(PayloadType::PCMU).unwrap()));
}

#[test]
fn cve_sdp_payload_type_out_of_range_is_never_an_index() {
    let media = media(
        "m=audio 9 RTP/AVP 128 256 4294967296 18446744073709551616 -1 0x0 00 8\n\
         a=rtpmap:128 PCMU/8000\na=rtpmap:256 PCMA/8000\na=rtpmap:4294967296 G722/8000\na=rtpmap:-1 x/1\n\
         a=fmtp:128 a=b\na=fmtp:4294967296 a=b\na=fmtp:99 for=nobody\na=fmtp:\na=fmtp:8\na=fmtp:8  \n",
    );
    assert_eq!(names(&media), ["0=PCMU/8000", "8=PCMA/8000"]);
    assert!(media.codecs().iter().all(|codec| codec.fmtp.is_none()));
    assert_eq!(PayloadType::new(128), None);
    assert_eq!(PayloadType::read("127").map(PayloadType::get), Some(127));
}

#[test]
fn cve_sdp_fmtp_with_nul_is_refused() {
    let text =
        b"v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=fmtp\0:0 x\r\n";
    assert_eq!(Session::parse(text).unwrap_err().kind, ParseErrorKind::ForbiddenByte(0));
}

#[test]
fn cve_sdp_broken_rtpmaps_are_as_good_as_none() {
    let media = media(
        "m=audio 9 RTP/AVP 96 97 98 99 100 101 102 0\na=rtpmap\na=rtpmap:96\na=rtpmap:97 PCMU\na=rtpmap:98 PCMU/0\n\
         a=rtpmap:99 PCMU/99999999999\na=rtpmap:100 PC MU/8000\na=rtpmap:101 /8000\na=rtpmap:102  L16/8000/0 \na=rtpmap:0 x\n",
    );
    assert_eq!(names(&media), ["102=L16/8000", "0=PCMU/8000"]);
}

#[test]
fn cve_sdp_codec_listed_500_times_counts_once() {
    let text = format!(
        "v=0\no=- 1 1 IN IP4 h\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 9 RTP/AVP{}\n{}",
        " 96".repeat(500),
        "a=rtpmap:96 opus/48000/2\n".repeat(500)
    );
    assert!(matches!(Session::parse(text.as_bytes()).unwrap_err().kind, ParseErrorKind::TooLarge(128)));
    let mut limits = Limits::DEFAULT;
    limits.formats = 500;
    let session = Session::parse_with(text.as_bytes(), &limits).unwrap();
    assert_eq!(names(&session.media[0]), ["96=opus/48000/2"]);
}

#[test]
fn formats_of_other_transports_are_not_payload_types() {
    let media = media("m=image 9 udptl t38\na=rtpmap:0 PCMU/8000\n");
    assert!(media.codecs().is_empty());
    assert!(!media.protocol.is_rtp());
}

#[test]
fn rfc3264_6_1_some_parameters_belong_to_the_format() {
    let amr = |fmtp: &str| Codec::new(96, "AMR", 8000).unwrap().with_fmtp(Text::new(fmtp).unwrap());
    assert!(!amr("octet-align=1").same_format(&amr("mode-set=7")));
    assert!(amr("octet-align=0").same_format(&amr("mode-set=7")));
    let g729 = Codec::from_static(PayloadType::new(18).unwrap()).unwrap();
    assert!(g729.same_format(&g729.clone().with_fmtp(Text::new("annexb=no").unwrap())));
    assert!(!g729.same_format(&g729.clone().with_channels(2)));
}

#[test]
fn codecs_are_written_as_they_are_read() {
    let mut media = media("m=audio 0 RTP/AVP 0\n");
    media.formats.clear();
    let opus =
        Codec::new(111, "opus", 48_000).unwrap().with_channels(2).with_fmtp(Text::new("useinbandfec=1").unwrap());
    media.push_codec(&opus);
    media.push_codec(&Codec::from_static(PayloadType::PCMA).unwrap());
    assert_eq!(
        media.to_string(),
        "m=audio 0 RTP/AVP 111 8\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\na=rtpmap:8 PCMA/8000\r\n"
    );
    assert_eq!(media.codecs()[0], opus);
}

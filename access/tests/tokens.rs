//! Tokens of others and of our own, and everything that must not be believed.

#![expect(clippy::unwrap_used, reason = "a helper that fails should fail its test loudly")]

use std::time::{Duration, UNIX_EPOCH};

use access::{
    Access, AccessSettings, Actions, Algorithm, Claims, Grant, KeyPair, KeySet, OneOrMany, Rules, Scope, TokenFault,
    Want, namespace_of, sign, track_of, verify_cat, verify_text,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

const ALGORITHMS: [Algorithm; 3] = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Hs256];

fn rules() -> Rules {
    AccessSettings { leeway_s: 0, ..AccessSettings::default() }.rules()
}

fn pair(algorithm: Algorithm, name: &str) -> KeyPair {
    KeyPair::generate(algorithm, Some(name.to_owned())).unwrap()
}

fn keys(pairs: &[&KeyPair]) -> KeySet {
    pairs.iter().map(|pair| pair.verifying().unwrap()).collect()
}

fn claims() -> Claims {
    Claims {
        root: "live".to_owned(),
        put: OneOrMany::One("demo".to_owned()),
        get: OneOrMany::Many(vec![String::new()]),
        exp: Some(2000.into()),
        nbf: Some(1000.into()),
        ..Claims::default()
    }
}

fn verify(token: &str, keys: &KeySet) -> Result<Grant, TokenFault> {
    verify_text(token.as_bytes(), keys, &rules())
}

/// The parts of a token with one of them changed.
fn changed(token: &str, part: usize, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
    let mut parts: Vec<String> = token.split('.').map(ToOwned::to_owned).collect();
    parts[part] = URL_SAFE_NO_PAD.encode(change(URL_SAFE_NO_PAD.decode(&parts[part]).unwrap()));
    parts.join(".")
}

#[test]
fn every_algorithm_signs_and_verifies_and_says_what_the_claims_say() {
    for algorithm in ALGORITHMS {
        let pair = pair(algorithm, "k");
        let grant = verify(&sign(&claims(), &pair).unwrap(), &keys(&[&pair])).unwrap();
        let scopes = [
            Scope::under(Actions::PUBLISH, &namespace_of("live/demo").unwrap()),
            Scope::under(Actions::SUBSCRIBE, &namespace_of("live").unwrap()),
        ];
        assert_eq!(grant.scopes, scopes);
        let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!((grant.from, grant.until), (at(1000), at(2000)));
        // The same key from its own file, private or public, as it is or in base64url.
        let json = pair.to_json();
        let again = KeyPair::from_file(&URL_SAFE_NO_PAD.encode(&json)).unwrap();
        assert!(verify(&sign(&claims(), &again).unwrap(), &KeySet::from_file(&json).unwrap()).is_ok());
        let Some(public) = pair.public_json() else { continue };
        let set = KeySet::from_url(&format!(r#"{{"keys":[{{"kty":"RSA","n":"AQAB"}},{public}]}}"#)).unwrap();
        assert!(set.keys().len() == 1 && verify(&sign(&claims(), &pair).unwrap(), &set).is_ok());
        assert!(KeyPair::from_file(&public).is_err(), "nobody signs with a public key");
    }
}

#[test]
fn tokens_of_moq_dev_are_read_as_they_are() {
    // Made by moq-token: a key without `kty`, in base64url, and a token without `kid`.
    let secret = URL_SAFE_NO_PAD.encode([7u8; 32]);
    let key = format!(r#"{{"alg":"HS256","key_ops":["verify","sign"],"k":"{secret}"}}"#);
    let pair = KeyPair::from_file(&URL_SAFE_NO_PAD.encode(&key)).unwrap();
    let keys = KeySet::from_file(&URL_SAFE_NO_PAD.encode(&key)).unwrap();
    let grant = verify(&sign(&claims(), &pair).unwrap(), &keys).unwrap();
    assert!(grant.scopes.iter().any(|scope| scope.opens(&Want::Publish(track_of("live/demo/video0").unwrap()))));
    let scoped = key.replace("\"k\"", r#""scope":{"root":"x","put":[""]},"k""#);
    assert!(KeySet::from_file(&scoped).is_err(), "limits of a key that are not obeyed make it useless");
}

#[test]
fn what_is_not_signed_by_a_trusted_key_is_not_believed() {
    for algorithm in ALGORITHMS {
        let (known, stranger) = (pair(algorithm, "k"), pair(algorithm, "k"));
        let (trusted, token) = (keys(&[&known]), sign(&claims(), &known).unwrap());
        assert_eq!(verify(&sign(&claims(), &stranger).unwrap(), &trusted), Err(TokenFault::Signature));
        let other = changed(&token, 1, |_| br#"{"put":""}"#.to_vec());
        assert_eq!(verify(&other, &trusted), Err(TokenFault::Signature));
        let cut = changed(&token, 2, |mut signature| {
            signature.pop();
            signature
        });
        assert_eq!(verify(&cut, &trusted), Err(TokenFault::Signature));
        let header = |json: &str| verify(&changed(&token, 0, |_| json.as_bytes().to_vec()), &trusted);
        assert_eq!(header(r#"{"alg":"none"}"#), Err(TokenFault::Algorithm));
        assert_eq!(header(r#"{"alg":"RS256"}"#), Err(TokenFault::Algorithm));
        assert_eq!(header(r#"{"alg":7}"#), Err(TokenFault::Malformed));
        assert_eq!(header(&format!(r#"{{"alg":"{}","kid":"z"}}"#, algorithm.name())), Err(TokenFault::Key));
        let critical = format!(r#"{{"alg":"{}","crit":["x"]}}"#, algorithm.name());
        assert_eq!(header(&critical), Err(TokenFault::Unsupported));
        assert_eq!(verify(&token, &KeySet::default()), Err(TokenFault::Key));
    }
}

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    let known = pair(Algorithm::EdDsa, "k");
    let json: serde_json::Value = serde_json::from_str(&known.public_json().unwrap()).unwrap();
    let secret = json["x"].as_str().unwrap();
    let forged = KeyPair::from_file(&format!(r#"{{"kty":"oct","kid":"k","k":"{secret}"}}"#)).unwrap();
    assert_eq!(verify(&sign(&claims(), &forged).unwrap(), &keys(&[&known])), Err(TokenFault::Key));
}

#[test]
fn a_key_is_found_by_its_name_and_nameless_ones_are_tried() {
    let (old, new) = (pair(Algorithm::EdDsa, "old"), pair(Algorithm::EdDsa, "new"));
    let both = keys(&[&old, &new]);
    for pair in [&old, &new] {
        assert!(verify(&sign(&claims(), pair).unwrap(), &both).is_ok());
    }
    assert_eq!(verify(&sign(&claims(), &new).unwrap(), &keys(&[&old])), Err(TokenFault::Key));
    let nameless: String = new.to_json().replace(r#""kid":"new","#, "");
    let nameless = KeySet::from_file(&nameless).unwrap();
    assert!(verify(&sign(&claims(), &new).unwrap(), &nameless).is_ok(), "the operator gave it no name");
}

#[test]
fn issuer_and_audience_must_be_those_that_are_wanted() {
    let pair = pair(Algorithm::EdDsa, "k");
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let check = |iss: Option<&str>, aud: &[&str], issuers: &[&str], audiences: &[&str]| {
        let claims = Claims { iss: iss.map(ToOwned::to_owned), aud: OneOrMany::Many(texts(aud)), ..claims() };
        let rules = Rules { issuers: texts(issuers), audiences: texts(audiences), ..rules() };
        verify_text(sign(&claims, &pair).unwrap().as_bytes(), &keys(&[&pair]), &rules).err()
    };
    assert_eq!(check(Some("us"), &[], &["them", "us"], &[]), None);
    assert_eq!(check(Some("others"), &[], &["us"], &[]), Some(TokenFault::Issuer));
    assert_eq!(check(None, &[], &["us"], &[]), Some(TokenFault::Issuer));
    assert_eq!(check(None, &["a", "relay"], &[], &["relay"]), None);
    assert_eq!(check(None, &["a"], &[], &["relay"]), Some(TokenFault::Audience));
    assert_eq!(check(None, &[], &[], &["relay"]), Some(TokenFault::Audience));
    assert_eq!(
        check(None, &["a"], &[], &[]),
        Some(TokenFault::Audience),
        "it is for somebody, and this server has no name"
    );
}

#[test]
fn claims_that_are_none_are_malformed() {
    let pair = pair(Algorithm::Hs256, "k");
    let signed = |json: &str| {
        // The claims as they stand, whatever they are.
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
        let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(json));
        let secret: serde_json::Value = serde_json::from_str(&pair.to_json()).unwrap();
        let secret = URL_SAFE_NO_PAD.decode(secret["k"].as_str().unwrap()).unwrap();
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, message.as_bytes()));
        verify(&format!("{message}.{signature}"), &keys(&[&pair]))
    };
    assert!(signed(r#"{"get":"a","exp":1.5,"more":{"x":[]}}"#).is_ok());
    let long = format!(r#"{{"get":"{}"}}"#, "a/".repeat(33));
    for wrong in ["", "[]", "{", r#"{"get":7}"#, r#"{"exp":"soon"}"#, r#"{"exp":-1}"#, r#"{"exp":1e300}"#, &long] {
        assert_eq!(signed(wrong), Err(TokenFault::Malformed), "{wrong}");
    }
    let many = format!(r#"{{"get":[{}]}}"#, vec![r#""a""#; 257].join(","));
    assert_eq!(signed(&many), Err(TokenFault::Malformed));
}

#[test]
fn keys_for_other_things_are_left_alone() {
    let public = pair(Algorithm::EdDsa, "k").public_json().unwrap();
    let with = |member: &str| public.replacen('{', &format!("{{{member},"), 1);
    assert!(KeySet::from_file(&with(r#""use":"sig""#)).is_ok());
    assert!(KeySet::from_file(&with(r#""use":"enc""#)).is_err());
    assert!(KeySet::from_file(r#"{"kty":"oct","k":"c2hvcnQ"}"#).is_err(), "a secret that can be guessed");
    let secret = pair(Algorithm::Hs256, "k").to_json();
    assert!(KeySet::from_file(&secret).is_ok() && KeySet::from_url(&secret).is_err(), "a secret that everybody reads");
    assert!(KeySet::from_file("nonsense").is_err() && KeySet::from_file("").is_err());
}

#[test]
fn keys_in_pem_are_read() {
    // RFC 8410 section 10.1 and 10.3.
    let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    let pair = KeyPair::from_file(private).unwrap();
    assert!(verify(&sign(&claims(), &pair).unwrap(), &KeySet::from_file(public).unwrap()).is_ok());
    let refused = KeySet::from_file(private).unwrap_err().to_string();
    assert!(refused.contains("--public"), "{refused}");
    assert!(KeySet::from_file("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").is_err());
}

/// The key of the examples of draft-ietf-moq-c4m.
fn example_keys() -> KeySet {
    let bytes: Vec<u8> = (0..32).collect();
    let hex = |text: &str| {
        let digits: Vec<u8> = text.bytes().map(|byte| char::from(byte).to_digit(16).unwrap() as u8).collect();
        URL_SAFE_NO_PAD.encode(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<_>>())
    };
    let secret = format!(r#"{{"kty":"oct","k":"{}"}}"#, URL_SAFE_NO_PAD.encode(bytes));
    let public = format!(
        r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}"#,
        hex("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"),
        hex("7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"),
    );
    KeySet::from_file(&format!(r#"{{"keys":[{secret},{public}]}}"#)).unwrap()
}

fn example_rules() -> Rules {
    let audiences = ["https://relay.example.com", "https://moq-relay.example.com"].map(ToOwned::to_owned);
    Rules { issuers: vec!["https://auth.example.com".to_owned()], audiences: audiences.to_vec(), ..rules() }
}

#[test]
fn cat_examples_of_the_draft_hold_and_those_that_must_not_do_not() {
    let check = |token: &str| verify_cat(token.as_bytes(), &example_keys(), &example_rules());
    let minimal = "ogEjEGNDQVQ.owF4GGh0dHBzOi8vYXV0aC5leGFtcGxlLmNvbQOBeBlodHRwczovL3JlbGF5LmV4YW1wbGUuY29tBBplVUKA.W17GD7Gj-B0YtejX7fRwLlUmEkje-ME81oCc9oZaaYY";
    let grant = check(minimal).unwrap();
    assert!(grant.scopes.is_empty() && grant.until == Some(UNIX_EPOCH + Duration::from_secs(1_700_086_400)));
    assert_eq!(verify_text(minimal.as_bytes(), &example_keys(), &example_rules()), Ok(grant), "in a URL");
    let es256 = "ogEmEGNDQVQ.pAF4GGh0dHBzOi8vYXV0aC5leGFtcGxlLmNvbQOBeB1odHRwczovL21vcS1yZWxheS5leGFtcGxlLmNvbQQaZVVCgAUaZVPxAA.-jMV6d4GH9d9gUOUQormHaPXoh_f-xmAKwxXXFeAmOfNS2t1oWkN7tTCuq6ZS_xGLg2KIAbz6JeA80NXOClNeg";
    assert_eq!(check(es256).unwrap().from, Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
    let issuer = "ogEjEGNDQVQ.owF4GGh0dHBzOi8vZXZpbC5leGFtcGxlLmNvbQOBeBlodHRwczovL3JlbGF5LmV4YW1wbGUuY29tBBplVUKA.Xo7FCr_MGSyVX0C9sueeapSfboIHkrkysurn2VjC9PU";
    assert_eq!(check(issuer), Err(TokenFault::Issuer));
    let audience = "ogEjEGNDQVQ.owF4GGh0dHBzOi8vYXV0aC5leGFtcGxlLmNvbQOBeB9odHRwczovL290aGVyLXJlbGF5LmV4YW1wbGUuY29tBBplVUKA.b8KxAKxJglzhELMuc9bYmsikrx3F9Y3YdvpfHLbsyk0";
    assert_eq!(check(audience), Err(TokenFault::Audience));
    assert_eq!(check(&changed(minimal, 1, |_| vec![0xA0])), Err(TokenFault::Signature));
}

#[test]
fn cat_scopes_match_as_in_the_examples() {
    let rules = Rules { audiences: Vec::new(), ..example_rules() };
    let check = |token: &str| verify_cat(token.as_bytes(), &example_keys(), &rules).unwrap();
    let opens = |grant: &Grant, want: Want| grant.scopes.iter().any(|scope| scope.opens(&want));
    let track = |path: &str| track_of(path).unwrap();

    let publisher = check(
        "ogEjEGNDQVQ.owF4GGh0dHBzOi8vYXV0aC5leGFtcGxlLmNvbQQaZVVCgBkBR4GDggIGgktleGFtcGxlLmNvbUVhbGljZYIBRnZpZGVvLQ.oAPD24Wu_zHnDcuM6a-ePeGvRJjbCa6U7iswdsKzFDk",
    );
    for (name, open) in [("alice/video-sd", true), ("alice/audio-main", false), ("bob/video-hd", false)] {
        assert_eq!(opens(&publisher, Want::Publish(track(&format!("example.com/{name}")))), open, "{name}");
    }
    assert!(!opens(&publisher, Want::Subscribe(track("example.com/alice/video-hd"))));
    let subscriber = check(
        "ogEjEGNDQVQ.owF4GGh0dHBzOi8vYXV0aC5leGFtcGxlLmNvbQQaZVVCgBkBR4GCgwMEB4GCAVJjb25mZXJlbmNlLmV4YW1wbGU.pfUPZultmyCm1GF2PvPXAYXzvK6d1D-OFNBLG1AwjDg",
    );
    assert!(opens(&subscriber, Want::Subscribe(track("conference.example.org/room/audio"))));
    assert!(!opens(&subscriber, Want::Subscribe(track("other.example/audio"))));
    assert!(!opens(&subscriber, Want::Publish(track("conference.example/audio"))));
    let both = check(
        "ogEjEGNDQVQ.pAF4GGh0dHBzOi8vYXV0aC5leGFtcGxlLmNvbQQaZVVCgBkBR4KCggIGgkxsaXZlLmV4YW1wbGVIc3R1ZGlvLWGCggQHgYIBTGxpdmUuZXhhbXBsZRkBSPlcsA.byEzQmxc28UXFyFekHtgOtaVmWyIPl-63xNMOF0Q_IU",
    );
    assert!(opens(&both, Want::Publish(track("live.example/studio-a/cam1"))));
    assert!(opens(&both, Want::Subscribe(track("live.example/studio-b/cam1"))));
    assert!(!opens(&both, Want::Publish(track("live.example/studio-b/cam1"))));
    assert_eq!(both.revalidate, Some(Duration::from_secs(300)));
}

/// A COSE token made with the examples' secret.
fn mac0(claims: &[(i64, coset::cbor::Value)], tagged: bool) -> Vec<u8> {
    use coset::{CborSerializable, CoseMac0Builder, HeaderBuilder, TaggedCborSerializable, cbor::Value, iana};
    let claims = claims.iter().map(|(key, value)| (Value::from(*key), value.clone())).collect();
    let payload = Value::Map(claims).to_vec().unwrap();
    let header = HeaderBuilder::new().algorithm(iana::Algorithm::HMAC_256_256).build();
    let secret: Vec<u8> = (0..32).collect();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
    let cose = CoseMac0Builder::new().protected(header).payload(payload);
    let cose = cose.create_tag(b"", |message| ring::hmac::sign(&key, message).as_ref().to_vec()).build();
    if tagged { cose.to_tagged_vec().unwrap() } else { cose.to_vec().unwrap() }
}

#[test]
fn cats_in_cose_are_read_with_and_without_tags_and_in_text() {
    use coset::cbor::Value;
    let scope = Value::Array(vec![
        Value::Array(vec![Value::from(4), Value::from(7), Value::from(99)]),
        Value::Array(vec![Value::Bytes(b"live".to_vec()), Value::Null]),
        Value::Array(vec![Value::from(2), Value::Bytes(b"0".to_vec())]),
    ]);
    let good = [(327, Value::Array(vec![scope])), (328, Value::from(2.5)), (4, Value::from(2000))];
    for tagged in [true, false] {
        let token = mac0(&good, tagged);
        let grant = verify_cat(&token, &example_keys(), &rules()).unwrap();
        assert_eq!(
            verify_text(URL_SAFE_NO_PAD.encode(&token).as_bytes(), &example_keys(), &rules()).as_ref(),
            Ok(&grant)
        );
        let opens = |path: &str| grant.scopes[0].opens(&Want::Subscribe(track_of(path).unwrap()));
        assert!(opens("live/video0") && !opens("live/video1") && !opens("live/demo/video0"));
        assert_eq!(grant.revalidate, Some(Duration::from_millis(2500)));
    }
    let mut with_cwt = vec![0xD8, 0x3D];
    with_cwt.extend(mac0(&good, true));
    assert!(verify_cat(&with_cwt, &example_keys(), &rules()).is_ok());
    let moved = Rules { moqt_claim: 400, ..rules() };
    assert_eq!(verify_cat(&mac0(&good, true), &example_keys(), &moved), Err(TokenFault::Unsupported));
}

#[test]
fn cats_that_demand_what_is_not_done_here_are_refused() {
    use coset::cbor::Value;
    let fault = |key: i64, value: Value| verify_cat(&mac0(&[(key, value)], true), &example_keys(), &rules()).err();
    assert_eq!(fault(311, Value::Array(Vec::new())), Some(TokenFault::Unsupported), "an IP address to come from");
    assert_eq!(fault(8, Value::Map(Vec::new())), Some(TokenFault::Unsupported), "a key to prove possession of");
    assert_eq!(fault(328, Value::from(0.001)), Some(TokenFault::Unsupported), "a look a millisecond");
    assert_eq!(fault(310, Value::from("CAT-v1")), None);
    for wrong in [Value::from(7), Value::Array(vec![Value::from(7)]), Value::Array(vec![Value::Array(Vec::new())])] {
        assert_eq!(fault(327, wrong), Some(TokenFault::Malformed));
    }
}

proptest! {
    #[test]
    fn no_bytes_are_believed_or_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(verify_text(&bytes, &example_keys(), &rules()).is_err());
        prop_assert!(verify_cat(&bytes, &example_keys(), &rules()).is_err());
    }

    #[test]
    fn a_bit_changed_anywhere_is_found(at in 0usize..1000, bit in 0u8..8) {
        let mut token = mac0(&[(4, coset::cbor::Value::from(2000)), (2, coset::cbor::Value::from("a"))], true);
        let at = at % token.len();
        token[at] ^= 1 << bit;
        // What is not signed are the headers beside: they are empty here, and may only become unreadable.
        prop_assert!(verify_cat(&token, &example_keys(), &rules()).is_err());
    }
}

#[tokio::test]
async fn a_file_may_be_read_again_while_everybody_waits() {
    let (first, second) = (pair(Algorithm::EdDsa, "first"), pair(Algorithm::EdDsa, "second"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), first.public_json().unwrap()).unwrap();
    let access =
        Access::load(&AccessSettings { keys: vec![file.path().to_owned()], ..AccessSettings::default() }).unwrap();
    let running = tokio::spawn({
        let access = access.clone();
        async move { match access.run().await {} }
    });
    let want = Want::Subscribe(track_of("live/demo/video0").unwrap());
    let claims = Claims { get: OneOrMany::One(String::new()), ..Claims::default() };
    let admit = async |pair: &KeyPair| {
        let query = format!("token={}", sign(&claims, pair).unwrap());
        access.http(Some(&query), None).admit(want.clone(), &[]).await.is_ok()
    };
    assert!(admit(&first).await);
    std::fs::write(file.path(), second.public_json().unwrap()).unwrap();
    assert!(admit(&second).await, "its key was looked for");
    assert!(!admit(&first).await, "its key is gone, and what was remembered of it");
    std::fs::write(file.path(), "nonsense").unwrap();
    assert!(!admit(&first).await && admit(&second).await, "the last good keys go on");
    running.abort();
}

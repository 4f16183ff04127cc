//! Plans that are right, and how wrong ones are told.

use proptest::prelude::*;

use super::*;
use crate::require::Condition;

const SMALLEST: &str = "name = 'x'\n[video]\nbitrate = '1Mbit/s'\n[[video.viewers]]\nname = 'v'\ncount = 10\n";

fn checked(text: &str) -> Result<Plan, String> {
    let plan = Plan::parse(text).map_err(|error| error.to_string())?;
    plan.check(false).map_err(|error| error.to_string())?;
    Ok(plan)
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let error = checked(text).unwrap_err();
    assert!(error.contains(expected), "wanted {expected:?} in: {error}");
}

#[test]
fn every_shipped_plan_is_right_says_what_it_is_for_and_has_conditions() {
    for (name, text) in SHIPPED {
        let plan = checked(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(plan.name, name);
        assert!(!plan.description.is_empty() && !plan.require.is_empty(), "{name}");
        for condition in &plan.require {
            condition.parse::<Condition>().unwrap_or_else(|error| panic!("{name}: {condition}: {error}"));
        }
    }
}

#[test]
fn every_file_among_the_plans_is_shipped() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut shipped = SHIPPED.map(|(name, _)| format!("{name}.toml"));
    shipped.sort();
    let files: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(files, shipped);
}

#[test]
fn defaults_are_bounded() {
    let plan = checked(SMALLEST).unwrap();
    assert_eq!((plan.duration.0, plan.viewers(), plan.relays), (Duration::from_secs(30), 10, 1));
}

#[test]
fn wrong_plans_name_the_key_and_the_place() {
    refused("name = 'x'\nfoo = 1\n", "unknown field `foo`");
    refused("name = 'x'\nfoo = 1\n", "line 2");
    refused("name = 'x'\n", "`video` and `shops` are missing");
    refused(&SMALLEST.replace("1Mbit/s", "1MB"), "a rate such as");
    refused(&SMALLEST.replace("bitrate", "bitrat"), "unknown field `bitrat`");
    refused(&SMALLEST.replace("count = 10", "count = -1"), "invalid value");
    refused(
        &SMALLEST.replace("count = 10", "count = 10\ntracks = 2"),
        "`video.viewers.tracks` of \"v\" must be 1 to 1",
    );
    refused(&SMALLEST.replace("count = 10", "count = 10\nat = '31s'"), "reach beyond the run's 30s");
    refused(&SMALLEST.replace("count = 10", "count = 10\nback_after = ['1s', '2s']"), "needs `stay`");
    refused(&SMALLEST.replace("count = 10", "count = 5001"), "--allow-large");
    refused(&SMALLEST.replace("'v'", "'all'"), "not `all`");
    refused(&SMALLEST.replace("name = 'x'", "name = 'x'\nduration = '2h'"), "--allow-large");
    refused(&SMALLEST.replace("[video]", "[impairment]\nloss = 1.0\n[video]"), "`impairment.loss`");
    refused(&SMALLEST.replace("[video]", "[video]\nframe_bytes = '4KB'"), "exclude each other");
    let error = Plan::load("no-such-plan", &none()).unwrap_err().to_string();
    assert!(error.contains("steady, small_frames, ramp"), "{error}");
}

const SHOPS: &str = "name = 'x'\nduration = '10s'\n[shops]\n[[shops.scenarios]]\nname = 'b'\ndoes = 'buy'\nrate = 10\n";

#[test]
fn wrong_shops_are_told() {
    checked(SHOPS).unwrap();
    let with = |key: &str| SHOPS.replace("[shops]", &format!("[shops]\n{key}"));
    refused(&with("customers = 0"), "`shops.customers` must be 1 to 100000");
    refused(&with("in_flight = 0"), "`shops.in_flight`");
    refused(&with("timeout = '0s'"), "`shops.timeout`");
    refused(&with("repeat = 1.1"), "`shops.repeat`");
    refused(&with("settle = '3h'"), "`shops.settle`");
    refused(&with("urls = 'x'"), "unknown field `urls`");
    refused("name = 'x'\n[shops]\n", "names nobody");
    let scenario = |from: &str, to: &str| SHOPS.replace(from, to);
    refused(&scenario("'b'", "'checks'"), "`checks`");
    refused(&scenario("'b'", "'tool'"), "of \"tool\" must be letters");
    refused(&scenario("'buy'", "'steal'"), "unknown variant `steal`");
    refused(&scenario("rate = 10", "rate = -1"), "`shops.scenarios.rate`");
    refused(&scenario("rate = 10", "rate = nan"), "`shops.scenarios.rate`");
    refused(&scenario("rate = 10", ""), "brings nobody");
    refused(&scenario("rate = 10", "rate = 10\nat = '10s'"), "reach beyond the run's 10s");
    refused(&scenario("rate = 10", "peak = { rate = 5, at = '6s', lasts = '5s' }"), "reach beyond");
    refused(&scenario("rate = 10", "rate = 10\nquota = 0"), "`shops.scenarios.quota`");
    refused(&scenario("rate = 10", "rate = 10_000\nend_rate = 10_001"), "`shops.scenarios.rate`");
    refused(&scenario("'10s'", "'200s'").replace("rate = 10\n", "rate = 6000\n"), "--allow-large");
    refused(&format!("{SHOPS}[[shops.scenarios]]\nname = 'b'\ndoes = 'browse'\nrate = 1\n"), "two named \"b\"");
    let both = format!("{SHOPS}{}", SMALLEST.replace("name = 'x'\n", "").replace("'v'", "'b'"));
    refused(&both, "not a population's");
    checked(&both.replace("name = 'b'\ncount", "name = 'v'\ncount")).unwrap();
}

#[test]
fn customers_come_as_often_as_the_plan_and_the_command_line_say() {
    let arrivals = |text: &str| checked(text).unwrap().arrivals();
    assert_eq!(arrivals(SHOPS), 100);
    assert_eq!(arrivals(&SHOPS.replace("rate = 10", "rate = 10\nat = '5s'")), 50);
    assert_eq!(arrivals(&SHOPS.replace("rate = 10", "rate = 10\nend_rate = 30")), 200);
    let peak = "rate = 10\npeak = { rate = 100, at = '2s', lasts = '1s' }";
    assert_eq!(arrivals(&SHOPS.replace("rate = 10", peak)), 200);
    let mut plan = checked(&SHOPS.replace("rate = 10", peak)).unwrap();
    let overrides = Overrides { duration: Some(Span(Duration::from_secs(5))), arrivals: 2.0, ..none() };
    plan.apply(&Overrides { shops: Some("http://localhost:1/api/v1".to_owned()), ..overrides });
    assert_eq!((plan.arrivals(), plan.scopes().collect::<Vec<_>>()), (200, vec!["b"]));
    let shops = plan.shops.as_ref().unwrap();
    assert_eq!(
        (shops.url.as_str(), shops.scenarios[0].peak.unwrap().at.0),
        ("http://localhost:1/api/v1", Duration::from_secs(1))
    );
    plan.check(false).unwrap();
    plan.apply(&Overrides { arrivals: f64::NAN, ..none() });
    plan.check(true).unwrap_err();
}

/// What changes nothing.
fn none() -> Overrides {
    Overrides { duration: None, viewers: None, seed: None, shops: None, arrivals: 1.0, slack: 1, allow_large: false }
}

#[test]
fn the_command_line_wins() {
    let overrides =
        Overrides { duration: Some(Span(Duration::from_secs(5))), viewers: Some(7), seed: Some(9), slack: 2, ..none() };
    let mut plan = checked(&SMALLEST.replace("count = 10", "count = 10\nat = '6s'\nwithin = '3s'")).unwrap();
    plan.apply(&overrides);
    let viewers = &plan.video.as_ref().unwrap().viewers[0];
    assert_eq!((viewers.at.0, viewers.within.0), (Duration::from_secs(1), Duration::from_millis(500)));
    assert_eq!((plan.duration.0, plan.viewers(), plan.seed), (Duration::from_secs(5), 7, 9));
    assert_eq!(plan.video.unwrap().stall.0, Duration::from_millis(500));
}

proptest! {
    #[test]
    fn scaling_keeps_the_sum_and_about_the_proportions(
        counts in prop::collection::vec(0..1000u32, 1..6),
        viewers in 0..5000u32,
    ) {
        let mut video = checked(SMALLEST).unwrap().video.unwrap();
        let one = video.viewers[0].clone();
        video.viewers = counts.iter().map(|count| Population { count: *count, ..one.clone() }).collect();
        let before = f64::from(video.count());
        video.scale(viewers);
        if before > 0.0 {
            prop_assert_eq!(video.count(), viewers);
            for (population, count) in video.viewers.iter().zip(&counts) {
                let wanted = f64::from(*count) / before * f64::from(viewers);
                prop_assert!((f64::from(population.count) - wanted).abs() <= counts.len() as f64, "{wanted}");
            }
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,80}") {
        let _ = checked(&text);
    }

    #[test]
    fn no_numbers_panic(fps in any::<f64>(), tracks in any::<u32>(), count in any::<u32>(), ratio in any::<f64>()) {
        let text = SMALLEST
            .replace("[video]", &format!("[video]\nfps = {fps:?}\ntracks = {tracks}\nkeyframe_ratio = {ratio:?}"))
            .replace("count = 10", &format!("count = {count}"));
        let _ = checked(&text);
    }

    #[test]
    fn no_rates_panic(rate in any::<f64>(), end in any::<f64>(), peak in any::<f64>(), millis in any::<u32>()) {
        let text = format!("rate = {rate:?}\nend_rate = {end:?}\nat = '{millis}ms'\npeak = {{ rate = {peak:?}, at = '{millis}ms', lasts = '1s' }}");
        let _ = checked(&SHOPS.replace("rate = 10", &text).replace("NaN", "nan"));
    }
}

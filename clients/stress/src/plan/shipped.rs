//! The plans that come with the program.

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../plans/", $name, ".toml")))),*]
    };
}

/// Names and texts, in the order in which one gets to know them.
pub(crate) const SHIPPED: [(&str, &str); 14] = shipped![
    "steady",
    "small_frames",
    "ramp",
    "flash_crowd",
    "churn",
    "slow_readers",
    "idle",
    "fetch_storm",
    "late_joiners",
    "many_tracks",
    "relay_tree",
    "shops",
    "promotion_peak",
    "everything",
];

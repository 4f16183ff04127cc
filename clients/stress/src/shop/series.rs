//! What the shop load measures.

use crate::measure::Series;

/// Every series of this load, for conditions, reports and the manual.
pub(crate) const ALL: [&Series; 31] = [
    &ANSWER,
    &LOOK,
    &SEARCH,
    &RESERVE,
    &CONFIRM,
    &PRESCRIBE,
    &QUOTE,
    &BASKET,
    &DOWNLOAD,
    &FOLLOW,
    &VISIT,
    &DELIVERY,
    &START_LAG,
    &ANSWERS,
    &VISITS_DONE,
    &ORDERS,
    &DELIVERED,
    &ROWS,
    &TURNED_DOWN,
    &SHED,
    &NO_RETRY_AFTER,
    &FAILED,
    &UNSTARTED,
    &OVERSOLD,
    &LOST_ORDERS,
    &REPEATS_WRONG,
    &MONEY_WRONG,
    &UNFINISHED,
    &TORN,
    &UNVERIFIED,
    &VISITS,
];

/// What no load excuses.
pub(crate) const ALWAYS: [&str; 7] =
    ["oversold=0", "lost_orders=0", "repeats_wrong=0", "money_wrong=0", "unfinished=0", "torn=0", "unverified=0"];

/// What goes wrong, in the order in which it is told.
pub(crate) const TROUBLES: [&Series; 10] = [
    &SHED,
    &FAILED,
    &UNSTARTED,
    &OVERSOLD,
    &LOST_ORDERS,
    &REPEATS_WRONG,
    &MONEY_WRONG,
    &UNFINISHED,
    &TORN,
    &UNVERIFIED,
];

pub(crate) static ANSWER: Series = Series::times(
    "answer",
    "from the moment a request was due to its whole answer, be it a refusal for good reasons: the planned arrival for a visit's first, the answer before for others",
);
pub(crate) static LOOK: Series = Series::times("look", "the same for lists, products, promotions and offers");
pub(crate) static SEARCH: Series = Series::times("search", "the same for searches of the pharmacy");
pub(crate) static RESERVE: Series = Series::times("reserve", "the same for orders at a shop");
pub(crate) static CONFIRM: Series = Series::times("confirm", "the same for paying them");
pub(crate) static PRESCRIBE: Series = Series::times("prescribe", "the same for prescriptions");
pub(crate) static QUOTE: Series = Series::times("quote", "the same for quotes of the reseller");
pub(crate) static BASKET: Series = Series::times("basket", "the same for orders at the reseller");
pub(crate) static DOWNLOAD: Series = Series::times("download", "the same for exports, to their last byte");
pub(crate) static FOLLOW: Series =
    Series::times("follow", "the same for looks at orders, exports and parcels under way");
pub(crate) static VISIT: Series = Series::times(
    "visit",
    "from a planned arrival to the end of the visit; for orders, until they are placed and paid",
);
pub(crate) static DELIVERY: Series =
    Series::times("delivery", "from a planned arrival to the reseller's word that all parcels are at the door");
pub(crate) static START_LAG: Series = Series::times(
    "start_lag",
    "how late the tool itself began a visit; a part of its first answer's time that is not the shops'",
);
pub(crate) static ANSWERS: Series = Series::count("answers", "good answers, and refusals for good reasons");
pub(crate) static VISITS_DONE: Series = Series::count("visits_done", "visits that got what they came for");
pub(crate) static ORDERS: Series = Series::count("orders", "orders that were answered with success, by shop");
pub(crate) static DELIVERED: Series = Series::count("delivered", "reseller orders that are at the door");
pub(crate) static ROWS: Series = Series::count("rows", "rows of exports that were read and found good");
pub(crate) static TURNED_DOWN: Series =
    Series::count("turned_down", "requests refused for the shop's own good reasons, by what was asked and why");
pub(crate) static SHED: Series =
    Series::count("shed", "requests answered 429 or 503, by what was asked, status and problem");
pub(crate) static NO_RETRY_AFTER: Series =
    Series::count("no_retry_after", "of these, those that did not say when to come back");
pub(crate) static FAILED: Series =
    Series::count("failed", "requests that failed otherwise, by what was asked, and status and problem or what broke");
pub(crate) static UNSTARTED: Series = Series::count(
    "unstarted",
    "arrivals that found as many visits under way as the plan's `in_flight`, and were turned away",
);
pub(crate) static OVERSOLD: Series = Series::count(
    "oversold",
    "shops whose books do not add up, and promotions given to more than there were, by what is wrong",
);
pub(crate) static LOST_ORDERS: Series = Series::count(
    "lost_orders",
    "orders answered with success that are not there, or not in a state they must be in, by what is wrong",
);
pub(crate) static REPEATS_WRONG: Series = Series::count(
    "repeats_wrong",
    "requests that came again with the same key and got another answer, by what was asked",
);
pub(crate) static MONEY_WRONG: Series =
    Series::count("money_wrong", "amounts that do not add up, and orders that nobody placed, by what is wrong");
pub(crate) static UNFINISHED: Series = Series::count(
    "unfinished",
    "orders that have come to no end in the plan's `settle` after the load, by where they stand",
);
pub(crate) static TORN: Series = Series::count(
    "torn",
    "exports with broken or unordered rows or another number of them than others read of the same state, and files that are not as told, by what is wrong",
);
pub(crate) static UNVERIFIED: Series =
    Series::count("unverified", "things that could not be checked after the load, by what and why");
pub(crate) static VISITS: Series = Series::level("visits", "visits under way");

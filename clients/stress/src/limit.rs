//! Every bound of this crate: unit and reason.

use std::time::Duration;

/// Viewers of one run unless `--allow-large` is given: more than one machine's worth of sockets and memory.
pub(crate) const MAX_VIEWERS: u32 = 5_000;
/// Length of one run unless `--allow-large` is given: a forgotten run ends by itself.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(3600);
/// Tracks published by one run: as many as a relay opens by default.
pub(crate) const MAX_TRACKS: u32 = 10_000;
/// Frames of one group: bounds what a viewer remembers of it.
pub(crate) const MAX_GROUP_FRAMES: u32 = 10_000;
/// Bytes of one frame: a large 8K keyframe.
pub(crate) const MAX_FRAME_BYTES: u64 = 16 << 20;
/// Customers with a token of their own: as many as shops remember rates of.
pub(crate) const MAX_CUSTOMERS: u32 = 100_000;
/// Visits under way at a time: each may have a connection of its own.
pub(crate) const MAX_VISITS: u32 = 20_000;
/// Arrivals per second of one scenario: timers of one thread come no closer.
pub(crate) const MAX_RATE: f64 = 10_000.0;
/// Arrivals of one run unless `--allow-large` is given: every order among them is remembered and checked.
pub(crate) const MAX_ARRIVALS: u64 = 1_000_000;
/// Longest wait for an answer that a plan may ask for.
pub(crate) const MAX_ANSWER_TIME: Duration = Duration::from_secs(120);
/// Bytes of an answer that is not an export: a page of a hundred products, many times.
pub(crate) const MAX_ANSWER_BYTES: usize = 8 << 20;
/// Bytes of one row of an export.
pub(crate) const MAX_ROW_BYTES: usize = 1 << 20;
/// Bytes of a problem's name in a label.
pub(crate) const PROBLEM_BYTES: usize = 64;
/// Products of each shop that are bought: enough that buyers do not all want the same.
pub(crate) const PRODUCTS: usize = 10;
/// Units of each that are put on the shelf before the load: more than one run buys.
pub(crate) const RESTOCKED: i64 = 1_000_000;
/// Wait for tokens, goods and promotions before customers come.
pub(crate) const SHOPS_START: Duration = Duration::from_secs(60);
/// Tries of a request before the load that is told to come back.
pub(crate) const PREPARE_TRIES: u32 = 60;
/// Time between two looks at an order under way: often enough to tell seconds apart, rare enough to be no load of its own.
pub(crate) const FOLLOW_EVERY: Duration = Duration::from_millis(500);
/// Requests at a time before the load and of the check after it.
pub(crate) const VERIFY_AT_ONCE: usize = 16;
/// Tries of each request of the check: shops that were overloaded a moment ago may still be.
pub(crate) const VERIFY_TRIES: u32 = 10;
/// Pause before the next of them.
pub(crate) const VERIFY_PAUSE: Duration = Duration::from_millis(500);
/// Time of the whole check: a million orders at some thousands per second.
pub(crate) const VERIFY: Duration = Duration::from_secs(600);
/// The same after an interrupted run: whoever pressed Ctrl-C waits.
pub(crate) const VERIFY_INTERRUPTED: Duration = Duration::from_secs(5);
/// Pages of one customer's orders: a hundred each.
pub(crate) const LIST_PAGES: usize = 1000;
/// Bytes of a plan's text: the largest one that makes sense, a hundred times.
pub(crate) const MAX_PLAN_BYTES: u64 = 1 << 20;
/// Bytes of a report that `compare` reads: an hour of intervals of one second with ten populations.
pub(crate) const MAX_REPORT_BYTES: u64 = 512 << 20;
/// Intervals kept for the report; longer runs make them longer.
pub(crate) const MAX_INTERVALS: usize = 7200;
/// Worker threads unless the machine has fewer cores.
pub(crate) const MAX_WORKERS: usize = 64;
/// Different labels (kinds of errors, codes) of one count in one interval; further ones are counted as `other`.
pub(crate) const MAX_LABELS: usize = 64;
/// Longest time that histograms tell apart: an hour, in microseconds.
pub(crate) const MAX_TIME_MICROS: u64 = 3_600_000_000;
/// Viewers that share one UDP socket: enough to spare the kernel a socket each, few enough that one socket's buffer holds what
/// they are sent while their thread is busy.
pub(crate) const VIEWERS_PER_SOCKET: usize = 50;
/// Streams of one track a viewer reads at a time; further ones are stopped and counted.
pub(crate) const TRACK_STREAMS: usize = 256;
/// Streams a server may hold open to a viewer, beside those of its tracks: control streams, FETCH answers.
pub(crate) const SPARE_STREAMS: u32 = 16;
/// The same for each track: two groups in flight, and as many late ones.
pub(crate) const STREAMS_PER_TRACK: u32 = 8;
/// Pieces of streams a viewer takes in one turn before others of its thread get theirs.
pub(crate) const ITEMS_PER_TURN: usize = 256;
/// Groups of a track a viewer remembers; what comes later than that is out of order.
pub(crate) const REMEMBERED_GROUPS: usize = 8;
/// The same while the beginning of its first group is still on its way.
pub(crate) const HEAD_GROUPS: usize = 128;
/// Groups that publishers keep for FETCH beyond those that a plan asks back for.
pub(crate) const SPARE_GROUPS: usize = 6;
/// Bytes that all publishers keep: groups of a thousand tracks of 3 Mbit/s for two seconds.
pub(crate) const PUBLISHER_BYTES: u64 = 1 << 30;
/// Relays serve many; a publisher's only viewers are relays, and none of them is given up before this.
pub(crate) const PUBLISHER_PATIENCE: Duration = Duration::from_secs(30);
/// Wait for all publishers to be connected and announced before viewers come.
pub(crate) const PUBLISHER_START: Duration = Duration::from_secs(8);
/// One dial of a publisher: who waits for a relay that is not there wants to know soon.
pub(crate) const PUBLISHER_DIAL: Duration = Duration::from_secs(4);
/// Pause before a publisher or viewer whose session was lost comes again.
pub(crate) const RETRY: Duration = Duration::from_millis(500);
/// After the last frame is published, this long for it to arrive everywhere.
pub(crate) const DRAIN: Duration = Duration::from_secs(1);
/// After that, this long for everybody to say goodbye.
pub(crate) const LEAVE: Duration = Duration::from_secs(4);
/// From a signal to the report: what is on its way, goodbyes of visits, viewers, publishers and paths, and a short check.
pub(crate) const INTERRUPTED: Duration = Duration::from_secs(30);
/// How often each worker looks whether its timers fire in time.
pub(crate) const LAG_PROBE: Duration = Duration::from_millis(20);
/// Timers later than this, one in a hundred, make the tool's own figures doubtful: half a frame at 50 per second.
pub(crate) const LAG_DOUBTFUL: Duration = Duration::from_millis(10);
/// A thread busier than this, as a share of one core, is the bottleneck.
pub(crate) const BUSY_DOUBTFUL: f64 = 0.9;
/// Shares of a core are told of intervals of this length at least: the system counts CPU time in steps of 10 ms.
pub(crate) const SHORTEST_JUDGED: Duration = Duration::from_millis(250);
/// Datagrams that one direction of an impaired flow holds; further ones are lost, as in a router's queue.
pub(crate) const FLOW_QUEUE: usize = 2048;
/// Flows of one impairing proxy: one per viewer and publisher.
pub(crate) const FLOWS: usize = 10_000;
/// Largest datagram on loopback.
pub(crate) const DATAGRAM_BYTES: usize = 65_536;
/// Longest wait in the queue of an impaired flow whose rate is limited; what would wait longer is lost.
pub(crate) const QUEUE_DELAY: Duration = Duration::from_millis(500);
/// Redraws of the dashboard.
pub(crate) const REDRAW: Duration = Duration::from_millis(250);
/// Kinds of troubles that the dashboard has room for.
pub(crate) const DASHBOARD_TROUBLES: usize = 10;
/// Intervals the dashboard's curves show.
pub(crate) const DASHBOARD_INTERVALS: usize = 120;
/// Runs that one capacity search makes at most.
pub(crate) const CAPACITY_RUNS: u32 = 24;

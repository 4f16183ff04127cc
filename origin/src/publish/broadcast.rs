//! A broadcast: the tracks of one namespace, who watches it, and the one who publishes it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use fanout::MemoryBudget;
use media::{Frame, HANG_TRACK, TrackInfo};
use moqt::{Namespace, TrackMark, TrackName};
use tokio::{sync::watch, time::timeout};

use super::{
    PublishError, Track, TrackSettings,
    cut::{Cut, Cutter, GroupIds},
};
use crate::{
    catalog::{self, CatalogEntry},
    ingest::Timeline,
    limit::{MAX_TRACKS, RESTART_GAP, SOUND_STAMP_INTERVAL, SOURCE_START_TIMEOUT},
    metric,
    package::{Packager, Packaging, Published, Stamp},
    settings::{BroadcastSettings, DelaySettings, RetainSettings, SourceSettings},
};

/// Publisher priorities (0 most urgent): without a catalog nothing can be watched, and a gap in sound
/// is worse than one in pictures.
const CATALOG_PRIORITY: u8 = 16;
const AUDIO_PRIORITY: u8 = 48;
const VIDEO_PRIORITY: u8 = 96;

/// The tracks of a broadcast by name.
pub(crate) type TrackSet = BTreeMap<TrackName, Arc<Track>>;

/// The tracks under one namespace, shared by the one who publishes and all who serve.
#[derive(Debug)]
pub(crate) struct Broadcast {
    namespace: Namespace,
    packaging: Packaging,
    retain: RetainSettings,
    budget: MemoryBudget,
    /// The source runs only while somebody watches.
    on_demand: bool,
    /// Frames are stamped with what this says of them.
    mark: Option<TrackMark>,
    /// `None` while the source has not told its tracks.
    tracks: watch::Sender<Option<Arc<TrackSet>>>,
    viewers: watch::Sender<usize>,
}

/// What became of a question for a track.
#[derive(Debug)]
pub(crate) enum Lookup {
    /// Here it is.
    Found(Arc<Track>),
    /// The broadcast has no such track.
    Missing,
    /// The source did not tell its tracks in time.
    NotYet,
}

impl Broadcast {
    /// A broadcast as the settings describe it; its objects are charged to `budget`.
    pub(crate) fn new(
        settings: &BroadcastSettings,
        retain: RetainSettings,
        delay: DelaySettings,
        budget: MemoryBudget,
    ) -> Arc<Self> {
        // A file that plays at its own speed is captured at the moment its frames are due; a pipe does not tell.
        let capture_known = matches!(settings.source, SourceSettings::Sample { .. } | SourceSettings::File { .. });
        Arc::new(Self {
            namespace: settings.namespace.clone(),
            packaging: settings.packaging,
            retain,
            budget,
            mark: delay.stamp.then_some(TrackMark { capture_known }),
            on_demand: matches!(settings.source, SourceSettings::Command { .. }),
            tracks: watch::Sender::new(None),
            viewers: watch::Sender::new(0),
        })
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Counts the caller as a viewer until the guard is dropped; an on-demand source runs meanwhile.
    pub(crate) fn watch(self: &Arc<Self>) -> Viewer {
        self.viewers.send_modify(|viewers| *viewers += 1);
        Viewer(self.clone())
    }

    /// Finds a track; waits up to [`SOURCE_START_TIMEOUT`] for a source that is only starting. To be
    /// asked as a [`Viewer`]: nothing else starts an on-demand source. Cancel safe.
    pub(crate) async fn track(&self, name: &TrackName) -> Lookup {
        let mut tracks = self.tracks.subscribe();
        match timeout(SOURCE_START_TIMEOUT, tracks.wait_for(Option::is_some)).await {
            Ok(Ok(tracks)) => match tracks.as_ref().and_then(|tracks| tracks.get(name)) {
                Some(track) => Lookup::Found(track.clone()),
                None => Lookup::Missing,
            },
            Ok(Err(_)) | Err(_) => Lookup::NotYet,
        }
    }

    /// Whether a viewer would be served: the source has told its tracks, or waits for viewers to do so.
    pub(crate) fn is_ready(&self) -> bool {
        self.on_demand || self.tracks.borrow().as_ref().is_some_and(|tracks| !tracks.is_empty())
    }

    /// The tracks, now and whenever they change.
    pub(crate) fn tracks(&self) -> watch::Receiver<Option<Arc<TrackSet>>> {
        self.tracks.subscribe()
    }
}

/// Somebody who watches a broadcast.
#[derive(Debug)]
pub(crate) struct Viewer(Arc<Broadcast>);

impl Drop for Viewer {
    fn drop(&mut self) {
        self.0.viewers.send_modify(|viewers| *viewers -= 1);
    }
}

/// The writing side of a [`Broadcast`]; there is one.
#[derive(Debug)]
pub(crate) struct Publisher {
    broadcast: Arc<Broadcast>,
    cutter: Cutter,
    timeline: Timeline,
    infos: Vec<TrackInfo>,
    tracks: HashMap<u32, MediaTrack>,
    /// By name; they live through a change of tracks, which is a new group of theirs.
    catalogs: HashMap<&'static str, Arc<Track>>,
    /// The hang catalog as it was published last.
    hang: Option<Bytes>,
}

/// A track of pictures or sound.
#[derive(Debug)]
struct MediaTrack {
    track: Arc<Track>,
    video: bool,
    /// From this media time on, in picoseconds, the next frame is stamped.
    stamp_from: u128,
}

impl MediaTrack {
    /// Whether the frame at this time is to be stamped: every picture, and sound now and then.
    fn takes_stamp(&mut self, time: u128) -> bool {
        if !self.video && time < self.stamp_from {
            return false;
        }
        self.stamp_from = time.saturating_add(SOUND_STAMP_INTERVAL);
        true
    }
}

impl Publisher {
    /// Publishes `broadcast` with group ids from now on.
    pub(crate) fn new(broadcast: Arc<Broadcast>) -> Self {
        Self {
            broadcast,
            cutter: Cutter::new(GroupIds::starting_at(unix_milliseconds())),
            timeline: Timeline::new(),
            infos: Vec::new(),
            tracks: HashMap::new(),
            catalogs: HashMap::new(),
            hang: None,
        }
    }

    /// Where viewers find it.
    pub(crate) fn namespace(&self) -> &Namespace {
        &self.broadcast.namespace
    }

    /// How many watch, now and whenever it changes.
    pub(crate) fn viewers(&self) -> watch::Receiver<usize> {
        self.broadcast.viewers.subscribe()
    }

    /// Takes the tracks of the source, once per run. The same tracks as in the last run go on; others
    /// replace them, and the catalog says so.
    pub(crate) fn tracks(&mut self, infos: Vec<TrackInfo>) -> Result<(), PublishError> {
        match infos.len() {
            0 => return Err(PublishError::NoTracks),
            count if count > MAX_TRACKS => return Err(PublishError::TooManyTracks(count)),
            _ => {}
        }
        let order: Vec<(u32, bool)> = infos.iter().map(|info| (info.id, info.kind.is_video())).collect();
        self.cutter.restart(&order);
        self.timeline.tracks(&infos);
        if infos != self.infos {
            self.tracks.values().for_each(|media| media.track.end());
            self.replace(&infos)?;
            self.infos = infos;
        }
        Ok(())
    }

    fn replace(&mut self, infos: &[TrackInfo]) -> Result<(), PublishError> {
        let (packaging, mark) = (self.broadcast.packaging, self.broadcast.mark);
        let (mut set, mut videos, mut audios) = (TrackSet::new(), 0, 0);
        let mut entries = Vec::with_capacity(infos.len());
        self.tracks.clear();
        for info in infos {
            let video = info.kind.is_video();
            let (kind, count, priority) = match video {
                true => ("video", &mut videos, VIDEO_PRIORITY),
                false => ("audio", &mut audios, AUDIO_PRIORITY),
            };
            let name = format!("{kind}{count}");
            *count += 1;
            let track = self.track(&name, Packager::new(packaging, info, mark), priority)?;
            set.insert(track.name().clone(), track.clone());
            self.tracks.insert(info.id, MediaTrack { track, video, stamp_from: 0 });
            entries.push(CatalogEntry { name, info });
        }
        for (name, document) in catalog::documents(&entries, packaging, unix_milliseconds()) {
            let track = match self.catalogs.get(name) {
                Some(track) => track.clone(),
                None => self.track(name, Packager::document(), CATALOG_PRIORITY)?,
            };
            if name == HANG_TRACK {
                self.hang = Some(document.clone());
            }
            track.begin(self.cutter.ids().take(), document_frame(document))?;
            track.complete();
            set.insert(track.name().clone(), track.clone());
            self.catalogs.insert(name, track);
        }
        self.broadcast.tracks.send_replace(Some(Arc::new(set)));
        Ok(())
    }

    /// Publishes the hang catalog again with every group of pictures: its players subscribe without fetching what was published
    /// before, and wait for the next group.
    fn repeat_hang(&self, group: u64) -> Result<(), PublishError> {
        let (Some(track), Some(document)) = (self.catalogs.get(HANG_TRACK), &self.hang) else { return Ok(()) };
        track.begin(group, document_frame(document.clone()))?;
        track.complete();
        Ok(())
    }

    fn track(&self, name: &str, packager: Packager, priority: u8) -> Result<Arc<Track>, PublishError> {
        let name = TrackName::new(name.to_owned())?;
        let (retain, budget) = (self.broadcast.retain, self.broadcast.budget.clone());
        Ok(Arc::new(Track::new(TrackSettings { name, packager, priority, retain, budget })?))
    }

    /// Publishes one frame that was captured, or came, at this time.
    pub(crate) fn frame(&mut self, mut frame: Frame, captured: SystemTime) -> Result<(), PublishError> {
        let Some(media) = self.tracks.get_mut(&frame.track) else {
            return Err(PublishError::UnknownTrack(frame.track));
        };
        metric::frame(media.video, frame.payload.len());
        let time = self.timeline.place(&mut frame);
        let cut = self.cutter.cut(frame.track, time, frame.keyframe || !media.video);
        if cut == Cut::Skip {
            return Ok(());
        }
        let stamped = self.broadcast.mark.is_some() && media.takes_stamp(time);
        let track = media.track.clone();
        let stamp = stamped.then(|| Stamp {
            captured: microseconds(captured.duration_since(UNIX_EPOCH).unwrap_or_default()),
            origin: microseconds(captured.elapsed().unwrap_or_default()),
        });
        let published = Published { frame, stamp };
        if let Cut::Begin(group) = cut
            && self.cutter.leads(published.frame.track)
        {
            self.repeat_hang(group)?;
        }
        match cut {
            Cut::Begin(group) => track.begin(group, published),
            Cut::Continue | Cut::Skip => track.push(published),
        }
    }

    /// How long to wait until group ids are not ahead of the clock, so that a restart never uses one
    /// again. Only a source that is not paced gets there.
    pub(crate) fn ahead_of_clock(&mut self) -> Option<Duration> {
        self.cutter.ids().ahead_of(unix_milliseconds())
    }

    /// The source starts again: what comes next follows what came before.
    pub(crate) fn restart(&mut self) {
        self.timeline.restart(RESTART_GAP);
    }

    /// The source was stopped because nobody watches. What it left is of no use to the next viewer,
    /// who would join at a picture from long ago.
    ///
    /// The tracks end as well: a viewer who came at this very moment may hold one.
    pub(crate) fn pause(&mut self) {
        self.end();
        self.broadcast.tracks.send_replace(None);
        self.infos.clear();
        self.tracks.clear();
        self.catalogs.clear();
    }

    /// The source is over for good. Who waits for tracks that were never told need not wait longer.
    pub(crate) fn finish(&mut self) {
        self.end();
        self.broadcast.tracks.send_if_modified(|tracks| {
            let untold = tracks.is_none();
            tracks.get_or_insert_default();
            untold
        });
    }

    /// Ends all tracks: viewers get what is kept, and then the end.
    fn end(&mut self) {
        let media = self.tracks.values().map(|media| &media.track);
        media.chain(self.catalogs.values()).for_each(|track| track.end());
    }
}

fn document_frame(payload: Bytes) -> Published {
    let frame = Frame { track: 0, decode_time: 0, composition_offset: 0, duration: 0, keyframe: true, payload };
    Published { frame, stamp: None }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A clock before 1970 gives ids from 0: they still grow.
fn unix_milliseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{audio, audio_frame, video, video_frame};

    fn publisher() -> (Arc<Broadcast>, Publisher) {
        let retain = RetainSettings::default();
        let settings = BroadcastSettings::default();
        let broadcast =
            Broadcast::new(&settings, retain, DelaySettings::default(), MemoryBudget::new(retain.total_bytes));
        (broadcast.clone(), Publisher::new(broadcast))
    }

    async fn found(broadcast: &Broadcast, name: &str) -> Arc<Track> {
        match broadcast.track(&TrackName::new(name.to_owned()).unwrap()).await {
            Lookup::Found(track) => track,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[tokio::test]
    async fn another_run_with_the_same_tracks_goes_on_in_them() {
        let (broadcast, mut publisher) = publisher();
        let infos = vec![video(1, 30), audio(2, 48_000)];
        publisher.tracks(infos.clone()).unwrap();
        publisher.frame(video_frame(1, 0, 1, true), SystemTime::now()).unwrap();
        publisher.frame(audio_frame(2, 0, 1024), SystemTime::now()).unwrap();
        let (track, catalog) = (found(&broadcast, "video0").await, found(&broadcast, "catalog").await);
        let (before, told) = (track.largest().unwrap(), catalog.largest().unwrap());
        assert_eq!(found(&broadcast, "audio0").await.largest(), Some(before), "same group, same first object");

        publisher.restart();
        publisher.tracks(infos).unwrap();
        publisher.frame(video_frame(1, 0, 1, true), SystemTime::now()).unwrap();
        assert_eq!(track.largest().unwrap().group, before.group + 1);
        assert!(!track.has_ended());
        assert_eq!(catalog.largest(), Some(told), "nothing new to tell");
    }

    #[tokio::test]
    async fn the_hang_catalog_comes_again_with_every_group_of_pictures() {
        let (broadcast, mut publisher) = publisher();
        publisher.tracks(vec![video(1, 30), audio(2, 48_000)]).unwrap();
        let (hang, msf) = (found(&broadcast, "catalog.json").await, found(&broadcast, "catalog").await);
        let told = msf.largest();
        for picture in 0..4 {
            publisher.frame(video_frame(1, picture, 1, picture % 2 == 0), SystemTime::now()).unwrap();
            let group = found(&broadcast, "video0").await.largest().unwrap().group;
            assert_eq!(hang.largest().unwrap().group, group);
        }
        assert_eq!(msf.largest(), told);
    }

    #[tokio::test]
    async fn other_tracks_replace_the_old_ones_and_the_catalog_tells() {
        let (broadcast, mut publisher) = publisher();
        publisher.tracks(vec![video(1, 30), audio(2, 48_000)]).unwrap();
        publisher.frame(video_frame(1, 0, 1, true), SystemTime::now()).unwrap();
        let (track, catalog) = (found(&broadcast, "video0").await, found(&broadcast, "catalog").await);
        let told = catalog.largest().unwrap();

        publisher.restart();
        publisher.tracks(vec![video(1, 90_000)]).unwrap();
        publisher.frame(video_frame(1, 0, 3000, true), SystemTime::now()).unwrap();
        assert!(track.has_ended() && !catalog.has_ended());
        assert!(catalog.largest().unwrap().group > told.group);
        let replacement = found(&broadcast, "video0").await;
        assert!(replacement.largest().unwrap().group > track.largest().unwrap().group);
        let name = TrackName::new("audio0".to_owned()).unwrap();
        assert!(matches!(broadcast.track(&name).await, Lookup::Missing));
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_waits_or_is_stopped_has_no_tracks() {
        let (broadcast, mut publisher) = publisher();
        let name = TrackName::new("video0".to_owned()).unwrap();
        assert!(matches!(broadcast.track(&name).await, Lookup::NotYet));
        publisher.tracks(vec![video(1, 30)]).unwrap();
        let track = found(&broadcast, "video0").await;
        publisher.pause();
        assert!(track.has_ended(), "whoever just took it is told");
        assert!(matches!(broadcast.track(&name).await, Lookup::NotYet));
        publisher.finish();
        assert!(matches!(broadcast.track(&name).await, Lookup::Missing));
    }

    #[test]
    fn input_that_cannot_be_published_is_refused() {
        let (_, mut publisher) = publisher();
        assert!(matches!(publisher.tracks(Vec::new()), Err(PublishError::NoTracks)));
        let many = (0..=MAX_TRACKS as u32).map(|id| video(id, 30)).collect();
        assert!(matches!(publisher.tracks(many), Err(PublishError::TooManyTracks(_))));
        publisher.tracks(vec![video(1, 30)]).unwrap();
        assert!(matches!(
            publisher.frame(video_frame(9, 0, 1, true), SystemTime::now()),
            Err(PublishError::UnknownTrack(9))
        ));
    }

    #[tokio::test]
    async fn pictures_are_stamped_always_and_sound_four_times_a_second() {
        let (broadcast, mut publisher) = publisher();
        publisher.tracks(vec![video(1, 30), audio(2, 48_000)]).unwrap();
        let captured = SystemTime::now() - Duration::from_millis(3);
        publisher.frame(video_frame(1, 0, 1, true), captured).unwrap();
        for index in 0..30 {
            publisher.frame(video_frame(1, 1 + index, 1, false), captured).unwrap();
        }
        for index in 0..47 {
            publisher.frame(audio_frame(2, index * 1024, 1024), captured).unwrap();
        }
        for (name, objects, expected) in [("video0", 31, 31), ("audio0", 47, 4)] {
            let track = found(&broadcast, name).await;
            assert_eq!(track.largest().unwrap().object + 1, objects);
            let stamps = track.stamps();
            assert_eq!(stamps.len(), expected, "{name}");
            let told = microseconds(captured.duration_since(UNIX_EPOCH).unwrap());
            assert!(stamps.iter().all(|stamp| stamp.captured == told && stamp.origin >= 3000), "{stamps:?}");
        }
        assert!(found(&broadcast, "catalog").await.stamps().is_empty());
    }
}

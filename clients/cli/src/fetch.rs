//! `efir fetch`: a range of past groups.

use std::collections::BTreeSet;

use moqt::{GroupOrder, Location, Parameters};
use transport::{FetchReader, RequestFailure, StreamFailure};

use crate::args::{FetchArguments, Groups};
use crate::broadcast::show_full;
use crate::connect::Connector;
use crate::error::Failure;
use crate::limit;
use crate::output::{Muxer, Sink, Written};
use crate::pull::{Chosen, select};
use crate::report::{bytes_text, tell};
use crate::track::fetched_entry;

/// What was fetched.
#[derive(Debug, Default)]
struct Fetched {
    frames: u64,
    bytes: u64,
    groups: BTreeSet<u64>,
}

/// Runs the subcommand.
pub(crate) async fn run(arguments: FetchArguments, shutdown: process::Shutdown) -> Result<(), Failure> {
    let connector = Connector::new(&arguments.broadcast.connect)?;
    let broadcast = &arguments.broadcast;
    let target = broadcast.url.to_string();
    let prepare = async {
        let link = connector.connect(&broadcast.url.address).await?;
        let names = std::slice::from_ref(&arguments.track);
        let catalog = broadcast.url.catalog.as_ref();
        let chosen = select(&link.session, broadcast.namespace(), catalog, names, arguments.raw, &target).await?;
        Ok((link, chosen))
    };
    let (link, chosen) = tokio::select! {
        biased;
        () = shutdown.begun() => return Ok(()),
        prepared = Box::pin(prepare) => prepared?,
    };
    let Some(mut chosen) = chosen.into_iter().next() else {
        return Err(Failure::Refused(format!("{target} has no track {:?}", arguments.track)));
    };
    let Groups { first, last } = arguments.groups;
    let parameters = Parameters { group_order: Some(GroupOrder::Ascending), ..Parameters::default() };
    let asked = link.session.fetch(chosen.name.clone(), Location::new(first, 0), Location::new(last, 0), parameters);
    let name = show_full(&chosen.name);
    let reader = asked.map_err(|failure| Failure::request(&name, &target, &failure))?;
    let depackagers: Vec<_> = chosen.depackager.iter().collect();
    let muxer =
        Muxer::new(arguments.raw, &depackagers).map_err(|error| Failure::Content(format!("{name}: {error}")))?;
    let sink = Sink::open(arguments.output.as_deref()).await?;
    let mut fetch = Fetch { reader, muxer, sink, fetched: Fetched::default(), target, name };
    let result = tokio::select! {
        biased;
        () = shutdown.begun() => Ok(Written::Enough),
        result = fetch.receive(&mut chosen) => result,
    };
    let result = fetch.finish(result, arguments.groups).await;
    link.close().await;
    connector.close().await;
    result
}

struct Fetch {
    reader: FetchReader,
    muxer: Muxer,
    sink: Sink,
    fetched: Fetched,
    target: String,
    name: String,
}

impl Fetch {
    async fn receive(&mut self, chosen: &mut Chosen) -> Result<Written, Failure> {
        if self.sink.write(&self.muxer.begin()).await? == Written::Enough {
            return Ok(Written::Enough);
        }
        while let Some(object) =
            self.reader.next_object(limit::MAX_OBJECT_BYTES).await.map_err(|error| self.failed(error))?
        {
            let entry = fetched_entry(object);
            self.fetched.groups.insert(entry.location.group);
            self.fetched.bytes += entry.payload.len() as u64;
            let Some(depackager) = chosen.depackager.as_mut() else {
                self.fetched.frames += 1;
                if self.sink.write(&entry.payload).await? == Written::Enough {
                    return Ok(Written::Enough);
                }
                continue;
            };
            let location = entry.location;
            let unusable = |error: media::PackageError| {
                Failure::Content(format!(
                    "object {} of group {} of {}: {error}",
                    location.object, location.group, self.name
                ))
            };
            for sample in depackager.unpack(&entry).map_err(unusable)? {
                self.fetched.frames += 1;
                let bytes = self.muxer.frame(0, sample, depackager).map_err(unusable)?;
                if self.sink.write(&bytes).await? == Written::Enough {
                    return Ok(Written::Enough);
                }
            }
        }
        Ok(Written::More)
    }

    fn failed(&self, failure: StreamFailure) -> Failure {
        match failure {
            StreamFailure::Refused(error) => Failure::request(
                &format!("these groups of {}", self.name),
                &self.target,
                &RequestFailure::Refused(error),
            ),
            StreamFailure::Session(error) => {
                Failure::Connection(format!("session with {} ended: {error}", self.target))
            }
            other => Failure::Ended(format!("fetching {} from {} broke off: {other}", self.name, self.target)),
        }
    }

    async fn finish(&mut self, result: Result<Written, Failure>, asked: Groups) -> Result<(), Failure> {
        let rest = self.muxer.end().map_err(|error| Failure::Content(error.to_string()))?;
        let written = self.sink.write(&rest).await;
        let Fetched { frames, bytes, groups } = &self.fetched;
        tell(&format!("fetched {frames} frames in {} groups, {}", groups.len(), bytes_text(*bytes)));
        match result? {
            Written::Enough => {}
            Written::More => {
                let whole = groups.first() == Some(&asked.first) && groups.last() == Some(&asked.last);
                if !whole {
                    let held = match (groups.first(), groups.last()) {
                        (Some(first), Some(last)) => format!("only groups {first} to {last}"),
                        _ => "none".to_owned(),
                    };
                    let Groups { first, last } = asked;
                    let text = format!("of groups {first} to {last} of {} {} has {held}", self.name, self.target);
                    return Err(Failure::Ended(text));
                }
            }
        }
        written.map(|_| ())
    }
}

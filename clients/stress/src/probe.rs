//! What relay and tool use of the machine, between two looks.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use process::{Usage, own_threads};

/// Looks at the relay's processes and at this one.
#[derive(Debug)]
pub(crate) struct Probe {
    relays: Vec<Watched>,
    own: Option<Watched>,
    /// CPU time of the tool's threads at the last look, by their numbers.
    threads: HashMap<u32, Duration>,
}

#[derive(Debug)]
struct Watched {
    process: u32,
    first_rss: u64,
    last: Usage,
}

/// What was used since the last look.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// All relays together; `None` if no process was named or all are gone.
    pub(crate) relay: Option<ProcessLoad>,
    pub(crate) tool: ProcessLoad,
    /// CPU time of the tool's busiest thread.
    pub(crate) busiest: Duration,
}

/// One or several processes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProcessLoad {
    pub(crate) cpu: Duration,
    /// Resident bytes now, and when the run began.
    pub(crate) rss: u64,
    pub(crate) first_rss: u64,
    pub(crate) switches: u64,
    pub(crate) udp_drops: u64,
}

impl Probe {
    /// Of these relay processes.
    ///
    /// # Errors
    /// One of them is not there.
    pub(crate) fn new(relays: &[u32]) -> io::Result<Self> {
        let watch = |process: u32| {
            let last = Usage::of(process)
                .map_err(|error| io::Error::new(error.kind(), format!("process {process}: {error}")))?;
            Ok(Watched { process, first_rss: last.rss, last })
        };
        let own = watch(std::process::id()).ok();
        let relays = relays.iter().map(|process| watch(*process)).collect::<io::Result<_>>()?;
        let mut probe = Self { relays, own, threads: HashMap::new() };
        probe.busiest();
        Ok(probe)
    }

    /// What was used since the last look. A process that is gone is left out.
    pub(crate) fn look(&mut self) -> Load {
        let mut load = Load::default();
        for relay in &mut self.relays {
            if let Some(used) = relay.used() {
                load.relay.get_or_insert_default().add(used);
            }
        }
        load.tool = self.own.as_mut().and_then(Watched::used).unwrap_or_default();
        load.busiest = self.busiest();
        load
    }

    fn busiest(&mut self) -> Duration {
        // Elsewhere than on Linux nobody tells.
        let mut now = own_threads().unwrap_or_default();
        now.retain(|thread| thread.name.starts_with(crate::run::THREAD_PREFIX));
        let before = |id: &u32| self.threads.get(id).copied().unwrap_or_default();
        let used = now.iter().map(|thread| thread.cpu.saturating_sub(before(&thread.id))).max();
        self.threads = now.into_iter().map(|thread| (thread.id, thread.cpu)).collect();
        used.unwrap_or_default()
    }
}

impl Watched {
    fn used(&mut self) -> Option<ProcessLoad> {
        let now = Usage::of(self.process).ok()?;
        let before = std::mem::replace(&mut self.last, now);
        Some(ProcessLoad {
            cpu: now.cpu.saturating_sub(before.cpu),
            rss: now.rss,
            first_rss: self.first_rss,
            // Threads and sockets that ended take theirs along.
            switches: now.switches.saturating_sub(before.switches),
            udp_drops: now.udp_drops.saturating_sub(before.udp_drops),
        })
    }
}

impl ProcessLoad {
    fn add(&mut self, other: Self) {
        let Self { cpu, rss, first_rss, switches, udp_drops } = other;
        self.cpu += cpu;
        self.rss += rss;
        self.first_rss += first_rss;
        self.switches += switches;
        self.udp_drops += udp_drops;
    }
}

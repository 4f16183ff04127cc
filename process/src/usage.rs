//! What the kernel knows of a process: its own or another one's. Linux only; elsewhere every call is an error.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

/// Clock ticks per second in /proc, fixed on Linux.
const TICKS_PER_SECOND: u64 = 100;

/// What one process has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time so far.
    pub cpu: Duration,
    /// Resident bytes now.
    pub rss: u64,
    /// Context switches of all its living threads so far, voluntary or not.
    pub switches: u64,
    /// Datagrams that its UDP sockets lost so far because their receive buffer was full. 0 if its sockets may not be seen.
    pub udp_drops: u64,
}

/// CPU time of one thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadUsage {
    /// Its number, of which another thread may be the next owner.
    pub id: u32,
    /// Its name, of which the kernel keeps 15 bytes.
    pub name: String,
    /// User and system time so far.
    pub cpu: Duration,
}

impl Usage {
    /// Reads /proc.
    ///
    /// # Errors
    /// The process is gone, or this is not Linux.
    pub fn of(process: u32) -> io::Result<Self> {
        let folder = format!("/proc/{process}");
        let folder = Path::new(&folder);
        let status = fs::read_to_string(folder.join("status"))?;
        let rss = number_behind(&status, "VmRSS:").ok_or_else(wrong)?;
        let mut switches = 0;
        for task in fs::read_dir(folder.join("task"))? {
            // A thread may end while it is looked at.
            let Ok(status) = fs::read_to_string(task?.path().join("status")) else { continue };
            let lines = ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"];
            switches += lines.iter().filter_map(|line| number_behind(&status, line)).sum::<u64>();
        }
        let cpu = cpu_of(&fs::read_to_string(folder.join("stat"))?)?;
        Ok(Self { cpu, rss: rss * 1024, switches, udp_drops: udp_drops(folder) })
    }
}

/// CPU time of each thread of this process.
///
/// # Errors
/// This is not Linux.
pub fn own_threads() -> io::Result<Vec<ThreadUsage>> {
    let mut threads = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        let folder = task?.path();
        // A thread may end while it is looked at.
        let (Ok(name), Ok(stat)) = (fs::read_to_string(folder.join("comm")), fs::read_to_string(folder.join("stat")))
        else {
            continue;
        };
        let id = stat.split(' ').next().and_then(|id| id.parse().ok()).ok_or_else(wrong)?;
        threads.push(ThreadUsage { id, name: name.trim_end().to_owned(), cpu: cpu_of(&stat)? });
    }
    Ok(threads)
}

fn cpu_of(stat: &str) -> io::Result<Duration> {
    // The name in brackets may hold anything; fields count from behind it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).ok_or_else(wrong);
    Ok(Duration::from_millis((number(11)? + number(12)?) * 1000 / TICKS_PER_SECOND))
}

/// Sums the drops of those UDP sockets of the process's network that the process holds open.
fn udp_drops(folder: &Path) -> u64 {
    let Ok(open) = fs::read_dir(folder.join("fd")) else { return 0 };
    let links = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    let inodes: HashSet<String> =
        links.filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())).collect();
    let tables = ["net/udp", "net/udp6"].map(|table| fs::read_to_string(folder.join(table)).unwrap_or_default());
    tables.iter().map(|table| drops_in(table, &inodes)).sum()
}

/// Columns of /proc/net/udp: the inode is the tenth, the drops are the last.
fn drops_in(table: &str, inodes: &HashSet<String>) -> u64 {
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(9).is_some_and(|inode| inodes.contains(*inode)))
        .filter_map(|row| row.last()?.parse::<u64>().ok())
        .sum()
}

fn number_behind(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

fn wrong() -> io::Error {
    io::Error::other("unexpected form of /proc")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};

    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.rss > 1 << 20 && usage.switches > 0, "{usage:?}");
        let named = std::thread::Builder::new().name("a-named-thread".to_owned());
        let (there, looked) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let barriers = (there.clone(), looked.clone());
        let thread = named.spawn(move || {
            barriers.0.wait();
            barriers.1.wait();
        });
        there.wait();
        assert!(own_threads().unwrap().iter().any(|thread| thread.name == "a-named-thread"));
        looked.wait();
        thread.unwrap().join().unwrap();
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(Usage::of(u32::MAX).is_err());
    }

    #[test]
    fn only_own_sockets_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
             0: 0100007F:115B 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 71 2 0000000000000000 5\n\
             1: 0100007F:115C 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 72 2 0000000000000000 9\n";
        assert_eq!(drops_in(table, &HashSet::from(["71".to_owned()])), 5);
    }

    #[test]
    fn names_with_brackets_do_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 1 1 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 100 1000 10";
        assert_eq!(cpu_of(stat).unwrap(), Duration::from_secs(3));
        assert!(cpu_of("7 (a) S").is_err());
    }
}

//! What the kernel knows of a process, and percentiles.

use std::time::Duration;

/// Clock ticks per second in /proc, fixed on Linux.
const TICKS_PER_SECOND: u64 = 100;

/// CPU and memory of one process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time so far.
    pub cpu: Duration,
    /// Resident bytes now.
    pub rss: u64,
}

/// Reads /proc.
///
/// # Errors
/// The process is gone, or this is not Linux.
pub fn usage(process: u32) -> std::io::Result<Usage> {
    let wrong = || std::io::Error::other("unexpected form of /proc");
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in brackets may hold anything; fields count from behind it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).ok_or_else(wrong);
    let ticks = number(11)? + number(12)?;
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let rss =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<u64>().ok());
    Ok(Usage { cpu: Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND), rss: rss.ok_or_else(wrong)? * 1024 })
}

/// The smallest value that `percent` of the values do not exceed; zero of none.
pub fn percentile(values: &mut [Duration], percent: u32) -> Duration {
    values.sort_unstable();
    let rank = (values.len() * percent as usize).div_ceil(100).max(1);
    values.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_members() {
        let mut values: Vec<_> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut values, 50), Duration::from_millis(50));
        assert_eq!(percentile(&mut values, 99), Duration::from_millis(99));
        assert_eq!(percentile(&mut values, 100), Duration::from_millis(100));
        assert_eq!(percentile(&mut [], 50), Duration::ZERO);
    }

    #[test]
    fn this_process_has_used_something() {
        assert!(usage(std::process::id()).unwrap().rss > 1 << 20);
    }
}

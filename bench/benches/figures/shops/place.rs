//! A folder for a server's data, on the disk of the build: temporary folders are in memory on many systems.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bench::Failure;

/// How long the disk is probed.
const PROBE: Duration = Duration::from_secs(1);

/// Whose settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A process with all shops.
    Shops,
    /// A process with the furniture shop alone: nobody else takes in its goods meanwhile.
    Furniture,
    /// A process with video and shops.
    Standalone,
}

/// A folder of its own, removed when dropped.
#[derive(Debug)]
pub(crate) struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        // What is left of it is in the build's folder of temporary files.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl Place {
    /// An empty one.
    pub(crate) fn new() -> Result<Self, Failure> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shops-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes the settings of a server on this folder. One caller of these figures stands for thousands of people, so nobody's rate is
    /// limited; confirmed orders stay so.
    pub(crate) fn settings(&self, whose: Whose) -> Result<String, Failure> {
        let (head, prefix) = match whose {
            Whose::Shops => ("listen = ['127.0.0.1:0']\n", ""),
            Whose::Furniture => ("listen = ['127.0.0.1:0']\nactors = ['furniture']\n", ""),
            Whose::Standalone => ("[commerce]\n", "commerce."),
        };
        let table = |name: &str| format!("[{prefix}{name}]\n");
        let folder = self.path().join("data");
        let text = format!(
            "{head}demo = true\n{}rate = 0\n{}dispatch_after_ms = 86400000\n{}folder = '{}'\n",
            table("limit"),
            table("shop"),
            table("storage"),
            folder.display()
        );
        let file = self.path().join("settings.toml");
        std::fs::write(&file, text)?;
        Ok(file.to_str().ok_or("a folder's name is not text")?.to_owned())
    }
}

/// Durable writes that the disk makes in a second, one after the other: what every figure of orders hangs on.
pub(crate) fn fsyncs_per_second() -> Result<f64, Failure> {
    let place = Place::new()?;
    let mut file = std::fs::File::create(place.path().join("probe"))?;
    let begun = Instant::now();
    let mut writes = 0_u32;
    while begun.elapsed() < PROBE {
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        writes += 1;
    }
    Ok(f64::from(writes) / begun.elapsed().as_secs_f64())
}

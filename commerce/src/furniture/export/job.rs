//! Exports as files: asked for, made by a job, fetched, removed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use futures_util::TryStreamExt;
use ring::digest::{Context as Digest, SHA256};
use serde::{Deserialize, Serialize};
use tokio::fs;
use tokio::io::{AsyncWriteExt, BufWriter};

use super::format::Format;
use super::model::{ExportView, State, export_view_columns};
use super::read::{ExportError, open};
use crate::fault::Faults;
use crate::furniture::limit::{EXPORT_TIME, EXPORTS, FILE_BUFFER, PROGRESS, STRAY};
use crate::id::{ExportId, new_uuid};
use crate::job::{Job, JobError, JobKind, Jobs};
use crate::problem::Problem;
use crate::store::{Database, Once, StoreError, args};
use crate::webhook::Webhooks;

/// Exports are made one after the other: each holds a database connection and a core.
pub(in crate::furniture) const EXPORT: JobKind = JobKind::new("furniture.export")
    .at_once(1)
    .tries(5, Duration::from_secs(2), Duration::from_secs(300))
    .timeout(EXPORT_TIME);

/// The event that tells subscribers.
pub(in crate::furniture) const READY: &str = "export.ready";

/// Why an export is not made or given.
#[derive(Debug, Clone, thiserror::Error)]
pub(in crate::furniture) enum RequestError {
    /// The owner has as many as are kept.
    #[error("there are {EXPORTS} exports already: delete one")]
    Full,
    /// The asked change is still to come.
    #[error("since: the newest change is {0}")]
    Future(i64),
    /// No such export, or another's.
    #[error("there is no such export")]
    NotFound,
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        let text = error.to_string();
        match error {
            RequestError::Full => Self::new("too-many-exports", StatusCode::CONFLICT, "Too many exports", text),
            RequestError::Future(_) => Self::invalid("the change is still to come").at("/since", text),
            RequestError::NotFound => Self::not_found(text),
            RequestError::Store(error) => error.into(),
        }
    }
}

/// What a job carries.
#[derive(Debug, Serialize, Deserialize)]
struct Push {
    export: ExportId,
}

/// The exports of the shop. Clones are the same ones.
#[derive(Debug, Clone)]
pub(in crate::furniture) struct Exports {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    db: Database,
    jobs: Jobs,
    faults: Faults,
    webhooks: Webhooks,
    folder: PathBuf,
    keep: Duration,
}

/// A file that is whole.
struct Written {
    rows: u64,
    bytes: u64,
    sha256: String,
    snapshot: i64,
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("export file: {0}")]
    File(#[from] std::io::Error),
    /// Somebody deleted the export meanwhile.
    #[error("deleted")]
    Deleted,
}

impl Exports {
    /// Exports with their files in `folder`. Registers what makes them.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub(in crate::furniture) fn new(
        db: Database,
        jobs: &Jobs,
        faults: Faults,
        webhooks: Webhooks,
        folder: PathBuf,
        keep: Duration,
    ) -> std::io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let inner = Arc::new(Inner { db, jobs: jobs.clone(), faults, webhooks, folder, keep });
        let weak = Arc::downgrade(&inner);
        jobs.handle(EXPORT, move |job: Job<Push>| {
            let inner = weak.upgrade();
            async move {
                match inner {
                    Some(inner) => inner.make(job).await,
                    None => Err(JobError::Again("stopping".to_owned())),
                }
            }
        });
        Ok(Self { inner })
    }

    /// Queues an export.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub(in crate::furniture) async fn request(
        &self,
        once: Option<&Once>,
        owner: String,
        format: Format,
        since: Option<i64>,
    ) -> Result<ExportView, RequestError> {
        let keep = self.inner.keep;
        let view = self
            .inner
            .db
            .write::<ExportView, RequestError, _>(once, move |tx| {
                Box::pin(async move {
                    let newest = tx.row("SELECT change FROM catalogue WHERE one = 1", Vec::new()).await?;
                    let newest = newest.map_or(Ok(0), |row| row.int(0))?;
                    if since.is_some_and(|since| since > newest) {
                        return Err(RequestError::Future(newest));
                    }
                    let kept = tx.row("SELECT COUNT(*) FROM export WHERE owner = $1", args![&owner]).await?;
                    if kept.map_or(Ok(0), |row| row.int(0))? >= EXPORTS {
                        return Err(RequestError::Full);
                    }
                    let insert = concat!(
                        "INSERT INTO export (id, owner, format, since, state, rows_done, created_at, expires_at, version) ",
                        "VALUES ($1, $2, $3, $4, 'queued', 0, $5, $6, 1) RETURNING ",
                        export_view_columns!()
                    );
                    let (id, now) = (ExportId::new(), tx.now());
                    let values = args![id.as_str(), owner, format.as_str(), since, now, now.after(keep)];
                    let row = tx.row(insert, values).await?.ok_or(RequestError::NotFound)?;
                    Ok(ExportView::read(&row)?)
                })
            })
            .await?;
        self.push(&view.id).await;
        Ok(view)
    }

    async fn push(&self, id: &ExportId) {
        let push = Push { export: id.clone() };
        if let Err(error) = self.inner.jobs.push(EXPORT, &push, Duration::ZERO, id.as_str()).await {
            // The next start finds the row.
            tracing::error!(%error, "an export could not be queued");
        }
    }

    /// Queues anew what a crash left behind.
    ///
    /// # Errors
    /// Storage failed.
    pub(in crate::furniture) async fn resume(&self) -> Result<(), StoreError> {
        let select = "SELECT id FROM export WHERE state IN ('queued', 'running') ORDER BY id";
        for row in self.inner.db.rows(select, Vec::new()).await? {
            self.push(&row.parse(0, ExportId::parse)?).await;
        }
        Ok(())
    }

    /// One export of an owner.
    ///
    /// # Errors
    /// No such export of this owner.
    pub(in crate::furniture) async fn get(&self, owner: &str, id: &ExportId) -> Result<ExportView, RequestError> {
        let select = concat!("SELECT ", export_view_columns!(), " FROM export WHERE id = $1 AND owner = $2");
        let row = self.inner.db.row(select, args![id.as_str(), owner]).await?.ok_or(RequestError::NotFound)?;
        Ok(ExportView::read(&row)?)
    }

    /// The owner's exports, newest first.
    ///
    /// # Errors
    /// Storage failed.
    pub(in crate::furniture) async fn list(&self, owner: &str) -> Result<Vec<ExportView>, StoreError> {
        let select =
            concat!("SELECT ", export_view_columns!(), " FROM export WHERE owner = $1 ORDER BY id DESC LIMIT $2");
        let rows = self.inner.db.rows(select, args![owner, EXPORTS]).await?;
        rows.iter().map(ExportView::read).collect()
    }

    /// Removes an export and its file; one that is being made ends soon.
    ///
    /// # Errors
    /// No such export of this owner.
    pub(in crate::furniture) async fn delete(&self, owner: &str, id: &ExportId) -> Result<(), RequestError> {
        let view = self.get(owner, id).await?;
        let name = id.clone();
        self.inner
            .db
            .write::<(), StoreError, _>(None, move |tx| {
                Box::pin(
                    async move { tx.run("DELETE FROM export WHERE id = $1", args![name.as_str()]).await.map(drop) },
                )
            })
            .await?;
        remove(&self.path(&view)).await;
        Ok(())
    }

    /// Where the file of an export is, or will be.
    pub(in crate::furniture) fn path(&self, view: &ExportView) -> PathBuf {
        self.inner.folder.join(view.file_name())
    }

    /// Removes exports whose time is over, and files that belong to none.
    ///
    /// # Errors
    /// Storage failed.
    pub(in crate::furniture) async fn tidy(&self) -> Result<(), StoreError> {
        let over = self
            .inner
            .db
            .write::<Vec<String>, StoreError, _>(None, |tx| {
                Box::pin(async move {
                    let now = tx.now();
                    let delete = "DELETE FROM export WHERE expires_at <= $1 RETURNING id, format";
                    let rows = tx.rows(delete, args![now]).await?;
                    rows.iter().map(|row| Ok(format!("{}.{}", row.text(0)?, row.text(1)?))).collect()
                })
            })
            .await?;
        for name in over {
            remove(&self.inner.folder.join(name)).await;
        }
        self.inner.remove_strays().await
    }
}

impl Inner {
    async fn make(&self, job: Job<Push>) -> Result<(), JobError> {
        let id = job.payload.export;
        match self.write_and_tell(&id).await {
            Ok(()) | Err(WriteError::Deleted) => Ok(()),
            Err(error) if job.last => {
                let text = error.to_string();
                self.give_up(&id, text.clone()).await?;
                Err(JobError::Never(text))
            }
            Err(error) => Err(JobError::Again(error.to_string())),
        }
    }

    async fn write_and_tell(&self, id: &ExportId) -> Result<(), WriteError> {
        let Some(view) = self.begin(id.clone()).await? else { return Ok(()) };
        let part = self.folder.join(format!("{id}.{}.part", new_uuid()));
        let written = self.write(&view, &part).await;
        if written.is_err() {
            remove(&part).await;
        }
        let written = written?;
        self.faults.step("furniture.export_written");
        let path = self.folder.join(view.file_name());
        fs::rename(&part, &path).await?;
        // The name is durable before anybody hears of it.
        fs::File::open(&self.folder).await?.sync_all().await?;
        self.faults.step("furniture.export_named");
        let tell = self.finish(id.clone(), written).await;
        if matches!(tell, Err(WriteError::Deleted)) {
            remove(&path).await;
        }
        let deliveries = tell?;
        self.faults.step("furniture.export_ready");
        self.webhooks.kick(&deliveries).await;
        Ok(())
    }

    /// Marks the export as running, from the beginning. None if it is over or gone.
    async fn begin(&self, id: ExportId) -> Result<Option<ExportView>, StoreError> {
        self.db
            .write::<Option<ExportView>, StoreError, _>(None, move |tx| {
                Box::pin(async move {
                    let update = concat!(
                        "UPDATE export SET state = 'running', rows_done = 0, rows_total = NULL, version = version + 1 ",
                        "WHERE id = $1 AND state IN ('queued', 'running') RETURNING ",
                        export_view_columns!()
                    );
                    tx.row(update, args![id.as_str()]).await?.map(|row| ExportView::read(&row)).transpose()
                })
            })
            .await
    }

    async fn write(&self, view: &ExportView, part: &Path) -> Result<Written, WriteError> {
        let mut export = open(&self.db, view.format, view.since).await?;
        let mut file = BufWriter::with_capacity(FILE_BUFFER, fs::File::create(part).await?);
        let mut digest = Digest::new(&SHA256);
        let (mut rows, mut bytes, mut told) = (0, 0, 0);
        self.progress(&view.id, 0, export.total).await?;
        while let Some(chunk) = export.chunks.try_next().await? {
            file.write_all(&chunk.bytes).await?;
            digest.update(&chunk.bytes);
            rows = chunk.rows;
            bytes += chunk.bytes.len() as u64;
            if rows - told >= PROGRESS {
                told = rows;
                self.progress(&view.id, rows, export.total).await?;
                self.faults.step("furniture.export_half");
            }
        }
        file.flush().await?;
        file.get_ref().sync_all().await?;
        let sha256 = digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Written { rows, bytes, sha256, snapshot: export.snapshot })
    }

    /// Notes how far it is, and hears whether it is still wanted.
    async fn progress(&self, id: &ExportId, rows: u64, total: i64) -> Result<(), WriteError> {
        let (id, rows) = (id.clone(), i64::try_from(rows).unwrap_or(i64::MAX));
        let known = self
            .db
            .write::<u64, StoreError, _>(None, move |tx| {
                Box::pin(async move {
                    let update = "
                        UPDATE export SET rows_done = $1, rows_total = $2, version = version + 1
                        WHERE id = $3 AND state = 'running'";
                    tx.run(update, args![rows, total.max(rows), id.as_str()]).await
                })
            })
            .await?;
        if known == 0 { Err(WriteError::Deleted) } else { Ok(()) }
    }

    /// Marks the export as ready and notes the event for subscribers, in one transaction.
    async fn finish(&self, id: ExportId, written: Written) -> Result<Vec<String>, WriteError> {
        let (webhooks, keep) = (self.webhooks.clone(), self.keep);
        let noted = self
            .db
            .write::<Option<Vec<String>>, StoreError, _>(None, move |tx| {
                Box::pin(async move {
                    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
                    let (now, rows) = (tx.now(), number(written.rows));
                    let update = concat!(
                        "UPDATE export SET state = 'ready', rows_done = $1, rows_total = $1, bytes = $2, sha256 = $3, ",
                        "snapshot = $4, finished_at = $5, expires_at = $6, version = version + 1 ",
                        "WHERE id = $7 AND state = 'running' RETURNING ",
                        export_view_columns!(),
                        ", owner"
                    );
                    let (bytes, until) = (number(written.bytes), now.after(keep));
                    let values = args![rows, bytes, written.sha256, written.snapshot, now, until, id.as_str()];
                    let Some(row) = tx.row(update, values).await? else { return Ok(None) };
                    let (view, owner) = (ExportView::read(&row)?, row.text(14)?);
                    tx.publish(READY, view.id.as_str(), &view)?;
                    Ok(Some(webhooks.note(tx, owner, READY, &view).await?))
                })
            })
            .await?;
        noted.ok_or(WriteError::Deleted)
    }

    async fn give_up(&self, id: &ExportId, why: String) -> Result<(), StoreError> {
        let id = id.clone();
        self.db
            .write::<(), StoreError, _>(None, move |tx| {
                Box::pin(async move {
                    let update = "
                        UPDATE export SET state = 'failed', error = $1, finished_at = $2, version = version + 1
                        WHERE id = $3 AND state IN ('queued', 'running')";
                    let now = tx.now();
                    tx.run(update, args![why, now, id.as_str()]).await.map(drop)
                })
            })
            .await
    }

    /// Removes old files of no export: what a killed process was writing.
    async fn remove_strays(&self) -> Result<(), StoreError> {
        let Ok(mut entries) = fs::read_dir(&self.folder).await else { return Ok(()) };
        while let Ok(Some(entry)) = entries.next_entry().await {
            let modified = entry.metadata().await.and_then(|meta| meta.modified());
            let age = modified.ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
            if age.is_none_or(|age| age < STRAY) {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(id) = name.split('.').next().and_then(|id| ExportId::parse(id).ok()) else { continue };
            let known = self.db.row("SELECT id FROM export WHERE id = $1", args![id.as_str()]).await?;
            if known.is_none() || name.ends_with(".part") {
                remove(&entry.path()).await;
            }
        }
        Ok(())
    }
}

impl ExportView {
    /// Whether the file is there.
    pub(super) fn is_ready(&self) -> bool {
        self.state == State::Ready
    }
}

/// Removes a file that may not be there.
async fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "an export's file could not be removed");
    }
}

//! The engine's own tests, and a database for everybody's.

use std::time::Duration;

use futures_util::TryStreamExt;
use tempfile::TempDir;

use super::{Batch, Database, Migration, Once, Storage, StoreError, Tx, args};
use crate::clock::{Clock, Timestamp};
use crate::fault::Faults;

/// A database that is thrown away with this.
#[derive(Debug)]
pub(crate) struct TestDatabase {
    pub(crate) database: Database,
    pub(crate) storage: Storage,
    pub(crate) clock: Clock,
    folder: TempDir,
}

impl TestDatabase {
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

/// A place for databases of one test: a folder, or schemas of its own where `TEST_DATABASE_URL` says.
pub(crate) fn test_storage(folder: &TempDir) -> Storage {
    #[cfg(feature = "postgres")]
    if let Ok(url) = std::env::var("TEST_DATABASE_URL") {
        let prefix = format!("test_{}_", uuid::Uuid::now_v7().simple());
        let options = url.parse().unwrap();
        return Storage::Server(std::sync::Arc::new(super::storage::Server { options, prefix }));
    }
    let settings = super::StorageSettings { folder: Some(folder.path().to_owned()), database_url: None };
    Storage::open(&settings, folder.path()).unwrap()
}

/// A database with these tables, whose clock stands in November 2026 until it is advanced.
pub(crate) async fn test_database(migrations: &[&[Migration]]) -> TestDatabase {
    let folder = TempDir::new().unwrap();
    let storage = test_storage(&folder);
    let clock = Clock::manual(Timestamp(1_795_000_000_000));
    let database = Database::open(&storage, "test", migrations, clock.clone(), Faults::default()).await.unwrap();
    TestDatabase { database, storage, clock, folder }
}

const TALLY: &[Migration] = &[Migration {
    version: 200,
    name: "tally",
    sql: "CREATE TABLE tally (name TEXT NOT NULL PRIMARY KEY, number BIGINT NOT NULL CHECK (number >= 0));
          INSERT INTO tally (name, number) VALUES ('a', 10)",
}];

/// Takes from the tally: what all items take, in one statement.
struct Take;

impl Batch for Take {
    type Item = i64;
    type Answer = i64;
    type Rejection = StoreError;

    async fn apply(tx: &mut Tx, items: Vec<i64>) -> Result<Vec<Result<i64, StoreError>>, StoreError> {
        let row = tx.row("SELECT number FROM tally WHERE name = 'a'", Vec::new()).await?;
        let mut left = row.map_or(Ok(0), |row| row.int(0))?;
        let decide = |item: i64| {
            if item > left {
                return Err(StoreError::Value("too few".to_owned()));
            }
            left -= item;
            Ok(left)
        };
        let outcomes: Vec<_> = items.into_iter().map(decide).collect();
        tx.run("UPDATE tally SET number = $1 WHERE name = 'a'", args![left]).await?;
        tx.publish("tally.taken", "a", &left)?;
        Ok(outcomes)
    }
}

async fn number(database: &Database) -> i64 {
    database.row("SELECT number FROM tally WHERE name = $1", args!["a"]).await.unwrap().unwrap().int(0).unwrap()
}

#[tokio::test]
async fn ten_of_fifty_get_one_each() {
    let test = test_database(&[TALLY]).await;
    let takes = (0..50).map(|_| test.database.submit::<Take>(None, 1));
    let outcomes = futures_util::future::join_all(takes).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 10);
    assert_eq!(number(&test.database).await, 0);
}

#[tokio::test]
async fn a_repeated_key_gets_the_first_answer() {
    let test = test_database(&[TALLY]).await;
    let once = Once::new("me", "key", "hash");
    let both =
        futures_util::join!(test.database.submit::<Take>(Some(&once), 3), test.database.submit::<Take>(Some(&once), 3));
    assert_eq!((both.0.unwrap(), both.1.unwrap()), (7, 7));
    assert_eq!(test.database.submit::<Take>(Some(&once), 3).await.unwrap(), 7);
    let other = Once::new("me", "key", "another request");
    assert!(matches!(test.database.submit::<Take>(Some(&other), 4).await, Err(StoreError::KeyReused)));
    assert_eq!(number(&test.database).await, 7);
}

#[tokio::test]
async fn a_refusal_undoes_itself_and_nothing_else() {
    let test = test_database(&[TALLY]).await;
    let bad = test.database.write::<(), StoreError, _>(None, |tx| {
        Box::pin(async move {
            tx.run("UPDATE tally SET number = 99", Vec::new()).await?;
            tx.publish("tally.set", "a", &99)?;
            Err(StoreError::Value("changed my mind".to_owned()))
        })
    });
    let broken = test
        .database
        .write::<u64, StoreError, _>(None, |tx| Box::pin(tx.run("UPDATE tally SET number = -1", Vec::new())));
    let (bad, broken, good) = futures_util::join!(bad, broken, test.database.submit::<Take>(None, 4));
    assert!(bad.is_err() && matches!(broken, Err(StoreError::Database(_))) && good.is_ok());
    assert_eq!(number(&test.database).await, 6);
    let events = test.database.rows("SELECT kind FROM outbox", Vec::new()).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(*test.database.committed().borrow(), 1);
}

#[tokio::test]
async fn rows_stream_one_by_one() {
    let test = test_database(&[TALLY]).await;
    let names: Vec<_> = (0..1000).map(|number| (format!("n{number}"), number)).collect();
    let names = serde_json::to_string(&names).unwrap();
    let insert = "INSERT INTO tally (name, number) SELECT x.name, x.number FROM {rows $1 (name text, number int)} AS x";
    test.database.write::<_, StoreError, _>(None, move |tx| Box::pin(tx.run(insert, args![names]))).await.unwrap();
    let stream =
        test.database.stream("SELECT name, number FROM tally WHERE number >= $1 ORDER BY name", args![500_i64]);
    assert_eq!(stream.try_collect::<Vec<_>>().await.unwrap().len(), 500);
}

#[tokio::test]
async fn what_was_answered_is_there_after_reopening() {
    let test = test_database(&[TALLY]).await;
    test.database.submit::<Take>(None, 9).await.unwrap();
    let again = Database::open(&test.storage, "test", &[TALLY], test.clock.clone(), Faults::default()).await.unwrap();
    assert_eq!(number(&again).await, 1);
}

#[tokio::test]
async fn duties_belong_to_one() {
    let test = test_database(&[TALLY]).await;
    let other = Database::open(&test.storage, "test", &[TALLY], test.clock.clone(), Faults::default()).await.unwrap();
    let minute = Duration::from_secs(60);
    assert!(test.database.lease("sweep", minute).await.unwrap());
    if test.storage.path().is_none() {
        assert!(!other.lease("sweep", minute).await.unwrap());
        test.clock.advance(minute * 2);
        assert!(other.lease("sweep", minute).await.unwrap());
        assert!(!test.database.lease("sweep", minute).await.unwrap());
    }
}

#[tokio::test]
async fn a_folder_belongs_to_one() {
    let folder = TempDir::new().unwrap();
    let settings = super::StorageSettings::default();
    let first = Storage::open(&settings, folder.path()).unwrap();
    assert!(Storage::open(&settings, folder.path()).is_err());
    drop(first);
    assert!(Storage::open(&settings, folder.path()).is_ok());
}

#[tokio::test]
async fn a_copy_is_whole() {
    let test = test_database(&[TALLY]).await;
    if test.storage.path().is_some() {
        let (to, settings) = (test.folder().join("copies"), super::StorageSettings::default());
        assert_eq!(super::back_up(&settings, test.folder(), &to).await.unwrap(), 1);
        assert!(super::back_up(&settings, test.folder(), &to).await.is_err(), "the file exists");
        assert!(super::restore(&settings, test.folder(), &to).is_err(), "the folder is in use");
        let file = std::fs::read_dir(&to).unwrap().next().unwrap().unwrap().path();
        let copy = sqlx::SqlitePool::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        let number: i64 = sqlx::query_scalar("SELECT number FROM tally").fetch_one(&copy).await.unwrap();
        assert_eq!(number, 10);
    }
}

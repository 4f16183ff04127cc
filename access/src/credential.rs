//! A token to show to another server.

use std::path::PathBuf;

use moqt::Token;
use process::{Contradiction, Secret};

use crate::limit;

/// A token to show: as it stands in the settings, or in a file, which may get another one before the first ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credential {
    given: Option<Secret>,
    file: Option<PathBuf>,
}

impl Credential {
    /// From two settings, of which one at most may be there.
    ///
    /// # Errors
    /// Both are, which blames the file's.
    pub fn new(given: Option<Secret>, file: Option<PathBuf>, key_of_file: &str) -> Result<Self, Contradiction> {
        if given.is_some() && file.is_some() {
            return Err(Contradiction::new(key_of_file, "names a file although there is a token already"));
        }
        Ok(Self { given, file })
    }

    /// The token of this moment, if there is one. A file that cannot be read is logged.
    pub async fn current(&self) -> Option<Secret> {
        let Some(path) = &self.file else { return self.given.clone() };
        match tokio::fs::read_to_string(path).await {
            Ok(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()).map(Secret::from),
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "the token's file cannot be read");
                None
            }
        }
    }

    /// Waits until the file has another token than the one that was shown; for ever where there is no file. Cancel safe.
    pub async fn changed(&self, shown: Option<&Secret>) {
        if self.file.is_none() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(limit::CREDENTIAL_INTERVAL).await;
            let now = self.current().await;
            if now.is_some() && now.as_ref() != shown {
                return;
            }
        }
    }

    /// For SETUP.
    pub fn tokens(shown: Option<&Secret>) -> Vec<Token> {
        shown.map(|token| Token::agreed(token.expose().to_owned())).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_file_is_read_when_it_is_needed_and_tells_of_another_token() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), " first\n").unwrap();
        let credential = Credential::new(None, Some(file.path().to_owned()), "x").unwrap();
        let first = credential.current().await;
        assert_eq!(first.as_ref().map(Secret::expose), Some("first"));
        let changed = credential.changed(first.as_ref());
        let write = async {
            tokio::time::sleep(limit::CREDENTIAL_INTERVAL * 3).await;
            std::fs::write(file.path(), "").unwrap();
            tokio::time::sleep(limit::CREDENTIAL_INTERVAL * 3).await;
            std::fs::write(file.path(), "second").unwrap();
        };
        let began = tokio::time::Instant::now();
        tokio::join!(changed, write);
        assert!(began.elapsed() >= limit::CREDENTIAL_INTERVAL * 6, "an empty file is no other token");
        assert_eq!(credential.current().await.unwrap().expose(), "second");
        drop(file);
        assert_eq!(credential.current().await, None);
        let both = Credential::new(first, Some("x".into()), "upstream.token_file").unwrap_err();
        assert!(both.to_string().contains("upstream.token_file"));
    }
}

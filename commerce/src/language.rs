//! The four languages of the shops, and texts in them.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::header::ACCEPT_LANGUAGE;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A language that the catalogues speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    /// English: what is shown if nothing fits better.
    #[default]
    En,
    /// Finnish.
    Fi,
    /// Swedish.
    Sv,
    /// Russian.
    Ru,
}

impl Language {
    /// All of them, in the order of their display.
    pub(crate) const ALL: [Self; 4] = [Self::En, Self::Fi, Self::Sv, Self::Ru];

    /// The ISO 639-1 code.
    #[must_use]
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fi => "fi",
            Self::Sv => "sv",
            Self::Ru => "ru",
        }
    }

    /// The language of a tag such as `fi-FI`, if it is one of ours.
    #[must_use]
    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next()?.trim();
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }

    /// The best of ours for an `Accept-Language` header (RFC 9110, section 12.5.4).
    #[must_use]
    pub(crate) fn negotiate(header: &str) -> Self {
        let mut best = (0.0_f32, Self::default());
        for range in header.split(',') {
            let mut parts = range.split(';');
            let Some(language) = parts.next().and_then(Self::of_tag) else { continue };
            let weight = parts.find_map(|part| part.trim().strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }
}

impl<S: Sync> FromRequestParts<S> for Language {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let header = parts.headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Ok(header.map(Self::negotiate).unwrap_or_default())
    }
}

/// One text in several languages: `{"en": "Sofa", "fi": "Sohva"}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub(crate) struct Localized(pub BTreeMap<Language, String>);

impl Localized {
    /// The text in this language, else in English, else in any, else nothing.
    #[must_use]
    pub(crate) fn get(&self, language: Language) -> &str {
        let text = self.0.get(&language).or_else(|| self.0.get(&Language::En)).or_else(|| self.0.values().next());
        text.map_or("", String::as_str)
    }
}

impl<const N: usize> From<[(Language, &str); N]> for Localized {
    fn from(texts: [(Language, &str); N]) -> Self {
        Self(texts.into_iter().map(|(language, text)| (language, text.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Language, Localized};

    #[test]
    fn weights_decide() {
        assert_eq!(Language::negotiate("de, sv-FI;q=0.7, fi;q=0.8, en;q=0.2"), Language::Fi);
        assert_eq!(Language::negotiate("ru-RU,ru;q=0.9"), Language::Ru);
        assert_eq!(Language::negotiate("de;q=1, *;q=0.1"), Language::En);
        assert_eq!(Language::negotiate("fi;q=zero"), Language::Fi);
    }

    #[test]
    fn falls_back_to_english() {
        let sofa = Localized::from([(Language::En, "Sofa"), (Language::Fi, "Sohva")]);
        assert_eq!((sofa.get(Language::Fi), sofa.get(Language::Ru)), ("Sohva", "Sofa"));
    }
}

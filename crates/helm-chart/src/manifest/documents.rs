//! The documents of one rendered file, and the memory of what a file was in the render before.
//!
//! A text is read once: a file that renders to the same text again, as a file of CRDs does, gives
//! the documents it gave then, and a document that ends as it did then is read up to there. It
//! refuses to guess: the texts are compared, never their digests.

use std::sync::{Arc, Mutex};

use super::object::Document;
use super::split_documents;
use crate::Profile;
use crate::yaml::YamlError;

/// What a file was the last time, shared between threads. It serves one profile.
#[derive(Default)]
pub(crate) struct LastText {
    last: Mutex<Option<Last>>,
}

#[derive(Clone)]
struct Last {
    text: Arc<str>,
    documents: Documents,
}

type Read = Arc<[Arc<Document>]>;

#[derive(Clone)]
enum Documents {
    /// Those of the text.
    Of(Read),
    /// Those of a former text, until those of this one are read.
    Former(Option<Read>),
}

impl Documents {
    fn any(self) -> Option<Read> {
        match self {
            Self::Of(read) => Some(read),
            Self::Former(read) => read,
        }
    }
}

impl LastText {
    /// The text as a shared one: the one of last time if they are equal.
    pub(crate) fn share(&self, text: &str) -> Arc<str> {
        let Ok(mut last) = self.last.lock() else {
            return text.into();
        };
        if let Some(last) = last.as_ref().filter(|last| *last.text == *text) {
            return Arc::clone(&last.text);
        }
        let text = Arc::from(text);
        let former = last.take().and_then(|last| last.documents.any());
        *last = Some(Last {
            text: Arc::clone(&text),
            documents: Documents::Former(former),
        });
        text
    }

    /// The documents of a text that [`LastText::share`] gave.
    ///
    /// # Errors
    /// For the first document that cannot be read.
    pub(super) fn documents(
        &self,
        text: &Arc<str>,
        profile: Profile,
    ) -> Result<Arc<[Arc<Document>]>, YamlError> {
        let known = self.last.lock().ok().and_then(|last| last.clone());
        let former = match known {
            Some(Last {
                text: of,
                documents: Documents::Of(documents),
            }) if Arc::ptr_eq(&of, text) => return Ok(documents),
            known => known.and_then(|last| last.documents.any()),
        };
        let documents = read_documents(text, profile, former.as_deref().unwrap_or_default())?;
        if let Ok(mut last) = self.last.lock()
            && let Some(last) = last.as_mut().filter(|last| Arc::ptr_eq(&last.text, text))
        {
            last.documents = Documents::Of(Arc::clone(&documents));
        }
        Ok(documents)
    }
}

impl std::fmt::Debug for LastText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LastText").finish_non_exhaustive()
    }
}

/// Reads the documents of a file, which was read before as `former`.
pub(super) fn read_documents(
    text: &Arc<str>,
    profile: Profile,
    former: &[Arc<Document>],
) -> Result<Arc<[Arc<Document>]>, YamlError> {
    let documents = split_documents(text, profile).into_iter().enumerate();
    let documents = documents.map(|(index, document)| {
        let start = document.as_ptr().addr() - text.as_ptr().addr();
        let former = former.get(index).map(Arc::as_ref);
        Document::read(text, start..start + document.len(), former).map(Arc::new)
    });
    documents.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::LastText;
    use crate::Profile;

    #[test]
    fn an_equal_text_is_shared_and_read_once() {
        let last = LastText::default();
        let read = |text: &str| {
            let text = last.share(text);
            last.documents(&text, Profile::Helm4).unwrap()
        };
        let first = read("kind: A\n---\nkind: B\n");
        assert_eq!(first.len(), 2);
        assert!(Arc::ptr_eq(&first, &read("kind: A\n---\nkind: B\n")));
        let other = read("kind: A\n---\nkind: C\n");
        assert!(!Arc::ptr_eq(&first, &other));
        assert!(!Arc::ptr_eq(&first, &read("kind: A\n---\nkind: B\n")));
    }

    #[test]
    fn a_text_that_cannot_be_read_fails_each_time() {
        let last = LastText::default();
        for _ in 0..2 {
            let text = last.share("a: b: c");
            assert!(last.documents(&text, Profile::Helm4).is_err());
        }
    }
}

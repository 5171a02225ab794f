//! Images: whether a node could pull one, and the words of the container runtime if not.

use crate::world::State;

/// What pulling an image gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pull {
    /// It is there.
    Present,
    /// The registry answers 404.
    NotFound(String),
}

/// Asks the world's registry; registries the world does not know have every image that is not
/// known to be gone.
pub(super) fn pull(state: &State, image: &str) -> Pull {
    let (repository, tag) = split(image);
    let missing = if state.faults.missing_images.contains(image) {
        true
    } else if repository
        .split('/')
        .next()
        .is_some_and(|host| host.ends_with(".azurecr.io"))
    {
        !state.azure.has_image(&format!("{repository}:{tag}"))
    } else {
        state
            .spec
            .removed_repositories
            .iter()
            .any(|prefix| repository.starts_with(prefix))
    };
    if missing {
        Pull::NotFound(format!(
            "failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": {image}: not found"
        ))
    } else {
        Pull::Present
    }
}

/// Repository and tag; a digest counts as the tag.
fn split(image: &str) -> (&str, &str) {
    if let Some((repository, digest)) = image.split_once('@') {
        return (repository, digest);
    }
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_split_at_the_tag_not_at_a_port() {
        assert_eq!(split("a.io:5000/x"), ("a.io:5000/x", "latest"));
        assert_eq!(split("a.io:5000/x:1"), ("a.io:5000/x", "1"));
        assert_eq!(split("a/x@sha256:ab"), ("a/x", "sha256:ab"));
    }
}

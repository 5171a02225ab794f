//! File paths with slashes. The `os` functions are those of a Unix system, wherever charts are
//! rendered, so that a render does not depend on the machine.

use go_text_template::Type;

use super::arguments::{bytewise, string, text};
use super::entry::Entry;

const ONE: &[Type] = &[Type::String];

const BASE: Entry = Entry::new(
    "base",
    ONE,
    |_, args| Ok(bytewise(text(args, 0)?, |path| base(path).into()).into()),
    "The last element of the path.",
);
const DIR: Entry = Entry::new(
    "dir",
    ONE,
    |_, args| Ok(bytewise(text(args, 0)?, dir).into()),
    "All but the last element of the path.",
);
const CLEAN: Entry = Entry::new(
    "clean",
    ONE,
    |_, args| Ok(bytewise(text(args, 0)?, clean).into()),
    "The shortest equal path.",
);
const EXT: Entry = Entry::new(
    "ext",
    ONE,
    |_, args| Ok(bytewise(text(args, 0)?, |path| ext(path).into()).into()),
    "The extension with its dot.",
);
const IS_ABS: Entry = Entry::new(
    "isAbs",
    ONE,
    |_, args| Ok(string(args, 0)?.starts_with('/').into()),
    "Whether the path starts at the root.",
);

/// Path functions.
pub(super) const ENTRIES: &[Entry] = &[
    BASE,
    BASE.named("osBase"),
    DIR,
    DIR.named("osDir"),
    CLEAN,
    CLEAN.named("osClean"),
    EXT,
    EXT.named("osExt"),
    IS_ABS,
    IS_ABS.named("osIsAbs"),
];

fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        "/"
    } else {
        trimmed.rsplit('/').next().unwrap_or(trimmed)
    }
}

fn dir(path: &str) -> String {
    clean(path.rfind('/').map_or("", |at| &path[..=at]))
}

fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

fn ext(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rfind('.').map_or("", |at| &name[at..])
}

#[cfg(test)]
mod tests {
    use super::{base, clean, dir, ext};

    #[test]
    fn paths_are_taken_apart_as_in_go() {
        assert_eq!((base("/a/b/"), base(""), base("//")), ("b", ".", "/"));
        assert_eq!(
            (dir("/a/b/"), dir("a"), dir("/a")),
            ("/a/b".to_owned(), ".".to_owned(), "/".to_owned())
        );
        assert_eq!(
            (clean("a/../../b//c/."), clean("/../a"), clean("")),
            ("../b/c".to_owned(), "/a".to_owned(), ".".to_owned())
        );
        assert_eq!(
            (ext("a.b/c"), ext("x.tar.gz"), ext(".x")),
            ("", ".gz", ".x")
        );
    }
}

//! The sources of a published commit, in a git worktree.
//!
//! What it is for: an entry of `enclave-image/releases` names the commit that its binary was built
//! from, which cannot be the commit that holds the entry. A worktree checks out the first commit
//! and leaves the checkout unchanged.
//!
//! What it does not do: fetch anything. The worktree is the tree that git has under that hash.

use super::source::Source;
use crate::failure::Failure;
use std::path::{Path, PathBuf};

/// Folder of worktrees in a checkout; git ignores it.
const FOLDER: &str = "target/release-source";
/// Hexadecimal digits of a commit.
const COMMIT_DIGITS: usize = 40;

/// Returns a folder with the unchanged files of `commit`; creates it at first use and keeps it.
///
/// # Errors
/// A malformed commit hash; a commit that this clone does not have; a folder with changes.
pub fn of_commit(checkout: &Source, commit: &str, note: &dyn Fn(&str)) -> Result<PathBuf, Failure> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if commit.len() != COMMIT_DIGITS || !commit.bytes().all(is_digit) {
        return Err(Failure::check(format!("the release names a malformed commit: {commit:?}")));
    }
    let folder = checkout.folder().join(FOLDER).join(commit);
    if !folder.exists() {
        note(&format!("the sources of commit {commit}, in {}", folder.display()));
        add(checkout, commit, &folder)?;
    }
    let record = Source::find(Some(&folder))?.record();
    match record.commit == commit && !record.is_changed {
        true => Ok(folder),
        false => Err(Failure::check(format!(
            "{place} differs from commit {commit}\n  next: git worktree remove --force {place}",
            place = folder.display()
        ))),
    }
}

fn add(checkout: &Source, commit: &str, folder: &Path) -> Result<(), Failure> {
    let git = |args: &[&str]| {
        let output = checkout.tool("git").args(args).output();
        output.map_err(|error| Failure::check(format!("git: {error}")))
    };
    let is_here = git(&["cat-file", "-e", &format!("{commit}^{{commit}}")])?.status.success();
    if !is_here {
        let next = format!("next: git fetch origin {commit}");
        return Err(Failure::check(format!("this clone has no commit {commit}\n  {next}")));
    }
    // git still lists a folder that was removed by hand, and would not create it again
    git(&["worktree", "prune"])?;
    let place = folder.display().to_string();
    let added = git(&["worktree", "add", "--detach", &place, commit])?;
    match added.status.success() {
        true => Ok(()),
        false => {
            let stderr = String::from_utf8_lossy(&added.stderr);
            Err(Failure::check(format!("git worktree add {place}: {}", stderr.trim())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// A repository with two commits that looks like a checkout; the older one is given.
    fn repository() -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let git = |args: &[&str]| {
            let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
            let mut command = Command::new("git");
            command.current_dir(folder.path()).args(identity).args(args);
            for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
                command.env_remove(name);
            }
            let output = command.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        git(&["init", "--quiet"]);
        write("enclave-image/Cargo.toml", "first");
        write(".gitignore", "/target\n");
        git(&["add", "."]);
        git(&["commit", "--quiet", "-m", "first"]);
        let commit = git(&["rev-parse", "HEAD"]);
        write("enclave-image/Cargo.toml", "second");
        git(&["commit", "--quiet", "-am", "second"]);
        (folder, commit)
    }

    #[test]
    fn sources_of_an_older_commit_lie_beside_the_newer_ones() {
        let (folder, commit) = repository();
        let checkout = Source::find(Some(folder.path())).unwrap();
        let found = of_commit(&checkout, &commit, &|_| ()).unwrap();
        let text = |place: &Path| std::fs::read_to_string(place.join("enclave-image/Cargo.toml"));
        assert_eq!(text(&found).unwrap(), "first");
        assert_eq!(text(folder.path()).unwrap(), "second");
        assert!(!checkout.record().is_changed, "the checkout does not see the worktree");
        assert_eq!(of_commit(&checkout, &commit, &|_| ()).unwrap(), found, "it is kept");
        std::fs::remove_dir_all(&found).unwrap();
        assert_eq!(of_commit(&checkout, &commit, &|_| ()).unwrap(), found, "it is made again");
    }

    #[test]
    fn changed_sources_and_unknown_commits_are_refused() {
        let (folder, commit) = repository();
        let checkout = Source::find(Some(folder.path())).unwrap();
        let refused = |commit: &str| of_commit(&checkout, commit, &|_| ()).unwrap_err();
        for name in ["--orphan", "", &commit[1..], &commit.to_uppercase(), "HEAD"] {
            assert!(refused(name).text().contains("malformed commit"), "{name}");
        }
        assert!(refused(&"0".repeat(COMMIT_DIGITS)).text().contains("next: git fetch origin 00"));
        let found = of_commit(&checkout, &commit, &|_| ()).unwrap();
        std::fs::write(found.join("enclave-image/Cargo.toml"), "changed").unwrap();
        assert!(refused(&commit).text().contains("git worktree remove --force"));
    }
}

//! Where the sources of a component are.

use std::{collections::BTreeSet, path::PathBuf};

/// Where the sources of a component are, as far as manifests tell without resolving dependencies. All paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The folders of the package and of the packages that it needs by their paths, without those of its tests. Of a package
    /// outside of the workspace, it is not known what that needs.
    pub folders: BTreeSet<PathBuf>,
    /// The manifest of the workspace.
    pub manifest: PathBuf,
    /// The lock file of the workspace. Cargo creates it, and writes it where manifests have changed.
    pub lock: PathBuf,
    /// Cargo's target folder, which may be inside of the other folders.
    pub target_directory: PathBuf,
}
